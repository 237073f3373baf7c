package box_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"kith/box"
)

// TestLimits_part: the largest part fits, a byte more changes nothing.
func TestLimits_part(t *testing.T) {
	c, r := pair(20)
	if box.Capacity != 4054 {
		t.Errorf("a part has %d bytes", box.Capacity)
	}
	most := bytes.Repeat([]byte{1}, box.Capacity)
	before := marshal(t, c)
	if p, err := c.Seal(append(most, 1), expiry); !errors.Is(err, box.ErrLimit) || p != nil || !bytes.Equal(before, marshal(t, c)) {
		t.Errorf("a byte too much: %v", err)
	}
	p := seal(t, c, most)
	if _, got, err := r.Open(p.Box, p.Expiry, p.Cell); err != nil || !bytes.Equal(got, most) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestLimits_message(t *testing.T) {
	if box.MaxMessage != 145872 || box.MaxParts != 36 {
		t.Errorf("%d bytes in %d parts", box.MaxMessage, box.MaxParts)
	}
	for n, ok := range map[int]bool{0: false, 1: true, box.MaxMessage: true, box.MaxMessage + 1: false} {
		if parts, err := box.Split(make([]byte, n)); (err == nil) != ok || !ok && (!errors.Is(err, box.ErrLimit) || parts != nil) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

// TestLimits_window: the reader looks 32 boxes far from the first it misses, itself
// counted, and no further.
func TestLimits_window(t *testing.T) {
	c, r := pair(21)
	var all []*box.Put
	for range box.Window + 2 {
		all = append(all, seal(t, c, nil))
	}
	for i, want := range map[int]bool{0: true, box.Window - 1: true, box.Window: false} {
		if _, ok := r.Index(all[i].Box); ok != want {
			t.Errorf("box %d is in the window: %v", i, ok)
		}
	}
	r.Done(0)
	if index, ok := r.Index(all[box.Window].Box); !ok || index != box.Window {
		t.Error("the window does not move")
	}
	if _, ok := r.Index(all[box.Window+1].Box); ok {
		t.Error("the window moves too far")
	}
	for n, want := range map[int]int{-1: 0, 0: 0, 1: 1, box.Window: box.Window, box.Window + 1: box.Window, math.MaxInt: box.Window} {
		if got := r.Missing(n); len(got) != want {
			t.Errorf("%d missing at most: %d", n, len(got))
		}
	}
}

// chainAt and readerAt are ends of a chain that has given so many boxes.
func chainAt(t *testing.T, next uint64) []byte {
	c, _ := pair(22)
	b := marshal(t, c)
	binary.BigEndian.PutUint64(b[1:], next)
	return b
}

func readerAt(t *testing.T, first uint64) []byte {
	_, r := pair(22)
	b := marshal(t, r)
	binary.BigEndian.PutUint64(b[1:], first+box.Window)
	for i := range uint64(box.Window) {
		binary.BigEndian.PutUint64(b[42+104*i:], first+i)
	}
	return b
}

// TestLimits_chain: 2^32 boxes, then both ends have come to an end.
func TestLimits_chain(t *testing.T) {
	if _, err := box.ParseChain(chainAt(t, box.MaxIndex+1)); !errors.Is(err, box.ErrMalformed) {
		t.Error("a chain beyond the end", err)
	}
	c, err := box.ParseChain(chainAt(t, box.MaxIndex-1))
	if err != nil {
		t.Fatal(err)
	}
	seal(t, c, nil)
	before := marshal(t, c)
	if p, err := c.Seal(nil, expiry); !errors.Is(err, box.ErrLimit) || p != nil || c.Index() != box.MaxIndex || !bytes.Equal(before, marshal(t, c)) {
		t.Errorf("a box beyond the end: %v", err)
	}
	if _, err := box.ParseChain(before); err != nil {
		t.Error("a chain at its end does not parse", err)
	}
}

func TestLimits_readerAtTheEnd(t *testing.T) {
	for name, first := range map[string]uint64{"one beyond": box.MaxIndex - box.Window + 1, "far beyond": 1 << 40, "around": 1<<64 - 3} {
		if _, err := box.ParseReader(readerAt(t, first)); !errors.Is(err, box.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	r, err := box.ParseReader(readerAt(t, box.MaxIndex-box.Window))
	if err != nil {
		t.Fatal(err)
	}
	for i := range uint64(box.Window) {
		r.Done(box.MaxIndex - 1 - i)
		if len(r.Missing(100)) != int(box.Window-1-i) {
			t.Fatalf("%d are missing", len(r.Missing(100)))
		}
		if again, err := box.ParseReader(marshal(t, r)); err != nil || !bytes.Equal(marshal(t, again), marshal(t, r)) {
			t.Fatalf("after %d boxes: %v", i+1, err)
		}
	}
}

// TestLimits_readerState: only windows as a reader leaves them.
func TestLimits_readerState(t *testing.T) {
	good := readerAt(t, 100)
	if _, err := box.ParseReader(good); err != nil {
		t.Fatal(err)
	}
	set := func(at int, v uint64) []byte {
		b := bytes.Clone(good)
		binary.BigEndian.PutUint64(b[at:], v)
		return b
	}
	for name, bad := range map[string][]byte{
		"a window too far": set(1, 133), "one too near": set(1, 131), "an end that is none": set(1, box.MaxIndex), "an index twice": set(42+104, 100), "indexes that fall": set(42+104, 99),
		"an index not derived": set(42+31*104, 132), "another version": with(good, 0, 2), "fewer keys than said": with(good, 41, 33), "more than said": with(good, 41, 31), "none, and not at the end": append(bytes.Clone(good[:41]), 0),
	} {
		if r, err := box.ParseReader(bad); !errors.Is(err, box.ErrMalformed) || r != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Boxes may be read out of order: a window with holes is one.
	holes := append(with(good[:42+104], 41, 1), nil...)
	if _, err := box.ParseReader(holes); err != nil {
		t.Error("a window of one box", err)
	}
}

// TestLimits_frames: every frame has one size, 6144 bytes.
func TestLimits_frames(t *testing.T) {
	for name, q := range requests(t) {
		if n := len(frameOf(t, q)); n != box.FrameSize {
			t.Errorf("%s has %d bytes", name, n)
		}
		if b, err := q.AppendBinary([]byte("before")); err != nil || string(b[:6]) != "before" || len(b) != 6+6144 {
			t.Errorf("%s is not appended", name)
		}
	}
	for s, r := range replies(t) {
		if n := len(frameOf(t, r)); n != box.FrameSize {
			t.Errorf("status %d has %d bytes", s, n)
		}
	}
}

func TestLimits_wait(t *testing.T) {
	if box.MaxWait != 3600 {
		t.Errorf("%d s", box.MaxWait)
	}
	for wait, ok := range map[uint16]bool{0: true, 1: true, box.MaxWait: true, box.MaxWait + 1: false, 65535: false} {
		frame, err := (&box.Request{Op: box.OpGet, Wait: wait}).AppendBinary(nil)
		if (err == nil) != ok {
			t.Errorf("%d s: %v", wait, err)
		}
		if !ok {
			frame = frameOf(t, &box.Request{Op: box.OpGet})
			binary.BigEndian.PutUint16(frame[42:], wait)
		}
		if _, err := box.ParseRequest(frame); (err == nil) != ok {
			t.Errorf("%d s: read: %v", wait, err)
		}
	}
}

func TestLimits_addresses(t *testing.T) {
	name := strings.Repeat("a", 63) + "." + strings.Repeat("b", 62)
	if edge := name + ":1"; len(edge) != box.MaxAddr || !box.ValidAddr(edge) || box.ValidAddr(edge+"0") {
		t.Errorf("%d bytes are not the edge", len(edge))
	}
	var addrs []string
	for i := range box.MaxAddrs + 1 {
		addrs = append(addrs, fmt.Sprintf("a:%d", i+1))
		if _, err := box.ParseRelay(box.Relay{Addrs: addrs}.String()); (err == nil) != (len(addrs) <= box.MaxAddrs) {
			t.Errorf("%d addresses: %v", len(addrs), err)
		}
	}
}

func TestLimits_clocks(t *testing.T) {
	if box.ClockSlack != 1 || !box.AllowedExpiry(20000, 20021+box.ClockSlack) || box.AllowedExpiry(20000, 20022+box.ClockSlack) {
		t.Error("another difference of clocks")
	}
}

func TestLimits_effort(t *testing.T) {
	stop := func() bool { return true }
	for effort, want := range map[uint32]bool{0: true, 1: false, box.MaxEffort: false, box.MaxEffort + 1: false} {
		if _, ok := box.Solve(box.RelayID{}, 0, [32]byte{}, effort, stop); ok != want {
			t.Errorf("effort %d: %v", effort, ok)
		}
	}
	if box.MaxEffort != 65536 {
		t.Error("another most")
	}
}
