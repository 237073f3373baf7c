package ratchet_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"testing"

	"kith/ratchet"
)

// This file is a second implementation of docs/spec/ratchet.md, written for
// reading, over crypto/hmac and crypto/hkdf and without any limit. Tests use it
// to check the first, to read its states, and to make messages it never makes.

// refChain is a sending or receiving chain.
type refChain struct {
	header, chain []byte
	n             uint32
}

// refState is a session's state, section 8. Nil means absent.
type refState struct {
	root, pq, nextSend, nextRecv []byte
	private, public, peer        []byte
	send, recv                   *refChain
	pn                           uint32
	accepted                     uint64
	closed                       [][]byte
	skipped                      []refSkipped
}

type refSkipped struct {
	chain        uint8
	n            uint32
	accepted, at uint64
	key          []byte
}

type refReader struct{ b []byte }

func (r *refReader) take(n int) []byte {
	v := bytes.Clone(r.b[:n])
	r.b = r.b[n:]
	return v
}
func (r *refReader) u8() uint8   { return r.take(1)[0] }
func (r *refReader) u16() uint16 { return binary.BigEndian.Uint16(r.take(2)) }
func (r *refReader) u32() uint32 { return binary.BigEndian.Uint32(r.take(4)) }
func (r *refReader) u64() uint64 { return binary.BigEndian.Uint64(r.take(8)) }
func (r *refReader) chain() *refChain {
	return &refChain{r.take(32), r.take(32), r.u32()}
}

// parseState reads the state of a session.
func parseState(t testing.TB, s *ratchet.Session) *refState {
	t.Helper()
	r := refReader{state(t, s)}
	if v, suite := r.u8(), r.u16(); v != 1 || suite != 1 {
		t.Fatalf("state of version %d, suite %d", v, suite)
	}
	flags := r.u8()
	x := &refState{root: r.take(32), pq: r.take(32), nextSend: r.take(32), nextRecv: r.take(32)}
	if flags&1 != 0 {
		x.private, x.public = r.take(32), r.take(32)
	}
	if flags&2 != 0 {
		x.peer = r.take(32)
	}
	if flags&3 == 3 {
		x.send = r.chain()
	}
	if flags&4 != 0 {
		x.recv = r.chain()
	}
	x.pn, x.accepted = r.u32(), r.u64()
	for range r.u8() {
		x.closed = append(x.closed, r.take(32))
	}
	for range r.u16() {
		x.skipped = append(x.skipped, refSkipped{r.u8(), r.u32(), r.u64(), r.u64(), r.take(32)})
	}
	if len(r.b) != 0 {
		t.Fatalf("%d bytes after the state", len(r.b))
	}
	return x
}

// encode writes the state again, whatever it says.
func (x *refState) encode() []byte {
	b := []byte{1, 0, 1, 0}
	b = append(b, x.root...)
	b = append(b, x.pq...)
	b = append(b, x.nextSend...)
	b = append(b, x.nextRecv...)
	if x.private != nil {
		b[3] |= 1
		b = append(append(b, x.private...), x.public...)
	}
	if x.peer != nil {
		b[3] |= 2
		b = append(b, x.peer...)
	}
	for _, c := range []*refChain{x.send, x.recv} {
		if c != nil {
			b = append(append(b, c.header...), c.chain...)
			b = binary.BigEndian.AppendUint32(b, c.n)
		}
	}
	if x.recv != nil {
		b[3] |= 4
	}
	b = binary.BigEndian.AppendUint32(b, x.pn)
	b = binary.BigEndian.AppendUint64(b, x.accepted)
	b = append(b, uint8(len(x.closed)))
	for _, c := range x.closed {
		b = append(b, c...)
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(x.skipped)))
	for _, k := range x.skipped {
		b = append(b, k.chain)
		b = binary.BigEndian.AppendUint32(b, k.n)
		b = binary.BigEndian.AppendUint64(b, k.accepted)
		b = binary.BigEndian.AppendUint64(b, k.at)
		b = append(b, k.key...)
	}
	return b
}

func refMAC(key []byte, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, key)
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

func refHKDF(salt, secret []byte, label string, n int) []byte {
	b, err := hkdf.Key(sha256.New, secret, salt, label, n)
	if err != nil {
		panic(err)
	}
	return b
}

