package box_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"kith/box"
)

// TestBox_BX01_bothEndsBeginAlike: a direction is its root, its writer and its reader,
// and the root does not remain.
func TestBox_BX01_bothEndsBeginAlike(t *testing.T) {
	root, writer, reader := fill(3), fill(4), fill(5)
	want, ck0, _ := refChain(root, writer, reader, 1)
	c, r := box.NewChain(root, writer, reader), box.NewReader(root, writer, reader)
	if b := marshal(t, c); !bytes.Equal(b[9:], ck0) {
		t.Errorf("ck_0 is %x, want %x", b[9:], ck0)
	}
	if a := r.Missing(1); len(a) != 1 || a[0] != (box.Address{Index: 0, Box: want[0].box}) {
		t.Errorf("the reader begins at %x", a)
	}
	for name, other := range map[string]*box.Chain{
		"another root":        box.NewChain(fill(6), writer, reader),
		"another writer":      box.NewChain(root, fill(6), reader),
		"another reader":      box.NewChain(root, writer, fill(6)),
		"the other direction": box.NewChain(root, reader, writer),
	} {
		if _, ok := r.Index(seal(t, other, nil).Box); ok {
			t.Errorf("%s: the same boxes", name)
		}
	}
	for _, state := range [][]byte{marshal(t, c), marshal(t, r)} {
		if bytes.Contains(state, root[:]) {
			t.Error("the root is kept")
		}
	}
}

// TestBox_BX02_publishedVector: the chain of the published vector.
func TestBox_BX02_publishedVector(t *testing.T) {
	c := box.NewChain(fill(0), fill(1), fill(2))
	if ck := hex.EncodeToString(marshal(t, c)[9:]); ck != "5538c66bb285e5cb51e435adb5c6eb9bb3b192eb66028582ae851f6f435ab4a8" {
		t.Errorf("ck_0 is %s", ck)
	}
	for i, want := range []string{"e752401190f8ea5cc8ced054232b8a39776fa3496a2ccd60153bd669fe4fbc8e", "bd240a8bb5546d60c305fc63fb0893078ecdd6776f8b37da69d2adb864f59fa1"} {
		if p := seal(t, c, nil); hex.EncodeToString(p.Box[:]) != want || c.Index() != uint64(i+1) {
			t.Errorf("box %d is %x, %d given", i, p.Box, c.Index())
		}
	}
}

// TestBox_BX02_stepsAreTheReferences: a hundred boxes, as the writer gives them, as
// the reader expects them, and as the document says.
func TestBox_BX02_stepsAreTheReferences(t *testing.T) {
	const n = 100
	want, _, ckn := refChain(fill(7), fill(1), fill(2), n)
	c, r := pair(7)
	for i := range uint64(n) {
		p, a := seal(t, c, nil), r.Missing(1)[0]
		if p.Box != want[i].box || a != (box.Address{Index: i, Box: p.Box}) {
			t.Fatalf("box %d: %x written, %d %x read", i, p.Box, a.Index, a.Box)
		}
		r.Done(i)
	}
	if b := marshal(t, c); !bytes.Equal(b[9:], ckn) {
		t.Errorf("ck_%d is %x", n, b[9:])
	}
}

