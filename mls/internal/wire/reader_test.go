package wire

import (
	"bytes"
	"errors"
	"testing"

	"kith/mls/internal/rule"
)

func TestReader_lengthsHaveOneForm(t *testing.T) {
	for n, want := range map[int]int{0: 1, 63: 1, 64: 2, 16383: 2, 16384: 4, MaxVector: 4} {
		b := AppendLength(nil, n)
		r := NewReader(b)
		if got := r.Length(); got != n || r.Done() != nil || len(b) != want {
			t.Errorf("%d: %x reads as %d", n, b, got)
		}
	}
	for _, b := range [][]byte{{0x40, 63}, {0x80, 0, 0x3f, 0xff}, {0xc0, 0, 0, 0, 0, 0, 0, 1}, {}, {0x40}, {0x80, 0, 0}} {
		r := NewReader(b)
		r.Length()
		if !errors.Is(r.Done(), &rule.Error{Rule: rule.Encoding}) {
			t.Errorf("%x is read", b)
		}
	}
}

func TestReader_firstErrorSticks(t *testing.T) {
	r := NewReader([]byte{5, 1})
	if r.Opaque() != nil || r.Uint64() != 0 || r.Uint8() != 0 || r.Bool() || r.Length() != 0 || r.Len() != 0 {
		t.Error("something is read behind an error")
	}
	first := r.Err()
	r.Fail("another")
	if first == nil || r.Done() != first {
		t.Error("the first error does not stick")
	}
}

func TestReader_elementsAreBounded(t *testing.T) {
	many := bytes.Repeat([]byte{0}, MaxElements)
	read := func(b []byte) error {
		r := NewReader(AppendOpaque(nil, b))
		Vector(r, (*Reader).Bool)
		return r.Done()
	}
	if err := read(many); err != nil {
		t.Error(err)
	}
	if err := read(append(many, 0)); !errors.Is(err, &rule.Error{Rule: rule.TooLong}) {
		t.Error(err)
	}
}

func TestReader_strangeValuesRefused(t *testing.T) {
	for name, b := range map[string][]byte{
		"presence": {2}, "node type": {3, 1, 3, 0}, "odd leaves": {9, 1, 2, 0, 0, 5, 0, 0, 0, 0, 1},
	} {
		r := NewReader(b)
		if name == "presence" {
			r.Bool()
		} else {
			r.RatchetTree()
		}
		if r.Err() == nil {
			t.Errorf("%s is read", name)
		}
	}
	for name, read := range map[string]func(*Reader){
		"psk type": func(r *Reader) { r.PSKID() }, "psk usage": func(r *Reader) { r.PSKID() },
		"proposal or reference": func(r *Reader) { r.Commit() }, "source": func(r *Reader) { r.LeafNode() },
		"unmerged leaves": func(r *Reader) { r.ParentNode() },
	} {
		encoded := map[string][]byte{
			"psk type": {3, 0, 0}, "psk usage": (&PSKID{Type: PSKResumption, Usage: 4}).Append(nil),
			"proposal or reference": {2, 3, 0, 0}, "source": (&LeafNode{Source: 4}).Append(nil),
			"unmerged leaves": {0, 0, 3, 0, 0, 1},
		}[name]
		r := NewReader(encoded)
		if read(r); !errors.Is(r.Err(), &rule.Error{Rule: rule.Encoding}) {
			t.Errorf("%s: %v", name, r.Done())
		}
	}
	private := &Message{Format: FormatPrivate, Private: &PrivateMessage{Type: 4}}
	if _, err := ParseMessage(Marshal(private)); !errors.Is(err, &rule.Error{Rule: rule.Encoding}) {
		t.Errorf("content type: %v", err)
	}
	if _, err := ParseMessage([]byte{0, 1, 0}); !errors.Is(err, &rule.Error{Rule: rule.Encoding}) {
		t.Errorf("half a wire format: %v", err)
	}
	r := NewReader([]byte{1, 0xab})
	if r.Uint16s(); r.Err() == nil {
		t.Error("half a number is read")
	}
}
