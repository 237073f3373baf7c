package rendezvous

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
)

// Labels of docs/spec/rendezvous.md sections 3 and 4.
const (
	labelPair   = "kith v1 rendezvous pair"
	labelDay    = "kith v1 rendezvous day"
	labelRecord = "kith v1 rendezvous record"
)

const version = 1

const dayMillis = 24 * 3600 * 1000

// ErrForged reports a record that is not one of its place and day: malformed,
// signed by another, or out of its time. Whoever made it is at fault.
var ErrForged = errors.New("rendezvous: not a record of this place")

// Pair is the secret of an ordered pair of devices: the first writes where it
// is, the second reads it. Whoever has it can do both. RV-01.
type Pair [32]byte

// NewPair derives the secret of writer and reader, Ed25519 public keys, from
// the root of a stream of boxes that the writer told the reader.
func NewPair(root, writer, reader [32]byte) Pair {
	b, err := hkdf.Key(sha256.New, root[:], nil, labelPair+string(writer[:])+string(reader[:]), 32)
	if err != nil {
		panic("rendezvous: hkdf: " + err.Error()) // never: the length is fixed
	}
	defer clear(b)
	return Pair(b)
}

// day gives the keys of a day: the seed of the one that signs, whose public
// half is the place, and the one that seals. RV-02.
func (p Pair) day(n uint32) (sign ed25519.PrivateKey, seal [32]byte) {
	b, err := hkdf.Expand(sha256.New, p[:], string(binary.BigEndian.AppendUint32([]byte(labelDay), n)), 64)
	if err != nil {
		panic("rendezvous: hkdf: " + err.Error()) // never: the length is fixed
	}
	defer clear(b)
	return ed25519.NewKeyFromSeed(b[:32]), [32]byte(b[32:])
}

// Place returns where the writer's record of a day lies: an Ed25519 public key.
func (p Pair) Place(day uint32) [32]byte {
	sign, seal := p.day(day)
	defer clear(sign)
	defer clear(seal[:])
	return [32]byte(sign[ed25519.SeedSize:])
}

// Days returns the days, counted from 1970 in UTC, whose places a reader looks
// at, in this order: today, yesterday, tomorrow. RV-03.
func Days(now time.Time) [3]uint32 {
	today := dayOf(now)
	return [3]uint32{today, today - 1, today + 1}
}

func dayOf(now time.Time) uint32 { return uint32(max(now.UnixMilli(), dayMillis) / dayMillis) }

// Seal makes the record of now's day and names its place. Of the addresses,
// the best first, those from the front are taken that fit; what is no address
// is passed over: empty, beyond [MaxAddr], or not printable ASCII.
func (p Pair) Seal(addrs []string, now time.Time) (place [32]byte, record []byte) {
	day := dayOf(now)
	sign, key := p.day(day)
	defer clear(sign)
	defer clear(key[:])
	place = [32]byte(sign[ed25519.SeedSize:])
	record = make([]byte, 0, Size)
	record = append(record, version)
	record = binary.BigEndian.AppendUint32(record, day)
	record = binary.BigEndian.AppendUint64(record, uint64(max(now.UnixMilli(), dayMillis)))
	var nonce [nonceSize]byte
	rand.Read(nonce[:])
	record = append(record, nonce[:]...)
	plain := pack(addrs)
	defer clear(plain)
	record = aead(&key).Seal(record, nonce[:], plain, associated(place, record[:headSize]))
	return place, append(record, ed25519.Sign(sign, signed(record))...)
}

// Open reads the record of a day. It fails with [ErrForged].
func (p Pair) Open(day uint32, record []byte) (addrs []string, made time.Time, err error) {
	sign, key := p.day(day)
	defer clear(sign)
	defer clear(key[:])
	place := [32]byte(sign[ed25519.SeedSize:])
	h, err := verify(place, record)
	if err != nil || h.day != day {
		return nil, time.Time{}, ErrForged
	}
	nonce, sealed := record[headSize:headSize+nonceSize], record[headSize+nonceSize:Size-sigSize]
	plain, err := aead(&key).Open(nil, nonce, sealed, associated(place, record[:headSize]))
	if err != nil {
		return nil, time.Time{}, ErrForged
	}
	defer clear(plain)
	if addrs, err = unpack(plain); err != nil {
		return nil, time.Time{}, err
	}
	return addrs, time.UnixMilli(h.made), nil
}

