package pqxdh_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/mlkem"
	"crypto/mlkem/mlkemtest"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/cryptotest"
	"time"

	"kith/pqxdh"
)

var update = flag.Bool("update", false, "write testdata/vectors anew")

var vectorFile = filepath.Join("testdata", "vectors", "pqxdh.txt")

const vectorHead = `# Vectors of docs/spec/pqxdh.md. Fields are hexadecimal, numbers or text; an empty line ends a vector.
# "expect" is the outcome; what stands below it must come out. An empty field is absent.

`

var outcomes = map[string]error{
	"ok": nil, "malformed": pqxdh.ErrMalformed, "refused": pqxdh.ErrRefused, "expired": pqxdh.ErrExpired,
	"wrong prekey": pqxdh.ErrWrongPrekey,
}

// script writes vectors.
type script struct {
	t   *testing.T
	out strings.Builder
}

func (s *script) fields(kv ...any) {
	for i := 0; i < len(kv); i += 2 {
		v := kv[i+1]
		if b, ok := v.([]byte); ok {
			v = hex.EncodeToString(b)
		}
		s.out.WriteString(strings.TrimSpace(fmt.Sprintf("%s: %v", kv[i], v)) + "\n")
	}
	s.out.WriteString("\n")
}

func writeVectors(t *testing.T) string {
	cryptotest.SetGlobalRandom(t, 1)
	s := &script{t: t}
	s.out.WriteString(vectorHead)
	alice, bob := newDevice(t), newDevice(t)
	for i, v := range variants {
		cryptotest.SetGlobalRandom(t, uint64(10+i))
		s.handshake(v.name, alice, bob, bob.prekeys(t, v.oneTime), v.psk, uint64(20+i))
	}
	cryptotest.SetGlobalRandom(t, 2)
	s.bundles(bob)
	s.initials(alice, bob)
	s.refusals(alice, bob)
	s.private(bob)
	return s.out.String()
}

func (s *script) handshake(name string, alice, bob device, keys pqxdh.Prekeys, psk []byte, seed uint64) {
	t := s.t
	// Initiate first draws the ephemeral key, then ML-KEM's m.
	cryptotest.SetGlobalRandom(t, seed)
	ephemeral, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	m := make([]byte, 32)
	rand.Read(m)
	cryptotest.SetGlobalRandom(t, seed)
	bundle := bob.bundle(keys)
	in, secrets, err := pqxdh.Initiate(alice.Identity, bundle, psk, noon)
	if err != nil {
		t.Fatal(err)
	}
	bh, ih := bundle.Hash(), in.Hash()
	s.fields("kind", "handshake", "name", name, "now", noon.Unix(),
		"initiator-account", alice.Account[:], "initiator-device", alice.Device[:], "initiator-identity", alice.DH.Bytes(),
		"responder-account", bob.Account[:], "responder-device", bob.Device[:], "responder-identity", bob.DH.Bytes(),
		"responder-signer", bob.signer.Seed(), "signed", marshal(t, keys.Signed), "one-time", marshalOneTime(t, keys), "kem", marshal(t, keys.KEM),
		"psk", psk, "ephemeral", ephemeral.Bytes(), "m", m, "bundle", encode(t, bundle), "initial", encode(t, in),
		"expect", "ok", "bundle-hash", bh[:], "initial-hash", ih[:], "root", secrets.Root[:], "header-a", secrets.HeaderA[:],
		"header-b", secrets.HeaderB[:], "pq", secrets.PQ[:], "exporter", secrets.Exporter[:], "ad", secrets.AD)
}

