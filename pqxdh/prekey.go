package pqxdh

import (
	"crypto/ed25519"
	"crypto/mlkem"
	"time"

	"golang.org/x/crypto/cryptobyte"
)

// kind says what a prekey is for; it is part of what is signed.
type kind uint8

const (
	kindSigned     kind = 1
	kindOneTime    kind = 2
	kindOneTimeKEM kind = 3
	kindLastResort kind = 4
)

func (k kind) oneTime() uint8 {
	if k == kindOneTime || k == kindOneTimeKEM {
		return 1
	}
	return 0
}

const labelPrekey = "kith v1 pqxdh prekey"

// SignedPrekey is an X25519 prekey that serves many initiators until it is
// rotated. ID names it among the owner's signed prekeys, NotAfter is in Unix
// seconds, Key is the u-coordinate, Signature the device's Ed25519 signature.
type SignedPrekey struct {
	ID        uint32
	NotAfter  int64
	Key       [keySize]byte
	Signature [signatureSize]byte
}

// OneTimePrekey is an X25519 prekey for one initiator. Fields as in [SignedPrekey].
type OneTimePrekey struct {
	ID        uint32
	NotAfter  int64
	Key       [keySize]byte
	Signature [signatureSize]byte
}

// KEMPrekey is an ML-KEM-1024 prekey: for one initiator if OneTime, else the last
// resort that serves all who find no other. Other fields as in [SignedPrekey].
type KEMPrekey struct {
	ID        uint32
	NotAfter  int64
	OneTime   bool
	Key       [mlkem.EncapsulationKeySize1024]byte
	Signature [signatureSize]byte
}

func (p *SignedPrekey) record() prekey {
	return prekey{kindSigned, p.ID, p.NotAfter, p.Key[:], p.Signature[:]}
}

func (p *OneTimePrekey) record() prekey {
	return prekey{kindOneTime, p.ID, p.NotAfter, p.Key[:], p.Signature[:]}
}

func (p *KEMPrekey) record() prekey {
	return prekey{kemKind(p.OneTime), p.ID, p.NotAfter, p.Key[:], p.Signature[:]}
}

func kemKind(oneTime bool) kind {
	if oneTime {
		return kindOneTimeKEM
	}
	return kindLastResort
}

// prekey is what the three kinds share; key and signature point into the owner.
type prekey struct {
	kind      kind
	id        uint32
	notAfter  int64
	key       []byte
	signature []byte
}

// addBody writes what is signed, except for the owner.
func (p *prekey) addBody(b *cryptobyte.Builder) {
	b.AddUint8(uint8(p.kind))
	b.AddUint32(p.id)
	b.AddUint64(uint64(p.notAfter))
	if len(p.key) == keySize {
		b.AddUint8(tagCurve)
	} else {
		b.AddUint8(tagMLKEM)
	}
	b.AddBytes(p.key)
}

func (p *prekey) add(b *cryptobyte.Builder) {
	p.addBody(b)
	b.AddBytes(p.signature)
}

// signed returns the bytes the owner's device signs: whose prekey it is, which
// kind, whether it may be used once, its name, its end and the tagged key.
func (p *prekey) signed(o *Owner) []byte {
	var b cryptobyte.Builder
	addLabel(&b, labelPrekey)
	addPrologue(&b)
	addAddress(&b, &o.Address)
	addCurveKey(&b, &o.Identity)
	b.AddUint8(p.kind.oneTime())
	p.addBody(&b)
	return b.BytesOrPanic()
}

func (p *prekey) verify(o *Owner) bool {
	return ed25519.Verify(o.Device[:], p.signed(o), p.signature)
}

func (p *prekey) expired(now time.Time, grace time.Duration) bool {
	return now.Add(-grace).Unix() > p.notAfter
}

func readPrekeyHead(s *cryptobyte.String, k *kind, id *uint32, notAfter *int64) bool {
	return s.ReadUint8((*uint8)(k)) && s.ReadUint32(id) && readNotAfter(s, notAfter)
}

func (p *SignedPrekey) read(s *cryptobyte.String) bool {
	var k kind
	return readPrekeyHead(s, &k, &p.ID, &p.NotAfter) && k == kindSigned &&
		readCurveKey(s, &p.Key) && s.CopyBytes(p.Signature[:])
}

func (p *OneTimePrekey) read(s *cryptobyte.String) bool {
	var k kind
	return readPrekeyHead(s, &k, &p.ID, &p.NotAfter) && k == kindOneTime &&
		readCurveKey(s, &p.Key) && s.CopyBytes(p.Signature[:])
}

func (p *KEMPrekey) read(s *cryptobyte.String) bool {
	var k kind
	if !readPrekeyHead(s, &k, &p.ID, &p.NotAfter) || k != kindOneTimeKEM && k != kindLastResort {
		return false
	}
	p.OneTime = k == kindOneTimeKEM
	return readKEM(s, &p.Key) && s.CopyBytes(p.Signature[:])
}
