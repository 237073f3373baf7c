package pqxdh_test

import (
	"bytes"
	"testing"

	"kith/pqxdh"
)

// TestPQXDH_PQ09_transcriptBindsEverything changes one thing the sides could
// disagree about. None may lead to the initiator's secrets.
func TestPQXDH_PQ09_transcriptBindsEverything(t *testing.T) {
	alice, bob, carol := newDevice(t), newDevice(t), newDevice(t)
	keys := bob.prekeys(t, true)
	in, s := handshake(t, alice, bob, keys, nil)
	try := func(name string, self pqxdh.Identity, keys pqxdh.Prekeys, in *pqxdh.Initial) {
		t.Helper()
		got, err := pqxdh.Accept(self, keys, in, nil, noon)
		if err != nil {
			if got != nil {
				t.Errorf("%s: an error with secrets", name)
			}
			return
		}
		if got.Root == s.Root || got.HeaderA == s.HeaderA || got.HeaderB == s.HeaderB || got.PQ == s.PQ || got.Exporter == s.Exporter {
			t.Errorf("%s: secrets agree", name)
		}
		if bytes.Equal(got.AD, s.AD) {
			t.Errorf("%s: associated data agree", name)
		}
	}
	for name, change := range map[string]func(*pqxdh.Initial){
		"sender's account": func(in *pqxdh.Initial) { in.Sender.Account = carol.Account },
		"sender's device":  func(in *pqxdh.Initial) { in.Sender.Device = carol.Device },
		"identity key":     func(in *pqxdh.Initial) { in.Identity = carol.Public().Identity },
		"ephemeral key":    func(in *pqxdh.Initial) { in.Ephemeral = carol.Public().Identity },
		"ciphertext":       func(in *pqxdh.Initial) { in.Ciphertext[700] ^= 1 },
	} {
		hostile := *in
		change(&hostile)
		try(name, bob.Identity, keys, &hostile)
	}
	self := bob.Identity
	self.Account = carol.Account
	try("responder's account", self, keys, in)
	self = bob.Identity
	self.Device = carol.Device
	try("responder's device", self, keys, in)
	self = bob.Identity
	self.DH = carol.DH
	try("responder's identity key", self, keys, in)

	// Prekeys that are the same but for what the transcript binds.
	for name, change := range map[string]func(*pqxdh.Prekeys, *pqxdh.Initial){
		"signed expiry":   func(k *pqxdh.Prekeys, _ *pqxdh.Initial) { k.Signed.Public.NotAfter++ },
		"one-time expiry": func(k *pqxdh.Prekeys, _ *pqxdh.Initial) { k.OneTime.Public.NotAfter++ },
		"KEM expiry":      func(k *pqxdh.Prekeys, _ *pqxdh.Initial) { k.KEM.Public.NotAfter++ },
		"signed id":       func(k *pqxdh.Prekeys, in *pqxdh.Initial) { k.Signed.Public.ID++; in.SignedID++ },
		"one-time id":     func(k *pqxdh.Prekeys, in *pqxdh.Initial) { k.OneTime.Public.ID++; in.OneTimeID++ },
		"KEM id":          func(k *pqxdh.Prekeys, in *pqxdh.Initial) { k.KEM.Public.ID++; in.KEMID++ },
		"last resort":     func(k *pqxdh.Prekeys, in *pqxdh.Initial) { k.KEM.Public.OneTime, in.OneTimeKEM = false, false },
		"no one-time":     func(k *pqxdh.Prekeys, in *pqxdh.Initial) { k.OneTime, in.HasOneTime = nil, false },
	} {
		k, hostile := reload(t, keys), *in
		change(&k, &hostile)
		try(name, bob.Identity, k, &hostile)
	}
	if got, err := pqxdh.Accept(bob.Identity, reload(t, keys), in, nil, noon); err != nil || !equal(got, s) {
		t.Fatalf("the test's copies are not faithful: %v", err)
	}
}

// reload stores private prekeys and loads them again.
func reload(t testing.TB, k pqxdh.Prekeys) (out pqxdh.Prekeys) {
	t.Helper()
	load := func(p interface{ MarshalBinary() ([]byte, error) }) []byte {
		b, err := p.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	var err error
	if out.Signed, err = pqxdh.ParsePrivateSignedPrekey(load(k.Signed)); err != nil {
		t.Fatal(err)
	}
	if out.KEM, err = pqxdh.ParsePrivateKEMPrekey(load(k.KEM)); err != nil {
		t.Fatal(err)
	}
	if k.OneTime != nil {
		if out.OneTime, err = pqxdh.ParsePrivateOneTimePrekey(load(k.OneTime)); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// Every bit of an initial matters: it is refused, or leads to other secrets. In
// the ciphertext one bit of every byte is tried.
func TestPQXDH_PQ09_everyBitOfAnInitialCounts(t *testing.T) {
	alice, bob := newDevice(t), newDevice(t)
	keys := bob.prekeys(t, true)
	in, s := handshake(t, alice, bob, keys, nil)
	good, err := in.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	bad := bytes.Clone(good)
	for i := range good {
		for bit := range 8 {
			if i >= len(good)-len(in.Ciphertext) && bit != i%8 {
				continue
			}
			bad[i] ^= 1 << bit
			hostile, err := pqxdh.ParseInitial(bad)
			bad[i] ^= 1 << bit
			if err != nil {
				continue
			}
			got, err := pqxdh.Accept(bob.Identity, keys, hostile, nil, noon)
			if err == nil && (got.Root == s.Root || bytes.Equal(got.AD, s.AD)) {
				t.Fatalf("byte %d, bit %d does not matter", i, bit)
			}
		}
	}
}
