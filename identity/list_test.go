package identity_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"kith/identity"
)

// family is an account's owner with n further devices, certified.
func family(t testing.TB, n int) (person, []*identity.Certificate) {
	alice := newPerson(t, "alice")
	var certificates []*identity.Certificate
	for i := range n {
		certificates = append(certificates, alice.certify(t, newPerson(t, fmt.Sprintf("alice's device %d", i))))
	}
	return alice, certificates
}

// rawList writes and signs a list by hand, in the order given.
func rawList(t testing.TB, p person, seq uint64, previous identity.ListHash, issued uint64, certificates ...*identity.Certificate) []byte {
	id := p.Account.ID()
	b := append([]byte{1}, id[:]...)
	b = binary.BigEndian.AppendUint64(b, seq)
	b = append(b, previous[:]...)
	b = binary.BigEndian.AppendUint64(b, issued)
	b = binary.BigEndian.AppendUint16(b, uint16(len(certificates)*identity.CertificateSize))
	for _, c := range certificates {
		b = append(b, encode(t, c)...)
	}
	return append(b, signed(p.account, labelList, b)...)
}

func TestIdentity_ID11_listOfEverySize(t *testing.T) {
	alice, certificates := family(t, identity.MaxDevices)
	for n := 1; n <= identity.MaxDevices; n++ {
		l := alice.list(t, nil, noon, certificates[:n]...)
		b := encode(t, l)
		got, err := identity.ParseDeviceList(b)
		if err != nil {
			t.Fatalf("%d devices: %v", n, err)
		}
		if !slices.Equal(encode(t, got), b) || got.Hash() != l.Hash() || len(got.Certificates) != n {
			t.Errorf("%d devices: changed on the way", n)
		}
		if n == identity.MaxDevices && len(b) != identity.MaxListSize {
			t.Errorf("largest list has %d bytes", len(b))
		}
		for _, c := range certificates[:n] {
			if found := got.Certificate(c.Device); found == nil || *found != *c {
				t.Errorf("%d devices: certificate not found", n)
			}
		}
		if got.Certificate(identity.DeviceID{}) != nil {
			t.Error("found a certificate of no device")
		}
	}
}

