package signalv4_test

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	. "kith/ratchet/internal/signalv4"
)

var update = flag.Bool("update", false, "write the recorded signatures of libxeddsa again")

const xeddsaFile = "testdata/vectors/xeddsa.txt"

// signing is one input for a signature.
type signing struct {
	private [32]byte // clamped
	message []byte
	random  [64]byte
}

func signings(seed byte, count int) []signing {
	r := rand.NewChaCha8([32]byte{seed})
	all := make([]signing, count)
	for i := range all {
		s := &all[i]
		r.Read(s.private[:])
		s.private[0] &= 248
		s.private[31] = s.private[31]&127 | 64
		s.message = make([]byte, i*7%300)
		r.Read(s.message)
		r.Read(s.random[:])
	}
	return all
}

func public(t *testing.T, private [32]byte) PublicKey {
	t.Helper()
	k, err := KeyPairFromPrivate(private)
	if err != nil {
		t.Fatal(err)
	}
	return k.Public
}

// libxeddsa lets Debian's library sign, or skips the test.
func libxeddsa(t *testing.T, all []signing) []Signature {
	t.Helper()
	program := filepath.Join(t.TempDir(), "libxeddsa")
	if out, err := exec.Command("gcc", "-o", program, "testdata/libxeddsa.c", "-lxeddsa").CombinedOutput(); err != nil {
		t.Skipf("no libxeddsa (Debian packages gcc and libxeddsa-dev): %v %s", err, firstLine(out))
	}
	var in bytes.Buffer
	for _, s := range all {
		message := hex.EncodeToString(s.message)
		if message == "" {
			message = "-"
		}
		fmt.Fprintf(&in, "%x %s %x\n", s.private, message, s.random)
	}
	cmd := exec.Command(program)
	cmd.Stdin = &in
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Fields(string(out))
	if len(lines) != 2*len(all) {
		t.Fatalf("%d answers for %d questions", len(lines), len(all))
	}
	sigs := make([]Signature, len(all))
	for i := range sigs {
		if n, err := hex.Decode(sigs[i][:], []byte(lines[2*i])); err != nil || n != len(sigs[i]) || lines[2*i+1] != "1" {
			t.Fatalf("answer %q %q", lines[2*i], lines[2*i+1])
		}
	}
	return sigs
}

func firstLine(b []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(b)), "\n")
	return line
}

func TestXEdDSA_sameAsLibxeddsa(t *testing.T) {
	all := signings(1, 500)
	for i, want := range libxeddsa(t, all) {
		s := &all[i]
		if got := SignXEdDSA(&s.private, s.message, &s.random); got != want {
			t.Fatalf("key %x: signature %x, libxeddsa's %x", s.private, got, want)
		}
	}
}

// TestXEdDSA_recorded compares with what libxeddsa signed when it was there.
func TestXEdDSA_recorded(t *testing.T) {
	if *update {
		all := signings(2, 8)
		var b bytes.Buffer
		fmt.Fprint(&b, "# Signatures of XEdDSA, revision 1, by Debian's libxeddsa 2.0.\n")
		for i, sig := range libxeddsa(t, all) {
			s := &all[i]
			fmt.Fprintf(&b, "\nprivate: %x\npublic: %x\nmessage: %x\nrandom: %x\nsignature: %x\n",
				s.private, public(t, s.private), s.message, s.random, sig)
		}
		if err := os.WriteFile(xeddsaFile, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(xeddsaFile)
	if err != nil {
		t.Fatal(err)
	}
	entries := strings.Split(strings.TrimSpace(string(b)), "\n\n")[1:]
	signs := map[byte]int{}
	for _, e := range entries {
		f := map[string][]byte{}
		for line := range strings.Lines(e) {
			name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
			if f[name], err = hex.DecodeString(value); err != nil {
				t.Fatal(err)
			}
		}
		private, key, sig := [32]byte(f["private"]), PublicKey(f["public"]), Signature(f["signature"])
		if got := SignXEdDSA(&private, f["message"], (*[64]byte)(f["random"])); got != sig {
			t.Errorf("key %x: signature %x, want %x", private, got, sig)
		}
		if public(t, private) != key || !VerifyXEdDSA(&key, f["message"], &sig) || !VerifySignal(&key, f["message"], &sig) {
			t.Errorf("key %x: signature refused", private)
		}
		theirs := SignSignal(&private, f["message"], (*[64]byte)(f["random"]))
		signs[theirs[63]&0x80]++
	}
	if len(signs) != 2 {
		t.Error("not both signs of public points are there")
	}
}

func TestXEdDSA_variants(t *testing.T) {
	for _, s := range signings(3, 20) {
		key := public(t, s.private)
		spec := SignXEdDSA(&s.private, s.message, &s.random)
		signal := SignSignal(&s.private, s.message, &s.random)
		negative := signal[63]&0x80 != 0
		if !VerifyXEdDSA(&key, s.message, &spec) || !VerifySignal(&key, s.message, &spec) || !VerifySignal(&key, s.message, &signal) {
			t.Fatalf("key %x: a good signature was refused", s.private)
		}
		if VerifyXEdDSA(&key, s.message, &signal) == negative {
			t.Errorf("key %x: libsignal's signature must fail by the specification just if the sign is 1", s.private)
		}
		if !negative && spec != signal {
			t.Errorf("key %x: the variants must agree if the sign is 0", s.private)
		}
		flipped := signal
		flipped[63] ^= 0x80
		if VerifySignal(&key, s.message, &flipped) {
			t.Errorf("key %x: the sign does not matter", s.private)
		}
	}
}

func TestXEdDSA_refused(t *testing.T) {
	s := signings(4, 9)[8]
	key := public(t, s.private)
	sig := SignSignal(&s.private, s.message, &s.random)
	spec := SignXEdDSA(&s.private, s.message, &s.random)
	for i := range 8 * len(sig) {
		a, b := sig, spec
		a[i/8] ^= 1 << (i % 8)
		b[i/8] ^= 1 << (i % 8)
		if VerifySignal(&key, s.message, &a) || VerifyXEdDSA(&key, s.message, &b) {
			t.Errorf("bit %d of the signature does not matter", i)
		}
	}
	for i := range 8 * len(key) {
		k := key
		k[i/8] ^= 1 << (i % 8)
		if VerifySignal(&k, s.message, &sig) || VerifyXEdDSA(&k, s.message, &spec) {
			t.Errorf("bit %d of the key does not matter", i)
		}
	}
	for i := range 8 * len(s.message) {
		m := bytes.Clone(s.message)
		m[i/8] ^= 1 << (i % 8)
		if VerifySignal(&key, m, &sig) || VerifyXEdDSA(&key, m, &spec) {
			t.Errorf("bit %d of the message does not matter", i)
		}
	}
	// The same scalar once more with the group's order added, as long as it fits.
	order := []byte{0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 31: 0x10}
	if more := addLE(spec, order); more[63]&0xe0 == 0 {
		if !VerifyXEdDSA(&key, s.message, &more) {
			t.Error("a scalar below 2^253 must be taken, reduced or not")
		}
	}
	for range 8 {
		spec = addLE(spec, order)
	}
	if VerifyXEdDSA(&key, s.message, &spec) {
		t.Error("a scalar from 2^253 must be refused")
	}
}

func addLE(sig Signature, order []byte) Signature {
	carry := 0
	for i, o := range order {
		carry += int(sig[32+i]) + int(o)
		sig[32+i] = byte(carry)
		carry >>= 8
	}
	return sig
}
