package oracle_test

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"kith/ratchet/internal/signalv4"
)

var recordFlag = flag.Bool("record", false, "hold the recorded conversations with libsignal again")

const transcripts = "testdata/transcripts"

const preamble = `# A conversation of our engine with libsignal, as it was.
#
# It begins with what both have published or may be told afterwards; keys have
# libsignal's encoding, with the type. "private" keys are libsignal's. Then, in
# order:
#
#   random R          our engine draws R: of 32 bytes, a private key of X25519 or the
#                     m of an encapsulation; of 64 bytes, the seed of a KEM key pair or
#                     the Z of a signature. Whoever draws the same says the same.
#   sent N BY K W     BY, kith or libsignal, sends message N, whose text is N in
#                     decimal; K is 3 in first messages and else 2; W is what is sent
#   opened N          it arrives, and opens
#   refused N         it arrives once more, and is refused
#
# A message that does not arrive was lost.
`

// transcript is what a conversation was, as text. A nil one records nothing.
type transcript struct{ text bytes.Buffer }

func (l *transcript) line(format string, args ...any) {
	if l != nil {
		fmt.Fprintf(&l.text, format+"\n", args...)
	}
}

func (l *transcript) sent(f flying) {
	by := "kith"
	if f.toUs {
		by = "libsignal"
	}
	l.line("sent %d %s %d %x", f.number, by, f.kind, f.body)
}

func (l *transcript) delivered(f flying) { l.line("opened %d", f.number) }
func (l *transcript) replayed(f flying)  { l.line("refused %d", f.number) }

func (l *transcript) offer(o *offer) {
	for _, f := range o.fields() {
		switch {
		case f.octets == nil:
			l.line("%s: %d", f.name, *f.number)
		case len(*f.octets) > 0:
			l.line("%s: %x", f.name, *f.octets)
		}
	}
}

// field is one of a bundle: bytes or a number.
type field struct {
	name   string
	octets *octets
	number *uint32
}

func (o *offer) fields() []field {
	return []field{
		{"bundle registration", nil, &o.Registration},
		{"bundle identity", &o.Identity, nil},
		{"bundle prekey id", nil, &o.PreKeyID},
		{"bundle prekey", &o.PreKey, nil},
		{"bundle signed prekey id", nil, &o.SignedPreKeyID},
		{"bundle signed prekey", &o.SignedPreKey, nil},
		{"bundle signed prekey signature", &o.Signature, nil},
		{"bundle KEM prekey id", nil, &o.KEMPreKeyID},
		{"bundle KEM prekey", &o.KEMPreKey, nil},
		{"bundle KEM prekey signature", &o.KEMSignature, nil},
		{"private identity", &o.PrivateKeys.Identity, nil},
		{"private signed prekey", &o.PrivateKeys.SignedPreKey, nil},
		{"private prekey", &o.PrivateKeys.PreKey, nil},
		{"private KEM prekey", &o.PrivateKeys.KEMPreKey, nil},
	}
}

