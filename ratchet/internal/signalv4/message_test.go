package signalv4_test

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"testing"

	. "kith/ratchet/internal/signalv4"
)

func newKey(t testing.TB) KeyPair {
	t.Helper()
	k, err := NewKeyPair()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func message(t testing.TB) *Message {
	return &Message{
		RatchetKey: newKey(t).Public, Counter: 0, PreviousCounter: math.MaxUint32, Ciphertext: []byte("ciphertext"),
		PQRatchet: []byte{1, 1, 1, 0}, Addresses: bytes.Repeat([]byte{7}, 36),
	}
}

func preKeyMessage(t testing.TB) *PreKeyMessage {
	return &PreKeyMessage{
		PreKeyID: 0, HasPreKey: true, BaseKey: newKey(t).Public, IdentityKey: newKey(t).Public,
		Message: []byte("message"), RegistrationID: 5, SignedPreKeyID: math.MaxUint32, KEMPreKeyID: 300,
		KEMCiphertext: append([]byte{8}, make([]byte, KEMCiphertextSize-1)...),
	}
}

func TestMessageFormat(t *testing.T) {
	m := message(t)
	for range 3 { // with all fields, then fewer
		b := m.Append(nil)
		got, signed, mac, err := ParseMessage(append(b, "12345678"...))
		if err != nil || !bytes.Equal(signed, b) || string(mac) != "12345678" || !bytes.Equal(got.Append(nil), b) {
			t.Fatalf("%+v: %+v, %v", m, got, err)
		}
		if m.Addresses != nil {
			m.Addresses = nil
		} else {
			m.PQRatchet = nil
		}
	}
	key := m.RatchetKey
	want := slices.Concat([]byte{0x44, 0x0a, 33, 5}, key[:], []byte{0x10, 0, 0x18, 0xff, 0xff, 0xff, 0xff, 15, 0x22, 10}, []byte("ciphertext"))
	if got := m.Append(nil); !bytes.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
}

func TestPreKeyMessageFormat(t *testing.T) {
	m := preKeyMessage(t)
	for _, has := range []bool{true, false} {
		m.HasPreKey = has
		b := m.Append(nil)
		got, err := ParsePreKeyMessage(b)
		if err != nil || !bytes.Equal(got.Append(nil), b) || got.HasPreKey != has {
			t.Fatalf("%+v, %v", got, err)
		}
	}
}

// bad are keys that are none: not reduced, of low order, of other types and sizes.
func bad() map[string][]byte {
	p := append([]byte{0xed}, bytes.Repeat([]byte{0xff}, 31)...)
	p[31] = 0x7f
	twin := append([]byte{9}, make([]byte, 31)...)
	twin[31] |= 0x80
	order8 := []byte("\xe0\xeb\x7a\x7c\x3b\x41\xb8\xae\x16\x56\xe3\xfa\xf1\x9f\xc4\x6a\xda\x09\x8d\xeb\x9c\x32\xb1\xfd\x86\x62\x05\x16\x5f\x49\xb8\x00")
	minusOne := bytes.Clone(p)
	minusOne[0] = 0xec
	all := map[string][]byte{
		"zero": make([]byte, 32), "one": append([]byte{1}, make([]byte, 31)...), "minus one": minusOne,
		"p": p, "all ones": bytes.Repeat([]byte{0xff}, 32), "highest bit": twin, "order 8": order8,
	}
	for name, k := range all {
		all[name] = append([]byte{5}, k...)
	}
	good := append([]byte{5, 9}, make([]byte, 31)...)
	all["no type"] = good[1:]
	all["type 8"] = append([]byte{8}, good[1:]...)
	all["longer"] = append(bytes.Clone(good), 0)
	all["empty"] = nil
	all["a KEM key"] = append([]byte{8}, make([]byte, KEMPublicSize-1)...)
	return all
}

func TestPublicKeyRefused(t *testing.T) {
	for name, b := range bad() {
		if _, err := ParsePublicKey(b); !errors.Is(err, ErrKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
	k := newKey(t).Public
	if got, err := ParsePublicKey(k.Append(nil)); err != nil || got != k {
		t.Errorf("a good key: %v", err)
	}
}

// TestBadKeysInMessages puts each bad key into each field for keys.
func TestBadKeysInMessages(t *testing.T) {
	m, pre := message(t), preKeyMessage(t)
	for name, b := range bad() {
		whole := append(m.Append(nil), make([]byte, 8)...)
		if _, _, _, err := ParseMessage(splice(whole, m.RatchetKey, b)); err == nil {
			t.Errorf("ratchet key %s taken", name)
		}
		for _, k := range []PublicKey{pre.BaseKey, pre.IdentityKey} {
			if _, err := ParsePreKeyMessage(splice(pre.Append(nil), k, b)); err == nil {
				t.Errorf("key %s taken in a first message", name)
			}
		}
		if name == "a KEM key" {
			continue // of the same size and type as a ciphertext
		}
		pre := *pre
		pre.KEMCiphertext = b
		if _, err := ParsePreKeyMessage(pre.Append(nil)); err == nil {
			t.Errorf("%s taken as a KEM ciphertext", name)
		}
	}
}

// splice replaces a key and its length.
func splice(b []byte, old PublicKey, k []byte) []byte {
	i := bytes.Index(b, old.Append(nil))
	length := []byte{byte(len(k))}
	if len(k) > 127 {
		length = []byte{byte(len(k)) | 0x80, byte(len(k) >> 7)}
	}
	return slices.Concat(b[:i-1], length, k, b[i+33:])
}

// TestBaseKeyWithTorsion offers small coordinates. Half of all are not on the curve,
// and of those that are seven in eight are not in the group of prime order.
func TestBaseKeyWithTorsion(t *testing.T) {
	refused := 0
	for u := byte(2); u < 40; u++ {
		m := preKeyMessage(t)
		m.BaseKey = PublicKey{u}
		if _, err := ParsePreKeyMessage(m.Append(nil)); errors.Is(err, ErrKey) {
			refused++
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if refused == 0 || refused == 38 {
		t.Errorf("%d of 38 refused: not what the curve has", refused)
	}
	m := preKeyMessage(t)
	m.BaseKey = PublicKey{9}
	if _, err := ParsePreKeyMessage(m.Append(nil)); err != nil {
		t.Errorf("the base point: %v", err)
	}
}

func TestFormatRefused(t *testing.T) {
	good := append(message(t).Append(nil), make([]byte, 8)...)
	key := message(t).RatchetKey.Append(nil)
	field := func(tag byte, b []byte) []byte { return slices.Concat([]byte{tag, byte(len(b))}, b) }
	fields := map[string][]byte{
		"nothing":          nil,
		"no key":           slices.Concat([]byte{0x10, 0, 0x18, 0}, field(0x22, nil)),
		"no counter":       slices.Concat(field(0x0a, key), []byte{0x18, 0}, field(0x22, nil)),
		"no ciphertext":    slices.Concat(field(0x0a, key), []byte{0x10, 0, 0x18, 0}),
		"other order":      slices.Concat(field(0x0a, key), []byte{0x18, 0, 0x10, 0}, field(0x22, nil)),
		"a field twice":    slices.Concat(field(0x0a, key), []byte{0x10, 0, 0x10, 0, 0x18, 0}, field(0x22, nil)),
		"long number":      slices.Concat(field(0x0a, key), []byte{0x10, 0x80, 0, 0x18, 0}, field(0x22, nil)),
		"big number":       slices.Concat(field(0x0a, key), []byte{0x10, 0x80, 0x80, 0x80, 0x80, 0x10, 0x18, 0}, field(0x22, nil)),
		"unknown field":    slices.Concat(field(0x0a, key), []byte{0x10, 0, 0x18, 0}, field(0x22, nil), field(0x3a, nil)),
		"empty ratchet":    slices.Concat(field(0x0a, key), []byte{0x10, 0, 0x18, 0}, field(0x22, nil), field(0x2a, nil)),
		"short addresses":  slices.Concat(field(0x0a, key), []byte{0x10, 0, 0x18, 0}, field(0x22, nil), field(0x32, make([]byte, 35))),
		"fixed32":          slices.Concat(field(0x0a, key), []byte{0x15, 0, 0, 0, 0, 0x18, 0}, field(0x22, nil)),
		"group":            slices.Concat(field(0x0a, key), []byte{0x13, 0x14, 0x18, 0}, field(0x22, nil)),
		"bytes for number": slices.Concat(field(0x0a, key), field(0x12, nil), []byte{0x18, 0}, field(0x22, nil)),
		"number for bytes": slices.Concat(field(0x0a, key), []byte{0x10, 0, 0x18, 0, 0x20, 0}),
		"cut":              good[1 : len(good)-9],
	}
	for name, b := range fields {
		if _, _, _, err := ParseMessage(slices.Concat([]byte{0x44}, b, make([]byte, 8))); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	for _, version := range []byte{0x00, 0x34, 0x43, 0x45, 0x54, 0x33} {
		m, pre := bytes.Clone(good), preKeyMessage(t).Append(nil)
		m[0], pre[0] = version, version
		if _, _, _, err := ParseMessage(m); !errors.Is(err, ErrFormat) {
			t.Errorf("version %#x: %v", version, err)
		}
		if _, err := ParsePreKeyMessage(pre); !errors.Is(err, ErrFormat) {
			t.Errorf("first message of version %#x: %v", version, err)
		}
	}
	if _, _, _, err := ParseMessage(make([]byte, MaxMessageSize+1)); err == nil {
		t.Error("a message beyond the limit taken")
	}
	if _, err := ParsePreKeyMessage(append([]byte{0x44}, make([]byte, MaxMessageSize)...)); err == nil {
		t.Error("a first message beyond the limit taken")
	}
}

func TestPreKeyMessageNotCanonical(t *testing.T) {
	good := preKeyMessage(t).Append(nil)
	registration := []byte{0x28, 5}
	i := bytes.Index(good, append(registration, 0x30))
	without := slices.Concat(good[:i], good[i+2:])
	for name, b := range map[string][]byte{
		"long number": slices.Concat(good[:i], []byte{0x28, 0x85, 0}, good[i+2:]),
		"big number":  slices.Concat(good[:i], []byte{0x28, 0x85, 0x80, 0x80, 0x80, 0x10}, good[i+2:]),
		"other order": slices.Concat(without, registration),
		"left out":    without,
		"twice":       slices.Concat(good, registration),
		"one more":    slices.Concat(good, []byte{0x48, 5}),
	} {
		if _, err := ParsePreKeyMessage(b); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParseMessage(f *testing.F) {
	f.Add(append(message(f).Append(nil), make([]byte, 8)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, signed, mac, err := ParseMessage(b)
		if err == nil && !bytes.Equal(append(m.Append(nil), mac...), b) || err == nil && len(signed)+len(mac) != len(b) {
			t.Errorf("%x is not canonical", b)
		}
	})
}

func FuzzParsePreKeyMessage(f *testing.F) {
	f.Add(preKeyMessage(f).Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := ParsePreKeyMessage(b); err == nil && !bytes.Equal(m.Append(nil), b) {
			t.Errorf("%x is not canonical", b)
		}
	})
}

func TestPQMessageFormat(t *testing.T) {
	chunk := [32]byte(bytes.Repeat([]byte{3}, 32))
	for _, tt := range []struct {
		m    PQMessage
		size int
	}{
		{PQMessage{Epoch: 1, Index: 0, Type: PQNone}, 4},
		{PQMessage{Epoch: 1, Index: 1, Type: PQHeader, Chunk: chunk}, 37},
		{PQMessage{Epoch: 2, Index: 127, Type: PQVector, ChunkIndex: 127, Chunk: chunk}, 37},
		{PQMessage{Epoch: 127, Index: 128, Type: PQVectorAck, ChunkIndex: 128, Chunk: chunk}, 39},
		{PQMessage{Epoch: 128, Index: 5, Type: PQAck}, 5},
		{PQMessage{Epoch: 3, Index: math.MaxUint32, Type: PQFirst, ChunkIndex: math.MaxUint16, Chunk: chunk}, 43},
		{PQMessage{Epoch: math.MaxUint64, Index: 1, Type: PQSecond, ChunkIndex: 1, Chunk: chunk}, 46},
	} {
		b := tt.m.Append(nil)
		got, err := ParsePQMessage(b)
		if err != nil || got != tt.m || len(b) != tt.size {
			t.Errorf("%+v: %+v, %d bytes, %v", tt.m, got, len(b), err)
		}
		for i := range b {
			if _, err := ParsePQMessage(b[:i]); !errors.Is(err, ErrFormat) {
				t.Errorf("%+v: %d bytes taken", tt.m, i)
			}
		}
		if _, err := ParsePQMessage(append(b, 0)); !errors.Is(err, ErrFormat) {
			t.Errorf("%+v: taken with a byte more", tt.m)
		}
	}
	for name, b := range map[string][]byte{
		"nothing": {}, "version 0": {0, 1, 1, 0}, "version 2": {2, 1, 1, 0}, "epoch 0": {1, 0, 1, 0},
		"type 7": {1, 1, 1, 7}, "long epoch": {1, 0x81, 0, 1, 0}, "long index": {1, 1, 0x81, 0, 0},
		"index 2^32": {1, 1, 0x80, 0x80, 0x80, 0x80, 0x10, 0},
		"epoch 2^64": {1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 2, 1, 0},
		"chunk 2^16": append([]byte{1, 1, 1, 1, 0x80, 0x80, 4}, chunk[:]...),
		"no chunk":   {1, 1, 1, 1},
		"a chunk":    append([]byte{1, 1, 1, 0, 0}, chunk[:]...),
	} {
		if m, err := ParsePQMessage(b); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
}

func FuzzParsePQMessage(f *testing.F) {
	f.Add([]byte{1, 1, 1, 0})
	f.Add(append([]byte{1, 2, 3, 1, 4}, make([]byte, 32)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := ParsePQMessage(b); err == nil && !bytes.Equal(m.Append(nil), b) {
			t.Errorf("%x is not canonical", b)
		}
	})
}
