package braid

import (
	"encoding/binary"

	"kith/ratchet/internal/kdf"
)

// authenticator is the Braid's: a chain of keys fed by every epoch's secret, so
// that whoever did not follow the session cannot slip in a key of his own.
type authenticator struct{ root, mac kdf.Key }

func (a *authenticator) update(p *Profile, epoch uint64, key *kdf.Key) {
	var ikm, out [2 * kdf.Size]byte
	copy(ikm[:], a.root[:])
	copy(ikm[kdf.Size:], key[:])
	kdf.DeriveAt(out[:], new(kdf.Key), ikm[:], p.Update, epoch)
	copy(a.root[:], out[:])
	copy(a.mac[:], out[kdf.Size:])
	clear(ikm[:])
	clear(out[:])
}

func (a *authenticator) header(p *Profile, epoch uint64, header []byte) kdf.Key {
	return kdf.LongMAC(&a.mac, at(p.HeaderMAC, epoch), header)
}

func (a *authenticator) ciphertext(p *Profile, epoch uint64, ct1, ct2 []byte) kdf.Key {
	return kdf.LongMAC(&a.mac, at(p.CiphertextMAC, epoch), ct1, ct2)
}

func at(label string, epoch uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte(label), epoch)
}