func TestIdentity_ID11_hostileListsRefused(t *testing.T) {
	alice, certificates := family(t, identity.MaxDevices+1)
	sorted := alice.list(t, nil, noon, certificates[:3]...).Certificates
	none, some := identity.ListHash{}, identity.ListHash{1}
	twin := twinOf(t, alice, certificates[0])
	for name, b := range map[string][]byte{
		"number 0":               rawList(t, alice, 0, none, noon, sorted...),
		"first with predecessor": rawList(t, alice, 1, some, noon, sorted...),
		"second without":         rawList(t, alice, 2, none, noon, sorted...),
		"no devices":             rawList(t, alice, 1, none, noon),
		"too many devices":       rawList(t, alice, 1, none, noon, certificates...),
		"unsorted":               rawList(t, alice, 1, none, noon, sorted[1], sorted[0]),
		"twice the same device":  rawList(t, alice, 1, none, noon, sorted[0], sorted[0]),
		"shared identity key":    rawList(t, alice, 1, none, noon, twin...),
		"device with two keys":   rawList(t, alice, 1, none, noon, certificates[0], withIdentityKeyOf(t, alice, "alice's device 0", certificates[0], "another")),
	} {
		if _, err := identity.ParseDeviceList(b); !errors.Is(err, identity.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := identity.ParseDeviceList(rawList(t, alice, 1, none, noon, sorted...)); err != nil {
		t.Errorf("the hand-written list is broken: %v", err)
	}
	if _, err := alice.Account.SignList(nil, noon, certificates); !errors.Is(err, identity.ErrMalformed) {
		t.Errorf("signed too many devices: %v", err)
	}
	if _, err := alice.Account.SignList(nil, noon, nil); !errors.Is(err, identity.ErrMalformed) {
		t.Errorf("signed no devices: %v", err)
	}
}

// withIdentityKeyOf certifies the device of owner again, with another's X25519 key.
func withIdentityKeyOf(t testing.TB, alice person, owner string, c *identity.Certificate, other string) *identity.Certificate {
	body := encode(t, c)[:bodySize]
	key := newPerson(t, other).Device.IdentityKey()
	copy(body[offsetIdentity:], key[:])
	request := append(body, signed(newPerson(t, owner).device, labelAcceptance, body)...)
	again, err := identity.ParseCertificate(append(request, signed(alice.account, labelCertificate, request)...))
	if err != nil {
		t.Fatal(err)
	}
	return again
}

// twinOf returns two certificates, sorted, of different devices with one X25519 key.
func twinOf(t testing.TB, alice person, c *identity.Certificate) []*identity.Certificate {
	other := newPerson(t, "twin")
	body := encode(t, c)[:bodySize]
	id := other.Device.ID()
	copy(body[offsetDevice:], id[:])
	request := append(body, signed(other.device, labelAcceptance, body)...)
	twin, err := identity.ParseCertificate(append(request, signed(alice.account, labelCertificate, request)...))
	if err != nil {
		t.Fatal(err)
	}
	pair := []*identity.Certificate{c, twin}
	slices.SortFunc(pair, func(x, y *identity.Certificate) int { return slices.Compare(x.Device[:], y.Device[:]) })
	return pair
}

func TestIdentity_ID11_everyPrefixAndExcessRefused(t *testing.T) {
	alice, certificates := family(t, 2)
	b := encode(t, alice.list(t, nil, noon, certificates...))
	for n := range len(b) {
		if _, err := identity.ParseDeviceList(b[:n]); !errors.Is(err, identity.ErrMalformed) {
			t.Fatalf("%d bytes: %v", n, err)
		}
	}
	if _, err := identity.ParseDeviceList(append(b, 0)); !errors.Is(err, identity.ErrMalformed) {
		t.Errorf("excess byte: %v", err)
	}
	b[0] = 9
	if _, err := identity.ParseDeviceList(b); !errors.Is(err, identity.ErrVersion) {
		t.Errorf("version 9: %v", err)
	}
}

func TestIdentity_ID12_forgedListsRefused(t *testing.T) {
	alice, certificates := family(t, 2)
	mallory := newPerson(t, "mallory")
	good := encode(t, alice.list(t, nil, noon, certificates...))
	for i := range len(good) {
		b := slices.Clone(good)
		b[i] ^= 1 << (i % 8)
		if _, err := identity.ParseDeviceList(b); err == nil {
			t.Errorf("byte %d changed, still accepted", i)
		}
	}
	foreign := rawList(t, mallory, 1, identity.ListHash{}, noon, certificates[0])
	if _, err := identity.ParseDeviceList(foreign); !errors.Is(err, identity.ErrForged) {
		t.Errorf("certificate of another account: %v", err)
	}
	body := good[:len(good)-64]
	if _, err := identity.ParseDeviceList(append(body, signed(mallory.account, labelList, body)...)); !errors.Is(err, identity.ErrForged) {
		t.Errorf("signed by another account: %v", err)
	}
}

func TestIdentity_ID13_chain(t *testing.T) {
	alice, certificates := family(t, 3)
	first := alice.list(t, nil, noon, certificates[0])
	second := alice.list(t, first, noon, certificates[:2]...)
	third := alice.list(t, second, noon+1, certificates...)
	for name, step := range map[string]struct {
		list, known *identity.DeviceList
		want        error
	}{
		"next":           {second, first, nil},
		"next again":     {third, second, nil},
		"the same":       {second, second, identity.ErrStale},
		"older":          {first, third, identity.ErrStale},
		"one left out":   {third, first, identity.ErrGap},
		"someone else's": {newPerson(t, "bob").list(t, nil, noon, newPerson(t, "bob").certificate(t)), first, identity.ErrForged},
	} {
		if err := step.list.Follows(step.known); !errors.Is(err, step.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The number is the last one; nothing can follow it, and nothing wraps around.
func TestIdentity_ID13_lastNumber(t *testing.T) {
	alice, certificates := family(t, 1)
	last, err := identity.ParseDeviceList(rawList(t, alice, 1<<64-1, identity.ListHash{1}, noon, certificates...))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := alice.Account.SignList(last, noon, certificates); !errors.Is(err, identity.ErrMalformed) {
		t.Error(err)
	}
	first := alice.list(t, nil, noon, certificates...)
	if err := first.Follows(last); !errors.Is(err, identity.ErrStale) {
		t.Error(err)
	}
}

// 1 -> 2a -> 3
//
//	-> 2b
func TestIdentity_ID14_forkedListRefused(t *testing.T) {
	alice, certificates := family(t, 3)
	first := alice.list(t, nil, noon, certificates[0])
	secondA := alice.list(t, first, noon, certificates[:2]...)
	secondB := alice.list(t, first, noon, certificates[0], certificates[2])
	third := alice.list(t, secondA, noon, certificates...)
	otherFirst := alice.list(t, nil, noon+1, certificates[0])
	for name, pair := range map[string][2]*identity.DeviceList{
		"same number":         {secondB, secondA},
		"same number, back":   {secondA, secondB},
		"another predecessor": {third, secondB},
		"two beginnings":      {otherFirst, first},
	} {
		if err := pair[0].Follows(pair[1]); !errors.Is(err, identity.ErrFork) || errors.Is(err, identity.ErrForged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestIdentity_ID15_issuedNeverGoesBack(t *testing.T) {
	alice, certificates := family(t, 1)
	first := alice.list(t, nil, noon, certificates...)
	if _, err := alice.Account.SignList(first, noon-1, certificates); !errors.Is(err, identity.ErrMalformed) {
		t.Errorf("signed: %v", err)
	}
	earlier, err := identity.ParseDeviceList(rawList(t, alice, 2, first.Hash(), noon-1, certificates...))
	if err != nil {
		t.Fatal(err)
	}
	if err := earlier.Follows(first); !errors.Is(err, identity.ErrMalformed) {
		t.Error(err)
	}
	same, err := identity.ParseDeviceList(rawList(t, alice, 2, first.Hash(), noon, certificates...))
	if err != nil {
		t.Fatal(err)
	}
	if err := same.Follows(first); err != nil {
		t.Errorf("in the same second: %v", err)
	}
}

func TestIdentity_ID23_activeDevices(t *testing.T) {
	alice, certificates := family(t, 2)
	request, err := newPerson(t, "endless").Device.Request(alice.Account.ID(), identity.Terms{})
	if err != nil {
		t.Fatal(err)
	}
	endless, err := alice.Account.Certify(request)
	if err != nil {
		t.Fatal(err)
	}
	l := alice.list(t, nil, noon, append(certificates, endless)...)
	if n := len(l.Active(time.Unix(noon, 0))); n != 3 {
		t.Errorf("%d active before expiry", n)
	}
	if active := l.Active(time.Unix(noon+10, 0)); len(active) != 1 || active[0] != endless {
		t.Errorf("%d active after expiry", len(active))
	}
	if len(l.Certificates) != 3 || l.Verify() != nil {
		t.Error("looking at active devices changed the list")
	}
}