// TestBox_BX03_whatIsUsedIsErased: no state holds keys of a box that was written or
// read, nor the chain key before it; the window moves when its first box was read.
func TestBox_BX03_whatIsUsedIsErased(t *testing.T) {
	const n = 40
	ref, ck0, _ := refChain(fill(8), fill(1), fill(2), n)
	secrets := func(i int) [][]byte { return [][]byte{ref[i].seed.Seed(), ref[i].key} }
	c, r := pair(8)
	for i := range n {
		seal(t, c, nil)
		for _, s := range append(secrets(i), ck0) {
			if bytes.Contains(marshal(t, c), s) {
				t.Fatalf("the writer of box %d keeps a secret of it", i)
			}
		}
	}
	// Read out of order: each box's keys go when it is read, and not before.
	for _, i := range []int{2, 0, 1, 31, 5, 3, 4, 6} {
		for _, s := range secrets(i) {
			if !bytes.Contains(marshal(t, r), s) {
				t.Fatalf("box %d is not to be read yet", i)
			}
		}
		r.Done(uint64(i))
		for _, s := range append(secrets(i), ck0, ref[i].box[:]) {
			if bytes.Contains(marshal(t, r), s) {
				t.Fatalf("the reader keeps something of box %d", i)
			}
		}
		if _, _, err := r.Open(ref[i].box, expiry, refCell(t, ref[i], expiry, make([]byte, 24), make([]byte, 4056))); !errors.Is(err, box.ErrOpen) {
			t.Errorf("box %d was read and still opens: %v", i, err)
		}
	}
	var left []uint64
	for _, a := range r.Missing(100) {
		left = append(left, a.Index)
	}
	if len(left) != 31 || left[0] != 7 || left[30] != 38 || slices.Contains(left, 31) {
		t.Errorf("missing are %v", left)
	}
	before := marshal(t, r)
	r.Done(31)
	r.Done(39)
	r.Done(1 << 40)
	if !bytes.Equal(before, marshal(t, r)) {
		t.Error("boxes outside the window changed it")
	}
}

// TestBox_BX03_secretsAreNotPrinted: no verb shows what a chain or reader holds.
func TestBox_BX03_secretsAreNotPrinted(t *testing.T) {
	c, r := pair(8)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		for _, v := range []any{c, *c, r, *r} {
			if text := fmt.Sprintf(verb, v); !strings.Contains(text, "(secret)") || len(text) > 20 {
				t.Errorf("%s shows %s", verb, text)
			}
		}
	}
	if fmt.Sprint(c.GoString(), r.GoString()) != "box.Chain(secret)box.Reader(secret)" {
		t.Error("GoString shows something")
	}
}

// TestBox_BX04_partsInAnyOrder: messages at the edges of their sizes come together
// in any order, of numbers that do not begin at 0, among parts of others.
func TestBox_BX04_partsInAnyOrder(t *testing.T) {
	rng := draw(t)
	const most = 4052
	for n, parts := range map[int]int{1: 1, most: 1, most + 1: 2, 2 * most: 2, 2*most + 1: 3, box.MaxMessage - 1: 36, box.MaxMessage: 36} {
		message := drawn(rng, n)
		cut, err := box.Split(message)
		if err != nil || len(cut) != parts {
			t.Fatalf("%d bytes are %d parts, %v", n, len(cut), err)
		}
		var bytesOf []byte
		for i, p := range cut {
			if p[0] != byte(i) || p[1] != byte(parts) || len(p) > box.Capacity || i < parts-1 && len(p) != box.Capacity {
				t.Errorf("part %d of %d begins with %x and has %d bytes", i, parts, p[:2], len(p))
			}
			bytesOf = append(bytesOf, p[2:]...)
		}
		if !bytes.Equal(bytesOf, message) {
			t.Error("the parts are not the message")
		}
		for _, begin := range []uint64{0, 5, box.MaxIndex - uint64(parts)} {
			have := map[uint64][]byte{begin + uint64(parts): {0, 2, 'x'}}
			order := rng.Perm(parts)
			for k, i := range order {
				have[begin+uint64(i)] = cut[i]
				got, used := box.Join(begin+uint64(i), have)
				if last := k == parts-1; !last && (got != nil || used != nil) || last && (!bytes.Equal(got, message) || len(used) != parts || used[0] != begin) {
					t.Fatalf("after %d of %d parts: %d bytes of %v", k+1, parts, len(got), used)
				}
			}
		}
	}
}

