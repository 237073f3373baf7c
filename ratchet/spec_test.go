package ratchet_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestSpec_everyRuleHasATest compares the rules of the specification with the
// names of the tests, both ways.
func TestSpec_everyRuleHasATest(t *testing.T) {
	spec, err := os.ReadFile(filepath.Join("..", "docs", "spec", "ratchet.md"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	inner, err := filepath.Glob(filepath.Join("internal", "*", "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	var tests strings.Builder
	for _, name := range append(files, inner...) {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		tests.Write(b)
	}
	rules := make(map[string]bool)
	for _, m := range regexp.MustCompile(`\*\*R-(\d\d)\*\*`).FindAllStringSubmatch(string(spec), -1) {
		rules[m[1]] = true
		if !strings.Contains(tests.String(), "func TestRatchet_R"+m[1]+"_") {
			t.Errorf("R-%s has no test", m[1])
		}
	}
	for _, m := range regexp.MustCompile(`func TestRatchet_R(\d\d)_`).FindAllStringSubmatch(tests.String(), -1) {
		if !rules[m[1]] {
			t.Errorf("a test names R-%s, which is no rule", m[1])
		}
	}
}
