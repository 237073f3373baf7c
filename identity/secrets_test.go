package identity_test

import (
	"bytes"
	"errors"
	"testing"

	"kith/identity"
)

func TestIdentity_ID16_secretsRoundTrip(t *testing.T) {
	p := newPerson(t, "alice")
	for name, secrets := range map[string]identity.Secrets{
		"with account": p.Secrets,
		"device alone": {Device: p.Device},
	} {
		b := encode(t, secrets)
		got, err := identity.ParseSecrets(b)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if again := encode(t, got); !bytes.Equal(again, b) {
			t.Errorf("%s: encoded differently", name)
		}
		if got.Device.ID() != p.Device.ID() || got.Device.IdentityKey() != p.Device.IdentityKey() {
			t.Errorf("%s: another device", name)
		}
		if (got.Account == nil) != (secrets.Account == nil) || got.Account != nil && got.Account.ID() != p.Account.ID() {
			t.Errorf("%s: another account", name)
		}
		if clear(b); got.Device.ID() != p.Device.ID() {
			t.Errorf("%s: shares memory with its encoding", name)
		}
	}
}

func TestIdentity_ID16_wrongSecretsRefused(t *testing.T) {
	p := newPerson(t, "alice")
	b := encode(t, p.Secrets)
	if len(b) != 98 {
		t.Fatalf("%d bytes", len(b))
	}
	for n := range len(b) {
		if _, err := identity.ParseSecrets(b[:n]); !errors.Is(err, identity.ErrMalformed) {
			t.Fatalf("%d bytes: %v", n, err)
		}
	}
	if _, err := identity.ParseSecrets(append(b, 0)); !errors.Is(err, identity.ErrMalformed) {
		t.Errorf("excess byte: %v", err)
	}
	same := bytes.Clone(b)
	copy(same[34:66], same[2:34])
	if _, err := identity.ParseSecrets(same); !errors.Is(err, identity.ErrMalformed) {
		t.Errorf("one key for account and device: %v", err)
	}
	if _, err := identity.ParseSecrets(append([]byte{1, 31}, b[3:]...)); !errors.Is(err, identity.ErrMalformed) {
		t.Errorf("seed of 31 bytes: %v", err)
	}
	b[0] = 2
	if _, err := identity.ParseSecrets(b); !errors.Is(err, identity.ErrVersion) {
		t.Errorf("version 2: %v", err)
	}
	if _, err := (identity.Secrets{Account: p.Account}).AppendBinary(nil); !errors.Is(err, identity.ErrMalformed) {
		t.Errorf("no device: %v", err)
	}
}
