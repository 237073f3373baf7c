package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
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

// TestVectors_damageIsFound proves that the verifiers can fail: every case of
// each file, with one of its byte strings changed, must not pass.
func TestVectors_damageIsFound(t *testing.T) {
	dir := vectors(t)
	for name, fields := range map[string]string{
		"tree-math": "root", "crypto-basics": "out", "secret-tree": "application_key", "message-protection": "membership_key",
		"key-schedule": "epoch_authenticator", "psk_secret": "psk_secret", "transcript-hashes": "interim_transcript_hash_after",
		"welcome": "signer_pub", "tree-operations": "tree_hash_after", "tree-validation": "group_id", "treekem": "commit_secret signature_priv",
		"passive-client-welcome": "initial_epoch_authenticator", "passive-client-handling-commit": "epoch_authenticator", "deserialization": "length",
	} {
		data, err := os.ReadFile(filepath.Join(dir, name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		for field := range strings.FieldsSeq(fields) {
			verifyDamaged(t, name, data, field)
		}
	}
}

// verifyDamaged changes a field of the last case, which has all that a case may have.
func verifyDamaged(t *testing.T, name string, data []byte, field string) {
	t.Helper()
	var cases []any
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	cases = cases[len(cases)-1:]
	if !damage(cases[0], field) {
		t.Fatalf("%s has no %s", name, field)
	}
	data, err := json.Marshal(cases)
	if err != nil {
		t.Fatal(err)
	}
	r, err := verify(data)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.failures) != 1 || r.passed != 0 {
		t.Errorf("%s with another %s passes", name, field)
	}
}

// damage changes the first value of a name below v.
func damage(v any, field string) bool {
	switch v := v.(type) {
	case map[string]any:
		switch old := v[field].(type) {
		case string:
			if old == "" {
				break
			}
			last := map[bool]string{true: "1", false: "0"}[strings.HasSuffix(old, "0")]
			v[field] = old[:len(old)-1] + last
			return true
		case float64:
			v[field] = old + 1
			return true
		}
		for _, k := range slices.Sorted(maps.Keys(v)) {
			if damage(v[k], field) {
				return true
			}
		}
	case []any:
		for _, e := range v {
			if damage(e, field) {
				return true
			}
		}
	}
	return false
}

func TestCommand_outputAndStatus(t *testing.T) {
	write := func(name, content string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := write("good.json", `[{"vlbytes_header": "3f", "length": 63}]`)
	bad := write("bad.json", `[{"vlbytes_header": "3f", "length": 63}, {"vlbytes_header": "4001", "length": 1}]`)
	for _, c := range []struct {
		files  []string
		last   string
		status int
	}{
		{[]string{good}, "1 passed, 0 failed\n", 0},
		{[]string{good, bad}, "2 passed, 1 failed\n", 1},
		{[]string{write("other.json", `[{"x": 1}]`)}, "0 passed, 1 failed\n", 1},
		{[]string{write("none.json", `[]`), good}, "1 passed, 1 failed\n", 1},
		{[]string{write("broken.json", `[`)}, "0 passed, 1 failed\n", 1},
		{[]string{"does not exist"}, "0 passed, 1 failed\n", 1},
		{nil, "", 2},
	} {
		var out, errs strings.Builder
		if status := run(c.files, &out, &errs); status != c.status || !strings.HasSuffix(out.String(), c.last) {
			t.Errorf("%v: status %d, output %q", c.files, status, out.String())
		}
		if c.status != 0 && errs.Len()+strings.Count(out.String(), "case") == 0 {
			t.Errorf("%v: no word about what is wrong", c.files)
		}
	}
}

func FuzzVerify(f *testing.F) {
	f.Add([]byte(`[{"n_leaves": 2, "n_nodes": 3, "root": 1, "left": [null, 0], "right": [], "parent": [], "sibling": []}]`))
	f.Add([]byte(`[{"cipher_suite": 1, "sender_data": {}, "encryption_secret": "00", "leaves": [[{"generation": 5}], [], []]}]`))
	f.Add([]byte(`[{"cipher_suite": 1, "leaves_private": [{"index": 9}], "update_paths": [{"sender": 7}], "ratchet_tree": "00"}]`))
	f.Add([]byte(`[{"cipher_suite": 2, "ref_hash": {}, "expand_with_label": {"length": -1}}]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if r, err := verify(data); err == nil && r.passed+len(r.failures) == 0 {
			t.Error("a file without cases is no error")
		}
	})
}