// TestBox_BX04_partsThatBreakTheRuleAreDropped with their box and nothing else.
func TestBox_BX04_partsThatBreakTheRuleAreDropped(t *testing.T) {
	full := func(n, m byte) []byte { return append([]byte{n, m}, make([]byte, 4052)...) }
	for name, p := range map[string][]byte{
		"nothing": {}, "no part at all": nil, "one byte": {0}, "no bytes": {0, 1}, "none of none": {0, 0, 1}, "beyond the last": {1, 1, 1}, "of 37": full(0, 37), "the 37th": {36, 37, 1},
		"of 255": {0, 255, 1}, "a first one that is not full": {0, 2, 1}, "too long": append(full(0, 1), 0), "before the first box": {7, 8, 1},
	} {
		if got, used := box.Join(6, map[uint64][]byte{6: p, 5: full(0, 2)}); got != nil || !slices.Equal(used, []uint64{6}) {
			t.Errorf("%s: %x of %v", name, got, used)
		}
	}
	for name, other := range map[string][]byte{"another number": full(0, 3), "another place": {0, 1, 2}, "a broken one": {9}} {
		if got, used := box.Join(7, map[uint64][]byte{6: other, 7: {1, 2, 3}}); got != nil || !slices.Equal(used, []uint64{7}) {
			t.Errorf("after %s: %x of %v", name, got, used)
		}
	}
}

// TestBox_BX05_cellsAreTheReferences: the reference opens what is sealed, and what it
// seals opens.
func TestBox_BX05_cellsAreTheReferences(t *testing.T) {
	rng := draw(t)
	c, r := pair(10)
	for i, n := range []int{0, 1, 2, 255, 256, 4053, 4054} {
		ref, _, _ := refChain(fill(10), fill(1), fill(2), i+1)
		k, part := ref[i], drawn(rng, n)
		p := seal(t, c, part)
		want := append(binary.BigEndian.AppendUint16(nil, uint16(n)), part...)
		want = append(want, make([]byte, 4056-len(want))...)
		if !bytes.Equal(refOpen(t, k, expiry, p.Cell), want) {
			t.Errorf("%d bytes: another plaintext", n)
		}
		cell := refCell(t, k, expiry, drawn(rng, 24), want)
		index, got, err := r.Open(k.box, expiry, cell)
		if err != nil || index != uint64(i) || !bytes.Equal(got, part) {
			t.Errorf("%d bytes: opened %d bytes of %d, %v", n, len(got), index, err)
		}
		if !refPut(k, expiry, cell).Verify() || p.Sig != refPut(k, expiry, p.Cell).Sig {
			t.Errorf("%d bytes: another signature", n)
		}
	}
}

// TestBox_BX05_oneError: whatever is wrong with a cell, the answer is one, and nothing
// changes. Writers that break the rules are among it.
func TestBox_BX05_oneError(t *testing.T) {
	ref, _, _ := refChain(fill(10), fill(1), fill(2), 2)
	c, r := pair(10)
	p := seal(t, c, []byte("part"))
	plain := func(n uint16, rest ...byte) []byte {
		return refCell(t, ref[0], expiry, make([]byte, 24), append(binary.BigEndian.AppendUint16(nil, n), append(rest, make([]byte, 4054-len(rest))...)...))
	}
	before := marshal(t, r)
	for name, bad := range map[string]struct {
		box    [32]byte
		expiry uint32
		cell   []byte
	}{
		"another expiry":              {p.Box, expiry + 1, p.Cell},
		"another box":                 {ref[1].box, expiry, p.Cell},
		"no box of the window":        {fill(1), expiry, p.Cell},
		"nothing":                     {p.Box, expiry, nil},
		"a byte less":                 {p.Box, expiry, p.Cell[:4095]},
		"a byte more":                 {p.Box, expiry, append(bytes.Clone(p.Cell), 0)},
		"a shorter cell of the key":   {p.Box, expiry, refCell(t, ref[0], expiry, make([]byte, 24), make([]byte, 4055))},
		"more than there is":          {p.Box, expiry, plain(4055)},
		"a length beyond all":         {p.Box, expiry, plain(65535)},
		"a byte after the end":        {p.Box, expiry, plain(3, 1, 2, 3, 4)},
		"the last byte after the end": {p.Box, expiry, plain(3, append(make([]byte, 4053), 1)...)},
	} {
		if index, part, err := r.Open(bad.box, bad.expiry, bad.cell); err != box.ErrOpen || part != nil || index != 0 {
			t.Errorf("%s: %d %x, %v", name, index, part, err)
		}
	}
	if !bytes.Equal(before, marshal(t, r)) {
		t.Error("what did not open changed the reader")
	}
	if _, part, err := r.Open(p.Box, expiry, plain(3, 1, 2, 3)); err != nil || len(part) != 3 {
		t.Errorf("the control does not open: %v", err)
	}
}

