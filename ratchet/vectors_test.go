package ratchet_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/cryptotest"
	"time"

	"crypto/ecdh"
	"crypto/rand"
	"crypto/sha256"

	"kith/ratchet"
)

var update = flag.Bool("update", false, "write testdata/vectors anew")

var vectorFile = filepath.Join("testdata", "vectors", "ratchet.txt")

const vectorHead = `# Vectors of docs/spec/ratchet.md. Fields are hexadecimal, numbers or text; an empty line ends a step.
# The steps of a conversation follow each other. "expect" is the outcome; what stands below it must come out.
# "drawn-" is what was drawn at random: a private ratchet key, the seed d || z of an ML-KEM key, the m of an encapsulation.

`

var outcomes = map[string]error{
	"ok": nil, "does not open": ratchet.ErrOpen, "duplicate": ratchet.ErrDuplicate, "too far": ratchet.ErrTooFar,
	"not ready": ratchet.ErrNotReady, "exhausted": ratchet.ErrExhausted, "too long": ratchet.ErrTooLong,
}

// script writes vectors while it plays them.
type script struct {
	t     *testing.T
	out   strings.Builder
	sides map[string]*ratchet.Session
	brief bool // states as their hash
}

func (s *script) fields(kv ...any) {
	for i := 0; i < len(kv); i += 2 {
		v := kv[i+1]
		if b, ok := v.([]byte); ok {
			v = hex.EncodeToString(b)
		}
		fmt.Fprintf(&s.out, "%s: %v\n", kv[i], v)
	}
	s.out.WriteString("\n")
}

// start begins a conversation; secrets are only given for the first.
func (s *script) start(name string, alice, bob *ratchet.Session, secrets ...any) {
	s.sides = map[string]*ratchet.Session{"alice": alice, "bob": bob}
	head := append([]any{"step", "start", "name", name}, secrets...)
	s.fields(append(head, "alice", state(s.t, alice), "bob", state(s.t, bob))...)
}

func (s *script) seal(who, text string) []byte {
	next, msg, err := s.sides[who].Seal([]byte(text), ad)
	if err != nil {
		s.t.Fatal(err)
	}
	kv := []any{"step", "seal", "who", who, "plaintext", []byte(text), "ad", ad}
	kv = append(kv, drawn(parseState(s.t, s.sides[who]), parseState(s.t, next))...)
	kv = append(kv, "expect", "ok", "message", msg)
	s.sides[who] = next
	s.fields(append(kv, s.state(next)...)...)
	return msg
}

// drawn tells what a seal drew at random, from the states before and after it.
func drawn(before, after *refState) (kv []any) {
	if before.send == nil {
		kv = append(kv, "drawn-ratchet-key", after.private)
	}
	const rest = 1 + 8 + 64 // phase, epoch, authenticator
	switch {
	case before.pq.braid[0] == 0:
		kv = append(kv, "drawn-seed", after.pq.braid[rest:rest+64])
	case before.pq.braid[0] == 6:
		kv = append(kv, "drawn-m", after.pq.braid[rest+64:rest+96])
	}
	return kv
}

func (s *script) state(x *ratchet.Session) []any {
	b := state(s.t, x)
	if s.brief {
		hash := sha256.Sum256(b)
		return []any{"state-sha256", hash[:]}
	}
	return []any{"state", b}
}

func (s *script) open(who string, msg []byte, now time.Time, expect string) {
	next, plaintext, err := s.sides[who].Open(msg, ad, now)
	if !errors.Is(err, outcomes[expect]) {
		s.t.Fatalf("%s: got %v", expect, err)
	}
	kv := []any{"step", "open", "who", who, "message", msg, "ad", ad, "now", now.Unix(), "expect", expect}
	if err == nil {
		s.sides[who] = next
		kv = append(append(kv, "plaintext", plaintext), s.state(next)...)
	}
	s.fields(kv...)
}

// writeVectors plays all conversations from a fixed seed.
func writeVectors(t *testing.T) string {
	cryptotest.SetGlobalRandom(t, 1)
	s := &script{t: t}
	s.out.WriteString(vectorHead)
	s.conversation()
	s.epochs()
	s.hostile()
	s.limits()
	s.braidOutOfOrder()
	s.hostileBraid()
	s.ends()
	return s.out.String()
}