func (s *script) bundles(bob device) {
	keys := bob.prekeys(s.t, true)
	end := keys.Signed.Public.NotAfter
	low, high := [32]byte{1}, [32]byte{9}
	high[31] = 0x80
	for _, v := range []struct {
		name, expect string
		now          int64
		sign         bool
		change       func(*pqxdh.Bundle)
	}{
		{"in its last second", "ok", end, false, func(*pqxdh.Bundle) {}},
		{"a second later", "expired", end + 1, false, func(*pqxdh.Bundle) {}},
		{"signature of the signed prekey", "refused", noon.Unix(), false, func(b *pqxdh.Bundle) { b.Signed.Signature[0] ^= 1 }},
		{"signature of the one-time prekey, and expired", "refused", end + 1, false, func(b *pqxdh.Bundle) { b.OneTime.Signature[0] ^= 1 }},
		{"one-time KEM prekey as last resort", "refused", noon.Unix(), false, func(b *pqxdh.Bundle) { b.KEM.OneTime = false }},
		{"one-time prekey as signed prekey", "refused", noon.Unix(), false, func(b *pqxdh.Bundle) { b.Signed = pqxdh.SignedPrekey(*b.OneTime) }},
		{"another account", "refused", noon.Unix(), false, func(b *pqxdh.Bundle) { b.Owner.Account[0] ^= 1 }},
		{"unreduced coefficient", "refused", noon.Unix(), true, func(b *pqxdh.Bundle) { b.KEM.Key[0], b.KEM.Key[1] = 0xff, 0xff }},
		{"signed prekey of order 4", "malformed", noon.Unix(), true, func(b *pqxdh.Bundle) { b.Signed.Key = low }},
		{"one-time prekey with top bit", "malformed", noon.Unix(), true, func(b *pqxdh.Bundle) { b.OneTime.Key = high }},
		{"identity key zero", "malformed", noon.Unix(), true, func(b *pqxdh.Bundle) { b.Identity = [32]byte{} }},
		{"expiry zero", "malformed", noon.Unix(), true, func(b *pqxdh.Bundle) { b.KEM.NotAfter = 0 }},
		{"expiry in the year 9999", "ok", noon.Unix(), true, func(b *pqxdh.Bundle) { b.KEM.NotAfter = pqxdh.MaxNotAfter }},
		{"expiry in the year 10000", "malformed", noon.Unix(), true, func(b *pqxdh.Bundle) { b.KEM.NotAfter = pqxdh.MaxNotAfter + 1 }},
		{"device key of order 1", "refused", noon.Unix(), false, func(b *pqxdh.Bundle) {
			b.Owner.Device, b.OneTime = [32]byte{1}, nil
			b.Signed.Signature, b.KEM.Signature = [64]byte{1}, [64]byte{1}
		}},
	} {
		b := bob.bundle(keys)
		v.change(b)
		if v.sign {
			bob.sign(b)
		}
		s.fields("kind", "bundle", "name", v.name, "now", v.now, "bundle", encode(s.t, b), "expect", v.expect)
	}
}

func (s *script) initials(alice, bob device) {
	in, _ := handshake(s.t, alice, bob, bob.prekeys(s.t, true), nil)
	good := encode(s.t, in)
	for _, v := range []struct {
		name, expect string
		at           int
		xor          byte
	}{
		{"as it should be", "ok", 0, 0},
		{"version", "malformed", 0, 2},
		{"suite", "malformed", 2, 2},
		{"unknown flag", "malformed", 3, 8},
		{"length does not fit the flags", "malformed", 3, 1},
		{"curve key tagged as KEM key", "malformed", 68, 0x0f},
		{"top bit of the identity key", "malformed", 100, 0x80},
		{"top bit of the ephemeral key", "malformed", 133, 0x80},
		{"ciphertext tagged as curve key", "malformed", len(good) - 1569, 0x0f},
	} {
		bad := bytes.Clone(good)
		bad[v.at] ^= v.xor
		s.fields("kind", "initial", "name", v.name, "initial", bad, "expect", v.expect)
	}
	s.fields("kind", "initial", "name", "a byte too many", "initial", append(good, 0), "expect", "malformed")
}

// refusals has what a responder refuses, of initials that are well formed.
func (s *script) refusals(alice, bob device) {
	t := s.t
	psk := bytes.Repeat([]byte{5}, pqxdh.PSKSize)
	with, without := bob.prekeys(t, true), bob.prekeys(t, false)
	grace := with.Signed.Public.NotAfter + int64(pqxdh.AcceptGrace/time.Second)
	twin := device{Identity: pqxdh.Identity{Address: alice.Address, DH: bob.DH}}
	self := device{Identity: pqxdh.Identity{Address: pqxdh.Address{Account: alice.Account, Device: bob.Device}, DH: alice.DH}}
	for _, v := range []struct {
		name, expect string
		sender       device
		keys         pqxdh.Prekeys
		psk          []byte // the initiator's, and the responder's
		given        []byte
		now          int64
		change       func(*pqxdh.Initial)
	}{
		{"the last second of the grace", "ok", alice, with, nil, nil, grace, nil},
		{"a second later", "expired", alice, with, nil, nil, grace + 1, nil},
		{"a missing invite secret", "refused", alice, with, psk, nil, noon.Unix(), nil},
		{"a surplus invite secret", "refused", alice, with, nil, psk, noon.Unix(), nil},
		{"a missing invite secret, and expired", "expired", alice, with, psk, nil, grace + 1, nil},
		{"another signed prekey", "wrong prekey", alice, with, nil, nil, noon.Unix(), func(in *pqxdh.Initial) { in.SignedID++ }},
		{"another one-time prekey, and expired", "wrong prekey", alice, with, nil, nil, grace + 1, func(in *pqxdh.Initial) { in.OneTimeID++ }},
		{"another KEM prekey", "wrong prekey", alice, with, nil, nil, noon.Unix(), func(in *pqxdh.Initial) { in.KEMID++ }},
		{"a last resort for a one-time KEM prekey", "wrong prekey", alice, with, nil, nil, noon.Unix(), func(in *pqxdh.Initial) { in.OneTimeKEM = false }},
		{"no one-time prekey", "wrong prekey", alice, pqxdh.Prekeys{Signed: with.Signed, KEM: with.KEM}, nil, nil, noon.Unix(), nil},
		{"a surplus one-time prekey", "wrong prekey", alice, pqxdh.Prekeys{Signed: without.Signed, OneTime: with.OneTime, KEM: without.KEM}, nil, nil, noon.Unix(), nil},
		{"the responder's own device", "refused", self, with, nil, nil, noon.Unix(), nil},
		{"the responder's own identity key", "refused", twin, with, nil, nil, noon.Unix(), nil},
	} {
		from := with
		if v.keys.KEM == without.KEM {
			from = without
		}
		in, _ := handshake(t, alice, bob, from, v.psk)
		in.Sender, in.Identity = v.sender.Address, v.sender.Public().Identity
		if v.change != nil {
			v.change(in)
		}
		s.fields("kind", "accept", "name", v.name, "now", v.now, "responder-account", bob.Account[:], "responder-device", bob.Device[:],
			"responder-identity", bob.DH.Bytes(), "signed", marshal(t, v.keys.Signed), "one-time", marshalOneTime(t, v.keys), "kem", marshal(t, v.keys.KEM),
			"psk", v.given, "initial", encode(t, in), "expect", v.expect)
	}
}

