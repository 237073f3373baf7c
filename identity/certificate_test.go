package identity_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"slices"
	"testing"
	"time"

	"kith/identity"
)

const (
	labelAcceptance  = "kith v1 identity device-acceptance"
	labelCertificate = "kith v1 identity device-certificate"
	labelList        = "kith v1 identity device-list"

	offsetAccount  = 1
	offsetDevice   = 33
	offsetIdentity = 65
	offsetCreated  = 101
	offsetExpires  = 109
	bodySize       = 117
)

// forge lets change edit the signed part of p's certificate, then signs it anew with
// the keys given: what a hostile account or device can make.
func forge(t *testing.T, p person, account, device ed25519.PrivateKey, change func(body []byte)) []byte {
	t.Helper()
	body := encode(t, p.certificate(t))[:bodySize]
	change(body)
	request := append(body, signed(device, labelAcceptance, body)...)
	return append(request, signed(account, labelCertificate, request)...)
}

func TestIdentity_ID07_signaturesAreBoundToTheirLabel(t *testing.T) {
	p := newPerson(t, "alice")
	body := encode(t, p.certificate(t))[:bodySize]
	for _, labels := range [][2]string{
		{labelCertificate, labelCertificate}, {labelAcceptance, labelAcceptance},
		{labelAcceptance, labelList}, {"", labelCertificate},
	} {
		request := append(slices.Clone(body), signed(p.device, labels[0], body)...)
		b := append(request, signed(p.account, labels[1], request)...)
		if _, err := identity.ParseCertificate(b); !errors.Is(err, identity.ErrForged) {
			t.Errorf("%q: %v", labels, err)
		}
	}
}

func TestIdentity_ID08_certificateRoundTrip(t *testing.T) {
	c := newPerson(t, "alice").certificate(t)
	b := encode(t, c)
	if len(b) != identity.CertificateSize {
		t.Fatalf("%d bytes", len(b))
	}
	got, err := identity.ParseCertificate(b)
	if err != nil || *got != *c {
		t.Fatalf("%+v, %v", got, err)
	}
	request, err := identity.ParseRequest(b[:identity.RequestSize])
	if err != nil || *request != c.Request || !bytes.Equal(encode(t, request), b[:identity.RequestSize]) {
		t.Fatalf("%+v, %v", request, err)
	}
}

func TestIdentity_ID08_everyPrefixAndExcessRefused(t *testing.T) {
	b := encode(t, newPerson(t, "alice").certificate(t))
	for n := range len(b) {
		if _, err := identity.ParseCertificate(b[:n]); !errors.Is(err, identity.ErrMalformed) {
			t.Fatalf("%d bytes: %v", n, err)
		}
	}
	if _, err := identity.ParseCertificate(append(b, 0)); !errors.Is(err, identity.ErrMalformed) {
		t.Errorf("excess byte: %v", err)
	}
	if _, err := identity.ParseRequest(b); !errors.Is(err, identity.ErrMalformed) {
		t.Errorf("request with excess: %v", err)
	}
	if _, err := identity.ParseRequest(b[:100]); !errors.Is(err, identity.ErrMalformed) {
		t.Errorf("request cut short: %v", err)
	}
	b[0] = 2
	if _, err := identity.ParseCertificate(b); !errors.Is(err, identity.ErrVersion) {
		t.Errorf("version 2: %v", err)
	}
}

func TestIdentity_ID08_everyFlippedBitRefused(t *testing.T) {
	good := encode(t, newPerson(t, "alice").certificate(t))
	for i := range len(good) {
		b := slices.Clone(good)
		b[i] ^= 1 << (i % 8)
		if _, err := identity.ParseCertificate(b); err == nil {
			t.Errorf("byte %d changed, still accepted", i)
		}
	}
}

