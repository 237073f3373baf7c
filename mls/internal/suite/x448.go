package suite

import (
	"crypto/rand"
	"crypto/sha512"
	"encoding/binary"

	"github.com/cloudflare/circl/dh/x448"
)

// x448KEM is HPKE with DHKEM(X448, HKDF-SHA512), which the standard library does
// not have.
type x448KEM struct{ schedule *schedule }

const x448ID = 0x0021

var x448SuiteID = binary.BigEndian.AppendUint16([]byte("KEM"), x448ID)

func (k *x448KEM) generate() (*PrivateKey, error) {
	var b [x448.Size]byte
	rand.Read(b[:])
	return k.private(b[:])
}

func (k *x448KEM) derive(ikm []byte) (*PrivateKey, error) {
	prk, err := labeledExtract(sha512.New, x448SuiteID, nil, "dkp_prk", ikm)
	if err != nil {
		return nil, err
	}
	b, err := labeledExpand(sha512.New, x448SuiteID, prk, "sk", nil, x448.Size)
	if err != nil {
		return nil, err
	}
	return k.private(b)
}

func (k *x448KEM) private(b []byte) (*PrivateKey, error) {
	if len(b) != x448.Size {
		return nil, errKEM
	}
	var secret, public x448.Key
	copy(secret[:], b)
	x448.KeyGen(&public, &secret)
	return &PrivateKey{bytes: secret[:], public: public[:]}, nil
}

func (k *x448KEM) checkPublic(pub []byte) error {
	scalar := [x448.Size]byte{4}
	_, err := k.exchange(scalar[:], pub)
	return err // of a point of low order, which nobody could encrypt to
}

func (k *x448KEM) exchange(secret, peer []byte) ([]byte, error) {
	if len(secret) != x448.Size || len(peer) != x448.Size {
		return nil, errKEM
	}
	var a, b, dh x448.Key
	copy(a[:], secret)
	copy(b[:], peer)
	if !x448.Shared(&dh, &a, &b) {
		return nil, errKEM
	}
	return dh[:], nil
}

func (k *x448KEM) encapsulate(pub []byte) (output, shared []byte, err error) {
	ephemeral, err := k.generate()
	if err != nil {
		return nil, nil, err
	}
	dh, err := k.exchange(ephemeral.bytes, pub)
	if err != nil {
		return nil, nil, err
	}
	shared, err = dhkem(sha512.New, x448ID, dh, ephemeral.public, pub)
	return ephemeral.public, shared, err
}

func (k *x448KEM) decapsulate(p *PrivateKey, output []byte) ([]byte, error) {
	if p == nil {
		return nil, errKEM
	}
	dh, err := k.exchange(p.bytes, output)
	if err != nil {
		return nil, err
	}
	return dhkem(sha512.New, x448ID, dh, output, p.public)
}

func (k *x448KEM) sealer(info []byte) (Sealer, error) {
	return k.schedule.sealer(info, k.encapsulate)
}

func (k *x448KEM) seal(pub, info, plaintext []byte) (output, ciphertext []byte, err error) {
	seal, err := k.sealer(info)
	if err != nil {
		return nil, nil, err
	}
	return seal(pub, plaintext)
}

func (k *x448KEM) open(p *PrivateKey, output, info, ciphertext []byte) ([]byte, error) {
	shared, err := k.decapsulate(p, output)
	if err != nil {
		return nil, err
	}
	context, err := k.schedule.context(info)
	if err != nil {
		return nil, err
	}
	a, nonce, _, err := k.schedule.keys(shared, context)
	if err != nil {
		return nil, err
	}
	plaintext, err := a.Open(nil, nonce, ciphertext, nil)
	if err != nil {
		return nil, errKEM
	}
	return plaintext, nil
}

func (k *x448KEM) export(shared []byte, n int) ([]byte, error) {
	context, err := k.schedule.context(nil)
	if err != nil {
		return nil, err
	}
	_, _, exporter, err := k.schedule.keys(shared, context)
	if err != nil {
		return nil, err
	}
	return labeledExpand(sha512.New, k.schedule.id(), exporter, "sec", []byte(exportLabel), n)
}

func (k *x448KEM) exportTo(pub []byte, n int) (output, secret []byte, err error) {
	output, shared, err := k.encapsulate(pub)
	if err != nil {
		return nil, nil, err
	}
	secret, err = k.export(shared, n)
	return output, secret, err
}

func (k *x448KEM) exportFrom(p *PrivateKey, output []byte, n int) ([]byte, error) {
	shared, err := k.decapsulate(p, output)
	if err != nil {
		return nil, err
	}
	return k.export(shared, n)
}