// TestBox_BX05_noncesAreDrawn: a writer that forgot what it sealed and seals again
// does not use a nonce twice.
func TestBox_BX05_noncesAreDrawn(t *testing.T) {
	seen := map[[24]byte]bool{}
	for range 200 {
		c, _ := pair(11)
		p := seal(t, c, []byte("the same"))
		if n := [24]byte(p.Cell); seen[n] {
			t.Fatal("a nonce twice")
		} else {
			seen[n] = true
		}
	}
}

// TestBox_BX06_expiry: what a relay may hold, and what lives there are.
func TestBox_BX06_expiry(t *testing.T) {
	for expiry, want := range map[uint32]bool{19999: false, 20000: true, 20001: true, 20014: true, 20021: true, 20022: true, 20023: false, 0: false, 1<<32 - 1: false} {
		if box.AllowedExpiry(20000, expiry) != want {
			t.Errorf("day %d on day 20000: want %v", expiry, want)
		}
	}
	if box.DefaultLife != 14 || box.ExpiryDay(at("2026-05-06T23:59:59Z"), 14) != box.Day(at("2026-05-20T00:00:00Z")) {
		t.Error("a cell does not live to the end of its 14th day")
	}
	for life, hours := range map[uint32][]int{1: {-5, 0, 1, 24}, 3: {25, 72}, 7: {73, 168}, 14: {169, 336}, 21: {337, 504, 505, 100000}} {
		for _, h := range hours {
			if got := box.LifeFor(hour(h)); got != life {
				t.Errorf("%d hours live %d days, want %d", h, got, life)
			}
			if !box.AllowedExpiry(20000, 20000+life) || !box.AllowedExpiry(19999, 20000+life) {
				t.Errorf("a relay does not hold %d days", life)
			}
		}
	}
	for text, day := range map[string]uint32{"1970-01-01T23:59:59Z": 0, "1970-01-02T00:00:00Z": 1, "1969-12-31T00:00:00Z": 0, "2024-10-04T13:00:00+14:00": 19999} {
		if got := box.Day(at(text)); got != day {
			t.Errorf("%s is day %d, want %d", text, got, day)
		}
	}
}

// TestBox_BX07_signaturesArePutsAlone: what holds for one request holds for no other.
func TestBox_BX07_signaturesArePutsAlone(t *testing.T) {
	ref, _, _ := refChain(fill(10), fill(1), fill(2), 2)
	c, r := pair(10)
	p, other := seal(t, c, []byte("one")), seal(t, c, []byte("two"))
	del, err := r.Delete(p.Box)
	if err != nil || !p.Verify() || !box.VerifyPut(p.Box, p.Expiry, p.Cell, &p.Sig) {
		t.Fatal("a good put does not verify", err)
	}
	for name, bad := range map[string]bool{
		"another box":    box.VerifyPut(other.Box, p.Expiry, p.Cell, &p.Sig),
		"another expiry": box.VerifyPut(p.Box, p.Expiry+1, p.Cell, &p.Sig),
		"another cell":   box.VerifyPut(p.Box, p.Expiry, other.Cell, &p.Sig),
		"no cell":        box.VerifyPut(p.Box, p.Expiry, nil, &p.Sig),
		"of a deletion":  box.VerifyPut(p.Box, p.Expiry, p.Cell, &del.Sig),
		"short cell":     refPut(ref[0], expiry, make([]byte, 4095)).Verify(),
		"long cell":      refPut(ref[0], expiry, make([]byte, 4097)).Verify(),
	} {
		if bad {
			t.Errorf("%s: the signature holds", name)
		}
	}
}

