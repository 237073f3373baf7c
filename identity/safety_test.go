package identity_test

import (
	"regexp"
	"strings"
	"testing"

	"kith/identity"
)

func TestIdentity_ID17_sameOnBothSides(t *testing.T) {
	alice, bob, carol := newPerson(t, "alice").Account.ID(), newPerson(t, "bob").Account.ID(), newPerson(t, "carol").Account.ID()
	n := identity.NewSafetyNumber(alice, bob)
	if n != identity.NewSafetyNumber(bob, alice) {
		t.Error("the two sides see different numbers")
	}
	if n == identity.NewSafetyNumber(alice, carol) || n == identity.NewSafetyNumber(carol, bob) {
		t.Error("different pairs see the same number")
	}
	if !regexp.MustCompile(`^\d{5}( \d{5}){11}$`).MatchString(n.String()) {
		t.Errorf("displayed as %q", n)
	}
	if n.Digits() != strings.ReplaceAll(n.String(), " ", "") || len(n.Digits()) != 60 {
		t.Errorf("digits %q", n.Digits())
	}
}

func TestIdentity_ID17_leadingZerosAreShown(t *testing.T) {
	n := identity.SafetyNumber{0, 7, 99999}
	if !strings.HasPrefix(n.String(), "00000 00007 99999 00000") {
		t.Errorf("displayed as %q", n)
	}
}

func BenchmarkSafetyNumber(b *testing.B) {
	x, y := newPerson(b, "alice").Account.ID(), newPerson(b, "bob").Account.ID()
	for b.Loop() {
		identity.NewSafetyNumber(x, y)
	}
}
