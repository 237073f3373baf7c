package mlkem768

import (
	"crypto/sha3"
	"encoding/binary"
)

// rate is what one permutation of SHAKE128 gives: 112 candidates.
const rate = 168

// uniform sets p to an entry of the matrix A (FIPS 203, algorithm 7). All of it
// is public, so it may take as long as it takes.
func (p *poly) uniform(rho []byte, row, column byte) {
	var seed [34]byte
	copy(seed[:], rho)
	seed[32], seed[33] = column, row
	xof := sha3.NewSHAKE128()
	xof.Write(seed[:])

	var stream [3 * rate]byte
	block := stream[:] // enough, but for one time in a hundred
	for count := 0; count < n; block = stream[:rate] {
		xof.Read(block)
		for b := block; len(b) >= 3 && count < n; b = b[3:] {
			d1 := int16(b[0]) | int16(b[1]&15)<<8
			d2 := int16(b[1]>>4) | int16(b[2])<<4
			if d1 < q {
				p[count] = d1
				count++
			}
			if d2 < q && count < n {
				p[count] = d2
				count++
			}
		}
	}
}

// noise draws the polynomials of an encapsulation one after the other: PRF and
// SamplePolyCBD of FIPS 203, section 4.1 and algorithm 8, with eta = 2 for all.
type noise struct {
	xof    sha3.SHAKE // the zero value is SHAKE256
	seed   [33]byte   // r || counter
	stream [n / 2]byte
}

func (s *noise) start(r []byte, counter byte) {
	copy(s.seed[:], r)
	s.seed[32] = counter
}

// next sets p to the next polynomial: coefficients from -2 to 2.
func (s *noise) next(p *poly) {
	s.xof.Reset()
	s.xof.Write(s.seed[:])
	s.xof.Read(s.stream[:])
	s.seed[32]++
	const pairs = 0x5555_5555_5555_5555
	for i := range n / 16 {
		x := binary.LittleEndian.Uint64(s.stream[8*i:])
		x = x&pairs + x>>1&pairs // sums of two bits
		for j := range 16 {
			p[16*i+j] = int16(x&3) - int16(x>>2&3)
			x >>= 4
		}
	}
}

func (s *noise) wipe() {
	s.xof.Reset()
	clear(s.seed[:])
	clear(s.stream[:])
}
