package pqxdh

import (
	"crypto/mlkem"
	"crypto/sha256"

	"golang.org/x/crypto/cryptobyte"
)

const labelInitial = "kith v1 pqxdh initial"

// The flags of an initial; unknown ones are refused.
const (
	flagOneTime    = 1 << 0 // a one-time X25519 prekey was used
	flagPSK        = 1 << 1 // an invite's secret was mixed in
	flagOneTimeKEM = 1 << 2 // the KEM prekey is a one-time one
	allFlags       = flagOneTime | flagPSK | flagOneTimeKEM
)

// Initial is what the initiator sends with the first message, so that the owner
// of the bundle can compute the same secrets. None of it is secret, but it
// names both devices' keys: carry it inside an encrypted envelope.
type Initial struct {
	Sender     Address
	Identity   [keySize]byte // initiator's X25519 identity key
	Ephemeral  [keySize]byte
	Ciphertext [mlkem.CiphertextSize1024]byte
	SignedID   uint32
	KEMID      uint32
	OneTimeKEM bool   // KEMID names a one-time prekey, else a last resort
	HasOneTime bool   // a one-time X25519 prekey was used
	OneTimeID  uint32 // only if HasOneTime, else 0
	PSK        bool   // an invite's secret was used
}

func (in *Initial) flags() (f uint8) {
	if in.HasOneTime {
		f |= flagOneTime
	}
	if in.PSK {
		f |= flagPSK
	}
	if in.OneTimeKEM {
		f |= flagOneTimeKEM
	}
	return f
}

// AppendBinary appends the encoding, [InitialSize] or [MaxInitial] bytes.
func (in *Initial) AppendBinary(dst []byte) ([]byte, error) {
	w := cryptobyte.NewBuilder(dst)
	addPrologue(w)
	w.AddUint8(in.flags())
	addAddress(w, &in.Sender)
	addCurveKey(w, &in.Identity)
	addCurveKey(w, &in.Ephemeral)
	w.AddUint32(in.SignedID)
	if in.HasOneTime {
		w.AddUint32(in.OneTimeID)
	}
	w.AddUint32(in.KEMID)
	addKEM(w, &in.Ciphertext)
	return w.Bytes()
}

// ParseInitial reads exactly what [Initial.AppendBinary] writes; anything else is
// [ErrMalformed].
func ParseInitial(p []byte) (*Initial, error) {
	s := cryptobyte.String(p)
	in := new(Initial)
	var flags uint8
	if !readPrologue(&s) || !s.ReadUint8(&flags) || flags&^allFlags != 0 {
		return nil, ErrMalformed
	}
	in.HasOneTime = flags&flagOneTime != 0
	in.PSK = flags&flagPSK != 0
	in.OneTimeKEM = flags&flagOneTimeKEM != 0
	if !readAddress(&s, &in.Sender) || !readCurveKey(&s, &in.Identity) ||
		!readCurveKey(&s, &in.Ephemeral) || !s.ReadUint32(&in.SignedID) ||
		in.HasOneTime && !s.ReadUint32(&in.OneTimeID) ||
		!s.ReadUint32(&in.KEMID) || !readKEM(&s, &in.Ciphertext) || !s.Empty() {
		return nil, ErrMalformed
	}
	return in, nil
}

// Hash names the initial, to recognise a replay: SHA-256 over a label and the
// encoding. Every byte of the encoding enters the secrets, so a changed copy has
// another name but leads nowhere.
func (in *Initial) Hash() [sha256.Size]byte {
	var w cryptobyte.Builder
	addLabel(&w, labelInitial)
	p, err := in.AppendBinary(w.BytesOrPanic())
	if err != nil {
		panic("pqxdh: an initial of fixed size failed to encode: " + err.Error())
	}
	return sha256.Sum256(p)
}
