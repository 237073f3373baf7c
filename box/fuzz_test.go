package box_test

import (
	"bytes"
	"encoding/binary"
	"reflect"
	"testing"

	"kith/box"
)

// Every target: no panic, and what is accepted encodes to the very input, but for
// bytes that mean nothing.

func FuzzParseRequest(f *testing.F) {
	for _, q := range requests(f) {
		f.Add(frameOf(f, q))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		q, err := box.ParseRequest(b)
		if err != nil {
			return
		}
		meant := map[box.Op]int{box.OpPut: 42 + 24 + 4 + 64 + 4096, box.OpGet: 44, box.OpDelete: 42 + 64, box.OpInfo: 42}[q.Op]
		if again := frameOf(t, q); !bytes.Equal(again[:meant], b[:meant]) {
			t.Errorf("op %d is not canonical", q.Op)
		}
		if q.Put != nil {
			q.Put.Verify()
			box.VerifyWork(&q.Work, box.RelayID{}, 0, q.Box, 1)
		}
		if q.Delete != nil {
			q.Delete.Verify()
		}
	})
}

func FuzzParseReply(f *testing.F) {
	for _, r := range replies(f) {
		f.Add(frameOf(f, r))
	}
	q := requests(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := box.ParseReply(b)
		if err != nil {
			return
		}
		meant := map[box.Status]int{box.Found: 18 + 4 + 64 + 4096, box.Gone: 18 + 64}[r.Status]
		if again := frameOf(t, r); !bytes.Equal(again[:max(meant, 18)], b[:max(meant, 18)]) {
			t.Errorf("status %d is not canonical", r.Status)
		}
		for _, q := range q {
			r.Answers(q)
		}
	})
}

func FuzzParsePut(f *testing.F) {
	f.Add(marshal(f, requests(f)["put"].Put))
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := box.ParsePut(b); err == nil && !bytes.Equal(marshal(t, p), b) {
			t.Error("not canonical")
		}
	})
}

func FuzzParseDelete(f *testing.F) {
	f.Add(marshal(f, requests(f)["delete"].Delete))
	f.Fuzz(func(t *testing.T, b []byte) {
		if d, err := box.ParseDelete(b); err == nil && !bytes.Equal(marshal(t, d), b) {
			t.Error("not canonical")
		}
	})
}

func FuzzParseChain(f *testing.F) {
	c, _ := pair(40)
	f.Add(marshal(f, c))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := box.ParseChain(b)
		if err != nil {
			return
		}
		if !bytes.Equal(marshal(t, c), b) {
			t.Error("not canonical")
		}
		if p, err := c.Seal(nil, 0); err == nil && !p.Verify() {
			t.Error("what it seals does not verify")
		}
	})
}

func FuzzParseReader(f *testing.F) {
	_, r := pair(40)
	f.Add(marshal(f, r))
	r.Done(5)
	r.Done(0)
	f.Add(marshal(f, r))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := box.ParseReader(b)
		if err != nil {
			return
		}
		if !bytes.Equal(marshal(t, r), b) {
			t.Error("not canonical")
		}
		for _, a := range r.Missing(2) {
			r.Done(a.Index)
		}
		if _, err := box.ParseReader(marshal(t, r)); err != nil {
			t.Error("what it becomes does not parse")
		}
	})
}

// FuzzOpen: what opens is sealed to the very cell by the reference.
func FuzzOpen(f *testing.F) {
	ref, _, _ := refChain(fill(40), fill(1), fill(2), 1)
	_, r := pair(40)
	sealed := func(t testing.TB, nonce, part []byte, day uint32) []byte {
		plaintext := append(binary.BigEndian.AppendUint16(nil, uint16(len(part))), part...)
		return refCell(t, ref[0], day, nonce, append(plaintext, make([]byte, 4054-len(part))...))
	}
	f.Add(sealed(f, make([]byte, 24), []byte("part"), expiry), uint32(expiry))
	f.Fuzz(func(t *testing.T, cell []byte, day uint32) {
		if _, part, err := r.Open(ref[0].box, day, cell); err == nil && !bytes.Equal(sealed(t, cell[:24], part, day), cell) {
			t.Error("not canonical")
		}
	})
}

func FuzzParseRelay(f *testing.F) {
	for _, addrs := range []string{"192.0.2.1:1", "[2001:db8::1]:65535,a.b:2", "xn--a:1", "[::ffff:1.2.3.4]:1", "1.2:3", ""} {
		f.Add("kith-relay://" + someKey + "@" + addrs)
	}
	f.Fuzz(func(t *testing.T, link string) {
		r, err := box.ParseRelay(link)
		if err != nil {
			return
		}
		if r.String() != link || !box.IsRelay(link) {
			t.Errorf("%q is a second form of %q", link, r)
		}
		if again, err := box.ParseRelay(r.String()); err != nil || !reflect.DeepEqual(again, r) {
			t.Errorf("%q: %v", link, err)
		}
	})
}

// FuzzJoin: whatever parts there are, a message that comes out was cut into them.
func FuzzJoin(f *testing.F) {
	f.Add(uint64(1), []byte{0, 1, 'x'}, []byte{0, 1, 'x'}, []byte{0, 1, 'x'}, 0)
	f.Add(uint64(0), []byte{0, 2}, []byte{1, 2, 'x'}, []byte{}, 4052)
	f.Fuzz(func(t *testing.T, index uint64, a, b, c []byte, more int) {
		if more > 0 && more < 5000 {
			a = append(bytes.Clone(a), make([]byte, more)...)
		}
		parts := map[uint64][]byte{index: a, index + 1: b, index + 2: c}
		message, used := box.Join(index, parts)
		if message == nil {
			if len(used) > 1 || len(used) == 1 && used[0] != index {
				t.Errorf("boxes %v are used for nothing", used)
			}
			return
		}
		cut, err := box.Split(message)
		if err != nil || len(cut) != len(used) {
			t.Fatalf("%d bytes of %d parts, %v", len(message), len(used), err)
		}
		for i, u := range used {
			if !bytes.Equal(parts[u], cut[i]) {
				t.Errorf("part %d is another", i)
			}
		}
	})
}
