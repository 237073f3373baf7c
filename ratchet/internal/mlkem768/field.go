package mlkem768

// Coefficients are int16 and stand for their residue modulo q; how large they may
// be is said where it matters. Montgomery's radix is 2^16.

const (
	qInverse   = -3327 // q^-1 modulo 2^16
	radix      = 2285  // 2^16 modulo q
	barrett    = 20159 // 2^26 / q, rounded
	scaleBack  = 1441  // 2^32 / 128 modulo q: undoes a reduction and the 7 layers of the NTT
	primitive  = 17    // the 256th root of unity of FIPS 203, section 4.3
	rounding   = q / 2 // added before a division by q, to round
	reciprocal = 330282857
	// reciprocal is 2^40 / q, rounded up: n * reciprocal >> 40 is n / q for all n < 2^22.
	reciprocalShift = 40
)

// reduce returns a * 2^-16 modulo q, between -q and q, for |a| < q * 2^15.
func reduce(a int32) int16 {
	t := int16(a) * qInverse
	return int16((a - int32(t)*q) >> 16)
}

// mul returns a * b * 2^-16 modulo q, between -q and q, for |b| < q.
func mul(a, b int16) int16 { return reduce(int32(a) * int32(b)) }

// center returns a modulo q, between -q/2 and q/2, for every a.
func center(a int16) int16 {
	t := int16((barrett*int32(a) + 1<<25) >> 26)
	return a - t*q
}

// canonical returns a modulo q, from 0 to q-1, for |a| < q.
func canonical(a int16) uint16 { return uint16(a + a>>15&q) }

// zetas are the powers of the root of unity in the order of FIPS 203, appendix A,
// times 2^16, between -q/2 and q/2.
var zetas = powers()

func powers() (z [128]int16) {
	for i := range z {
		reversed := 0
		for b := range 7 {
			reversed |= i >> b & 1 << (6 - b)
		}
		x := int32(radix)
		for range reversed {
			x = x * primitive % q
		}
		z[i] = center(int16(x))
	}
	return z
}
