package box_test

import (
	"bytes"
	"encoding/binary"
	"reflect"
	"testing"

	"kith/box"
)

// TestBox_BX10_requests: each goes out and comes in as it was, at the places the
// document says.
func TestBox_BX10_requests(t *testing.T) {
	for name, q := range requests(t) {
		frame := frameOf(t, q)
		if frame[0] != 1 || frame[1] != byte(q.Op) || binary.BigEndian.Uint64(frame[2:]) != q.Tag || [32]byte(frame[10:]) != q.Box {
			t.Errorf("%s begins with %x", name, frame[:42])
		}
		var body []byte
		switch q.Op {
		case box.OpPut:
			body = append(append(q.Work.Nonce[:], q.Work.Solution[:]...), 0, 0, 0x4e, 0x2e)
			body = append(append(body, q.Put.Sig[:]...), q.Put.Cell...)
		case box.OpGet:
			body = []byte{0x0e, 0x10}
		case box.OpDelete:
			body = q.Delete.Sig[:]
		}
		if !bytes.HasPrefix(frame[42:], body) {
			t.Errorf("%s: another body", name)
		}
		got, err := box.ParseRequest(frame)
		if err != nil || !reflect.DeepEqual(got, q) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if rest := frame[42+len(body):]; bytes.Contains(rest, make([]byte, 16)) || bytes.Equal(rest, frameOf(t, q)[42+len(body):]) {
			t.Errorf("%s: the rest is not random", name)
		}
	}
}

