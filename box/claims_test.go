package box_test

import (
	"bytes"
	"compress/flate"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"kith/box"
	"kith/internal/relay"
)

// Each test of a claim has a control: something that breaks the claim, which the
// same measurement must notice.

// TestBox_T3_oneSize: whatever is in a message, asked or answered, cells have one size
// and frames have one size. Control: frames without what fills them up.
func TestBox_T3_oneSize(t *testing.T) {
	sizes := func(frames [][]byte) []int {
		seen := map[int]bool{}
		for _, f := range frames {
			seen[len(f)] = true
		}
		return slices.Sorted(maps.Keys(seen))
	}
	c, _ := pair(50)
	var cells, frames, bare [][]byte
	for n := 0; n <= box.Capacity; n += 23 {
		p := seal(t, c, make([]byte, n))
		cells, bare = append(cells, p.Cell), append(bare, make([]byte, n+40))
		frames = append(frames, frameOf(t, &box.Request{Op: box.OpPut, Box: p.Box, Put: p}),
			frameOf(t, &box.Reply{Status: box.Found, Expiry: p.Expiry, Sig: p.Sig, Cell: p.Cell}))
	}
	for _, q := range requests(t) {
		frames = append(frames, frameOf(t, q))
	}
	for _, r := range replies(t) {
		frames = append(frames, frameOf(t, r))
	}
	if got := sizes(cells); !slices.Equal(got, []int{4096}) {
		t.Errorf("cells have %v bytes", got)
	}
	if got := sizes(frames); !slices.Equal(got, []int{6144}) {
		t.Errorf("frames have %v bytes", got)
	}
	if len(sizes(bare)) < 100 {
		t.Error("the control is not noticed")
	}
}

// looksRandom measures cells in three ways and says what is not as it would be by
// chance: less than once in a million times for each.
func looksRandom(cells [][]byte) error {
	all := bytes.Join(cells, nil)
	if z := chiSquare(all); math.Abs(z) > 5 {
		return fmt.Errorf("byte values are %.1f standard deviations off", z)
	}
	// One of 32768 bits is 6 standard deviations off once in 15000 times.
	if z := worstBit(cells); z > 6 {
		return fmt.Errorf("a bit is %.1f standard deviations off", z)
	}
	var packed bytes.Buffer
	w, _ := flate.NewWriter(&packed, flate.BestCompression)
	w.Write(all)
	w.Close()
	if packed.Len() < len(all) {
		return fmt.Errorf("%d bytes are packed into %d", len(all), packed.Len())
	}
	return nil
}

