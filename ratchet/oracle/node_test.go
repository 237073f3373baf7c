package oracle_test

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"kith/ratchet/internal/signalv4"
)

// node is a process of libsignal.
type node struct {
	t      testing.TB
	in     io.Writer
	out    *bufio.Reader
	number int
}

// refusal is what libsignal said no with.
type refusal struct{ name, text string }

func (r *refusal) Error() string { return r.name + ": " + r.text }

// startNode starts the libsignal of a folder, or skips the test.
func startNode(t testing.TB, folder string) *node {
	t.Helper()
	missing := func(format string, args ...any) {
		t.Helper()
		if os.Getenv("KITH_ORACLE") == "require" {
			t.Fatalf("no libsignal: "+format, args...)
		}
		t.Skipf("no libsignal, run make oracle: "+format, args...)
	}
	program, err := exec.LookPath("node")
	if err != nil {
		missing("%v", err)
	}
	if _, err := os.Stat(filepath.Join(folder, "node_modules", "@signalapp", "libsignal-client", "package.json")); err != nil {
		missing("%v", err)
	}
	cmd := exec.Command(program, "oracle.mjs", folder)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	return &node{t: t, in: in, out: bufio.NewReaderSize(out, 1<<20)}
}

// call runs one operation. The error is a *refusal.
func (n *node) call(op string, args map[string]any, result any) error {
	n.t.Helper()
	n.number++
	line := map[string]any{"i": n.number, "op": op}
	maps.Copy(line, args)
	b, err := json.Marshal(line)
	if err != nil {
		n.t.Fatal(err)
	}
	if _, err := n.in.Write(append(b, '\n')); err != nil {
		n.t.Fatal(err)
	}
	b, err = n.out.ReadBytes('\n')
	if err != nil {
		n.t.Fatalf("%s: libsignal's process ended: %v", op, err)
	}
	var answer struct {
		I         int
		OK        json.RawMessage
		Err, Name string
	}
	if err := json.Unmarshal(b, &answer); err != nil || answer.I != n.number {
		n.t.Fatalf("%s: answer %d to question %d (%v)", op, answer.I, n.number, err)
	}
	if answer.OK == nil {
		return &refusal{answer.Name, answer.Err}
	}
	if result == nil {
		return nil
	}
	if err := json.Unmarshal(answer.OK, result); err != nil {
		n.t.Fatalf("%s: %v", op, err)
	}
	return nil
}

// must is call, for what libsignal has to do.
func (n *node) must(op string, args map[string]any, result any) {
	n.t.Helper()
	if err := n.call(op, args, result); err != nil {
		n.t.Fatalf("%s: %v", op, err)
	}
}

// octets are bytes, in hexadecimal on the wire to node.
type octets []byte

func (o octets) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, o), nil }

func (o *octets) UnmarshalText(b []byte) (err error) {
	*o, err = hex.AppendDecode(nil, b)
	return err
}

// offer is a bundle as node has it, and in ours its private keys.
type offer struct {
	Registration   uint32 `json:"registration"`
	Identity       octets `json:"identity"`
	PreKeyID       uint32 `json:"preKeyId"`
	PreKey         octets `json:"preKey"`
	SignedPreKeyID uint32 `json:"signedPreKeyId"`
	SignedPreKey   octets `json:"signedPreKey"`
	Signature      octets `json:"signature"`
	KEMPreKeyID    uint32 `json:"kemPreKeyId"`
	KEMPreKey      octets `json:"kemPreKey"`
	KEMSignature   octets `json:"kemSignature"`

	PrivateKeys struct {
		Identity     octets `json:"identity"`
		SignedPreKey octets `json:"signedPreKey"`
		PreKey       octets `json:"preKey"`
		KEMPreKey    octets `json:"kemPreKey"`
	} `json:"privateKeys"`
}

// bundle is the offer as we read it, which fails on keys that are none.
func (o *offer) bundle() (*signalv4.Bundle, error) {
	b := &signalv4.Bundle{
		RegistrationID: o.Registration, HasPreKey: len(o.PreKey) > 0, PreKeyID: o.PreKeyID,
		SignedPreKeyID: o.SignedPreKeyID, KEMPreKeyID: o.KEMPreKeyID, KEMPreKey: o.KEMPreKey,
	}
	var err error
	for _, k := range []struct {
		to   *signalv4.PublicKey
		from octets
	}{{&b.Identity, o.Identity}, {&b.SignedPreKey, o.SignedPreKey}, {&b.PreKey, o.PreKey}} {
		if k.to == &b.PreKey && !b.HasPreKey {
			continue
		}
		if *k.to, err = signalv4.ParsePublicKey(k.from); err != nil {
			return nil, err
		}
	}
	if len(o.Signature) != len(b.SignedPreKeySignature) || len(o.KEMSignature) != len(b.KEMPreKeySignature) {
		return nil, fmt.Errorf("%w: a signature's length", signalv4.ErrSignature)
	}
	copy(b.SignedPreKeySignature[:], o.Signature)
	copy(b.KEMPreKeySignature[:], o.KEMSignature)
	return b, nil
}

// offerOf is our bundle as node has it.
func offerOf(b *signalv4.Bundle) *offer {
	o := &offer{
		Registration: b.RegistrationID, Identity: b.Identity.Append(nil),
		SignedPreKeyID: b.SignedPreKeyID, SignedPreKey: b.SignedPreKey.Append(nil),
		Signature: b.SignedPreKeySignature[:], KEMPreKeyID: b.KEMPreKeyID,
		KEMPreKey: b.KEMPreKey, KEMSignature: b.KEMPreKeySignature[:],
	}
	if b.HasPreKey {
		o.PreKeyID, o.PreKey = b.PreKeyID, b.PreKey.Append(nil)
	}
	return o
}
