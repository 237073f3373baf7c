package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// vectors returns the folder of the official files: KITH_VECTORS/mls, or the one
// beside the repository.
func vectors(t *testing.T) string {
	t.Helper()
	dir := filepath.Join("..", "..", "..", "shared", "vectors")
	if env := os.Getenv("KITH_VECTORS"); env != "" {
		dir = env
	}
	dir = filepath.Join(dir, "mls")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("the official MLS vectors are not at %s: set KITH_VECTORS", dir)
	}
	return dir
}

// TestVectors_official verifies every case of the working group's files.
func TestVectors_official(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(vectors(t), "*.json"))
	if err != nil || len(files) < 16 {
		t.Fatalf("%d files, want 16 (%v)", len(files), err)
	}
	kindsSeen := map[string]bool{}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			r, err := verify(data)
			if err != nil {
				t.Fatal(err)
			}
			kindsSeen[r.kind] = true
			for _, f := range r.failures {
				t.Errorf("%.300s", f.Error())
			}
			if r.passed == 0 {
				t.Error("no case passed")
			}
		})
	}
	for _, k := range kinds {
		if !kindsSeen[k.name] && !t.Failed() && !strings.Contains(t.Name(), "/") {
			t.Errorf("no file of kind %s", k.name)
		}
	}
}
