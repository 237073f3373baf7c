package pqxdh_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"kith/pqxdh"
)

// badKeys are encodings that name no proper X25519 key.
var badKeys = map[string]string{
	"zero":                "0000000000000000000000000000000000000000000000000000000000000000",
	"one":                 "0100000000000000000000000000000000000000000000000000000000000000",
	"order 8":             "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
	"order 8, other":      "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
	"p-1":                 "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"p":                   "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"p+1":                 "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"9+p":                 "f6ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"base point, top bit": "0900000000000000000000000000000000000000000000000000000000000080",
	"2p-1":                "d9ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	"all ones":            "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
}

// TestPQXDH_PQ02_badCurveKeys puts each bad key into each field, signed by its
// owner where it is signed.
func TestPQXDH_PQ02_badCurveKeys(t *testing.T) {
	alice, bob := newDevice(t), newDevice(t)
	keys := bob.prekeys(t, true)
	in, _ := handshake(t, alice, bob, keys, nil)
	for name, text := range badKeys {
		b, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		bad := [32]byte(b)
		for field, set := range map[string]func(*pqxdh.Bundle){
			"signed prekey":   func(b *pqxdh.Bundle) { b.Signed.Key = bad },
			"one-time prekey": func(b *pqxdh.Bundle) { b.OneTime.Key = bad },
		} {
			bundle := bob.bundle(keys)
			set(bundle)
			bob.sign(bundle)
			refuseBundle(t, name+" as "+field, alice, bundle, pqxdh.ErrRefused)
		}
		refuseBundle(t, name+" as identity key", alice, badIdentity(t, bob, bad), pqxdh.ErrRefused)
		for field, set := range map[string]func(*pqxdh.Initial){
			"identity key":  func(in *pqxdh.Initial) { in.Identity = bad },
			"ephemeral key": func(in *pqxdh.Initial) { in.Ephemeral = bad },
		} {
			hostile := *in
			set(&hostile)
			if s, err := pqxdh.Accept(bob.Identity, keys, &hostile, nil, noon); !errors.Is(err, pqxdh.ErrRefused) || s != nil {
				t.Errorf("%s as %s: %v", name, field, err)
			}
			p, err := hostile.AppendBinary(nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := pqxdh.ParseInitial(p); !errors.Is(err, pqxdh.ErrMalformed) {
				t.Errorf("%s as %s is parsed: %v", name, field, err)
			}
		}
	}
}

// badIdentity returns a bundle whose owner has a bad identity key and signs it.
func badIdentity(t *testing.T, d device, bad [32]byte) *pqxdh.Bundle {
	t.Helper()
	o := d.Public()
	o.Identity = bad
	end := noon.Add(time.Hour).Unix()
	signed, err := pqxdh.NewSignedPrekey(d.signer, o, 1, end)
	if err != nil {
		t.Fatal(err)
	}
	kem, err := pqxdh.NewKEMPrekey(d.signer, o, 1, end, true)
	if err != nil {
		t.Fatal(err)
	}
	return pqxdh.NewBundle(o, signed, nil, kem)
}

// refuseBundle wants a bundle refused by Verify and Initiate.
func refuseBundle(t *testing.T, name string, self device, b *pqxdh.Bundle, want error) {
	t.Helper()
	if err := b.Verify(noon); !errors.Is(err, want) {
		t.Errorf("%s: Verify: got %v, want %v", name, err, want)
	}
	in, s, err := pqxdh.Initiate(self.Identity, b, nil, noon)
	if !errors.Is(err, want) || in != nil || s != nil {
		t.Errorf("%s: Initiate: got %v, want %v", name, err, want)
	}
}

func TestPQXDH_PQ04_signaturesCoverEverything(t *testing.T) {
	alice, bob, carol := newDevice(t), newDevice(t), newDevice(t)
	keys, others := bob.prekeys(t, true), carol.prekeys(t, true)
	same := bob.prekeys(t, true) // same ids and times, other keys
	for name, change := range map[string]func(*pqxdh.Bundle){
		"account":                   func(b *pqxdh.Bundle) { b.Owner.Account[0] ^= 1 },
		"device":                    func(b *pqxdh.Bundle) { b.Owner.Device = carol.Device },
		"identity key":              func(b *pqxdh.Bundle) { b.Identity = carol.Public().Identity },
		"signed id":                 func(b *pqxdh.Bundle) { b.Signed.ID++ },
		"signed expiry":             func(b *pqxdh.Bundle) { b.Signed.NotAfter++ },
		"signed key":                func(b *pqxdh.Bundle) { b.Signed.Key = same.Signed.Public.Key },
		"signed signature":          func(b *pqxdh.Bundle) { b.Signed.Signature[40] ^= 1 },
		"one-time id":               func(b *pqxdh.Bundle) { b.OneTime.ID++ },
		"one-time expiry":           func(b *pqxdh.Bundle) { b.OneTime.NotAfter++ },
		"one-time key":              func(b *pqxdh.Bundle) { b.OneTime.Key = same.OneTime.Public.Key },
		"one-time signature":        func(b *pqxdh.Bundle) { b.OneTime.Signature[40] ^= 1 },
		"KEM id":                    func(b *pqxdh.Bundle) { b.KEM.ID++ },
		"KEM expiry":                func(b *pqxdh.Bundle) { b.KEM.NotAfter++ },
		"KEM key":                   func(b *pqxdh.Bundle) { b.KEM.Key = same.KEM.Public.Key },
		"KEM signature":             func(b *pqxdh.Bundle) { b.KEM.Signature[40] ^= 1 },
		"one-time as last resort":   func(b *pqxdh.Bundle) { b.KEM.OneTime = false },
		"one-time EC as signed":     func(b *pqxdh.Bundle) { b.Signed = pqxdh.SignedPrekey(*b.OneTime) },
		"signed as one-time EC":     func(b *pqxdh.Bundle) { b.OneTime = new(pqxdh.OneTimePrekey(b.Signed)) },
		"another's signed prekey":   func(b *pqxdh.Bundle) { b.Signed = others.Signed.Public },
		"another's one-time prekey": func(b *pqxdh.Bundle) { b.OneTime = &others.OneTime.Public },
		"another's KEM prekey":      func(b *pqxdh.Bundle) { b.KEM = others.KEM.Public },
		"no signatures":             func(b *pqxdh.Bundle) { b.Signed.Signature, b.KEM.Signature = [64]byte{}, [64]byte{} },
		"expiry zero":               func(b *pqxdh.Bundle) { b.Signed.NotAfter = 0 },
	} {
		b := bob.bundle(keys)
		change(b)
		refuseBundle(t, name, alice, b, pqxdh.ErrRefused)
	}
	good := bob.bundle(keys)
	bob.sign(good) // the reference signs alike
	if err := good.Verify(noon); err != nil {
		t.Errorf("the reference's signatures: %v", err)
	}
}

// A bad signature is reported as such even if the bundle is expired as well.
func TestPQXDH_PQ04_signaturesComeFirst(t *testing.T) {
	bob := newDevice(t)
	b := bob.bundle(bob.prekeys(t, true))
	b.KEM.Signature[0] ^= 1
	if err := b.Verify(noon.Add(48 * time.Hour)); !errors.Is(err, pqxdh.ErrRefused) {
		t.Errorf("got %v", err)
	}
}

func TestPQXDH_PQ05_unreducedKEMKey(t *testing.T) {
	alice, bob := newDevice(t), newDevice(t)
	b := bob.bundle(bob.prekeys(t, true))
	b.KEM.Key[0], b.KEM.Key[1] = 0xff, b.KEM.Key[1]|0x0f // a coefficient of 4095
	bob.sign(b)
	refuseBundle(t, "coefficient not below q", alice, b, pqxdh.ErrRefused)
}

func TestPQXDH_PQ06_expiry(t *testing.T) {
	alice, bob := newDevice(t), newDevice(t)
	keys := bob.prekeys(t, true)
	end := time.Unix(keys.Signed.Public.NotAfter, 0)
	for name, change := range map[string]func(*pqxdh.Bundle){
		"all":      func(*pqxdh.Bundle) {},
		"signed":   func(b *pqxdh.Bundle) { b.OneTime.NotAfter++; b.KEM.NotAfter++ },
		"one-time": func(b *pqxdh.Bundle) { b.Signed.NotAfter++; b.KEM.NotAfter++ },
		"KEM":      func(b *pqxdh.Bundle) { b.Signed.NotAfter++; b.OneTime.NotAfter++ },
	} {
		b := bob.bundle(keys)
		change(b)
		bob.sign(b)
		if err := b.Verify(end); err != nil {
			t.Errorf("%s: in the last second: %v", name, err)
		}
		if err := b.Verify(end.Add(time.Second)); !errors.Is(err, pqxdh.ErrExpired) {
			t.Errorf("%s: a second later: %v", name, err)
		}
		if _, _, err := pqxdh.Initiate(alice.Identity, b, nil, end.Add(time.Second)); !errors.Is(err, pqxdh.ErrExpired) {
			t.Errorf("%s: Initiate a second later: %v", name, err)
		}
	}
	beyond := bob.bundle(keys)
	beyond.Signed.NotAfter = pqxdh.MaxNotAfter + 1
	bob.sign(beyond)
	refuseBundle(t, "expiry beyond the limit", alice, beyond, pqxdh.ErrRefused)

	in, _ := handshake(t, alice, bob, keys, nil)
	edge := end.Add(pqxdh.AcceptGrace)
	for name, shorten := range map[string]func(pqxdh.Prekeys){
		"signed":   func(k pqxdh.Prekeys) { k.Signed.Public.NotAfter-- },
		"one-time": func(k pqxdh.Prekeys) { k.OneTime.Public.NotAfter-- },
		"KEM":      func(k pqxdh.Prekeys) { k.KEM.Public.NotAfter-- },
	} {
		k := reload(t, keys)
		shorten(k)
		if _, err := pqxdh.Accept(bob.Identity, k, in, nil, edge); !errors.Is(err, pqxdh.ErrExpired) {
			t.Errorf("%s beyond the grace: %v", name, err)
		}
	}
	if _, err := pqxdh.Accept(bob.Identity, keys, in, nil, edge); err != nil {
		t.Errorf("at the end of the grace: %v", err)
	}
	if _, err := pqxdh.Accept(bob.Identity, keys, in, nil, edge.Add(time.Second)); !errors.Is(err, pqxdh.ErrExpired) {
		t.Errorf("beyond the grace: %v", err)
	}
}

// Every bit of a bundle is refused. In the KEM key one bit of every byte is tried.
func TestPQXDH_PQ04_everyBitOfABundleCounts(t *testing.T) {
	bob := newDevice(t)
	b := bob.bundle(bob.prekeys(t, true))
	good, err := b.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	bad := bytes.Clone(good)
	for i := range good {
		for bit := range 8 {
			if i >= len(good)-64-len(b.KEM.Key) && i < len(good)-64 && bit != i%8 {
				continue
			}
			bad[i] ^= 1 << bit
			if hostile, err := pqxdh.ParseBundle(bad); err == nil && (hostile.Verify(noon) == nil || hostile.Hash() == b.Hash()) {
				t.Fatalf("byte %d, bit %d does not matter", i, bit)
			}
			bad[i] ^= 1 << bit
		}
	}
}

func TestPQXDH_PQ10_inviteSecret(t *testing.T) {
	alice, bob := newDevice(t), newDevice(t)
	psk, other := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	keys := bob.prekeys(t, true)
	with, s := handshake(t, alice, bob, keys, psk)
	without, _ := handshake(t, alice, bob, keys, nil)
	if !with.PSK || without.PSK {
		t.Error("the initial does not say whether a secret took part")
	}
	if _, err := pqxdh.Accept(bob.Identity, keys, with, nil, noon); !errors.Is(err, pqxdh.ErrRefused) {
		t.Errorf("missing: %v", err)
	}
	if _, err := pqxdh.Accept(bob.Identity, keys, without, psk, noon); !errors.Is(err, pqxdh.ErrRefused) {
		t.Errorf("surplus: %v", err)
	}
	if got, err := pqxdh.Accept(bob.Identity, keys, with, other, noon); err != nil || got.Root == s.Root {
		t.Errorf("another secret: %v", err)
	}
	stripped := *with
	stripped.PSK = false
	if got, err := pqxdh.Accept(bob.Identity, keys, &stripped, nil, noon); err != nil || got.Root == s.Root {
		t.Errorf("flag stripped: %v", err)
	}
	for _, n := range []int{1, 31, 33, 64} {
		if _, _, err := pqxdh.Initiate(alice.Identity, bob.bundle(keys), make([]byte, n), noon); err == nil {
			t.Errorf("Initiate takes a secret of %d bytes", n)
		}
		if _, err := pqxdh.Accept(bob.Identity, keys, with, make([]byte, n), noon); err == nil {
			t.Errorf("Accept takes a secret of %d bytes", n)
		}
	}
}

func TestPQXDH_PQ11_notWithOneself(t *testing.T) {
	bob := newDevice(t)
	keys := bob.prekeys(t, true)
	refuseBundle11 := func(name string, self pqxdh.Identity) {
		t.Helper()
		if _, _, err := pqxdh.Initiate(self, bob.bundle(keys), nil, noon); !errors.Is(err, pqxdh.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	refuseBundle11("own bundle", bob.Identity)
	twin := newDevice(t)
	sameKey, sameDevice := twin.Identity, twin.Identity
	sameKey.DH, sameDevice.Device = bob.DH, bob.Device
	refuseBundle11("same identity key", sameKey)
	refuseBundle11("same device", sameDevice)
	own := twin
	own.Account = bob.Account
	if in, _ := handshake(t, own, bob, keys, nil); in.Sender.Account != bob.Account {
		t.Error("another device of the same account")
	}

	in, _ := handshake(t, twin, bob, keys, nil)
	for name, change := range map[string]func(*pqxdh.Initial){
		"device reflected":       func(in *pqxdh.Initial) { in.Sender.Device = bob.Device },
		"identity key reflected": func(in *pqxdh.Initial) { in.Identity = bob.Public().Identity },
	} {
		hostile := *in
		change(&hostile)
		if _, err := pqxdh.Accept(bob.Identity, keys, &hostile, nil, noon); !errors.Is(err, pqxdh.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Mallory registers Alice's identity key as his own and relays her initial: Bob
// then believes to talk to Mallory. The secrets must differ.
func TestPQXDH_PQ12_unknownKeyShare(t *testing.T) {
	alice, bob, mallory := newDevice(t), newDevice(t), newDevice(t)
	keys := bob.prekeys(t, true)
	in, s := handshake(t, alice, bob, keys, nil)
	relayed := *in
	relayed.Sender = mallory.Address
	got, err := pqxdh.Accept(bob.Identity, keys, &relayed, nil, noon)
	if err != nil || got.Root == s.Root || bytes.Equal(got.AD, s.AD) {
		t.Errorf("Alice's initial opens as Mallory's: %v", err)
	}
	// The other way round: Mallory republishes Bob's keys as his own device's.
	claimed := mallory
	claimed.DH = bob.DH
	b := claimed.bundle(keys)
	claimed.sign(b)
	in, s, err = pqxdh.Initiate(alice.Identity, b, nil, noon)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := pqxdh.Accept(bob.Identity, keys, in, nil, noon); err != nil || got.Root == s.Root {
		t.Errorf("an initial meant for Mallory opens at Bob: %v", err)
	}
}

func TestPQXDH_PQ13_wrongPrekeys(t *testing.T) {
	alice, bob := newDevice(t), newDevice(t)
	keys := bob.prekeys(t, true)
	in, _ := handshake(t, alice, bob, keys, nil)
	plain, _ := handshake(t, alice, bob, bob.prekeys(t, false), nil)
	for name, tt := range map[string]struct {
		keys pqxdh.Prekeys
		in   *pqxdh.Initial
	}{
		"none":                  {pqxdh.Prekeys{}, in},
		"no signed":             {pqxdh.Prekeys{OneTime: keys.OneTime, KEM: keys.KEM}, in},
		"no KEM":                {pqxdh.Prekeys{Signed: keys.Signed, OneTime: keys.OneTime}, in},
		"no one-time":           {pqxdh.Prekeys{Signed: keys.Signed, KEM: keys.KEM}, in},
		"one-time not asked":    {keys, plain},
		"last resort asked for": {pqxdh.Prekeys{Signed: keys.Signed, KEM: keys.KEM}, plain},
		"signed id":             {keys, with(in, func(in *pqxdh.Initial) { in.SignedID++ })},
		"one-time id":           {keys, with(in, func(in *pqxdh.Initial) { in.OneTimeID++ })},
		"KEM id":                {keys, with(in, func(in *pqxdh.Initial) { in.KEMID++ })},
	} {
		if s, err := pqxdh.Accept(bob.Identity, tt.keys, tt.in, nil, noon); !errors.Is(err, pqxdh.ErrWrongPrekey) || s != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func with(in *pqxdh.Initial, change func(*pqxdh.Initial)) *pqxdh.Initial {
	c := *in
	change(&c)
	return &c
}

func TestPQXDH_PQ18_whatIsNotSigned(t *testing.T) {
	alice, bob := newDevice(t), newDevice(t)
	end := noon.Unix()
	for name, tt := range map[string]struct {
		signer   ed25519.PrivateKey
		notAfter int64
		ok       bool
	}{
		"another's key": {alice.signer, end, false},
		"no key":        {nil, end, false},
		"short key":     {bob.signer[:63], end, false},
		"expiry 0":      {bob.signer, 0, false},
		"negative":      {bob.signer, -1, false},
		"beyond 9999":   {bob.signer, pqxdh.MaxNotAfter + 1, false},
		"first second":  {bob.signer, 1, true},
		"last second":   {bob.signer, pqxdh.MaxNotAfter, true},
	} {
		_, e1 := pqxdh.NewSignedPrekey(tt.signer, bob.Public(), 1, tt.notAfter)
		_, e2 := pqxdh.NewOneTimePrekey(tt.signer, bob.Public(), 1, tt.notAfter)
		_, e3 := pqxdh.NewKEMPrekey(tt.signer, bob.Public(), 1, tt.notAfter, false)
		for _, err := range []error{e1, e2, e3} {
			if (err == nil) != tt.ok {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestPQXDH_PQ02_ownKeyMustBeX25519(t *testing.T) {
	alice, bob := newDevice(t), newDevice(t)
	keys := bob.prekeys(t, true)
	in, _ := handshake(t, alice, bob, keys, nil)
	p256, err := ecdh.P256().GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, dh := range []*ecdh.PrivateKey{nil, p256} {
		self := alice.Identity
		self.DH = dh
		if _, _, err := pqxdh.Initiate(self, bob.bundle(keys), nil, noon); err == nil {
			t.Error("Initiate takes it")
		}
		self = bob.Identity
		self.DH = dh
		if _, err := pqxdh.Accept(self, keys, in, nil, noon); err == nil {
			t.Error("Accept takes it")
		}
	}
}

// TestPQXDH_PQ04_deviceKeysThatVerifyAnything: under a key of small order, or another
// name for one, everything is signed.
func TestPQXDH_PQ04_deviceKeysThatVerifyAnything(t *testing.T) {
	alice, bob := newDevice(t), newDevice(t)
	keys := bob.prekeys(t, true)
	fits := 0
	for _, text := range []string{
		"0100000000000000000000000000000000000000000000000000000000000000",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0000000000000000000000000000000000000000000000000000000000000080",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
		"0100000000000000000000000000000000000000000000000000000000000080", // -0
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // p, p+1
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	} {
		key, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		// The identity with S = 0: holds for whatever h makes h times the key the identity.
		forged := [64]byte{1}
		for id := range uint32(64) {
			bundle := bob.bundle(keys)
			bundle.Owner.Device = [32]byte(key)
			bundle.Signed.Signature, bundle.KEM.Signature, bundle.OneTime = forged, forged, nil
			bundle.Signed.ID, bundle.KEM.ID = id, id
			if ed25519.Verify(key, []byte{byte(id)}, forged[:]) {
				fits++
			}
			refuseBundle(t, text, alice, bundle, pqxdh.ErrRefused)
		}
	}
	if fits < 64 {
		t.Error("the forged signature fits nothing: the test is wrong")
	}
}
