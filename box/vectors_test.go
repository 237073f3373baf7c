package box_test

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/cryptotest"

	"kith/box"
)

var vectorFile = filepath.Join("testdata", "vectors", "box.txt")

const vectorHead = `# Vectors of docs/spec/box.md. Fields are hexadecimal, numbers or text; an empty line ends a vector.
# "expect" is the outcome; what stands below it must come out. Of a frame stands what means something: bytes of any
# values come after it, up to 6144. "drawn" is what was drawn at random.
`

var (
	errUnsigned = errors.New("not signed")
	errLie      = errors.New("lie")
	errIdle     = errors.New("no work")
	outcomes    = map[string]error{"ok": nil, "does not open": box.ErrOpen, "malformed": box.ErrMalformed, "limit": box.ErrLimit,
		"not signed": errUnsigned, "a lie": errLie, "not enough work": errIdle}
)

// vector is one block of the file.
type vector []string // name and value by turns

func (v vector) field(name string) string {
	for i := 0; i < len(v); i += 2 {
		if v[i] == name {
			return v[i+1]
		}
	}
	return ""
}

func (v vector) bytes(t *testing.T, name string) []byte { return unhex(t, v.field(name)) }

func (v vector) array(t *testing.T, name string) [32]byte { return [32]byte(v.bytes(t, name)) }

