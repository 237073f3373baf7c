package signalv4

import (
	"bytes"

	"google.golang.org/protobuf/encoding/protowire"
)

// Message is libsignal's SignalMessage, without its authentication code.
type Message struct {
	RatchetKey      PublicKey
	Counter         uint32
	PreviousCounter uint32
	Ciphertext      []byte
	PQRatchet       []byte // an SPQR message; none in sessions without
	Addresses       []byte // of sender and recipient, 36 bytes, or none
}

// Append appends the version and the fields: all that the authentication code
// covers beside the identities.
func (m *Message) Append(b []byte) []byte {
	b = append(b, Version)
	b = appendBytes(b, 1, m.RatchetKey.Append(nil))
	b = appendUint32(b, 2, m.Counter)
	b = appendUint32(b, 3, m.PreviousCounter)
	b = appendBytes(b, 4, m.Ciphertext)
	if len(m.PQRatchet) > 0 {
		b = appendBytes(b, 5, m.PQRatchet)
	}
	if len(m.Addresses) > 0 {
		b = appendBytes(b, 6, m.Addresses)
	}
	return b
}

// ParseMessage reads a SignalMessage and the authentication code that follows it,
// which it does not check: signed is what it covers. The message's slices share
// memory with b. The error is ErrFormat or ErrKey.
func ParseMessage(b []byte) (m *Message, signed, mac []byte, err error) {
	if len(b) < 1+macSize || len(b) > MaxMessageSize || b[0] != Version {
		return nil, nil, nil, ErrFormat
	}
	signed, mac = b[:len(b)-macSize], b[len(b)-macSize:]
	f, err := parseFields(signed[1:], 6)
	if err != nil {
		return nil, nil, nil, err
	}
	m = &Message{Ciphertext: f.bytes[4], PQRatchet: f.bytes[5], Addresses: f.bytes[6]}
	m.Counter, m.PreviousCounter = f.number(2), f.number(3)
	if m.RatchetKey, err = ParsePublicKey(f.bytes[1]); err != nil {
		return nil, nil, nil, err
	}
	if n := len(m.Addresses); n != 0 && n != addressesSize {
		return nil, nil, nil, ErrFormat
	}
	if !bytes.Equal(m.Append(nil), signed) {
		return nil, nil, nil, ErrFormat
	}
	return m, signed, mac, nil
}

// PreKeyMessage is libsignal's PreKeySignalMessage: what an initiator wraps its
// messages in until it gets an answer.
type PreKeyMessage struct {
	PreKeyID       uint32 // of the one-time prekey
	HasPreKey      bool   // whether there is one
	BaseKey        PublicKey
	IdentityKey    PublicKey
	Message        []byte // a SignalMessage with its authentication code
	RegistrationID uint32
	SignedPreKeyID uint32
	KEMPreKeyID    uint32
	KEMCiphertext  []byte // with its type
}

// Append appends the message. There is no authentication code.
func (m *PreKeyMessage) Append(b []byte) []byte {
	b = append(b, Version)
	if m.HasPreKey {
		b = appendUint32(b, 1, m.PreKeyID)
	}
	b = appendBytes(b, 2, m.BaseKey.Append(nil))
	b = appendBytes(b, 3, m.IdentityKey.Append(nil))
	b = appendBytes(b, 4, m.Message)
	b = appendUint32(b, 5, m.RegistrationID)
	b = appendUint32(b, 6, m.SignedPreKeyID)
	b = appendUint32(b, 7, m.KEMPreKeyID)
	return appendBytes(b, 8, m.KEMCiphertext)
}

// ParsePreKeyMessage reads a PreKeySignalMessage, whose slices share memory with b.
// It does not look into the SignalMessage inside. The error is ErrFormat or ErrKey.
func ParsePreKeyMessage(b []byte) (*PreKeyMessage, error) {
	if len(b) < 1 || len(b) > MaxMessageSize || b[0] != Version {
		return nil, ErrFormat
	}
	f, err := parseFields(b[1:], 8)
	if err != nil {
		return nil, err
	}
	m := &PreKeyMessage{
		PreKeyID: f.number(1), HasPreKey: f.present[1],
		Message:        f.bytes[4],
		RegistrationID: f.number(5), SignedPreKeyID: f.number(6),
		KEMPreKeyID: f.number(7), KEMCiphertext: f.bytes[8],
	}
	if m.BaseKey, err = ParsePublicKey(f.bytes[2]); err != nil {
		return nil, err
	}
	if m.IdentityKey, err = ParsePublicKey(f.bytes[3]); err != nil {
		return nil, err
	}
	if !m.BaseKey.torsionFree() {
		return nil, ErrKey
	}
	if c := m.KEMCiphertext; len(c) != KEMCiphertextSize || c[0] != typeKyber1024 {
		return nil, ErrFormat
	}
	if !bytes.Equal(m.Append(nil), b) {
		return nil, ErrFormat
	}
	return m, nil
}

// fields are those of a protobuf message, by their numbers. Whatever is not in the
// form that is written is caught by writing it again.
type fields struct {
	present [9]bool
	numbers [9]uint64
	bytes   [9][]byte
}

func (f *fields) number(i int) uint32 { return uint32(f.numbers[i]) }

func parseFields(b []byte, highest protowire.Number) (*fields, error) {
	f := new(fields)
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 || number > highest {
			return nil, ErrFormat
		}
		b = b[n:]
		switch kind {
		case protowire.VarintType:
			f.numbers[number], n = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			f.bytes[number], n = protowire.ConsumeBytes(b)
		default:
			return nil, ErrFormat
		}
		if n < 0 || f.present[number] {
			return nil, ErrFormat
		}
		f.present[number] = true
		b = b[n:]
	}
	return f, nil
}

func appendBytes(b []byte, number protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, number, protowire.BytesType), v)
}

func appendUint32(b []byte, number protowire.Number, v uint32) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, number, protowire.VarintType), uint64(v))
}
