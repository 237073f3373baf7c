package suite

import (
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/mlkem"
	"crypto/rand"
	"crypto/sha3"
	"encoding/binary"
	"hash"
	"slices"
)

// schedule is the symmetric half of HPKE in base mode (RFC 9180), beside the standard
// library's: for X448, which that does not have, and to seal many plaintexts under
// one info. A Welcome does so for every new member with all of the encrypted group
// info, of hundreds of kilobytes; hashing that anew each time would make adding n
// members cost n squared.
type schedule struct {
	kem, kdf, aeadID uint16
	hash             func() hash.Hash
	aead             func(key []byte) (cipher.AEAD, error)
	keySize          int
}

const (
	hpkeNonce  = 12
	xwingLabel = `\.//^\`
)

func (s *schedule) id() []byte {
	b := binary.BigEndian.AppendUint16([]byte("HPKE"), s.kem)
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, s.kdf), s.aeadID)
}

func labeledExtract(h func() hash.Hash, suiteID, salt []byte, label string, ikm []byte) ([]byte, error) {
	b := slices.Concat([]byte("HPKE-v1"), suiteID, []byte(label), ikm)
	return hkdf.Extract(h, b, salt)
}

func labeledExpand(h func() hash.Hash, suiteID, prk []byte, label string, info []byte, n int) ([]byte, error) {
	b := binary.BigEndian.AppendUint16(nil, uint16(n))
	return hkdf.Expand(h, prk, string(slices.Concat(b, []byte("HPKE-v1"), suiteID, []byte(label), info)), n)
}

// context returns key_schedule_context of an info.
func (s *schedule) context(info []byte) ([]byte, error) {
	pskID, err := labeledExtract(s.hash, s.id(), nil, "psk_id_hash", nil)
	if err != nil {
		return nil, err
	}
	infoHash, err := labeledExtract(s.hash, s.id(), nil, "info_hash", info)
	return slices.Concat([]byte{0}, pskID, infoHash), err
}

// keys returns the AEAD with its nonce, and the exporter secret.
func (s *schedule) keys(shared, context []byte) (a cipher.AEAD, nonce, exporter []byte, err error) {
	secret, err := labeledExtract(s.hash, s.id(), shared, "secret", nil)
	if err != nil {
		return nil, nil, nil, err
	}
	key, err := labeledExpand(s.hash, s.id(), secret, "key", context, s.keySize)
	if err != nil {
		return nil, nil, nil, err
	}
	if nonce, err = labeledExpand(s.hash, s.id(), secret, "base_nonce", context, hpkeNonce); err != nil {
		return nil, nil, nil, err
	}
	if exporter, err = labeledExpand(s.hash, s.id(), secret, "exp", context, s.hash().Size()); err != nil {
		return nil, nil, nil, err
	}
	a, err = s.aead(key)
	return a, nonce, exporter, err
}

// sealer returns a function that seals under one info.
func (s *schedule) sealer(info []byte, encapsulate func(pub []byte) (output, shared []byte, err error)) (Sealer, error) {
	context, err := s.context(info)
	if err != nil {
		return nil, err
	}
	return func(pub, plaintext []byte) (output, ciphertext []byte, err error) {
		output, shared, err := encapsulate(pub)
		if err != nil {
			return nil, nil, errKEM
		}
		a, nonce, _, err := s.keys(shared, context)
		if err != nil {
			return nil, nil, err
		}
		return output, a.Seal(nil, nonce, plaintext, nil), nil
	}, nil
}

// dhkem is ExtractAndExpand of section 4.1.
func dhkem(h func() hash.Hash, id uint16, dh, output, recipient []byte) ([]byte, error) {
	suiteID := binary.BigEndian.AppendUint16([]byte("KEM"), id)
	prk, err := labeledExtract(h, suiteID, nil, "eae_prk", dh)
	if err != nil {
		return nil, err
	}
	return labeledExpand(h, suiteID, prk, "shared_secret", slices.Concat(output, recipient), h().Size())
}

// curveEncapsulation is Encap of DHKEM on a curve of the standard library.
func curveEncapsulation(curve ecdh.Curve, h func() hash.Hash, id uint16) func(pub []byte) (output, shared []byte, err error) {
	return func(pub []byte) (output, shared []byte, err error) {
		recipient, err := curve.NewPublicKey(pub)
		if err != nil {
			return nil, nil, err
		}
		ephemeral, err := curve.GenerateKey(rand.Reader)
		if err != nil {
			return nil, nil, err
		}
		dh, err := ephemeral.ECDH(recipient)
		if err != nil {
			return nil, nil, err
		}
		output = ephemeral.PublicKey().Bytes()
		shared, err = dhkem(h, id, dh, output, pub)
		return output, shared, err
	}
}

// xwingEncapsulation is Encapsulate of X-Wing (draft-connolly-cfrg-xwing-kem).
func xwingEncapsulation(pub []byte) (output, shared []byte, err error) {
	if len(pub) != mlkem.EncapsulationKeySize768+32 {
		return nil, nil, errKEM
	}
	ek, err := mlkem.NewEncapsulationKey768(pub[:mlkem.EncapsulationKeySize768])
	if err != nil {
		return nil, nil, err
	}
	recipient, err := ecdh.X25519().NewPublicKey(pub[mlkem.EncapsulationKeySize768:])
	if err != nil {
		return nil, nil, err
	}
	ephemeral, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	dh, err := ephemeral.ECDH(recipient)
	if err != nil {
		return nil, nil, err
	}
	lattice, ciphertext := ek.Encapsulate()
	point := ephemeral.PublicKey().Bytes()
	sum := sha3.Sum256(slices.Concat(lattice, dh, point, recipient.Bytes(), []byte(xwingLabel)))
	return append(ciphertext, point...), sum[:], nil
}