func (v vector) number(t *testing.T, name string) uint64 {
	n, err := strconv.ParseUint(v.field(name), 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

func TestBox_vectorsAreFresh(t *testing.T) {
	out := []byte(vectorHead)
	for _, v := range makeVectors(t) {
		out = append(out, '\n')
		for i := 0; i < len(v); i += 2 {
			out = fmt.Appendf(out, "%s: %s\n", v[i], v[i+1])
		}
	}
	if *update {
		if err := os.WriteFile(vectorFile, out, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(vectorFile); err != nil || !bytes.Equal(have, out) {
		t.Fatalf("%s is not what the code makes (%v); look at the difference after -update", vectorFile, err)
	}
}

func TestBox_vectors(t *testing.T) {
	n := 0
	for _, v := range readVectors(t) {
		n++
		t.Run(v.field("kind")+"/"+v.field("name"), func(t *testing.T) {
			want, known := outcomes[v.field("expect")]
			if !known {
				t.Fatalf("unknown outcome %q", v.field("expect"))
			}
			got, err := answer(t, v)
			if !errors.Is(err, want) || (want == nil) != (err == nil) {
				t.Fatalf("answered %v", err)
			}
			below := 0
			for i := 0; i < len(v); i += 2 {
				if below > 0 && got.field(v[i]) != v[i+1] {
					t.Errorf("%s is %s, want %s", v[i], got.field(v[i]), v[i+1])
				}
				if below > 0 || v[i] == "expect" {
					below++
				}
			}
			if len(got)/2 != below-1 {
				t.Errorf("%d fields come out, %d stand there", len(got)/2, below-1)
			}
		})
	}
	if n < 40 {
		t.Errorf("only %d vectors", n)
	}
}

func readVectors(t *testing.T) (all []vector) {
	file, err := os.Open(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	var v vector
	for lines.Scan() {
		name, value, ok := strings.Cut(lines.Text(), ": ")
		switch {
		case strings.HasPrefix(lines.Text(), "#"):
		case ok:
			v = append(v, name, value)
		case len(v) > 0:
			all, v = append(all, v), nil
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return append(all, v)
}

// answer gives a vector's input to the code it is for, and returns what comes out.
func answer(t *testing.T, v vector) (vector, error) {
	switch v.field("kind") {
	case "chain":
		return answerChain(t, v), nil
	case "chain state":
		c, err := box.ParseChain(v.bytes(t, "input"))
		if err != nil {
			return nil, err
		}
		return vector{"given", fmt.Sprint(c.Index())}, nil
	case "reader state":
		r, err := box.ParseReader(v.bytes(t, "input"))
		if err != nil {
			return nil, err
		}
		return vector{"missing", missing(r)}, nil
	case "cell":
		r, err := box.ParseReader(v.bytes(t, "reader"))
		if err != nil {
			t.Fatal(err)
		}
		index, part, err := r.Open(v.array(t, "box"), uint32(v.number(t, "expiry")), v.bytes(t, "cell"))
		if err != nil {
			return nil, err
		}
		return vector{"index", fmt.Sprint(index), "part", hex.EncodeToString(part)}, nil
	case "put":
		p, err := box.ParsePut(v.bytes(t, "input"))
		if err == nil && !p.Verify() {
			err = errUnsigned
		}
		return nil, err
	case "deletion":
		d, err := box.ParseDelete(v.bytes(t, "input"))
		if err == nil && !d.Verify() {
			err = errUnsigned
		}
		return nil, err
	case "request":
		return answerRequest(t, v)
	case "answer":
		return answerReply(t, v)
	case "work":
		w := box.Work{Nonce: [8]byte(v.bytes(t, "nonce")), Solution: [16]byte(v.bytes(t, "solution"))}
		if !box.VerifyWork(&w, v.array(t, "relay"), uint32(v.number(t, "day")), v.array(t, "box"), uint32(v.number(t, "effort"))) {
			return nil, errIdle
		}
		return nil, nil
	case "relay":
		r, err := box.ParseRelay(v.field("input"))
		if err != nil {
			return nil, err
		}
		id := r.ID()
		return vector{"key", hex.EncodeToString(r.Key[:]), "id", hex.EncodeToString(id[:]), "addresses", strings.Join(r.Addrs, " ")}, nil
	case "order":
		var ids []box.RelayID
		for text := range strings.FieldsSeq(v.field("relays")) {
			ids = append(ids, box.RelayID(unhex(t, text)))
		}
		return vector{"order", strings.Trim(fmt.Sprint(box.Rank(v.array(t, "box"), ids)), "[]")}, nil
	case "message":
		parts, err := box.Split(bytes.Repeat(v.bytes(t, "of"), int(v.number(t, "bytes"))))
		if err != nil {
			return nil, err
		}
		var heads []string
		for _, p := range parts {
			heads = append(heads, fmt.Sprintf("%x+%d", p[:2], len(p)-2))
		}
		return vector{"parts", strings.Join(heads, " ")}, nil
	}
	t.Fatalf("unknown kind %q", v.field("kind"))
	return nil, nil
}

func missing(r *box.Reader) string {
	var all []string
	for _, a := range r.Missing(3) {
		all = append(all, fmt.Sprintf("%d:%x", a.Index, a.Box))
	}
	return strings.Join(all, " ")
}

// answerChain: both ends of a direction and their first boxes.
func answerChain(t *testing.T, v vector) vector {
	c := box.NewChain(v.array(t, "root"), v.array(t, "writer"), v.array(t, "reader"))
	r := box.NewReader(v.array(t, "root"), v.array(t, "writer"), v.array(t, "reader"))
	out := vector{"ck_0", hex.EncodeToString(marshal(t, c)[9:])}
	state := marshal(t, r)
	for i := range 3 {
		k := state[42+104*i:]
		out = append(out, fmt.Sprint("box_", i), hex.EncodeToString(k[8:40]), fmt.Sprint("seed_", i), hex.EncodeToString(k[40:72]), fmt.Sprint("key_", i), hex.EncodeToString(k[72:104]))
		if p := seal(t, c, nil); !bytes.Equal(p.Box[:], k[8:40]) {
			t.Errorf("the ends differ in box %d", i)
		}
	}
	return append(out, "ck_3", hex.EncodeToString(marshal(t, c)[9:]), "ck_32", hex.EncodeToString(state[9:41]))
}

// framed puts bytes behind what means something.
func framed(t *testing.T, v vector) []byte {
	b := v.bytes(t, "input")
	return append(b, bytes.Repeat([]byte{0xa5}, max(0, box.FrameSize-len(b)))...)
}

func answerRequest(t *testing.T, v vector) (vector, error) {
	q, err := box.ParseRequest(framed(t, v))
	if err != nil {
		return nil, err
	}
	out := vector{"op", fmt.Sprint(q.Op), "tag", fmt.Sprint(q.Tag), "box", hex.EncodeToString(q.Box[:])}
	switch q.Op {
	case box.OpPut:
		out = append(out, "nonce", hex.EncodeToString(q.Work.Nonce[:]), "solution", hex.EncodeToString(q.Work.Solution[:]), "put-sha256", hex.EncodeToString(sha(marshal(t, q.Put))))
	case box.OpGet:
		out = append(out, "wait", fmt.Sprint(q.Wait))
	case box.OpDelete:
		out = append(out, "signature", hex.EncodeToString(q.Delete.Sig[:]))
	}
	return out, nil
}

func answerReply(t *testing.T, v vector) (vector, error) {
	r, err := box.ParseReply(framed(t, v))
	if err != nil {
		return nil, err
	}
	if !r.Answers(&box.Request{Op: box.Op(v.number(t, "op")), Tag: v.number(t, "tag"), Box: v.array(t, "box")}) {
		return nil, errLie
	}
	out := vector{"status", fmt.Sprint(r.Status), "effort", fmt.Sprint(r.Effort), "day", fmt.Sprint(r.Day)}
	if r.Status == box.Found {
		out = append(out, "expiry", fmt.Sprint(r.Expiry), "cell-sha256", hex.EncodeToString(sha(r.Cell)))
	}
	return out, nil
}

// scribe writes vectors: what it gives the code, and what comes out.
type scribe struct {
	t      *testing.T
	all    []vector
	chain  *box.Chain
	reader *box.Reader
	put    *box.Put // of its first box
	del    *box.Delete
}

func makeVectors(t *testing.T) []vector {
	cryptotest.SetGlobalRandom(t, 1)
	s := &scribe{t: t}
	s.chain, s.reader = pair(0)
	s.chains()
	s.put = seal(t, s.chain, []byte("a part"))
	var err error
	if s.del, err = s.reader.Delete(s.put.Box); err != nil {
		t.Fatal(err)
	}
	s.cells()
	s.signed()
	s.requests()
	s.answers()
	s.work()
	s.links()
	return s.all
}

func (s *scribe) add(kind, name, expect string, fields ...string) {
	s.t.Helper()
	v := append(vector{"kind", kind, "name", name}, append(fields, "expect", expect)...)
	out, err := answer(s.t, v)
	if !errors.Is(err, outcomes[expect]) || (outcomes[expect] == nil) != (err == nil) {
		s.t.Fatalf("%s %s: %v", kind, name, err)
	}
	s.all = append(s.all, append(v, out...))
}

// ones is 32 bytes of one value.
func ones(b byte) string {
	f := fill(b)
	return hex.EncodeToString(f[:])
}

func (s *scribe) chains() {
	s.add("chain", "published", "ok", "root", ones(0), "writer", ones(1), "reader", ones(2))
	s.add("chain", "the other direction", "ok", "root", ones(0), "writer", ones(2), "reader", ones(1))
	s.add("chain", "inviter's, of an invite", "ok", "root", ones(0), "writer", hex.EncodeToString(sha([]byte("drop/1 inviter"))), "reader", hex.EncodeToString(sha([]byte("drop/1 taker"))))

	c, r := s.chain, s.reader
	s.add("chain state", "new", "ok", "input", hex.EncodeToString(marshal(s.t, c)))
	s.add("chain state", "at its end", "ok", "input", hex.EncodeToString(chainAt(s.t, box.MaxIndex)))
	s.add("chain state", "beyond", "malformed", "input", hex.EncodeToString(chainAt(s.t, box.MaxIndex+1)))
	s.add("chain state", "version 2", "malformed", "input", hex.EncodeToString(with(marshal(s.t, c), 0, 2)))
	s.add("chain state", "a byte more", "malformed", "input", hex.EncodeToString(append(marshal(s.t, c), 0)))
	s.add("reader state", "new", "ok", "input", hex.EncodeToString(marshal(s.t, r)))
	s.add("reader state", "at its end", "ok", "input", hex.EncodeToString(readerAt(s.t, box.MaxIndex-box.Window)))
	s.add("reader state", "beyond", "malformed", "input", hex.EncodeToString(readerAt(s.t, box.MaxIndex-box.Window+1)))
	s.add("reader state", "window not full", "malformed", "input", hex.EncodeToString(append(with(marshal(s.t, r), 41, 31)[:42], marshal(s.t, r)[42+104:]...)))
}

func (s *scribe) cells() {
	p, reader := s.put, hex.EncodeToString(marshal(s.t, s.reader))
	cell := func(name, expect string, b [32]byte, expiry uint32, cell []byte, more ...string) {
		s.add("cell", name, expect, append([]string{"reader", reader, "box", hex.EncodeToString(b[:]), "expiry", fmt.Sprint(expiry), "cell", hex.EncodeToString(cell)}, more...)...)
	}
	cell("a part", "ok", p.Box, p.Expiry, p.Cell, "drawn", hex.EncodeToString(p.Cell[:24]))
	ref, _, _ := refChain(fill(0), fill(1), fill(2), 2)
	cell("nothing in it", "ok", ref[1].box, 0, refCell(s.t, ref[1], 0, make([]byte, 24), make([]byte, 4056)), "drawn", hex.EncodeToString(make([]byte, 24)))
	cell("the day after", "does not open", p.Box, p.Expiry+1, p.Cell)
	cell("another box", "does not open", ref[1].box, p.Expiry, p.Cell)
	cell("a bit of the last byte", "does not open", p.Box, p.Expiry, with(p.Cell, 4095, p.Cell[4095]^0x80))
	cell("zeros that are none", "does not open", ref[1].box, 0, refCell(s.t, ref[1], 0, make([]byte, 24), with(make([]byte, 4056), 4055, 1)))
	cell("longer than it is", "does not open", ref[1].box, 0, refCell(s.t, ref[1], 0, make([]byte, 24), with(make([]byte, 4056), 0, 16)))
}

func (s *scribe) signed() {
	p := s.put
	put, deletion := marshal(s.t, p), marshal(s.t, s.del)
	s.add("put", "good", "ok", "input", hex.EncodeToString(put))
	s.add("put", "another day", "not signed", "input", hex.EncodeToString(with(put, 35, put[35]+1)))
	s.add("put", "a byte less", "malformed", "input", hex.EncodeToString(put[1:]))
	s.add("deletion", "good", "ok", "input", hex.EncodeToString(deletion))
	s.add("deletion", "signed as a put", "not signed", "input", hex.EncodeToString(append(bytes.Clone(p.Box[:]), p.Sig[:]...)))
	s.add("deletion", "of the neutral element", "not signed", "input", "01"+strings.Repeat("00", 31)+"01"+strings.Repeat("00", 63))
	s.add("deletion", "a byte more", "malformed", "input", hex.EncodeToString(append(deletion, 0)))
}

func (s *scribe) requests() {
	q := requests(s.t)
	q["put"].Put, q["put"].Box, q["delete"].Delete, q["delete"].Box = s.put, s.put.Box, s.del, s.put.Box
	for _, x := range []struct {
		name  string
		meant int
	}{{"put", 4230}, {"get", 44}, {"delete", 106}, {"info", 42}} {
		s.add("request", x.name, "ok", "input", hex.EncodeToString(frameOf(s.t, q[x.name])[:x.meant]))
	}
	get := frameOf(s.t, q["get"])[:44]
	for name, bad := range map[string][]byte{"wait too long": with(get, 43, 0x11)} {
		s.add("request", name, "malformed", "input", hex.EncodeToString(bad))
	}
	s.add("request", "version 2", "malformed", "input", hex.EncodeToString(with(get, 0, 2)))
	s.add("request", "operation 5", "malformed", "input", hex.EncodeToString(with(get, 1, 5)))
}

func (s *scribe) answers() {
	p := s.put
	reply := func(name, expect string, op box.Op, meant int, r box.Reply) {
		s.add("answer", name, expect, "op", fmt.Sprint(op), "tag", "7", "box", hex.EncodeToString(p.Box[:]), "input", hex.EncodeToString(frameOf(s.t, &r)[:meant]))
	}
	found := box.Reply{Status: box.Found, Tag: 7, Day: 20000, Expiry: p.Expiry, Sig: p.Sig, Cell: p.Cell}
	reply("found", "ok", box.OpGet, 4182, found)
	reply("gone", "ok", box.OpPut, 82, box.Reply{Status: box.Gone, Tag: 7, Day: 20000, Sig: s.del.Sig})
	reply("full", "ok", box.OpPut, 18, box.Reply{Status: box.Full, Tag: 7, Day: 20000, Effort: 8})
	reply("miss", "ok", box.OpGet, 18, box.Reply{Status: box.Miss, Tag: 7, Day: 20000})
	reply("told of itself", "ok", box.OpInfo, 18, box.Reply{Status: box.OK, Tag: 7, Day: 20000, Effort: 8})
	reply("another tag", "a lie", box.OpGet, 18, box.Reply{Status: box.Miss, Tag: 8, Day: 20000})
	reply("ok to get", "a lie", box.OpGet, 18, box.Reply{Status: box.OK, Tag: 7, Day: 20000})
	reply("full for nothing", "a lie", box.OpPut, 18, box.Reply{Status: box.Full, Tag: 7, Day: 20000})
	reply("not deleted", "a lie", box.OpGet, 82, box.Reply{Status: box.Gone, Tag: 7, Day: 20000, Sig: p.Sig})
	found.Expiry++
	reply("found with another expiry", "a lie", box.OpGet, 4182, found)
	miss := frameOf(s.t, &box.Reply{Status: box.Miss, Tag: 7})[:18]
	s.add("answer", "status 10", "malformed", "op", "2", "tag", "7", "box", hex.EncodeToString(p.Box[:]), "input", hex.EncodeToString(with(miss, 1, 10)))
}

func (s *scribe) work() {
	p := s.put
	relay := box.RelayID(fill(3))
	w, ok := box.Solve(relay, 20000, p.Box, 8, never)
	if !ok {
		s.t.Fatal("no solution")
	}
	work := func(name, expect string, w box.Work, effort int) {
		s.add("work", name, expect, "relay", hex.EncodeToString(relay[:]), "day", "20000", "box", hex.EncodeToString(p.Box[:]), "nonce", hex.EncodeToString(w.Nonce[:]), "solution", hex.EncodeToString(w.Solution[:]), "effort", fmt.Sprint(effort))
	}
	work("of effort 8", "ok", w, 8)
	work("not of effort 1000000", "not enough work", w, 1000000)
	work("none wanted", "ok", box.Work{}, 0)
	work("none done", "not enough work", box.Work{}, 1)
	turned := w
	copy(turned.Solution[:8], w.Solution[8:])
	copy(turned.Solution[8:], w.Solution[:8])
	work("halves swapped", "not enough work", turned, 1)
	// Searched for: no solver gives these.
	work("a word twice", "not enough work", box.Work{Nonce: [8]byte{6: 1, 7: 0x6f}, Solution: [16]byte(unhex(s.t, "182dca3357caca3373d8ebf2da6ffe88"))}, 1)
	work("the last 15 bits are not zero", "not enough work", box.Work{Solution: [16]byte(unhex(s.t, "027f0c2a05f52ba0033b240806b92a6e"))}, 1)
	var words []string
	for i := 0; i < 16; i += 2 {
		words = append(words, string(w.Solution[i:i+2]))
	}
	slices.Sort(words)
	work("only the sum of all is zero", "not enough work", box.Work{Nonce: w.Nonce, Solution: [16]byte([]byte(strings.Join(words, "")))}, 1)
}

func (s *scribe) links() {
	p := s.put
	link := "kith-relay://" + someKey + "@"
	s.add("relay", "three addresses", "ok", "input", link+"192.0.2.1:4400,[2001:db8::1]:4400,relay.example:443")
	for _, bad := range []string{"192.0.2.1:04400", "[2001:db8::0:1]:1", "[::ffff:192.0.2.1]:1", "RELAY.example:1", "relay.example.:1", "127.1:1", "a:1,a:1", "a:1,b:1,c:1,d:1,e:1", ""} {
		s.add("relay", "@"+bad, "malformed", "input", link+bad)
	}
	s.add("relay", "key in capitals", "malformed", "input", strings.ToUpper(link)+"a:1")

	var ids []string
	for i := range byte(8) {
		ids = append(ids, ones(i))
	}
	s.add("order", "of eight relays", "ok", "box", hex.EncodeToString(p.Box[:]), "relays", strings.Join(ids, " "))
	for _, n := range []int{1, 4052, 4053, 145872} {
		s.add("message", fmt.Sprint(n), "ok", "bytes", fmt.Sprint(n), "of", "61")
	}
	for _, n := range []int{0, 145873} {
		s.add("message", fmt.Sprint(n), "limit", "bytes", fmt.Sprint(n), "of", "61")
	}
}
