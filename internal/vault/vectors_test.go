package vault_test

import (
	"bytes"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"kith/internal/vault"
)

// counting returns size bytes counting up from first, in hexadecimal: the vectors of
// the specification.
func counting(first, size int) string {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(first + i)
	}
	return hex.EncodeToString(b)
}

func TestVault_VA08_vectors(t *testing.T) {
	spec, err := os.ReadFile("../../docs/spec/vault.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(spec), "## 6. Vectors")
	var sealed []string
	for line := range strings.Lines(section) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), "sealed: "); ok {
			sealed = append(sealed, value)
		}
	}
	if len(sealed) != 2 {
		t.Fatalf("%d vectors", len(sealed))
	}
	head := "{\n  \"version\": 1,\n  \"kind\": \"KIND\",\n  \"id\": \"" + counting(0x40, 16) + "\",\n"
	tail := "  \"nonce\": \"" + counting(0x50, 12) + "\",\n  \"sealed\": \"SEALED\"\n}\n"
	argon := "  \"argon2id\": {\n    \"passes\": 2,\n    \"memory_kib\": 19456,\n    \"lanes\": 1,\n    \"salt\": \"" + counting(0x60, 16) + "\"\n  },\n"
	for i, text := range []string{strings.Replace(head, "KIND", "file", 1) + tail, strings.Replace(head, "KIND", "passphrase", 1) + argon + tail} {
		dir := t.TempDir()
		write(t, dir, "master.key", []byte(counting(0x20, 32)+"\n"))
		write(t, dir, "key.json", []byte(strings.Replace(text, "SEALED", sealed[i], 1)))
		key, err := vault.Open(dir, saying("correct horse"))
		if want, _ := hex.DecodeString(counting(0, 32)); err != nil || !bytes.Equal(key[:], want) {
			t.Errorf("vector %d: %x, %v", i+1, key, err)
		}
	}
}