func (s *script) conversation() {
	var secrets ratchet.Secrets
	for _, k := range [][]byte{secrets.Root[:], secrets.HeaderA[:], secrets.HeaderB[:], secrets.PQ[:]} {
		rand.Read(k)
	}
	spk, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	alice, err := ratchet.NewInitiator(&secrets, spk.PublicKey())
	if err != nil {
		s.t.Fatal(err)
	}
	bob, err := ratchet.NewResponder(&secrets, spk)
	if err != nil {
		s.t.Fatal(err)
	}
	s.start("both directions, out of order, over three chains", alice, bob, "root", secrets.Root[:],
		"header-a", secrets.HeaderA[:], "header-b", secrets.HeaderB[:], "pq", secrets.PQ[:], "responder-key", spk.Bytes())
	a0, a1, a2 := s.seal("alice", "a0"), s.seal("alice", ""), s.seal("alice", "a2")
	s.open("bob", a1, noon, "ok")
	s.open("bob", a1, noon, "duplicate")
	b0 := s.seal("bob", "b0")
	s.open("alice", b0, noon, "ok")
	a3, a4 := s.seal("alice", "a3"), s.seal("alice", "a4")
	s.open("bob", a4, noon.Add(time.Hour), "ok") // closes the first chain at PN = 3
	s.open("bob", a2, noon.Add(time.Hour), "ok")
	s.open("bob", a0, noon.Add(time.Hour), "ok")
	s.open("bob", a0, noon.Add(time.Hour), "does not open") // its chain is complete and gone
	s.open("bob", a3, noon.Add(time.Hour+ratchet.SkippedAge+time.Second), "duplicate")
	s.open("bob", a3, noon.Add(time.Hour+ratchet.SkippedAge), "ok")
}

// epochs has more than two whole epochs of the braid, with losses and a message
// that comes late over an epoch's end.
func (s *script) epochs() {
	alice, bob := newPair(s.t)
	s.start("epochs of the post-quantum ratchet; states as their hash", alice, bob)
	s.brief = true
	defer func() { s.brief = false }()
	var late []byte
	for i := range 28 {
		if msg := s.seal("alice", fmt.Sprintf("ping %d", i)); i%9 == 4 {
			s.seal("alice", "lost")
			late = s.seal("alice", "late")
			s.open("bob", msg, noon, "ok")
		} else {
			s.open("bob", msg, noon, "ok")
		}
		pong := s.seal("bob", fmt.Sprintf("pong %d", i))
		if i%7 == 2 { // lost
			pong = s.seal("bob", fmt.Sprintf("pong %d again", i))
		}
		s.open("alice", pong, noon, "ok")
		if i%9 == 1 && late != nil {
			s.open("bob", late, noon, "ok")
		}
	}
	if s.sides["alice"].QuantumEpoch() < 3 || late == nil {
		s.t.Fatalf("only %d epochs", s.sides["alice"].QuantumEpoch())
	}
}

func (s *script) hostile() {
	alice, bob := conversation(s.t)
	s.start("what does not open", alice, bob)
	msg := s.seal("alice", "genuine")
	for _, at := range []int{0, 1, 2, 3, 18, 19, 335, 336, 351, 352, len(msg) - 1} {
		bad := bytes.Clone(msg)
		bad[at] ^= 1
		s.open("bob", bad, noon, "does not open")
	}
	s.open("bob", msg[:len(msg)-1], noon, "does not open")
	s.open("bob", append(bytes.Clone(msg), 0), noon, "does not open")
	s.open("alice", msg, noon, "does not open")
	x := parseState(s.t, alice)
	private := bytes.Repeat([]byte{7}, 32)
	for _, change := range []func(*forge){
		func(f *forge) { f.header.suite = 2 },
		func(f *forge) { f.header.pn = 1 },
		func(f *forge) { f.header.key = make([]byte, 32) },
		func(f *forge) { f.header.key[31] |= 0x80 },
		func(f *forge) { f.header.key = parseState(s.t, bob).public },
		func(f *forge) { f.header.key = parseState(s.t, bob).peer },
		func(f *forge) { f.header.epoch = 0 },
		func(f *forge) { f.header.epoch = 3 },
		func(f *forge) { f.header.pqN = 0 },
		func(f *forge) { f.header.kind = 7 },
		func(f *forge) { f.header.first = 1 },
		func(f *forge) { f.header.chunks = []byte{1} },
	} {
		f := x.forgeChain(private, 0)
		f.header.pn = 2
		change(f)
		s.open("bob", f.seal(), noon, "does not open")
	}
	s.open("bob", msg, noon, "ok")
}

func (s *script) limits() {
	alice, bob := newPair(s.t)
	open(s.t, &bob, seal(s.t, &alice, "x"), "x")
	x := parseState(s.t, alice)
	x.send.n = 2 + ratchet.MaxSkip // as if so many had been sent
	s.start("one message too far ahead", parse(s.t, x), bob)
	s.open("bob", s.seal("alice", "too far"), noon, "too far")
}

// phase is where a side's braid stands.
func (s *script) phase(who string, want byte) {
	s.t.Helper()
	if got := parseState(s.t, s.sides[who]).pq.braid[0]; got != want {
		s.t.Fatalf("%s is in phase %d, not %d", who, got, want)
	}
}