// private has private prekeys that are stored.
func (s *script) private(bob device) {
	keys := bob.prekeys(s.t, true)
	signed, kem := marshal(s.t, keys.Signed), marshal(s.t, keys.KEM)
	set := func(b []byte, at int, v ...byte) []byte { b = bytes.Clone(b); copy(b[at:], v); return b }
	for _, v := range []struct {
		name, expect string
		b            []byte
	}{
		{"signed", "ok", signed}, {"one-time KEM", "ok", kem},
		{"version", "malformed", set(signed, 0, 2)}, {"suite", "malformed", set(signed, 2, 2)},
		{"kind 0", "malformed", set(signed, 3, 0)}, {"kind 5", "malformed", set(kem, 3, 5)},
		{"a seed as a scalar", "malformed", set(kem, 3, 1)}, {"a scalar as a seed", "malformed", set(signed, 3, 3)},
		{"expiry zero", "malformed", set(signed, 8, make([]byte, 8)...)},
		{"expiry in the year 10000", "malformed", set(signed, 8, 0, 0, 0, 0x3a, 0xff, 0xf4, 0x41, 0x80)},
		{"a byte too few", "malformed", signed[:len(signed)-1]}, {"a byte too many", "malformed", append(bytes.Clone(kem), 0)},
	} {
		s.fields("kind", "private", "name", v.name, "private", v.b, "expect", v.expect)
	}
}