// drawFrom makes r all the randomness of our engine for the rest of the test. Key
// generation of the standard library sometimes draws a byte that it does not use.
func drawFrom(t *testing.T, r io.Reader) {
	t.Helper()
	t.Setenv("GODEBUG", "cryptocustomrand=1")
	before := rand.Reader
	t.Cleanup(func() { rand.Reader = before })
	rand.Reader = readerFunc(func(b []byte) (int, error) {
		if len(b) == 1 {
			return 1, nil
		}
		return io.ReadFull(r, b)
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// recording is a conversation to be recorded.
type recording struct {
	version, release string
	pattern          int
	weStart, oneTime bool
}

var recordings = []recording{
	{"v103", "0.103.0", 0, true, true},
	{"v103", "0.103.0", 1, false, true},
	{"v103", "0.103.0", 2, true, false},
	{"v103", "0.103.0", 3, false, false},
	{"v90", "0.90.0", 0, false, true},
}

func (r *recording) file() string {
	return filepath.Join(transcripts, r.version+"-"+patterns[r.pattern].name+".txt")
}

func (r *recording) initiator() string {
	if r.weStart {
		return "kith"
	}
	return "libsignal"
}

func (r *recording) hold(t *testing.T, seed uint64) []byte {
	t.Helper()
	n := startNode(t, r.version)
	p := &patterns[r.pattern]
	l := new(transcript)
	l.text.WriteString(preamble)
	l.line("\nlibsignal: %s\npattern: %s\ninitiator: %s", r.release, p.name, r.initiator())
	source := mathrand.NewChaCha8([32]byte{byte(r.pattern), byte(len(r.version)), byte(seed), byte(seed >> 8)})
	drawFrom(t, readerFunc(func(b []byte) (int, error) {
		source.Read(b)
		l.line("random %x", b)
		return len(b), nil
	}))
	us, them := newOurs(t, r.version == "v90"), newTheirs(n)
	if r.weStart {
		l.offer(introduce(t, us, them, true, r.oneTime))
	} else {
		b, err := us.NewBundle(r.oneTime)
		if err != nil {
			t.Fatal(err)
		}
		o := offerOf(b)
		o.PrivateKeys.Identity = them.bundle(false).PrivateKeys.Identity
		if err := them.start(o); err != nil {
			t.Fatal(err)
		}
		l.offer(o)
	}
	l.line("")
	c := &conversation{
		t: t, r: mathrand.New(mathrand.NewPCG(seed, uint64(r.pattern))), weStart: r.weStart,
		us: us, them: them, log: l, short: true,
	}
	c.run(p)
	return l.text.Bytes()
}

// TestTranscripts says once more what we said to libsignal, hears what it said, and
// demands the same, without it.
func TestTranscripts(t *testing.T) {
	for i := range recordings {
		r := &recordings[i]
		t.Run(strings.TrimSuffix(filepath.Base(r.file()), ".txt"), func(t *testing.T) {
			if *recordFlag {
				if err := os.WriteFile(r.file(), r.hold(t, cmp.Or(*seedFlag, 1)), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			b, err := os.ReadFile(r.file())
			if err != nil {
				t.Fatal(err)
			}
			replay(t, r, string(b))
		})
	}
}

// recorded is a transcript, read.
type recorded struct {
	facts  map[string]string
	random [][]byte
	events []string
}

func parse(t *testing.T, text string) *recorded {
	t.Helper()
	r := &recorded{facts: map[string]string{}}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		name, value, isFact := strings.Cut(line, ": ")
		draw, isRandom := strings.CutPrefix(line, "random ")
		switch {
		case line == "" || line[0] == '#':
		case isRandom:
			b, err := hex.DecodeString(draw)
			if err != nil {
				t.Fatal(err)
			}
			r.random = append(r.random, b)
		case isFact:
			r.facts[name] = value
		default:
			r.events = append(r.events, line)
		}
	}
	return r
}

func (r *recorded) offer(t *testing.T) *offer {
	t.Helper()
	o := new(offer)
	for _, f := range o.fields() {
		if f.octets != nil {
			if err := f.octets.UnmarshalText([]byte(r.facts[f.name])); err != nil {
				t.Fatal(err)
			}
			continue
		}
		n, err := strconv.ParseUint(r.facts[f.name], 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		*f.number = uint32(n)
	}
	return o
}

func replay(t *testing.T, r *recording, text string) {
	t.Helper()
	rec := parse(t, text)
	if rec.facts["libsignal"] != r.release || rec.facts["initiator"] != r.initiator() {
		t.Fatalf("another conversation: %v", rec.facts)
	}
	drawFrom(t, readerFunc(func(b []byte) (int, error) {
		if len(rec.random) == 0 || len(rec.random[0]) != len(b) {
			return 0, fmt.Errorf("%d bytes were not drawn here", len(b))
		}
		n := copy(b, rec.random[0])
		rec.random = rec.random[1:]
		return n, nil
	}))
	us := newOurs(t, r.version == "v90")
	offered := rec.offer(t)
	if r.weStart {
		b, err := offered.bundle()
		if err != nil {
			t.Fatal(err)
		}
		if err := us.Start(us.peer, b); err != nil {
			t.Fatal(err)
		}
	} else {
		b, err := us.NewBundle(r.oneTime)
		if err != nil {
			t.Fatal(err)
		}
		if made, err := offered.bundle(); err != nil || fmt.Sprint(made) != fmt.Sprint(b) {
			t.Fatalf("another bundle: %v", err)
		}
	}
	repeat(t, us, rec.events)
	if len(rec.random) != 0 {
		t.Errorf("%d draws too many", len(rec.random))
	}
	if e := us.Sessions[us.peer].Epoch(); e < epochsWanted {
		t.Errorf("%d epochs", e)
	}
}

// repeat takes our part in all events.
func repeat(t *testing.T, us *ours, events []string) {
	t.Helper()
	theirs := map[string]wire{}
	var sent, opened, refused int
	for _, e := range events {
		f := strings.Fields(e)
		verb, number := f[0], f[1]
		switch verb {
		case "sent":
			body, err := hex.DecodeString(f[4])
			if err != nil {
				t.Fatal(err)
			}
			kind, err := strconv.ParseUint(f[3], 10, 8)
			if err != nil {
				t.Fatal(err)
			}
			w := wire{signalv4.Kind(kind), body, number}
			if f[2] == "libsignal" {
				theirs[number] = w
				continue
			}
			if got := us.seal(t, number); got.kind != w.kind || !bytes.Equal(got.body, w.body) {
				t.Fatalf("message %s: we say %x, and said %x", number, got.body, w.body)
			}
			sent++
		case "opened", "refused":
			w, ok := theirs[number]
			if !ok {
				continue
			}
			if verb == "refused" {
				refuse(t, us, "message "+number+" again", w)
				refused++
				continue
			}
			opens(t, us, w)
			opened++
		default:
			t.Fatalf("event %q", e)
		}
		us.restore(t)
	}
	t.Logf("%d messages said, %d opened, %d refused", sent, opened, refused)
}
