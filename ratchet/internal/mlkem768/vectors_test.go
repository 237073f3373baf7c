package mlkem768_test

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "kith/ratchet/internal/mlkem768"
)

// others reads a file of vectors by others, or skips the test.
func others(t *testing.T, name ...string) []byte {
	t.Helper()
	dir := os.Getenv("KITH_VECTORS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared", "vectors")
	}
	b, err := os.ReadFile(filepath.Join(dir, filepath.Join(name...)))
	if err != nil {
		t.Skipf("no vectors by others (set KITH_VECTORS): %v", err)
	}
	return b
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

type wycheproofFile struct {
	TestGroups []struct {
		Tests []struct {
			ID                int `json:"tcId"`
			Result            string
			Seed, EK, M, C, K string
		}
	}
}

// TestWycheproof runs key generation, both steps of encapsulation, and decapsulation.
func TestWycheproof(t *testing.T) {
	var total, refused int
	for _, name := range []string{"mlkem_768_test.json", "mlkem_768_encaps_test.json", "mlkem_768_keygen_seed_test.json"} {
		var file wycheproofFile
		if err := json.Unmarshal(others(t, "wycheproof", name), &file); err != nil {
			t.Fatal(err)
		}
		for _, g := range file.TestGroups {
			for _, tt := range g.Tests {
				seed, m, ek := unhex(t, tt.Seed), unhex(t, tt.M), unhex(t, tt.EK)
				ct, shared := unhex(t, tt.C), unhex(t, tt.K)
				total++
				good := true
				if len(seed) == SeedSize {
					header, vector, err := KeyFromSeed((*[SeedSize]byte)(seed))
					good = err == nil && bytes.Equal(append(vector, header[:32]...), ek)
				} else {
					good = len(m) == MessageSize
				}
				if good && len(m) == MessageSize {
					header, vector := split(ek)
					gotCT, gotShared, err := encapsulate(header, vector, [MessageSize]byte(m))
					if err != nil && !errors.Is(err, ErrVector) {
						t.Errorf("%s %d: %v", name, tt.ID, err)
					}
					good = err == nil && bytes.Equal(gotCT, ct) && bytes.Equal(gotShared, shared)
				} else if good && len(ct) > 0 {
					cut := min(len(ct), Ciphertext1Size)
					got, err := Decapsulate((*[SeedSize]byte)(seed), ct[:cut], ct[cut:])
					good = err == nil && bytes.Equal(got[:], shared)
				}
				if !good {
					refused++
				}
				if good != (tt.Result == "valid") {
					t.Errorf("%s %d: good is %t, want %s", name, tt.ID, good, tt.Result)
				}
			}
		}
	}
	t.Logf("%d vectors, %d of them refused", total, refused)
}

// fields reads lines of the form "name = hex".
func fields(t *testing.T, b []byte) map[string][]byte {
	t.Helper()
	values := make(map[string][]byte)
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " = ")
		if v, err := hex.DecodeString(value); err == nil && values[name] == nil {
			values[name] = v
		}
	}
	return values
}

// TestCCTV_samplesAndIntermediates leaves out the key generation of these
// files: it is that of a draft. The encapsulation is not.
func TestCCTV_samplesAndIntermediates(t *testing.T) {
	for _, name := range []string{"intermediate", "unluckysample"} {
		f := fields(t, others(t, "cctv-mlkem", name+"-ML-KEM-768.txt"))
		want := f["c"]
		if want == nil {
			want = append(f["c1"], f["c2"]...)
		}
		header, vector := split(f["ek"])
		ct, shared, err := encapsulate(header, vector, [MessageSize]byte(f["m"]))
		if err != nil || !bytes.Equal(ct, want) || !bytes.Equal(shared, f["K"]) {
			t.Errorf("%s: another ciphertext or secret (%v)", name, err)
		}
	}
}

func TestCCTV_modulus(t *testing.T) {
	z, err := gzip.NewReader(bytes.NewReader(others(t, "cctv-mlkem", "modulus-ML-KEM-768.txt.gz")))
	if err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Fields(string(all)) {
		header, vector := split(unhex(t, line))
		if _, err := Encapsulate2(&header, new([MessageSize]byte), vector); !errors.Is(err, ErrVector) {
			t.Errorf("line %d: %v", i+1, err)
		}
	}
}