// TestBox_BX10_malformedRequests, and such as the writer's own program gets wrong.
func TestBox_BX10_malformedRequests(t *testing.T) {
	all := requests(t)
	good := frameOf(t, all["get"])
	for name, bad := range map[string][]byte{
		"nothing": nil, "a byte less": good[:6143], "a byte more": append(bytes.Clone(good), 0), "version 0": with(good, 0, 0), "version 2": with(good, 0, 2),
		"operation 0": with(good, 1, 0), "operation 5": with(good, 1, 5), "operation 255": with(good, 1, 255), "a second too long": with(good, 43, 0x11),
	} {
		if q, err := box.ParseRequest(bad); err != box.ErrMalformed || q != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	put, del := all["put"].Put, all["delete"].Delete
	short := &box.Put{Box: put.Box, Cell: put.Cell[1:]}
	for name, q := range map[string]box.Request{
		"no operation": {}, "an unknown one": {Op: 5}, "put of nothing": {Op: box.OpPut}, "put of a short cell": {Op: box.OpPut, Box: put.Box, Put: short},
		"put elsewhere": {Op: box.OpPut, Box: fill(1), Put: put}, "put that waits": {Op: box.OpPut, Box: put.Box, Put: put, Wait: 1},
		"delete nothing": {Op: box.OpDelete}, "delete elsewhere": {Op: box.OpDelete, Box: fill(1), Delete: del}, "a second too long": {Op: box.OpGet, Wait: 3601},
		"get and put": {Op: box.OpGet, Box: put.Box, Put: put}, "get and delete": {Op: box.OpGet, Box: put.Box, Delete: del}, "get with work": {Op: box.OpGet, Work: all["put"].Work},
		"put and delete": {Op: box.OpPut, Box: put.Box, Put: put, Delete: del}, "info that waits": {Op: box.OpInfo, Wait: 1},
	} {
		if b, err := q.AppendBinary([]byte{1}); err != box.ErrLimit || b != nil {
			t.Errorf("%s: %d bytes, %v", name, len(b), err)
		}
	}
}

// TestBox_BX11_answers: each goes out and comes in as it was.
func TestBox_BX11_answers(t *testing.T) {
	for s, r := range replies(t) {
		frame := frameOf(t, r)
		if frame[0] != 1 || frame[1] != byte(s) || binary.BigEndian.Uint64(frame[2:]) != r.Tag || binary.BigEndian.Uint32(frame[10:]) != r.Effort || binary.BigEndian.Uint32(frame[14:]) != r.Day {
			t.Errorf("status %d begins with %x", s, frame[:18])
		}
		var body []byte
		switch s {
		case box.Found:
			body = append(append([]byte{0, 0, 0x4e, 0x2e}, r.Sig[:]...), r.Cell...)
		case box.Gone:
			body = r.Sig[:]
		}
		if rest := frame[18+len(body):]; !bytes.HasPrefix(frame[18:], body) || bytes.Contains(rest, make([]byte, 16)) || bytes.Equal(rest, frameOf(t, r)[18+len(body):]) {
			t.Errorf("status %d: another body, or the rest is not random", s)
		}
		if got, err := box.ParseReply(frame); err != nil || !reflect.DeepEqual(got, r) {
			t.Errorf("status %d: %+v, %v", s, got, err)
		}
	}
	good := frameOf(t, replies(t)[box.OK])
	for name, bad := range map[string][]byte{
		"nothing": nil, "a byte less": good[:6143], "a byte more": append(bytes.Clone(good), 0), "version 0": with(good, 0, 0), "version 2": with(good, 0, 2),
		"status 0": with(good, 1, 0), "status 10": with(good, 1, 10), "status 255": with(good, 1, 255),
	} {
		if r, err := box.ParseReply(bad); err != box.ErrMalformed || r != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, r := range map[string]box.Reply{
		"no status": {}, "an unknown one": {Status: 10}, "found nothing": {Status: box.Found}, "found a short cell": {Status: box.Found, Cell: make([]byte, 4095)},
		"a cell that was not found": {Status: box.Miss, Cell: make([]byte, 4096)}, "a byte that was not found": {Status: box.OK, Cell: []byte{1}},
	} {
		if b, err := r.AppendBinary([]byte{1}); err != box.ErrLimit || b != nil {
			t.Errorf("%s: %d bytes, %v", name, len(b), err)
		}
	}
}

// TestBox_BX11_lies: which answers are believed, to what.
func TestBox_BX11_lies(t *testing.T) {
	q := requests(t)
	believed := map[string][]box.Status{
		"put":    {box.OK, box.Exists, box.Conflict, box.Full, box.Gone, box.Refused, box.Busy},
		"get":    {box.Found, box.Miss, box.Gone, box.Busy},
		"delete": {box.OK, box.Refused, box.Busy},
		"info":   {box.OK, box.Busy},
	}
	for name, request := range q {
		request.Tag = 7
		for s, r := range replies(t) {
			want := false
			for _, b := range believed[name] {
				want = want || b == s
			}
			if r.Answers(request) != want {
				t.Errorf("status %d to %s: want %v", s, name, want)
			}
			r.Tag++
			if r.Answers(request) {
				t.Errorf("status %d to %s: believed with another tag", s, name)
			}
			r.Tag--
			if r.Effort ^= 1; s != box.Full && r.Answers(request) != (name == "info" && s == box.OK) {
				t.Errorf("status %d to %s: wants work", s, name)
			}
		}
	}
	c, reader := pair(9)
	first, second := seal(t, c, []byte("a part")), seal(t, c, []byte("another"))
	del, err := reader.Delete(second.Box)
	if err != nil {
		t.Fatal(err)
	}
	found := func(p *box.Put) box.Reply {
		return box.Reply{Status: box.Found, Tag: 7, Expiry: p.Expiry, Sig: p.Sig, Cell: p.Cell}
	}
	old, later, changed := found(first), found(first), found(first)
	later.Expiry++
	changed.Cell = with(changed.Cell, 100, changed.Cell[100]^1)
	full, gone, forged := box.Reply{Status: box.Full, Tag: 7}, box.Reply{Status: box.Gone, Tag: 7, Sig: del.Sig}, box.Reply{Status: box.Gone, Tag: 7, Sig: first.Sig}
	swapped := found(second)
	if !old.Answers(q["get"]) {
		t.Fatal("the control is not believed")
	}
	for name, lie := range map[string]struct {
		r  *box.Reply
		to string
	}{
		"a cell of another box": {&swapped, "get"}, "a later expiry": {&later, "get"}, "a changed cell": {&changed, "get"},
		"deleted as another box was": {&gone, "get"}, "deleted by a put's signature": {&forged, "get"}, "gone, to a put, as another was": {&gone, "put"},
		"full for no work": {&full, "put"},
	} {
		if lie.r.Answers(q[lie.to]) {
			t.Errorf("%s: believed", name)
		}
	}
}

// TestBox_BX11_storedRequests: what is kept of a request is the request.
func TestBox_BX11_storedRequests(t *testing.T) {
	q := requests(t)
	put, del := marshal(t, q["put"].Put), marshal(t, q["delete"].Delete)
	if len(put) != 4196 || len(del) != 96 {
		t.Errorf("%d and %d bytes", len(put), len(del))
	}
	if p, err := box.ParsePut(put); err != nil || !reflect.DeepEqual(p, q["put"].Put) || !p.Verify() {
		t.Errorf("%+v, %v", p, err)
	}
	if d, err := box.ParseDelete(del); err != nil || *d != *q["delete"].Delete || !d.Verify() {
		t.Errorf("%+v, %v", d, err)
	}
	if _, err := (&box.Put{Cell: make([]byte, 4095)}).MarshalBinary(); err != box.ErrLimit {
		t.Error(err)
	}
}

func with(b []byte, i int, v byte) []byte {
	b = bytes.Clone(b)
	b[i] = v
	return b
}
