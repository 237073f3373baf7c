package pqxdh

import (
	"crypto/mlkem"
	"crypto/sha256"
	"time"

	"golang.org/x/crypto/cryptobyte"
)

const labelBundle = "kith v1 pqxdh bundle"

// Bundle is what a device publishes so that others can start a session with it:
// who it is, a signed prekey, a KEM prekey and, if one is left, a one-time prekey.
// Without the last, forward secrecy of the first messages depends on the signed
// prekey's rotation.
type Bundle struct {
	Owner    Address
	Identity [keySize]byte // X25519 identity key
	Signed   SignedPrekey
	OneTime  *OneTimePrekey // nil if none is left
	KEM      KEMPrekey
}

// NewBundle puts the public halves together. oneTime may be nil.
func NewBundle(owner Owner, signed *PrivateSignedPrekey, oneTime *PrivateOneTimePrekey, kem *PrivateKEMPrekey) *Bundle {
	b := &Bundle{Owner: owner.Address, Identity: owner.Identity, Signed: signed.Public, KEM: kem.Public}
	if oneTime != nil {
		b.OneTime = new(oneTime.Public)
	}
	return b
}

// AppendBinary appends the encoding, [BundleSize] or [MaxBundle] bytes. It does
// not check the bundle.
func (b *Bundle) AppendBinary(dst []byte) ([]byte, error) {
	w := cryptobyte.NewBuilder(dst)
	addPrologue(w)
	addAddress(w, &b.Owner)
	addCurveKey(w, &b.Identity)
	signed := b.Signed.record()
	signed.add(w)
	if b.OneTime == nil {
		w.AddUint8(0)
	} else {
		w.AddUint8(1)
		oneTime := b.OneTime.record()
		oneTime.add(w)
	}
	kem := b.KEM.record()
	kem.add(w)
	return w.Bytes()
}

// ParseBundle reads exactly what [Bundle.AppendBinary] writes; anything else is
// [ErrMalformed]. It does not look at signatures: call [Bundle.Verify].
func ParseBundle(p []byte) (*Bundle, error) {
	s := cryptobyte.String(p)
	b := new(Bundle)
	var has uint8
	if !readPrologue(&s) || !readAddress(&s, &b.Owner) || !readCurveKey(&s, &b.Identity) ||
		!b.Signed.read(&s) || !s.ReadUint8(&has) || has > 1 {
		return nil, ErrMalformed
	}
	if has == 1 {
		b.OneTime = new(OneTimePrekey)
		if !b.OneTime.read(&s) {
			return nil, ErrMalformed
		}
	}
	if !b.KEM.read(&s) || !s.Empty() {
		return nil, ErrMalformed
	}
	return b, nil
}

// Hash names the bundle: SHA-256 over a label and the encoding.
func (b *Bundle) Hash() [sha256.Size]byte {
	var w cryptobyte.Builder
	addLabel(&w, labelBundle)
	p, err := b.AppendBinary(w.BytesOrPanic())
	if err != nil {
		panic("pqxdh: a bundle of fixed size failed to encode: " + err.Error())
	}
	return sha256.Sum256(p)
}

// Verify checks the device's key, all signatures, then all other keys, then that no
// prekey is expired at now. [ErrRefused] means the first three, [ErrExpired] the last. It does
// not know whether the account certified this device and identity key.
func (b *Bundle) Verify(now time.Time) error {
	_, err := b.verify(now)
	return err
}

func (b *Bundle) verify(now time.Time) (*mlkem.EncapsulationKey1024, error) {
	owner := Owner{b.Owner, b.Identity}
	prekeys := []prekey{b.Signed.record(), b.KEM.record()}
	keys := []*[keySize]byte{&b.Identity, &b.Signed.Key}
	if b.OneTime != nil {
		prekeys = append(prekeys, b.OneTime.record())
		keys = append(keys, &b.OneTime.Key)
	}
	if err := checkDeviceKey(&b.Owner.Device); err != nil {
		return nil, err
	}
	for _, p := range prekeys {
		if !validNotAfter(p.notAfter) || !p.verify(&owner) {
			return nil, ErrRefused
		}
	}
	for _, k := range keys {
		if err := checkCurveKey(k); err != nil {
			return nil, err
		}
	}
	ek, err := mlkem.NewEncapsulationKey1024(b.KEM.Key[:])
	if err != nil {
		return nil, ErrRefused
	}
	for _, p := range prekeys {
		if p.expired(now, 0) {
			return nil, ErrExpired
		}
	}
	return ek, nil
}
