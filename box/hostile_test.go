package box_test

import (
	"bytes"
	"errors"
	"testing"

	"kith/box"
)

// flips calls try with every variant of b in which one bit differs, and what stands
// for its place.
func flips(b []byte, try func(bad []byte, bit int)) {
	bad := bytes.Clone(b)
	for bit := range 8 * len(b) {
		bad[bit/8] ^= 1 << (bit % 8)
		try(bad, bit)
		bad[bit/8] ^= 1 << (bit % 8)
	}
}

// lengths calls try with b cut short in every place and with bytes behind its end.
func lengths(b []byte, try func(bad []byte)) {
	for n := range b {
		try(b[:n:n])
	}
	for _, more := range []int{1, 2, 16, 4096} {
		try(append(bytes.Clone(b), make([]byte, more)...))
	}
}

// TestHostile_cell: no bit of a cell, its expiry or its address can be changed, nor
// its length; the error is always the same, and the reader remains as it was.
func TestHostile_cell(t *testing.T) {
	c, r := pair(30)
	p := seal(t, c, []byte("the truth"))
	before := marshal(t, r)
	opens := func(b [32]byte, expiry uint32, cell []byte) bool {
		_, part, err := r.Open(b, expiry, cell)
		if err != nil && (err != box.ErrOpen || part != nil) {
			t.Fatalf("another error: %v", err)
		}
		return err == nil
	}
	flips(p.Cell, func(bad []byte, bit int) {
		if opens(p.Box, p.Expiry, bad) {
			t.Errorf("opens with bit %d of the cell changed", bit)
		}
	})
	flips(p.Box[:], func(bad []byte, bit int) {
		if opens([32]byte(bad), p.Expiry, p.Cell) {
			t.Errorf("opens with bit %d of the address changed", bit)
		}
	})
	for bit := range 32 {
		if opens(p.Box, p.Expiry^1<<bit, p.Cell) {
			t.Errorf("opens with bit %d of the expiry changed", bit)
		}
	}
	lengths(p.Cell, func(bad []byte) {
		if opens(p.Box, p.Expiry, bad) {
			t.Errorf("opens with %d bytes", len(bad))
		}
	})
	if !opens(p.Box, p.Expiry, p.Cell) || !bytes.Equal(before, marshal(t, r)) {
		t.Error("the control does not open, or the reader changed")
	}
}

// TestHostile_signatures: no bit of what is signed, nor of a signature.
func TestHostile_signatures(t *testing.T) {
	q := requests(t)
	put, del := q["put"].Put, q["delete"].Delete
	stored := marshal(t, put)
	// A bit in a thousand of the cell: its hash is what is signed.
	for bit := 0; bit < 8*len(stored); bit++ {
		if bit > 8*100 && bit < 8*len(stored)-64 && bit%997 != 0 {
			continue
		}
		bad := bytes.Clone(stored)
		bad[bit/8] ^= 1 << (bit % 8)
		if p, err := box.ParsePut(bad); err != nil || p.Verify() {
			t.Errorf("holds with bit %d of a put changed, %v", bit, err)
		}
	}
	flips(marshal(t, del), func(bad []byte, bit int) {
		if d, err := box.ParseDelete(bad); err != nil || d.Verify() {
			t.Errorf("holds with bit %d of a deletion changed, %v", bit, err)
		}
	})
	if !put.Verify() || !del.Verify() {
		t.Error("the control does not hold")
	}
}

// TestHostile_lengths: every format has one length, and one error for others.
func TestHostile_lengths(t *testing.T) {
	q := requests(t)
	c, r := pair(31)
	r.Done(3)
	for name, format := range map[string]struct {
		good  []byte
		parse func([]byte) error
	}{
		"put":     {marshal(t, q["put"].Put), func(b []byte) error { _, err := box.ParsePut(b); return err }},
		"delete":  {marshal(t, q["delete"].Delete), func(b []byte) error { _, err := box.ParseDelete(b); return err }},
		"request": {frameOf(t, q["get"]), func(b []byte) error { _, err := box.ParseRequest(b); return err }},
		"reply":   {frameOf(t, replies(t)[box.Found]), func(b []byte) error { _, err := box.ParseReply(b); return err }},
		"chain":   {marshal(t, c), func(b []byte) error { _, err := box.ParseChain(b); return err }},
		"reader":  {marshal(t, r), func(b []byte) error { _, err := box.ParseReader(b); return err }},
		"link":    {[]byte("kith-relay://" + someKey + "@a:1"), func(b []byte) error { _, err := box.ParseRelay(string(b)); return err }},
	} {
		if err := format.parse(format.good); err != nil {
			t.Errorf("%s: the control: %v", name, err)
		}
		lengths(format.good, func(bad []byte) {
			if err := format.parse(bad); err == nil || !errors.Is(err, box.ErrMalformed) {
				t.Errorf("%s of %d bytes: %v", name, len(bad), err)
			}
		})
	}
}

// TestHostile_frames: a bit of a frame makes another request or none, never the same.
func TestHostile_frames(t *testing.T) {
	for name, q := range requests(t) {
		frame := frameOf(t, q)
		meant := map[string]int{"put": 4230, "get": 44, "delete": 106, "info": 42}[name]
		flips(frame[:meant], func(bad []byte, bit int) {
			if bit > 8*200 && bit%37 != 0 {
				return
			}
			got, err := box.ParseRequest(append(bytes.Clone(bad), frame[meant:]...))
			if err != nil {
				return
			}
			if again := frameOf(t, got); !bytes.Equal(again[:42], bad[:42]) || got.Op == q.Op && !bytes.Equal(again[:meant], bad) {
				t.Errorf("%s with bit %d changed is read as something else", name, bit)
			}
		})
	}
}

// TestHostile_links: whatever bit of a link changes, what is read has that very form.
func TestHostile_links(t *testing.T) {
	flips([]byte("kith-relay://"+someKey+"@[2001:db8::1]:4400,relay.example:1"), func(bad []byte, bit int) {
		if r, err := box.ParseRelay(string(bad)); err == nil && r.String() != string(bad) {
			t.Errorf("%s is a second form of %s", bad, r)
		}
	})
}

// TestHostile_writer: whatever parts a writer leaves in whatever order, a reader's
// memory of them is what came, and each message that comes out was cut into those.
func TestHostile_writer(t *testing.T) {
	rng := draw(t)
	for range 2000 {
		have := map[uint64][]byte{}
		for range 40 {
			index := uint64(rng.IntN(12))
			part := []byte{byte(rng.IntN(4)), byte(rng.IntN(4)), 1}
			if rng.IntN(2) == 0 {
				part = append(part, make([]byte, 4051)...)
			}
			have[index] = part
			message, used := box.Join(index, have)
			if message != nil {
				cut, err := box.Split(message)
				if err != nil || len(cut) != len(used) {
					t.Fatalf("%d bytes of %d parts, %v", len(message), len(used), err)
				}
				for i, u := range used {
					if !bytes.Equal(have[u], cut[i]) {
						t.Fatalf("part %d is another", i)
					}
				}
			}
			for _, u := range used {
				if have[u] == nil {
					t.Fatal("a box used that did not come")
				}
				delete(have, u)
			}
		}
	}
}