// braidOutOfOrder leads an epoch over the ways in which order and loss change it:
// numbers that begin again, other chunks than the first, the vector whole before
// ct1 is.
func (s *script) braidOutOfOrder() {
	alice, bob := newPair(s.t)
	seal(s.t, &alice, "lost")
	x := parseState(s.t, alice)
	binary.BigEndian.PutUint16(nextOf(x), 1022) // as if many more had been
	s.start("an epoch out of order; states as their hash", parse(s.t, x), bob)
	s.brief = true
	defer func() { s.brief = false }()
	s.open("bob", s.seal("alice", "hdr 1022, 1023, 0"), noon, "ok")
	s.phase("bob", 6)
	s.open("alice", s.seal("bob", "ct1 0 to 7"), noon, "ok")
	s.phase("alice", 2)
	s.seal("alice", "ek 0 to 7, lost")
	for range 5 {
		s.open("bob", s.seal("alice", "ek"), noon, "ok")
	}
	s.phase("bob", 8)
	s.seal("bob", "ct1 8 to 15, lost")
	for range 3 {
		s.open("alice", s.seal("bob", "ct1"), noon, "ok")
	}
	s.phase("alice", 3)
	s.open("bob", s.seal("alice", "ek and ack"), noon, "ok")
	s.phase("bob", 10)
	s.seal("bob", "ct2 0 to 4, lost")
	late := s.seal("bob", "ct2 5 to 9")
	s.open("alice", s.seal("bob", "ct2 10 to 14"), noon, "ok")
	s.phase("alice", 5)
	s.open("alice", late, noon, "ok")
	s.open("bob", s.seal("alice", "epoch 2"), noon, "ok")
	s.phase("bob", 0)
	s.open("alice", s.seal("bob", "hdr"), noon, "ok")
	s.phase("alice", 6)
}

// forged is the message somebody would seal next, but for its header. He has
// sealed before in the same chain.
func (s *script) forged(who string, change func(*forge)) []byte {
	before := parseState(s.t, s.sides[who])
	next, msg, err := s.sides[who].Seal(nil, ad)
	if err != nil {
		s.t.Fatal(err)
	}
	f := before.forgeNext(before.send.n)
	hk := parseState(s.t, next).send.header
	f.header, f.plaintext = refOpenHeader(s.t, hk, msg), nil
	change(f)
	return f.seal()
}

// hostileBraid has messages of a peer who holds all keys and lies to the braid.
func (s *script) hostileBraid() {
	alice, bob := newPair(s.t)
	seal(s.t, &alice, "lost")
	s.start("what a peer must not say to the braid; states as their hash", alice, bob)
	s.brief = true
	defer func() { s.brief = false }()
	lie := func(to, from string, change func(*forge)) { s.open(to, s.forged(from, change), noon, "does not open") }
	flip := func(at int) func(*forge) { return func(f *forge) { f.header.chunks[at] ^= 1 } }
	for _, at := range []int{0, 40, 95} { // rho, hash, MAC
		lie("bob", "alice", flip(at))
	}
	s.open("bob", s.seal("alice", "hdr"), noon, "ok")
	s.open("alice", s.seal("bob", "ct1"), noon, "ok")
	s.seal("alice", "begins a chain, lost")
	for range 4 {
		s.open("bob", s.seal("alice", "ek"), noon, "ok")
	}
	s.phase("bob", 7)
	lie("bob", "alice", flip(5))                                                                // another vector than the header's
	lie("bob", "alice", func(f *forge) { f.header.chunks[0], f.header.chunks[1] = 0xff, 0xff }) // not below q
	lie("bob", "alice", func(f *forge) {                                                        // bob knows the secret of epoch 1, but is not through with it
		x := parseState(s.t, s.sides["bob"])
		f.header.epoch++
		f.header.pqPN = x.pq.recvChain().n
		f.as(x.pq.epochs[1].recv, 1)
	})
	s.open("bob", s.seal("alice", "ek"), noon, "ok")
	s.phase("bob", 8)
	for range 3 {
		s.open("alice", s.seal("bob", "ct1"), noon, "ok")
	}
	s.open("bob", s.seal("alice", "ek and ack"), noon, "ok")
	s.seal("bob", "begins a chain, lost")
	s.phase("alice", 3)
	for _, at := range []int{0, 127, 128, 159} { // ct2, MAC
		lie("alice", "bob", flip(at))
	}
	s.open("alice", s.seal("bob", "ct2"), noon, "ok")
	s.phase("alice", 5)
}