// TestBox_BX07_signaturesHaveOneForm: S plus the order of the group verifies where
// nobody checks; here it does not.
func TestBox_BX07_signaturesHaveOneForm(t *testing.T) {
	c, _ := pair(10)
	p := seal(t, c, []byte("one"))
	order := unhex(t, "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")
	carry := 0
	for i, b := range order {
		carry += int(p.Sig[32+i]) + int(b)
		p.Sig[32+i] = byte(carry)
		carry >>= 8
	}
	if carry != 0 || p.Verify() {
		t.Error("a second form of a signature")
	}
}

// TestBox_BX07_addressesEverybodyCanSignFor, and second spellings of others, have no
// signatures. crypto/ed25519 takes some of these: the control.
func TestBox_BX07_addressesEverybodyCanSignFor(t *testing.T) {
	cell := make([]byte, box.CellSize)
	var sig [64]byte
	sig[0] = 1 // R is the neutral element, S is 0: holds if k*A is neutral, too
	held := 0
	for _, y := range []string{
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	} {
		for _, sign := range []byte{0, 0x80} {
			b := [32]byte(unhex(t, y))
			b[31] |= sign
			for expiry := range uint32(64) {
				text := append(append([]byte("put/1"), b[:]...), binary.BigEndian.AppendUint32(nil, expiry)...)
				if ed25519.Verify(b[:], append(text, sha(cell)...), sig[:]) {
					held++
				}
				if box.VerifyPut(b, expiry, cell, &sig) {
					t.Fatalf("a signature for %x", b)
				}
			}
			if box.VerifyDelete(b, &sig) {
				t.Fatalf("a deletion of %x", b)
			}
		}
	}
	if held < 200 {
		t.Errorf("only %d held for crypto/ed25519: the test tests nothing", held)
	}
	// A second spelling of a point of full order: y = 3 + p, for a signature that
	// nobody can make; the control is that its first spelling is a point at all.
	for y := byte(3); y < 19; y++ {
		b := fill(0xff)
		b[0], b[31] = 0xed+y, 0x7f
		if box.VerifyDelete(b, &sig) {
			t.Errorf("a signature for the second spelling of %d", y)
		}
	}
}

// TestBox_BX08_deletions: whoever holds the keys deletes, and nobody else.
func TestBox_BX08_deletions(t *testing.T) {
	ref, _, _ := refChain(fill(10), fill(1), fill(2), 2)
	c, r := pair(10)
	p := seal(t, c, []byte("one"))
	d, err := r.Delete(p.Box)
	if err != nil || d.Box != p.Box || !d.Verify() || !bytes.Equal(d.Sig[:], ed25519.Sign(ref[0].seed, append([]byte("del/1"), p.Box[:]...))) {
		t.Fatalf("a bad deletion: %v", err)
	}
	if box.VerifyDelete(ref[1].box, &d.Sig) || box.VerifyDelete(p.Box, &p.Sig) || box.VerifyDelete(p.Box, &[64]byte{}) {
		t.Error("something else deletes")
	}
	r.Done(0)
	for name, b := range map[string][32]byte{"a box that was read": p.Box, "nobody's": fill(1)} {
		if d, err := r.Delete(b); !errors.Is(err, box.ErrLimit) || d != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
