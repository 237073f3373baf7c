package wire

import (
	"errors"
	"testing"

	"kith/mls/internal/rule"
)

// TestReader_elementsOfNestedVectorsAreBounded: vectors in vectors do not make a message
// many times larger in memory than it is.
func TestReader_elementsOfNestedVectorsAreBounded(t *testing.T) {
	inner := func(n int) []byte { return AppendOpaque(nil, make([]byte, n)) }
	read := func(r *Reader, b []byte) error {
		r.rest = b
		Vector(r, func(r *Reader) int { return len(Vector(r, (*Reader).Bool)) })
		return r.Done()
	}
	var rows []byte
	const row = MaxElements - 1
	for range MaxMessageElements / (row + 1) {
		rows = append(rows, inner(row)...)
	}
	if err := read(NewReader(nil), AppendOpaque(nil, rows)); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	more := AppendOpaque(nil, append(rows, 0))
	if err := read(NewReader(nil), more); !errors.Is(err, &rule.Error{Rule: rule.TooLong}) {
		t.Errorf("beyond the limit: %v", err)
	}
	if err := read(NewStateReader(nil), more); err != nil {
		t.Errorf("of our own state: %v", err)
	}
}