// Mallory's account cannot claim Alice's device, for Alice's device did not agree.
func TestIdentity_ID09_foreignDeviceCannotBeClaimed(t *testing.T) {
	alice, mallory := newPerson(t, "alice"), newPerson(t, "mallory")
	b := forge(t, alice, mallory.account, mallory.device, func(body []byte) {
		id := mallory.Account.ID()
		copy(body[offsetAccount:], id[:])
	})
	if _, err := identity.ParseCertificate(b); !errors.Is(err, identity.ErrForged) {
		t.Errorf("acceptance by another device: %v", err)
	}
	request, err := alice.Device.Request(alice.Account.ID(), identity.Terms{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mallory.Account.Certify(request); !errors.Is(err, identity.ErrForged) {
		t.Errorf("request to another account: %v", err)
	}
	moved := *request
	moved.Account = mallory.Account.ID()
	if _, err := mallory.Account.Certify(&moved); !errors.Is(err, identity.ErrForged) {
		t.Errorf("request redirected: %v", err)
	}
}

func TestIdentity_ID09_foreignAccountCannotCertify(t *testing.T) {
	alice, mallory := newPerson(t, "alice"), newPerson(t, "mallory")
	b := forge(t, alice, mallory.account, alice.device, func([]byte) {})
	if _, err := identity.ParseCertificate(b); !errors.Is(err, identity.ErrForged) {
		t.Error(err)
	}
}

func TestIdentity_ID10_hostileFieldsRefused(t *testing.T) {
	p := newPerson(t, "alice")
	id := p.Account.ID()
	put := func(offset int, b []byte) func([]byte) { return func(body []byte) { copy(body[offset:], b) } }
	hostile := map[string][]byte{
		"device is account":      forge(t, p, p.account, p.account, put(offsetDevice, id[:])),
		"expires at creation":    forge(t, p, p.account, p.device, func(body []byte) { copy(body[offsetExpires:], body[offsetCreated:offsetExpires]) }),
		"expires before created": forge(t, p, p.account, p.device, put(offsetExpires, []byte{0, 0, 0, 0, 0, 0, 0, 1})),
	}
	for name, key := range unacceptableX25519 {
		hostile["identity key "+name] = forge(t, p, p.account, p.device, put(offsetIdentity, unhex(t, key)))
	}
	for name, key := range unacceptableEd25519 {
		if raw := unhex(t, key); len(raw) == 32 {
			hostile["device "+name] = forge(t, p, p.account, p.device, put(offsetDevice, raw))
			hostile["account "+name] = forge(t, p, p.account, p.device, put(offsetAccount, raw))
		}
	}
	for name, b := range hostile {
		if _, err := identity.ParseCertificate(b); !errors.Is(err, identity.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := identity.ParseCertificate(forge(t, p, p.account, p.device, func([]byte) {})); err != nil {
		t.Errorf("the forge itself is broken: %v", err)
	}
	if _, err := p.Device.Request(id, identity.Terms{Created: 2, Expires: 2}); !errors.Is(err, identity.ErrMalformed) {
		t.Errorf("request with impossible terms: %v", err)
	}
	if _, err := p.Device.Request(identity.AccountID{}, identity.Terms{}); !errors.Is(err, identity.ErrMalformed) {
		t.Errorf("request to no account: %v", err)
	}
}

func TestIdentity_ID23_certificateExpiry(t *testing.T) {
	p := newPerson(t, "alice")
	c := p.certificate(t)
	for now, want := range map[int64]bool{noon + 9: false, noon + 10: true, noon + 11: true, -5: false} {
		if got := c.Expired(time.Unix(now, 0)); got != want {
			t.Errorf("at %d: %v", now, got)
		}
	}
	request, err := p.Device.Request(p.Account.ID(), identity.Terms{Created: noon})
	if err != nil {
		t.Fatal(err)
	}
	endless, err := p.Account.Certify(request)
	if err != nil || endless.Expired(time.Unix(1<<40, 0)) {
		t.Error("expires 0 is not for ever", err)
	}
}
