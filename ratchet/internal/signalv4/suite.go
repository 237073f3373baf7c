package signalv4

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"math"

	"kith/ratchet/internal/braid"
	"kith/ratchet/internal/kdf"
	"kith/ratchet/internal/skipped"
	"kith/ratchet/internal/spqr"
	"kith/ratchet/internal/triple"
)

// The bounds that libsignal has.
const (
	// MaxJump is how many messages of a chain of the Double Ratchet may be skipped
	// at once.
	MaxJump = 25000
	// MaxPQJump is the same for SPQR. libsignal has the same number there, but counts
	// the message itself, too: what it refuses first is this limit.
	MaxPQJump = MaxJump - 1
	// MaxSkipped is how many skipped keys are kept.
	MaxSkipped = 2000
	// MaxChains is how many receiving chains are known.
	MaxChains = 5
)

const suiteID = 0x5344

const (
	labelRoot    = "WhisperRatchet"
	labelMessage = "WhisperMessageKeys"
)

var rules = skipped.Rules{Stored: MaxSkipped, Messages: math.MaxUint64, Age: math.MaxInt64}

var limits = triple.Limits{MaxSkip: MaxJump, Chains: MaxChains, Rules: rules}

var forced = spqr.Profile{
	Braid: braid.Profile{
		Secret:        "Signal_PQCKA_V1_MLKEM768:SCKA Key",
		Update:        "Signal_PQCKA_V1_MLKEM768:Authenticator Update",
		HeaderMAC:     "Signal_PQCKA_V1_MLKEM768:ekheader",
		CiphertextMAC: "Signal_PQCKA_V1_MLKEM768:ciphertext",
		Chunks:        1,
	},
	Start:   "Signal PQ Ratchet V1 Chain  Start", // two spaces
	Add:     "Signal PQ Ratchet V1 Chain Add Epoch",
	Next:    "Signal PQ Ratchet V1 Chain Next",
	MaxJump: MaxPQJump,
	Rules:   rules,
}

// negotiable also takes messages without a key of the post-quantum ratchet: those
// of a peer who does not know yet that we have one.
var negotiable = func() spqr.Profile {
	p := forced
	p.Keyless = true
	return p
}()

// Suite is the engine's view of one session: libsignal authenticates messages by
// the identities of both sides.
type Suite struct {
	Self, Peer PublicKey
	// Negotiable says whether the peer may be one who negotiates SPQR, as
	// libsignal did before version 0.92, or one who does not have it at all.
	Negotiable bool
	// WithoutPQ makes us one who does not have SPQR, to see who refuses that.
	// What the peer sends is then read as if it were negotiable.
	WithoutPQ bool
}

var _ triple.Suite = (*Suite)(nil)

// ID is the number of the suite in a stored session.
func (*Suite) ID() uint16 { return suiteID }

// Limits are libsignal's.
func (*Suite) Limits() *triple.Limits { return &limits }

// SPQR is the profile of the post-quantum ratchet.
func (s *Suite) SPQR() *spqr.Profile {
	if s.Negotiable || s.WithoutPQ {
		return &negotiable
	}
	return &forced
}

// Root is KDF_RK.
func (*Suite) Root(root, dh *kdf.Key) (chain, nextHeader kdf.Key) {
	var out [2 * kdf.Size]byte
	kdf.Derive(out[:], root, dh[:], labelRoot)
	copy(root[:], out[:])
	copy(chain[:], out[kdf.Size:])
	clear(out[:])
	return chain, kdf.Key{}
}

// HeaderKey is the ratchet key itself: headers are in the clear.
func (*Suite) HeaderKey(_, ratchetKey *kdf.Key) kdf.Key { return *ratchetKey }

// Locate reads the header of a SignalMessage and finds its chain.
func (s *Suite) Locate(msg []byte, chains *triple.Chains, h *triple.Header) (triple.Place, bool) {
	m, _, _, err := ParseMessage(msg)
	if err != nil || !s.readPQ(m.PQRatchet, &h.PQ) {
		return 0, false
	}
	h.Key, h.N = kdf.Key(m.RatchetKey), m.Counter
	h.PN = m.PreviousCounter
	if chains.Current != nil {
		// libsignal writes the number of the chain's last message, not of how many
		// it had; that it had one is certain but for the first chain.
		h.PN++
	}
	if chains.Current != nil && *chains.Current == h.Key {
		return triple.Current, true
	}
	for i := range chains.Closed {
		if chains.Closed[i].Header == h.Key {
			return triple.Place(i + 1), true
		}
	}
	return triple.Next, chains.Next != nil
}

