package mlkem768

import (
	"math/rand/v2"
	"testing"
)

func residue(a int) int { return ((a % q) + q) % q }

func TestReductions(t *testing.T) {
	for a := -1 << 15; a < 1<<15; a++ {
		c := int(center(int16(a)))
		if residue(c) != residue(a) || c < -q/2 || c > q/2 {
			t.Fatalf("center(%d) = %d", a, c)
		}
	}
	for a := -q + 1; a < q; a++ {
		if c := int(canonical(int16(a))); c != residue(a) {
			t.Fatalf("canonical(%d) = %d", a, c)
		}
	}
	const bound = q << 15
	for a := -bound + 1; a < bound; a += 997 {
		r := int(reduce(int32(a)))
		if residue(r*radix) != residue(a) || r <= -q || r >= q {
			t.Fatalf("reduce(%d) = %d", a, r)
		}
	}
}

func TestCompress(t *testing.T) {
	for _, d := range []uint{4, 10} {
		for a := range q {
			want := (a<<(d+1) + q) / (2 * q) % (1 << d) // round(2^d / q * a)
			if got := compress(uint16(a), d); int(got) != want {
				t.Fatalf("compress(%d, %d) = %d, want %d", a, d, got, want)
			}
		}
	}
}

// TestProduct multiplies by the transform and by hand, with the largest
// coefficients also.
func TestProduct(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for round := range 20 {
		var a [k]poly
		var f factor
		var want [n]int
		for i := range k {
			for j := range n {
				a[i][j], f.v[i][j] = q-1, int16(1-2*(j%2))*(q-1)
				if round > 0 {
					a[i][j], f.v[i][j] = int16(r.IntN(q)), int16(r.IntN(2*q-1)-q+1)
				}
			}
			for x := range n {
				for y := range n {
					if p := int(a[i][x]) * int(f.v[i][y]); x+y < n {
						want[x+y] += p
					} else {
						want[x+y-n] -= p
					}
				}
			}
			a[i].ntt()
			for j := range n {
				a[i][j] = int16(canonical(a[i][j]))
			}
			f.v[i].ntt()
		}
		var got poly
		f.prepare()
		f.dot(&got, &a)
		got.inverse()
		for j := range n {
			if residue(int(got[j])) != residue(want[j]) {
				t.Fatalf("round %d: coefficient %d is %d, want %d", round, j, residue(int(got[j])), residue(want[j]))
			}
		}
	}
}
