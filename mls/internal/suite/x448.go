package suite

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha512"
	"encoding/binary"

	"github.com/cloudflare/circl/dh/x448"
)

// x448KEM is HPKE base mode (RFC 9180) with DHKEM(X448, HKDF-SHA512) and
// HKDF-SHA512, which the standard library does not have.
type x448KEM struct {
	aeadID uint16
	aead   func(key []byte) (cipher.AEAD, error)
}

const (
	x448ID     = 0x0021
	kdfSHA512  = 0x0003
	x448Secret = 64
	nonceSize  = 12
)

var x448SuiteID = binary.BigEndian.AppendUint16([]byte("KEM"), x448ID)

func labeledExtract(suiteID []byte, salt []byte, label string, ikm []byte) ([]byte, error) {
	b := append([]byte("HPKE-v1"), suiteID...)
	return hkdf.Extract(sha512.New, append(append(b, label...), ikm...), salt)
}

func labeledExpand(suiteID []byte, prk []byte, label string, info []byte, n int) ([]byte, error) {
	b := binary.BigEndian.AppendUint16(nil, uint16(n))
	b = append(append(b, "HPKE-v1"...), suiteID...)
	return hkdf.Expand(sha512.New, prk, string(append(append(b, label...), info...)), n)
}

func (k *x448KEM) generate() (*PrivateKey, error) {
	var b [x448.Size]byte
	rand.Read(b[:])
	return k.private(b[:])
}

func (k *x448KEM) derive(ikm []byte) (*PrivateKey, error) {
	prk, err := labeledExtract(x448SuiteID, nil, "dkp_prk", ikm)
	if err != nil {
		return nil, err
	}
	b, err := labeledExpand(x448SuiteID, prk, "sk", nil, x448.Size)
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
	if len(pub) != x448.Size {
		return errKEM
	}
	var scalar, point, dh x448.Key
	copy(point[:], pub)
	scalar[0] = 4
	if !x448.Shared(&dh, &scalar, &point) {
		return errKEM // of low order: nobody could encrypt to it
	}
	return nil
}

// shared returns the KEM's shared secret of a Diffie-Hellman exchange.
func (k *x448KEM) shared(secret, peer, output, recipient []byte) ([]byte, error) {
	if len(secret) != x448.Size || len(peer) != x448.Size {
		return nil, errKEM
	}
	var a, b, dh x448.Key
	copy(a[:], secret)
	copy(b[:], peer)
	if !x448.Shared(&dh, &a, &b) {
		return nil, errKEM // the all-zero output of a point of low order
	}
	prk, err := labeledExtract(x448SuiteID, nil, "eae_prk", dh[:])
	if err != nil {
		return nil, err
	}
	return labeledExpand(x448SuiteID, prk, "shared_secret", append(append([]byte{}, output...), recipient...), x448Secret)
}

func (k *x448KEM) encap(pub []byte) (output, shared []byte, err error) {
	ephemeral, err := k.generate()
	if err != nil {
		return nil, nil, err
	}
	shared, err = k.shared(ephemeral.bytes, pub, ephemeral.public, pub)
	return ephemeral.public, shared, err
}

// schedule returns what RFC 9180's key schedule gives in base mode.
func (k *x448KEM) schedule(shared, info []byte) (key, nonce, exporter, id []byte, err error) {
	id = binary.BigEndian.AppendUint16([]byte("HPKE"), x448ID)
	id = binary.BigEndian.AppendUint16(id, kdfSHA512)
	id = binary.BigEndian.AppendUint16(id, k.aeadID)
	pskHash, err := labeledExtract(id, nil, "psk_id_hash", nil)
	if err != nil {
		return nil, nil, nil, nil, err
	}
	infoHash, err := labeledExtract(id, nil, "info_hash", info)
	if err != nil {
		return nil, nil, nil, nil, err
	}
	context := append(append([]byte{0}, pskHash...), infoHash...)
	secret, err := labeledExtract(id, shared, "secret", nil)
	if err != nil {
		return nil, nil, nil, nil, err
	}
	if key, err = labeledExpand(id, secret, "key", context, 32); err != nil {
		return nil, nil, nil, nil, err
	}
	if nonce, err = labeledExpand(id, secret, "base_nonce", context, nonceSize); err != nil {
		return nil, nil, nil, nil, err
	}
	exporter, err = labeledExpand(id, secret, "exp", context, sha512.Size)
	return key, nonce, exporter, id, err
}

func (k *x448KEM) seal(pub, info, plaintext []byte) (output, ciphertext []byte, err error) {
	output, shared, err := k.encap(pub)
	if err != nil {
		return nil, nil, err
	}
	key, nonce, _, _, err := k.schedule(shared, info)
	if err != nil {
		return nil, nil, err
	}
	a, err := k.aead(key)
	if err != nil {
		return nil, nil, err
	}
	return output, a.Seal(nil, nonce, plaintext, nil), nil
}

func (k *x448KEM) open(p *PrivateKey, output, info, ciphertext []byte) ([]byte, error) {
	shared, err := k.shared(p.bytes, output, output, p.public)
	if err != nil {
		return nil, errKEM
	}
	key, nonce, _, _, err := k.schedule(shared, info)
	if err != nil {
		return nil, err
	}
	a, err := k.aead(key)
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
	_, _, exporter, id, err := k.schedule(shared, nil)
	if err != nil {
		return nil, err
	}
	return labeledExpand(id, exporter, "sec", []byte(exportLabel), n)
}

func (k *x448KEM) exportTo(pub []byte, n int) (output, secret []byte, err error) {
	output, shared, err := k.encap(pub)
	if err != nil {
		return nil, nil, err
	}
	secret, err = k.export(shared, n)
	return output, secret, err
}

func (k *x448KEM) exportFrom(p *PrivateKey, output []byte, n int) ([]byte, error) {
	shared, err := k.shared(p.bytes, output, output, p.public)
	if err != nil {
		return nil, errKEM
	}
	return k.export(shared, n)
}
