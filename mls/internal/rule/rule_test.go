package rule

import (
	"errors"
	"fmt"
	"testing"
)

func TestRule_everyRuleHasTextAndFault(t *testing.T) {
	for _, id := range All() {
		if table[id].fault.String() == "unknown" {
			t.Errorf("%s has no fault", id)
		}
		if Text(id) == "unknown rule" {
			t.Errorf("%s has no text", id)
		}
	}
	if Text(0) != "unknown rule" || Text(255) != "unknown rule" {
		t.Error("a number that is no rule has a text")
	}
	if Fault(0).String() != "unknown" {
		t.Error("zero is a fault")
	}
}

func TestRule_errorsCompareByRule(t *testing.T) {
	err := fmt.Errorf("outer: %w", Breakf(Epoch, "epoch %d", 7))
	if !errors.Is(err, &Error{Rule: Epoch}) || errors.Is(err, &Error{Rule: GroupID}) {
		t.Error("errors of a rule do not compare by it")
	}
	if got := err.Error(); got != "outer: mls: V-08: message is for another epoch (epoch 7)" {
		t.Error(got)
	}
	local, _ := errors.AsType[*Error](AsLocal(err))
	if local == nil || local.Fault != Local || local.Rule != Epoch {
		t.Errorf("AsLocal gave %v", local)
	}
	plain := errors.New("plain")
	if AsLocal(plain) != plain {
		t.Error("AsLocal changed an error that is none of ours")
	}
}