// readPQ reads an SPQR message. A negotiable session also takes none at all.
func (s *Suite) readPQ(b []byte, h *spqr.Header) bool {
	if len(b) == 0 && (s.Negotiable || s.WithoutPQ) {
		*h = spqr.Header{Message: braid.Message{Epoch: 1}}
		return true
	}
	m, err := ParsePQMessage(b)
	if err != nil {
		return false
	}
	h.Epoch, h.Type, h.N = m.Epoch, braid.Type(m.Type), m.Index
	if m.Type.hasChunk() {
		h.First, h.Count = m.ChunkIndex, 1
		copy(h.Chunks[:], m.Chunk[:])
	}
	return true
}

func pqMessage(h *spqr.Header) []byte {
	m := PQMessage{Epoch: h.Epoch, Index: h.N, Type: PQType(h.Type), ChunkIndex: h.First}
	copy(m.Chunk[:], h.Chunks[:h.Count*chunkSize])
	return m.Append(nil)
}

// Fits takes associated data that is the addresses of both sides, or nothing.
func (*Suite) Fits(plaintext, ad int) bool {
	return plaintext <= MaxMessageSize/2 && (ad == 0 || ad == addressesSize)
}

// Seal makes a SignalMessage. The associated data becomes its field of addresses.
func (s *Suite) Seal(_ *kdf.Key, h *triple.Header, ec, pq *kdf.Key, plaintext, ad []byte) []byte {
	pqRatchet := pqMessage(&h.PQ)
	if s.WithoutPQ {
		pq, pqRatchet = new(kdf.Key), nil
	}
	keys := expand(ec, pq)
	defer clear(keys[:])
	m := Message{
		RatchetKey: PublicKey(h.Key), Counter: h.N, PreviousCounter: max(h.PN, 1) - 1,
		Ciphertext: keys.encrypt(plaintext), PQRatchet: pqRatchet, Addresses: ad,
	}
	signed := m.Append(nil)
	mac := keys.mac(&s.Self, &s.Peer, signed)
	return append(signed, mac[:]...)
}

// Open reverses Seal. The addresses are checked if they are there.
func (s *Suite) Open(msg []byte, h *triple.Header, ec, pq *kdf.Key, ad []byte) ([]byte, bool) {
	m, signed, mac, err := ParseMessage(msg)
	if err != nil {
		return nil, false
	}
	keys := expand(ec, pq)
	defer clear(keys[:])
	want := keys.mac(&s.Peer, &s.Self, signed)
	if subtle.ConstantTimeCompare(mac, want[:]) != 1 ||
		len(m.Addresses) > 0 && subtle.ConstantTimeCompare(m.Addresses, ad) != 1 {
		return nil, false
	}
	return keys.decrypt(m.Ciphertext)
}

// messageKeys are cipher key, authentication key and initial vector.
type messageKeys [2*keySize + aes.BlockSize]byte

func expand(ec, pq *kdf.Key) (k messageKeys) {
	kdf.Derive(k[:], pq, ec[:], labelMessage) // a zero salt is none
	return k
}

func (k *messageKeys) mac(sender, receiver *PublicKey, signed []byte) (mac [macSize]byte) {
	key := kdf.Key(k[keySize : 2*keySize])
	full := kdf.LongMAC(&key, sender.Append(nil), receiver.Append(nil), signed)
	copy(mac[:], full[:])
	return mac
}

func (k *messageKeys) block() cipher.Block {
	b, err := aes.NewCipher(k[:keySize])
	if err != nil {
		panic("signalv4: 32 bytes refused as an AES key: " + err.Error())
	}
	return b
}

func (k *messageKeys) encrypt(plaintext []byte) []byte {
	pad := aes.BlockSize - len(plaintext)%aes.BlockSize
	b := make([]byte, len(plaintext)+pad)
	copy(b, plaintext)
	for i := len(plaintext); i < len(b); i++ {
		b[i] = byte(pad)
	}
	cipher.NewCBCEncrypter(k.block(), k[2*keySize:]).CryptBlocks(b, b)
	return b
}

// decrypt comes after the authentication code was checked, so its time may tell
// whether the padding is right.
func (k *messageKeys) decrypt(ciphertext []byte) ([]byte, bool) {
	if len(ciphertext) == 0 || len(ciphertext)%aes.BlockSize != 0 {
		return nil, false
	}
	b := make([]byte, len(ciphertext))
	cipher.NewCBCDecrypter(k.block(), k[2*keySize:]).CryptBlocks(b, ciphertext)
	pad := int(b[len(b)-1])
	if pad == 0 || pad > aes.BlockSize {
		return nil, false
	}
	for _, v := range b[len(b)-pad:] {
		if int(v) != pad {
			return nil, false
		}
	}
	return b[:len(b)-pad], true
}