func refDH(private, public []byte) []byte {
	k, err := ecdh.X25519().NewPrivateKey(private)
	if err != nil {
		panic(err)
	}
	p, err := ecdh.X25519().NewPublicKey(public)
	if err != nil {
		panic(err)
	}
	z, err := k.ECDH(p)
	if err != nil {
		panic(err)
	}
	return z
}

// refRoot is KDF_RK_HE, section 5.
func refRoot(root, dh []byte) (newRoot, chain, header []byte) {
	b := refHKDF(root, dh, "kith v1 ratchet root", 96)
	return b[:32], b[32:64], b[64:]
}

// refHeader is what a header says, section 6. A hostile one may say anything.
type refHeader struct {
	suite uint16
	key   []byte
	pn, n uint32
	scka  []byte
}

func (h refHeader) encode() []byte {
	b := binary.BigEndian.AppendUint16(nil, h.suite)
	b = append(b, h.key...)
	b = binary.BigEndian.AppendUint32(b, h.pn)
	b = binary.BigEndian.AppendUint32(b, h.n)
	b = binary.BigEndian.AppendUint16(b, uint16(len(h.scka)))
	return append(b, h.scka...)
}

// refSealHeader is section 6.2.
func refSealHeader(version uint8, hk, plain []byte) []byte {
	keys, err := hkdf.Expand(sha256.New, hk, "kith v1 ratchet header", 64)
	if err != nil {
		panic(err)
	}
	prefix := binary.BigEndian.AppendUint16([]byte{version}, uint16(16+len(plain)))
	tag := refMAC(keys[:32], prefix, plain)[:16]
	block, err := aes.NewCipher(keys[32:])
	if err != nil {
		panic(err)
	}
	sealed := make([]byte, len(plain))
	cipher.NewCTR(block, tag).XORKeyStream(sealed, plain)
	return append(append(prefix, tag...), sealed...)
}

// refOpenHeader reverses refSealHeader for the fixed size of suite 1.
func refOpenHeader(t testing.TB, hk, msg []byte) refHeader {
	t.Helper()
	keys, err := hkdf.Expand(sha256.New, hk, "kith v1 ratchet header", 64)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(keys[32:])
	if err != nil {
		t.Fatal(err)
	}
	plain := make([]byte, 44)
	cipher.NewCTR(block, msg[3:19]).XORKeyStream(plain, msg[19:63])
	if !bytes.Equal(refMAC(keys[:32], msg[:3], plain)[:16], msg[3:19]) {
		t.Fatal("reference: header does not authenticate")
	}
	r := refReader{plain}
	return refHeader{suite: r.u16(), key: r.take(32), pn: r.u32(), n: r.u32(), scka: r.take(int(r.u16()))}
}

// refBodyKeys is section 7.1: AES key, nonce, commitment.
func refBodyKeys(pq, message []byte) (key, nonce, commitment []byte) {
	b := refHKDF(pq, message, "kith v1 ratchet message", 60)
	return b[:32], b[32:44], b[44:]
}

// refSealBody is section 7.2.
func refSealBody(sealedHeader, pq, message, plaintext, ad []byte) []byte {
	key, nonce, commitment := refBodyKeys(pq, message)
	msg := append(bytes.Clone(sealedHeader), commitment...)
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	full := binary.BigEndian.AppendUint32(nil, uint32(len(ad)))
	full = append(append(full, ad...), msg...)
	return gcm.Seal(msg, nonce, plaintext, full)
}

// messageKey returns message key n of a chain, and the chain key after it.
func (c *refChain) messageKey(n uint32) (message, after []byte) {
	after = c.chain
	for i := c.n; i <= n; i++ {
		message, after = refMAC(after, []byte{1}), refMAC(after, []byte{2})
	}
	return message, after
}

// forge makes a message the holder of a state could make: header, body and all
// in order, unless change says otherwise.
type forge struct {
	hk, message []byte
	header      refHeader
	version     uint8
	plaintext   []byte
}

// forgeNext prepares message n of the state's sending chain, as Seal would.
func (x *refState) forgeNext(n uint32) *forge {
	message, _ := x.send.messageKey(n)
	return &forge{hk: x.send.header, message: message, version: 1, plaintext: []byte("forged"),
		header: refHeader{suite: 1, key: x.public, pn: x.pn, n: n}}
}