// ends has what cannot be sealed, and numbers of the post-quantum ratchet at their
// limits.
func (s *script) ends() {
	alice, bob := newPair(s.t)
	s.start("a responder speaks first", alice, bob)
	s.cannotSeal("bob", ad, "not ready")
	s.cannotSeal("alice", make([]byte, ratchet.MaxAD+1), "too long")
	open(s.t, &bob, seal(s.t, &alice, "x"), "x")
	x, y := parseState(s.t, alice), parseState(s.t, bob)
	x.send.n, y.recv.n = ratchet.MaxMessages-1, ratchet.MaxMessages-1
	s.start("a chain at its end", parse(s.t, x), parse(s.t, y))
	s.open("bob", s.seal("alice", "the last"), noon, "ok")
	s.cannotSeal("alice", ad, "exhausted")
	x, y = parseState(s.t, alice), parseState(s.t, bob)
	x.pq.sendChain().n, y.pq.recvChain().n = math.MaxUint32-1, math.MaxUint32-1
	s.start("an epoch's chain at its end", parse(s.t, x), parse(s.t, y))
	s.open("bob", s.seal("alice", "the last"), noon, "ok")
	s.cannotSeal("alice", ad, "exhausted")
	x = parseState(s.t, alice)
	x.pq.sendChain().n = 2002 // 2001 would come after as many skipped as may be
	s.start("a number of the post-quantum ratchet too far ahead", parse(s.t, x), bob)
	s.open("bob", s.seal("alice", "too far"), noon, "too far")
	y = parseState(s.t, bob)
	y.opened, y.received = math.MaxUint64, math.MaxUint64
	s.start("a session that opens no more", alice, parse(s.t, y))
	s.open("bob", s.seal("alice", "x"), noon, "does not open")
}

func (s *script) cannotSeal(who string, ad []byte, expect string) {
	if _, _, err := s.sides[who].Seal(nil, ad); !errors.Is(err, outcomes[expect]) {
		s.t.Fatalf("%s: got %v", expect, err)
	}
	s.fields("step", "seal", "who", who, "plaintext", "", "ad", ad, "expect", expect)
}

// TestRatchet_R24_vectorsAreUpToDate regenerates the file and compares.
func TestRatchet_R24_vectorsAreUpToDate(t *testing.T) {
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

// TestRatchet_R24_vectors reads the file as another implementation would: what
// opens must open to the same state, what was sealed must be what the
// reference seals with the ratchet key in the state after it.
func TestRatchet_R24_vectors(t *testing.T) {
	file, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	sides := make(map[string]*ratchet.Session)
	steps, brief := 0, false
	for block := range strings.SplitSeq(strings.TrimSpace(string(file)), "\n\n") {
		f := make(map[string]string)
		for line := range strings.SplitSeq(block, "\n") {
			if k, v, ok := strings.Cut(line, ":"); ok && !strings.HasPrefix(line, "#") {
				f[k] = strings.TrimSpace(v)
			}
		}
		steps++
		switch f["step"] {
		case "start":
			sides["alice"], sides["bob"] = load(t, f["alice"]), load(t, f["bob"])
			// There the reference would need what a hash does not tell;
			// TestRatchet_R24_vectorsAreUpToDate plays it.
			brief = strings.HasSuffix(f["name"], "hash")
		case "seal":
			if brief {
				continue
			}
			if f["expect"] != "ok" {
				_, _, err := sides[f["who"]].Seal(unhex(t, f["plaintext"]), unhex(t, f["ad"]))
				if want := outcomes[f["expect"]]; want == nil || !errors.Is(err, want) {
					t.Fatalf("expect %q: got %v", f["expect"], err)
				}
				continue
			}
			next := load(t, f["state"])
			checkSeal(t, parseState(t, sides[f["who"]]), parseState(t, next), unhex(t, f["message"]), string(unhex(t, f["plaintext"])))
			sides[f["who"]] = next
		case "open":
			if !brief {
				runOpen(t, sides, f)
			}
		default:
			steps--
		}
	}
	if steps < 40 {
		t.Errorf("only %d steps", steps)
	}
}

func runOpen(t *testing.T, sides map[string]*ratchet.Session, f map[string]string) {
	t.Helper()
	now, err := strconv.ParseInt(f["now"], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	want, known := outcomes[f["expect"]]
	next, plaintext, err := sides[f["who"]].Open(unhex(t, f["message"]), unhex(t, f["ad"]), time.Unix(now, 0))
	if !known || !errors.Is(err, want) {
		t.Fatalf("expect %q: got %v", f["expect"], err)
	}
	if err != nil {
		return
	}
	if !bytes.Equal(plaintext, unhex(t, f["plaintext"])) || !bytes.Equal(state(t, next), unhex(t, f["state"])) {
		t.Fatal("plaintext or state differs")
	}
	sides[f["who"]] = next
}

func load(t *testing.T, text string) *ratchet.Session {
	t.Helper()
	s, err := ratchet.ParseSession(unhex(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
