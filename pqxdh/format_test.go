package pqxdh_test

import (
	"bytes"
	"errors"
	"testing"

	"kith/pqxdh"
)

func encode(t testing.TB, v interface{ AppendBinary([]byte) ([]byte, error) }) []byte {
	t.Helper()
	b, err := v.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestPQXDH_PQ01_sizesAndRoundTrip(t *testing.T) {
	alice, bob := newDevice(t), newDevice(t)
	for _, v := range variants {
		keys := bob.prekeys(t, v.oneTime)
		in, _ := handshake(t, alice, bob, keys, v.psk)
		bundleSize, initialSize := pqxdh.BundleSize, pqxdh.InitialSize
		if v.oneTime {
			bundleSize, initialSize = pqxdh.MaxBundle, pqxdh.MaxInitial
		}
		bundle, initial := encode(t, bob.bundle(keys)), encode(t, in)
		if len(bundle) != bundleSize || len(initial) != initialSize {
			t.Errorf("%s: bundle of %d bytes, initial of %d", v.name, len(bundle), len(initial))
		}
		b, err := pqxdh.ParseBundle(bundle)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(encode(t, b), bundle) || b.Hash() != bob.bundle(keys).Hash() || !bytes.Equal(encode(t, reparse(t, in)), initial) {
			t.Errorf("%s: what was parsed encodes differently", v.name)
		}
		if *reparse(t, in) != *in {
			t.Errorf("%s: what was parsed differs", v.name)
		}
		if p, err := b.AppendBinary([]byte("before")); err != nil || !bytes.Equal(p, append([]byte("before"), bundle...)) {
			t.Errorf("%s: AppendBinary does not append", v.name)
		}
	}
}

func TestPQXDH_PQ01_exactEncodings(t *testing.T) {
	alice, bob := newDevice(t), newDevice(t)
	for _, v := range variants[:2] {
		keys := bob.prekeys(t, v.oneTime)
		in, _ := handshake(t, alice, bob, keys, nil)
		for name, tt := range map[string]struct {
			good  []byte
			parse func([]byte) error
		}{
			"bundle":  {encode(t, bob.bundle(keys)), func(b []byte) error { _, err := pqxdh.ParseBundle(b); return err }},
			"initial": {encode(t, in), func(b []byte) error { _, err := pqxdh.ParseInitial(b); return err }},
		} {
			for n := range tt.good {
				if err := tt.parse(tt.good[:n]); !errors.Is(err, pqxdh.ErrMalformed) {
					t.Fatalf("%s cut to %d bytes: %v", name, n, err)
				}
			}
			for _, tail := range [][]byte{{0}, {5}, tt.good} {
				if err := tt.parse(append(bytes.Clone(tt.good), tail...)); !errors.Is(err, pqxdh.ErrMalformed) {
					t.Errorf("%s with %d bytes more: %v", name, len(tail), err)
				}
			}
			for at, xor := range map[int]byte{0: 1, 1: 1, 2: 2} { // version, suite
				bad := bytes.Clone(tt.good)
				bad[at] ^= xor
				if err := tt.parse(bad); !errors.Is(err, pqxdh.ErrMalformed) {
					t.Errorf("%s with byte %d changed: %v", name, at, err)
				}
			}
		}
		flag := encode(t, bob.bundle(keys))
		flag[100+110] |= 2
		if _, err := pqxdh.ParseBundle(flag); !errors.Is(err, pqxdh.ErrMalformed) {
			t.Errorf("a third value of has_one_time: %v", err)
		}
		bad := encode(t, in)
		bad[3] |= 8
		if _, err := pqxdh.ParseInitial(bad); !errors.Is(err, pqxdh.ErrMalformed) {
			t.Errorf("unknown flag: %v", err)
		}
	}
}

// TestPQXDH_PQ03_curveAndKEMKeysDoNotMix: neither tag nor kind nor size lets a key
// of one sort pass for the other.
func TestPQXDH_PQ03_curveAndKEMKeysDoNotMix(t *testing.T) {
	alice, bob := newDevice(t), newDevice(t)
	keys := bob.prekeys(t, true)
	good := encode(t, bob.bundle(keys))
	const identity, signed = 67, 100 // offsets
	oneTime := signed + 110 + 1
	kem := oneTime + 110
	parse := func(b []byte) error { _, err := pqxdh.ParseBundle(b); return err }
	for name, at := range map[string]int{"identity": identity, "signed": signed + 13, "one-time": oneTime + 13} {
		if good[at] != 0x05 {
			t.Fatalf("%s: no tag at %d", name, at)
		}
		bad := bytes.Clone(good)
		bad[at] = 0x0a
		if err := parse(bad); !errors.Is(err, pqxdh.ErrMalformed) {
			t.Errorf("%s key tagged as KEM: %v", name, err)
		}
	}
	if good[kem+13] != 0x0a {
		t.Fatalf("no tag at %d", kem+13)
	}
	for _, tag := range []byte{0x05, 0x08, 0x07, 0} {
		bad := bytes.Clone(good)
		bad[kem+13] = tag
		if err := parse(bad); !errors.Is(err, pqxdh.ErrMalformed) {
			t.Errorf("KEM key tagged %#x: %v", tag, err)
		}
	}
	for at, kinds := range map[int][]byte{signed: {0, 2, 3, 4, 5}, oneTime: {0, 1, 3, 4}, kem: {0, 1, 2, 5}} {
		for _, kind := range kinds {
			bad := bytes.Clone(good)
			bad[at] = kind
			if err := parse(bad); !errors.Is(err, pqxdh.ErrMalformed) {
				t.Errorf("kind %d at %d: %v", kind, at, err)
			}
		}
	}
	// Whole records in each other's place.
	if err := parse(cat(good[:signed], good[kem:], good[signed+110:])); !errors.Is(err, pqxdh.ErrMalformed) {
		t.Errorf("KEM prekey as signed prekey: %v", err)
	}
	if err := parse(cat(good[:kem], good[signed:signed+110])); !errors.Is(err, pqxdh.ErrMalformed) {
		t.Errorf("signed prekey as KEM prekey: %v", err)
	}
	in, _ := handshake(t, alice, bob, keys, nil)
	initial := encode(t, in)
	for _, at := range []int{68, 101, len(initial) - 1569} {
		bad := bytes.Clone(initial)
		bad[at] ^= 0x05 ^ 0x0a
		if _, err := pqxdh.ParseInitial(bad); !errors.Is(err, pqxdh.ErrMalformed) {
			t.Errorf("initial with tag %#x at %d: %v", bad[at], at, err)
		}
	}
}

func TestPQXDH_PQ17_privatePrekeysAreStored(t *testing.T) {
	alice, bob := newDevice(t), newDevice(t)
	for _, v := range variants {
		keys := bob.prekeys(t, v.oneTime)
		in, s := handshake(t, alice, bob, keys, v.psk)
		again := reload(t, keys)
		if again.Signed.Public != keys.Signed.Public || again.KEM.Public != keys.KEM.Public ||
			v.oneTime && again.OneTime.Public != keys.OneTime.Public {
			t.Error("public halves differ")
		}
		if got, err := pqxdh.Accept(bob.Identity, again, in, v.psk, noon); err != nil || !equal(got, s) {
			t.Errorf("%s: stored prekeys lead elsewhere: %v", v.name, err)
		}
	}
	keys := bob.prekeys(t, true)
	marshal := func(p interface{ MarshalBinary() ([]byte, error) }) []byte { b, _ := p.MarshalBinary(); return b }
	signed, oneTime, kem := marshal(keys.Signed), marshal(keys.OneTime), marshal(keys.KEM)
	if len(signed) != 112 || len(oneTime) != 112 || len(kem) != 144 {
		t.Errorf("private prekeys of %d, %d and %d bytes", len(signed), len(oneTime), len(kem))
	}
	for name, parse := range parsers {
		for _, b := range [][]byte{signed, oneTime, kem} {
			if fits := parse(b) == nil; fits != (name == "signed" && b[3] == 1 || name == "one-time" && b[3] == 2 || name == "KEM" && b[3] == 3) {
				t.Errorf("a prekey of kind %d as %s: %v", b[3], name, fits)
			}
			for n := range b {
				if err := parse(b[:n]); !errors.Is(err, pqxdh.ErrMalformed) {
					t.Errorf("kind %d cut to %d bytes: %v", b[3], n, err)
				}
			}
			if err := parse(append(bytes.Clone(b), 0)); !errors.Is(err, pqxdh.ErrMalformed) {
				t.Errorf("kind %d with a byte more: %v", b[3], err)
			}
		}
	}
}

// parsers returns the error of each parser of private prekeys.
var parsers = map[string]func([]byte) error{
	"signed":   func(b []byte) error { _, err := pqxdh.ParsePrivateSignedPrekey(b); return err },
	"one-time": func(b []byte) error { _, err := pqxdh.ParsePrivateOneTimePrekey(b); return err },
	"KEM":      func(b []byte) error { _, err := pqxdh.ParsePrivateKEMPrekey(b); return err },
}

func FuzzParseBundle(f *testing.F) {
	bob := newDevice(f)
	for _, oneTime := range []bool{false, true} {
		f.Add(encode(f, bob.bundle(bob.prekeys(f, oneTime))))
	}
	alice := newDevice(f)
	f.Fuzz(func(t *testing.T, p []byte) {
		b, err := pqxdh.ParseBundle(p)
		if err != nil {
			return
		}
		if !bytes.Equal(encode(t, b), p) {
			t.Fatal("what was parsed encodes differently")
		}
		_, _, err = pqxdh.Initiate(alice.Identity, b, nil, noon)
		if (err == nil) != (b.Verify(noon) == nil) {
			t.Fatalf("Verify and Initiate disagree: %v", err)
		}
	})
}

func FuzzParseInitial(f *testing.F) {
	alice, bob := newDevice(f), newDevice(f)
	keys := bob.prekeys(f, true)
	for _, v := range variants {
		in, _ := handshake(f, alice, bob, bob.prekeys(f, v.oneTime), v.psk)
		f.Add(encode(f, in))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		in, err := pqxdh.ParseInitial(p)
		if err != nil {
			return
		}
		if !bytes.Equal(encode(t, in), p) {
			t.Fatal("what was parsed encodes differently")
		}
		if s, err := pqxdh.Accept(bob.Identity, keys, in, nil, noon); (s == nil) != (err != nil) {
			t.Fatal("neither secrets nor an error, or both")
		}
	})
}

func FuzzParsePrivatePrekey(f *testing.F) {
	keys := newDevice(f).prekeys(f, true)
	for _, p := range []interface{ MarshalBinary() ([]byte, error) }{keys.Signed, keys.OneTime, keys.KEM} {
		b, err := p.MarshalBinary()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var again []byte
		if p, err := pqxdh.ParsePrivateSignedPrekey(b); err == nil {
			again, _ = p.MarshalBinary()
		} else if p, err := pqxdh.ParsePrivateOneTimePrekey(b); err == nil {
			again, _ = p.MarshalBinary()
		} else if p, err := pqxdh.ParsePrivateKEMPrekey(b); err == nil {
			again, _ = p.MarshalBinary()
		} else {
			return
		}
		if !bytes.Equal(again, b) {
			t.Fatal("what was parsed encodes differently")
		}
	})
}
