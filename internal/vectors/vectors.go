// Package vectors reads test vectors that others made, for tests. They are not
// part of this repository: they lie in ../shared/vectors beside it, or where the
// environment variable KITH_VECTORS points.
package vectors

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// Path returns where a file of vectors is, and skips the test if it is not there.
func Path(t testing.TB, elem ...string) string {
	t.Helper()
	name := filepath.Join(append([]string{dir(t)}, elem...)...)
	if _, err := os.Stat(name); err != nil {
		t.Skipf("SKIPPED: no vectors %s (set KITH_VECTORS)", filepath.Join(elem...))
	}
	return name
}

// Wycheproof reads a file of Project Wycheproof and calls visit with every test
// and the group it is in. It skips the test if the file is not there.
func Wycheproof[Group, Test any](t testing.TB, file string, visit func(Group, Test)) {
	t.Helper()
	b, err := os.ReadFile(Path(t, "wycheproof", file))
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		NumberOfTests int
		TestGroups    []json.RawMessage
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, raw := range doc.TestGroups {
		var group Group
		var tests struct{ Tests []Test }
		if err := json.Unmarshal(raw, &group); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(raw, &tests); err != nil {
			t.Fatal(err)
		}
		for _, test := range tests.Tests {
			visit(group, test)
			seen++
		}
	}
	if seen == 0 || seen != doc.NumberOfTests {
		t.Errorf("%s: %d tests of %d", file, seen, doc.NumberOfTests)
	}
}

// dir is KITH_VECTORS, or shared/vectors beside the root of the module.
func dir(t testing.TB) string {
	if d := os.Getenv("KITH_VECTORS"); d != "" {
		return d
	}
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			return filepath.Join(root, "..", "shared", "vectors")
		}
		up := filepath.Dir(root)
		if up == root {
			t.Fatal("no go.mod above the test")
		}
		root = up
	}
}
