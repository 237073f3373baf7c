package rendezvous

import (
	"crypto/ed25519"
	"encoding/binary"
	"time"
)

// SeedOf is the seed of a day's key.
func SeedOf(p Pair, day uint32) []byte {
	sign, _ := p.day(day)
	return sign.Seed()
}

// SealRaw makes a record of any content.
func SealRaw(p Pair, content []byte, now time.Time) []byte {
	day := dayOf(now)
	sign, key := p.day(day)
	r := binary.BigEndian.AppendUint32([]byte{version}, day)
	r = binary.BigEndian.AppendUint64(r, uint64(now.UnixMilli()))
	nonce := make([]byte, nonceSize)
	r = append(r, nonce...)
	plain := make([]byte, plainSize)
	copy(plain, content)
	r = aead(&key).Seal(r, nonce, plain, associated(p.Place(day), r[:headSize]))
	return append(r, ed25519.Sign(sign, signed(r))...)
}

// Unpack reads what was sealed.
func Unpack(plain []byte) ([]string, error) { return unpack(plain) }
