package erasure

// A word holds four elements of GF(2^16), its lanes, lane 0 in the lowest bits.
// All arithmetic is done on four lanes at once, without tables and branches.

const (
	ones     = 0x0001_0001_0001_0001 // the element 1 in each lane
	modulus  = 0x100b                // x^16 modulo the polynomial 0x1100b
	degree   = 16
	near     = 1024 // a power of two
	subfield = 256  // size of the field between GF(2) and GF(2^16)
)

// broadcast returns x in each lane.
func broadcast(x uint16) uint64 { return uint64(x) * ones }

// double returns v times x.
func double(v uint64) uint64 {
	return v<<1&^ones ^ v>>(degree-1)&ones*modulus
}

// times multiplies lane by lane.
func times(a, b uint64) (product uint64) {
	for range degree {
		bit := b >> (degree - 1) & ones
		product = double(product) ^ a&(bit<<degree-bit)
		b <<= 1 // what moves on to the next lane does not reach its highest bit
	}
	return product
}

// linear is a map that respects addition: the images of x^0 to x^15.
type linear [degree]uint16

// apply maps lane by lane.
func (l *linear) apply(v uint64) uint64 {
	var image uint64
	for i, c := range l {
		image ^= v >> i & ones * uint64(c)
	}
	return image
}

var (
	// conjugate is the power 256, the automorphism that fixes the subfield.
	conjugate = conjugation()
	// inverses holds those of the subfield's elements, at the places that place gives.
	inverses = subfieldInverses()
	// nearby holds the inverses of the numbers that differences of indices mostly are.
	nearby = nearbyInverses()
)

func conjugation() (l linear) {
	for i := range l {
		v := uint64(1) << i
		for range 8 {
			v = times(v, v)
		}
		l[i] = uint16(v)
	}
	return l
}

func subfieldInverses() (table [subfield]uint16) {
	generator := uint64(2) // of the whole field; its power 257 generates the subfield
	generator = times(conjugate.apply(generator), generator)
	x, powers := uint64(1), [subfield - 1]uint16{}
	for i := range powers {
		powers[i] = uint16(x)
		x = times(x, generator)
	}
	for i, p := range powers {
		table[place(uint64(p))] = powers[(len(powers)-i)%len(powers)]
	}
	return table
}

// place returns a number below 256 that is another one for each element of the
// subfield, whose elements do not differ in their low bytes alone.
func place(v uint64) uint64 { return (v ^ v>>5) % subfield }

func nearbyInverses() (table [near]uint16) {
	const first = 3<<48 | 2<<32 | 1<<16 // the numbers 0 to 3
	for i := 0; i < near; i += lanes {
		v := invert(broadcast(uint16(i)) ^ first)
		table[i], table[i+1], table[i+2], table[i+3] = uint16(v), uint16(v>>16), uint16(v>>32), uint16(v>>48)
	}
	return table
}

// invert inverts lane by lane; zero becomes zero. With c the conjugate of v, the
// product cv lies in the subfield, and c / cv is what is looked for. The lookup is
// by chunk indices only.
func invert(v uint64) uint64 {
	c := conjugate.apply(v)
	norm := times(c, v)
	var inverted uint64
	for i := 0; i < 64; i += degree {
		inverted |= uint64(inverses[place(norm>>i)]) << i
	}
	return times(c, inverted)
}

// inverse is invert, but quick if all lanes are below near.
func inverse(v uint64) uint64 {
	if v&^((near-1)*ones) != 0 {
		return invert(v)
	}
	return uint64(nearby[v%near]) | uint64(nearby[v>>16%near])<<16 |
		uint64(nearby[v>>32%near])<<32 | uint64(nearby[v>>48%near])<<48
}