// forgeChain prepares message n of the next sending chain with that ratchet key,
// as if the state's owner had stepped.
func (x *refState) forgeChain(private []byte, n uint32) *forge {
	k, err := ecdh.X25519().NewPrivateKey(private)
	if err != nil {
		panic(err)
	}
	_, chain, _ := refRoot(x.root, refDH(private, x.peer))
	message, _ := (&refChain{chain: chain}).messageKey(n)
	return &forge{hk: x.nextSend, message: message, version: 1, plaintext: []byte("forged"),
		header: refHeader{suite: 1, key: k.PublicKey().Bytes(), n: n}}
}

// forgeAgainst prepares message n of the next chain the state would receive, with
// any ratchet key: it knows the receiver's own private key, so that nothing but
// the check under test can stop the message.
func (x *refState) forgeAgainst(key []byte, n uint32) *forge {
	_, chain, _ := refRoot(x.root, refDH(x.private, key))
	message, _ := (&refChain{chain: chain}).messageKey(n)
	return &forge{hk: x.nextRecv, message: message, version: 1, plaintext: []byte("forged"),
		header: refHeader{suite: 1, key: key, n: n}}
}

func (f *forge) seal(pq []byte) []byte {
	return refSealBody(refSealHeader(f.version, f.hk, f.header.encode()), pq, f.message, f.plaintext, ad)
}

// TestRatchet_R24_referenceAgrees plays a conversation in which every message
// and every state is computed a second time from the specification.
func TestRatchet_R24_referenceAgrees(t *testing.T) {
	alice, bob := newPair(t)
	sides := [2]**ratchet.Session{&alice, &bob}
	for round := range 6 {
		from, to := sides[round%2], sides[(round+1)%2]
		for i := range 3 {
			before := parseState(t, *from)
			text := string(bytes.Repeat([]byte{'x'}, 10*i))
			msg := seal(t, from, text)
			after := parseState(t, *from)
			checkSeal(t, before, after, msg, text)
			recvBefore := parseState(t, *to)
			open(t, to, msg, text)
			checkOpen(t, recvBefore, parseState(t, *to), after)
		}
	}
}

func checkSeal(t *testing.T, before, after *refState, msg []byte, text string) {
	t.Helper()
	send := before.send
	want := *before
	if send == nil {
		send = &refChain{header: before.nextSend}
		want.private, want.public = after.private, after.public
		want.root, send.chain, want.nextSend = refRoot(before.root, refDH(after.private, before.peer))
	}
	message, chain := send.messageKey(send.n)
	h := refHeader{suite: 1, key: after.public, pn: before.pn, n: send.n}
	ref := refSealBody(refSealHeader(1, send.header, h.encode()), before.pq, message, []byte(text), ad)
	if !bytes.Equal(ref, msg) {
		t.Fatalf("message differs from the reference")
	}
	want.send = &refChain{send.header, chain, send.n + 1}
	if !bytes.Equal(want.encode(), after.encode()) {
		t.Fatal("state after Seal differs from the reference")
	}
}

func checkOpen(t *testing.T, before, after, sender *refState) {
	t.Helper()
	want := *before
	want.accepted++
	recv := before.recv
	if !bytes.Equal(before.peer, sender.public) {
		recv = &refChain{header: before.nextRecv}
		want.root, recv.chain, want.nextRecv = refRoot(before.root, refDH(before.private, sender.public))
		if before.send != nil {
			want.pn = before.send.n
		}
		want.private, want.public, want.send, want.peer = nil, nil, nil, sender.public
	}
	_, chain := recv.messageKey(recv.n)
	want.recv = &refChain{recv.header, chain, recv.n + 1}
	if !bytes.Equal(want.encode(), after.encode()) {
		t.Fatal("state after Open differs from the reference")
	}
}

// sealWithCommitment is refSealBody with a commitment of one's choice, bound by
// the ciphertext as the true one would be.
func sealWithCommitment(sealedHeader, pq, message, commitment []byte) []byte {
	key, nonce, _ := refBodyKeys(pq, message)
	msg := append(bytes.Clone(sealedHeader), commitment...)
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	full := binary.BigEndian.AppendUint32(nil, uint32(len(ad)))
	full = append(append(full, ad...), msg...)
	return gcm.Seal(msg, nonce, []byte("text"), full)
}
