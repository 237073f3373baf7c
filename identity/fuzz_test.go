package identity_test

import (
	"bytes"
	"strings"
	"testing"

	"kith/identity"
)

// Every target: no panic, and what is accepted encodes to the very input.

func FuzzParseAccountID(f *testing.F) {
	f.Add(newPerson(f, "alice").Account.ID().String())
	f.Add(strings.ToUpper(newPerson(f, "bob").Account.ID().String()))
	f.Fuzz(func(t *testing.T, s string) {
		if id, err := identity.ParseAccountID(s); err == nil && id.String() != strings.ToLower(s) {
			t.Errorf("%q is a second spelling of %s", s, id)
		}
	})
}

func FuzzAccountFromPhrase(f *testing.F) {
	f.Add(newPerson(f, "alice").Account.Phrase())
	f.Add(strings.Repeat("abandon ", 23) + "art")
	f.Fuzz(func(t *testing.T, s string) {
		account, err := identity.AccountFromPhrase(s)
		if err != nil {
			return
		}
		canonical := strings.Fields(account.Phrase())
		for i, w := range strings.Fields(strings.ToLower(s)) {
			if w != canonical[i] && (len(w) < 4 || !strings.HasPrefix(canonical[i], w)) {
				t.Errorf("word %d was %q, is %q", i, w, canonical[i])
			}
		}
	})
}

func FuzzParseCertificate(f *testing.F) {
	f.Add(encode(f, newPerson(f, "alice").certificate(f)))
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := identity.ParseCertificate(b); err == nil && !bytes.Equal(encode(t, c), b) {
			t.Errorf("%x is not canonical", b)
		}
		if r, err := identity.ParseRequest(b); err == nil && !bytes.Equal(encode(t, r), b) {
			t.Errorf("%x is not canonical", b)
		}
	})
}

func FuzzParseDeviceList(f *testing.F) {
	alice, certificates := family(f, 2)
	f.Add(encode(f, alice.list(f, nil, noon, certificates[:1]...)))
	f.Add(encode(f, alice.list(f, nil, noon, certificates...)))
	f.Fuzz(func(t *testing.T, b []byte) {
		if l, err := identity.ParseDeviceList(b); err == nil && !bytes.Equal(encode(t, l), b) {
			t.Errorf("%x is not canonical", b)
		}
	})
}

// The bytes are given their checksum here, or the fuzzer would never come past it.
func FuzzParseInvite(f *testing.F) {
	f.Add(rawInvite(newPerson(f, "alice"), noon, "Alice", "/dns4/example.org/tcp/4001", "h"))
	f.Add(rawInvite(newPerson(f, "alice"), noon, ""))
	f.Fuzz(func(t *testing.T, b []byte) {
		link := linkOf(b)
		if v, err := identity.ParseInvite(link); err == nil && v.Link() != link {
			t.Errorf("%x is not canonical", b)
		}
	})
}

func FuzzParseInviteText(f *testing.F) {
	f.Add(linkOf(rawInvite(newPerson(f, "alice"), noon, "Alice")))
	f.Add("KITH:AAAA")
	f.Fuzz(func(t *testing.T, s string) {
		v, err := identity.ParseInvite(s)
		if err != nil {
			return
		}
		if compact := strings.NewReplacer(" ", "", "\t", "", "\r", "", "\n", "").Replace(s); !strings.EqualFold(compact, v.Link()) {
			t.Errorf("%q is a second spelling of %q", s, v.Link())
		}
	})
}

func FuzzParseSecrets(f *testing.F) {
	f.Add(encode(f, newPerson(f, "alice").Secrets))
	f.Add(encode(f, identity.Secrets{Device: newPerson(f, "alice").Device}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := identity.ParseSecrets(b); err == nil && !bytes.Equal(encode(t, s), b) {
			t.Errorf("%x is not canonical", b)
		}
	})
}
