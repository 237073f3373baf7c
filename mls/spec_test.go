package mls_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"kith/mls/internal/rule"
)

// TestSpec_rulesAreThoseOfTheCode: the specification has every rule that the code
// has, and no other, and each is named by a test.
func TestSpec_rulesAreThoseOfTheCode(t *testing.T) {
	spec, err := os.ReadFile(filepath.Join("..", "docs", "spec", "mls-profile.md"))
	if err != nil {
		t.Fatal(err)
	}
	written := map[string]int{}
	for _, m := range regexp.MustCompile(`(?m)^- \*\*(V-\d\d)\*\*`).FindAllStringSubmatch(string(spec), -1) {
		written[m[1]]++
	}
	tested := map[string]bool{}
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^func TestMLS_V(\d\d)_`).FindAllStringSubmatch(string(b), -1) {
			tested["V-"+m[1]] = true
		}
	}
	for _, id := range rule.All() {
		if written[id.String()] != 1 {
			t.Errorf("%s is %d times in the specification", id, written[id.String()])
		}
		if !tested[id.String()] {
			t.Errorf("%s is named by no test", id)
		}
		delete(written, id.String())
	}
	for id := range written {
		t.Errorf("%s is in the specification only", id)
	}
}