func marshal(t *testing.T, p interface{ MarshalBinary() ([]byte, error) }) []byte {
	t.Helper()
	b, err := p.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func marshalOneTime(t *testing.T, keys pqxdh.Prekeys) []byte {
	t.Helper()
	if keys.OneTime == nil {
		return nil
	}
	return marshal(t, keys.OneTime)
}

// TestPQXDH_PQ08_vectorsAreUpToDate regenerates the file and compares.
func TestPQXDH_PQ08_vectorsAreUpToDate(t *testing.T) {
	got := writeVectors(t)
	if *update {
		if err := os.MkdirAll(filepath.Dir(vectorFile), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(vectorFile, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(vectorFile)
	if err != nil || got != string(want) {
		t.Fatalf("%s is not what the code makes (%v); look at the difference after -update", vectorFile, err)
	}
}

// TestPQXDH_PQ08_vectors reads the file as another implementation would.
func TestPQXDH_PQ08_vectors(t *testing.T) {
	file, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	ran := make(map[string]int)
	for block := range strings.SplitSeq(strings.TrimSpace(string(file)), "\n\n") {
		f := vector{t, make(map[string]string)}
		for line := range strings.SplitSeq(block, "\n") {
			if k, v, ok := strings.Cut(line, ":"); ok && !strings.HasPrefix(line, "#") {
				f.m[k] = strings.TrimSpace(v)
			}
		}
		if f.m["kind"] == "" {
			continue // the comment at the top
		}
		ran[f.m["kind"]]++
		t.Run(f.m["kind"]+" "+f.m["name"], func(t *testing.T) { vector{t, f.m}.run() })
	}
	if ran["handshake"] != 4 || ran["bundle"] < 10 || ran["initial"] < 10 || ran["accept"] < 10 || ran["private"] < 10 {
		t.Errorf("ran %v", ran)
	}
}

type vector struct {
	t *testing.T
	m map[string]string
}

func (v vector) hex(name string) []byte {
	v.t.Helper()
	b, err := hex.DecodeString(v.m[name])
	if err != nil {
		v.t.Fatal(err)
	}
	if len(b) == 0 {
		return nil
	}
	return b
}

func (v vector) now() time.Time {
	n, err := strconv.ParseInt(v.m["now"], 10, 64)
	if err != nil {
		v.t.Fatal(err)
	}
	return time.Unix(n, 0)
}

func (v vector) run() {
	want, known := outcomes[v.m["expect"]]
	var err error
	switch v.m["kind"] {
	case "handshake":
		v.runHandshake()
		return
	case "bundle":
		var b *pqxdh.Bundle
		if b, err = pqxdh.ParseBundle(v.hex("bundle")); err == nil {
			err = b.Verify(v.now())
		}
	case "initial":
		_, err = pqxdh.ParseInitial(v.hex("initial"))
	case "accept":
		_, _, err = v.accept()
	case "private":
		err = parsePrivate(v.hex("private"))
	}
	if !known || !errors.Is(err, want) {
		v.t.Errorf("expect %q: got %v", v.m["expect"], err)
	}
}

func (v vector) identity(side string) pqxdh.Identity {
	dh, err := ecdh.X25519().NewPrivateKey(v.hex(side + "-identity"))
	if err != nil {
		v.t.Fatal(err)
	}
	return pqxdh.Identity{Address: pqxdh.Address{
		Account: [32]byte(v.hex(side + "-account")), Device: [32]byte(v.hex(side + "-device"))}, DH: dh}
}

// accept is the responder.
func (v vector) accept() (*pqxdh.Initial, *pqxdh.Secrets, error) {
	t := v.t
	in, err := pqxdh.ParseInitial(v.hex("initial"))
	if err != nil {
		t.Fatal(err)
	}
	var keys pqxdh.Prekeys
	if keys.Signed, err = pqxdh.ParsePrivateSignedPrekey(v.hex("signed")); err != nil {
		t.Fatal(err)
	}
	if keys.KEM, err = pqxdh.ParsePrivateKEMPrekey(v.hex("kem")); err != nil {
		t.Fatal(err)
	}
	if b := v.hex("one-time"); b != nil {
		if keys.OneTime, err = pqxdh.ParsePrivateOneTimePrekey(b); err != nil {
			t.Fatal(err)
		}
	}
	s, err := pqxdh.Accept(v.identity("responder"), keys, in, v.hex("psk"), v.now())
	return in, s, err
}

// parsePrivate reads a private prekey as what it says it is; of no kind, none does.
func parsePrivate(b []byte) error {
	_, signed := pqxdh.ParsePrivateSignedPrekey(b)
	_, oneTime := pqxdh.ParsePrivateOneTimePrekey(b)
	_, kem := pqxdh.ParsePrivateKEMPrekey(b)
	if signed == nil || oneTime == nil || kem == nil {
		return nil
	}
	return signed
}

func (v vector) runHandshake() {
	t := v.t
	bundle, err := pqxdh.ParseBundle(v.hex("bundle"))
	if err != nil || bundle.Verify(v.now()) != nil {
		t.Fatalf("bundle: %v", err)
	}
	in, s, err := v.accept()
	if err != nil {
		t.Fatal(err)
	}
	want := cat(v.hex("root"), v.hex("header-a"), v.hex("header-b"), v.hex("pq"), v.hex("exporter"))
	if !bytes.Equal(concat(s), want) || !bytes.Equal(s.AD, v.hex("ad")) {
		t.Error("secrets or associated data differ")
	}
	bh, ih := bundle.Hash(), in.Hash()
	if !bytes.Equal(bh[:], v.hex("bundle-hash")) || !bytes.Equal(ih[:], v.hex("initial-hash")) {
		t.Error("hashes differ")
	}
	v.checkInitiator(bundle, in)
}

// checkInitiator recomputes what the initiator drew.
func (v vector) checkInitiator(b *pqxdh.Bundle, in *pqxdh.Initial) {
	t := v.t
	ephemeral, err := ecdh.X25519().NewPrivateKey(v.hex("ephemeral"))
	if err != nil {
		t.Fatal(err)
	}
	ek, err := mlkem.NewEncapsulationKey1024(b.KEM.Key[:])
	if err != nil {
		t.Fatal(err)
	}
	_, ciphertext, err := mlkemtest.Encapsulate1024(ek, v.hex("m"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(ephemeral.PublicKey().Bytes(), in.Ephemeral[:]) || !bytes.Equal(ciphertext, in.Ciphertext[:]) {
		t.Error("the initial does not follow from ephemeral and m")
	}
	if in.Identity != v.identity("initiator").Public().Identity || in.Sender != v.identity("initiator").Address {
		t.Error("the initial is not the initiator's")
	}
}