// Check reports, with [ErrForged], what is no record of this place, or of a day
// more than [Drift] from now's. It needs no secret. RV-06.
func Check(place [32]byte, record []byte, now time.Time) error {
	h, err := verify(place, record)
	if err != nil {
		return err
	}
	today := int64(dayOf(now))
	if d := int64(h.day) - today; d < -Drift || d > Drift {
		return ErrForged
	}
	return nil
}

// Newest returns which of several records, all of one place and checked, was
// made last; of two made at once the one whose bytes are greater. RV-07.
func Newest(records [][]byte) (int, error) {
	best, bestMade := -1, int64(0)
	for i, r := range records {
		h, err := parseHead(r)
		if err != nil {
			continue
		}
		if best < 0 || h.made > bestMade || h.made == bestMade && bytes.Compare(r, records[best]) > 0 {
			best, bestMade = i, h.made
		}
	}
	if best < 0 {
		return 0, ErrForged
	}
	return best, nil
}

// head is what of a record everybody can read.
type head struct {
	day  uint32
	made int64 // milliseconds since 1970
}

func parseHead(record []byte) (h head, err error) {
	var v uint8
	var made uint64
	s := cryptobyte.String(record)
	if len(record) != Size || !s.ReadUint8(&v) || v != version || !s.ReadUint32(&h.day) || !s.ReadUint64(&made) ||
		h.day == 0 || made/dayMillis != uint64(h.day) {
		return h, ErrForged
	}
	h.made = int64(made)
	return h, nil
}

func verify(place [32]byte, record []byte) (head, error) {
	h, err := parseHead(record)
	if err != nil {
		return h, err
	}
	if !ed25519.Verify(place[:], signed(record[:Size-sigSize]), record[Size-sigSize:]) {
		return h, ErrForged
	}
	return h, nil
}

// signed is what the signature is over. RV-05.
func signed(body []byte) []byte { return append([]byte(labelRecord), body...) }

// associated is what the seal is bound to. RV-04.
func associated(place [32]byte, head []byte) []byte { return append(place[:], head...) }

func aead(key *[32]byte) cipher.AEAD {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic("rendezvous: aes: " + err.Error()) // never: the length is fixed
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic("rendezvous: gcm: " + err.Error()) // never: AES has blocks of 16 bytes
	}
	return gcm
}

// pack writes as many addresses as fit, padded with zeros.
func pack(addrs []string) []byte {
	plain := make([]byte, 1, plainSize)
	for _, a := range addrs {
		if !plausible(a) || len(plain)+1+len(a) > plainSize || plain[0] == MaxAddrs {
			continue
		}
		plain[0]++
		plain = append(append(plain, byte(len(a))), a...)
	}
	return plain[:plainSize]
}

func unpack(plain []byte) ([]string, error) {
	s := cryptobyte.String(plain)
	var count uint8
	if !s.ReadUint8(&count) || count > MaxAddrs {
		return nil, fmt.Errorf("%w: %d addresses", ErrForged, count)
	}
	addrs := make([]string, 0, count)
	for range count {
		var a cryptobyte.String
		if !s.ReadUint8LengthPrefixed(&a) || !plausible(string(a)) {
			return nil, ErrForged
		}
		addrs = append(addrs, string(a))
	}
	for _, b := range s {
		if b != 0 {
			return nil, ErrForged
		}
	}
	return addrs, nil
}

func plausible(addr string) bool {
	for i := range len(addr) {
		if addr[i] <= ' ' || addr[i] > '~' {
			return false
		}
	}
	return len(addr) >= 1 && len(addr) <= MaxAddr
}