// TestBox_T5_cellsAreRandomBytes: cells of all lengths and contents, and of one content
// again and again, are random bytes to who has no key. Controls: cells of a writer
// that leaves out one thing each.
func TestBox_T5_cellsAreRandomBytes(t *testing.T) {
	rng := draw(t)
	const n = 400
	c := box.NewChain([32]byte(drawn(rng, 32)), fill(1), fill(2))
	seals := func(part func(i int) []byte) (cells [][]byte) {
		for i := range n {
			cells = append(cells, seal(t, c, part(i)).Cell)
		}
		return cells
	}
	for name, cells := range map[string][][]byte{
		"all lengths": seals(func(i int) []byte { return bytes.Repeat([]byte("A"), i*box.Capacity/n) }),
		"nothing":     seals(func(int) []byte { return nil }),
		"zeros":       seals(func(int) []byte { return make([]byte, box.Capacity) }),
		"text":        seals(func(int) []byte { return bytes.Repeat([]byte("the same message. "), 200) }),
	} {
		if err := looksRandom(cells); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	ref, _, _ := refChain(fill(0), fill(1), fill(2), n)
	broken := func(of func(i int) []byte) (cells [][]byte) {
		for i := range n {
			cells = append(cells, of(i))
		}
		return cells
	}
	sealed := func(i int) []byte { return refCell(t, ref[i], expiry, drawn(rng, 24), make([]byte, 4056)) }
	for name, cells := range map[string][][]byte{
		"the length in clear":  broken(func(i int) []byte { return append([]byte{0, byte(i)}, sealed(i)[2:]...) }),
		"zeros behind the end": broken(func(i int) []byte { return append(sealed(i)[:1000], make([]byte, 3096)...) }),
		"a version":            broken(func(i int) []byte { return append([]byte{1}, sealed(i)[1:]...) }),
		"one key, one nonce":   broken(func(int) []byte { return refCell(t, ref[0], expiry, make([]byte, 24), make([]byte, 4056)) }),
		"a counter for the nonce": broken(func(i int) []byte {
			return refCell(t, ref[i], expiry, append(make([]byte, 23), byte(i)), make([]byte, 4056))
		}),
	} {
		if err := looksRandom(cells); err == nil {
			t.Errorf("control not noticed: %s", name)
		} else {
			t.Logf("control: %s: %v", name, err)
		}
	}
	if err := looksRandom(broken(sealed)); err != nil {
		t.Errorf("the reference without a fault: %v", err)
	}
}

// addresses are those of the first boxes of chains with roots drawn at random.
func addresses(rng *rand.Rand, chains int) (all [][]box.Address) {
	for range chains {
		all = append(all, box.NewReader([32]byte(drawn(rng, 32)), fill(1), fill(2)).Missing(box.Window))
	}
	return all
}

// couples are pairs of addresses of one chain, and as many of two chains; no address
// is in two of them.
func couples(chains [][]box.Address) (same, cross [][2][32]byte) {
	for c := 0; c+1 < len(chains); c += 2 {
		for i := 0; i+3 < box.Window; i += 4 {
			for _, of := range chains[c : c+2] {
				same = append(same, [2][32]byte{of[i].Box, of[i+1].Box})
			}
			cross = append(cross, [2][32]byte{chains[c][i+2].Box, chains[c+1][i+2].Box}, [2][32]byte{chains[c][i+3].Box, chains[c+1][i+3].Box})
		}
	}
	return same, cross
}

// TestBox_T5_addressesAreUnlinkable: who learns from thousands of pairs of boxes which
// of them belong together cannot tell it of others better than by guessing. Control:
// one bit of an address is its chain's.
func TestBox_T5_addressesAreUnlinkable(t *testing.T) {
	rng := draw(t)
	chains := addresses(rng, 800)
	examples := func(chains [][]box.Address) (all []example) {
		same, cross := couples(chains)
		for _, p := range same {
			all = append(all, example{xorBits(p[0], p[1]), true})
		}
		for _, p := range cross {
			all = append(all, example{xorBits(p[0], p[1]), false})
		}
		return all
	}
	measure := func() (area, z float64) {
		train, test := examples(chains[:400]), examples(chains[400:]) // chains apart
		return auc(learn(rng, train), test)
	}
	area, z := measure()
	t.Logf("area under the curve %.4f, %.1f standard deviations, of %d", area, z, 400*box.Window/2)
	if math.Abs(z) > 4 {
		t.Errorf("boxes of a chain are told apart: %.4f, %.1f standard deviations", area, z)
	}
	for _, c := range chains {
		leak := byte(rng.IntN(2)) << 2
		for k := range c {
			c[k].Box[17] = c[k].Box[17]&^4 | leak
		}
	}
	area, z = measure()
	t.Logf("control: %.4f, %.1f standard deviations", area, z)
	if z < 20 {
		t.Errorf("control: a leaked bit is not noticed: %.4f, %.1f", area, z)
	}
}

// TestBox_T5_placesAreUnlinkable: two boxes of a chain have no more relays in common
// than any two. Control: a ranking that heeds only what boxes of a chain share.
func TestBox_T5_placesAreUnlinkable(t *testing.T) {
	rng := draw(t)
	relays := make([]box.RelayID, 300)
	for i := range relays {
		relays[i] = box.RelayID(drawn(rng, 32))
	}
	same, cross := couples(addresses(rng, 200))
	common := func(couples [][2][32]byte, place func(b [32]byte) [32]byte) (n float64) {
		for _, p := range couples {
			a, b := box.Rank(place(p[0]), relays)[:4], box.Rank(place(p[1]), relays)[:4]
			for _, i := range a {
				if slices.Contains(b, i) {
					n++
				}
			}
		}
		return n
	}
	is := func(b [32]byte) [32]byte { return b }
	n, m, want := common(same, is), common(cross, is), float64(len(same))*16/300
	t.Logf("%d pairs have %.0f relays in common, as many others %.0f, by chance %.0f", len(same), n, m, want)
	for _, x := range []float64{n, m} {
		if math.Abs(x-want) > 4.5*math.Sqrt(want) {
			t.Errorf("%.0f relays in common, by chance it would be %.0f", x, want)
		}
	}
	chain := map[[32]byte]byte{}
	for i, p := range same {
		chain[p[0]], chain[p[1]] = byte(i), byte(i)
	}
	if got := common(same, func(b [32]byte) [32]byte { return fill(chain[b]) }); got < want+10*math.Sqrt(want) {
		t.Errorf("control not noticed: %.0f", got)
	}
}

// shelf is a relay's store in memory. One that forgets does not keep deletions.
type shelf struct {
	held    map[[32]byte]relay.Record
	forgets bool
}

func (s *shelf) Get(b [32]byte) (relay.Record, bool, error) { r, ok := s.held[b]; return r, ok, nil }
func (s *shelf) Find(b [32]byte) (relay.Ref, bool, bool, error) {
	r, ok := s.held[b]
	return relay.Ref{Box: b, Expiry: r.Expiry, Effort: r.Effort}, r.Cell != nil, ok, nil
}
func (s *shelf) Lowest(func(relay.Ref) bool) error { return nil }
func (s *shelf) Expire(uint32) error               { return nil }
func (s *shelf) Usage() relay.Usage                { return relay.Usage{Cap: 1 << 40} }
func (s *shelf) Close() error                      { return nil }

func (s *shelf) Apply(changes []relay.Change) error {
	for _, c := range changes {
		r := *c.Put
		r.Cell = slices.Clone(r.Cell)
		if s.held[r.Box] = r; s.forgets && r.Cell == nil {
			delete(s.held, r.Box)
		}
	}
	return nil
}

// replayAll sends a relay what it was once sent, again, from another link, and says
// what came of it.
func replayAll(t *testing.T, s *shelf) error {
	c, r := pair(60)
	m, tag := relay.New(box.RelayID(fill(7)), s), uint64(0)
	var link uint64
	ask := func(q box.Request) *box.Reply {
		t.Helper()
		tag++
		q.Tag = tag
		again, err := box.ParseRequest(frameOf(t, &q))
		if err != nil {
			t.Fatal(err)
		}
		answers, err := m.Step(at("2024-10-18T12:00:00Z"), []relay.Asked{{Link: link, Request: again}})
		if err != nil || len(answers) != 1 || !answers[0].Reply.Answers(&q) {
			t.Fatalf("%d answers, %v", len(answers), err)
		}
		return answers[0].Reply
	}
	one, two := seal(t, c, []byte("one")), seal(t, c, []byte("two"))
	put := func(p *box.Put) box.Request { return box.Request{Op: box.OpPut, Box: p.Box, Put: p} }
	del, err := r.Delete(one.Box)
	if err != nil {
		t.Fatal(err)
	}
	history := []struct {
		q           box.Request
		first, then box.Status
	}{
		{put(one), box.OK, box.Exists}, {put(two), box.OK, box.Exists}, {box.Request{Op: box.OpGet, Box: one.Box}, box.Found, box.Found},
		{box.Request{Op: box.OpDelete, Box: one.Box, Delete: del}, box.OK, box.OK},
	}
	for i, h := range history {
		if got := ask(h.q).Status; got != h.first {
			return fmt.Errorf("request %d is answered %d at first", i, got)
		}
		if got := ask(h.q).Status; got != h.then {
			return fmt.Errorf("request %d is answered %d again", i, got)
		}
	}
	before := maps.Clone(s.held)
	for link = range 5 {
		for i, h := range history {
			want := h.then
			if h.q.Box == one.Box && h.q.Op != box.OpDelete {
				want = box.Gone
			}
			if got := ask(h.q).Status; got != want {
				return fmt.Errorf("request %d, replayed, is answered %d", i, got)
			}
		}
		if !reflect.DeepEqual(before, s.held) {
			return fmt.Errorf("replaying changed what is kept")
		}
	}
	return nil
}

// TestBox_T6_replayedRequests: who sends a relay what it was sent before changes
// nothing, and learns the same; what was deleted does not come back. Control: a relay
// that forgets deletions.
func TestBox_T6_replayedRequests(t *testing.T) {
	if err := replayAll(t, &shelf{held: map[[32]byte]relay.Record{}}); err != nil {
		t.Error(err)
	}
	if err := replayAll(t, &shelf{held: map[[32]byte]relay.Record{}, forgets: true}); err == nil {
		t.Error("control not noticed")
	}
}

// TestBox_T6_replayedAnswers: an answer answers one question, and a cell is read once.
// Control: the question it was for, and the reader as it was before.
func TestBox_T6_replayedAnswers(t *testing.T) {
	c, r := pair(61)
	p := seal(t, c, []byte("once"))
	q := &box.Request{Op: box.OpGet, Tag: 5, Box: p.Box}
	recorded, err := box.ParseReply(frameOf(t, &box.Reply{Status: box.Found, Tag: 5, Expiry: p.Expiry, Sig: p.Sig, Cell: p.Cell}))
	if err != nil || !recorded.Answers(q) {
		t.Fatal("control: not believed", err)
	}
	next := r.Missing(2)[1].Box
	for name, other := range map[string]*box.Request{"asked again": {Op: box.OpGet, Tag: 6, Box: p.Box}, "of the next box": {Op: box.OpGet, Tag: 5, Box: next},
		"to a put": {Op: box.OpPut, Tag: 5, Box: p.Box}, "to a deletion": {Op: box.OpDelete, Tag: 5, Box: p.Box}, "to an info": {Op: box.OpInfo, Tag: 5, Box: p.Box}} {
		if recorded.Answers(other) {
			t.Errorf("%s: believed", name)
		}
	}
	backup := marshal(t, r)
	r.Done(0)
	for state, opens := range map[*box.Reader]bool{r: false, parseReader(t, marshal(t, r)): false, parseReader(t, backup): true} {
		if _, _, err := state.Open(p.Box, p.Expiry, recorded.Cell); (err == nil) != opens {
			t.Errorf("opens: %v, want %v", err, opens)
		}
	}
}

func parseReader(t *testing.T, b []byte) *box.Reader {
	t.Helper()
	r, err := box.ParseReader(b)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
