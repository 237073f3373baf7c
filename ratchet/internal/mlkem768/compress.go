package mlkem768

// compress returns Compress_d of a canonical coefficient (FIPS 203, section
// 4.2.1), without a division: those take time that tells of their operands.
func compress(a uint16, d uint) uint16 {
	x := uint64(a)<<d + rounding
	return uint16(x*reciprocal>>reciprocalShift) & (1<<d - 1)
}

// compress10 encodes p in 10 bits per coefficient, into 320 bytes (algorithm 5).
func (p *poly) compress10(out []byte) {
	for i := range n / 4 {
		var x uint64
		for j := range 4 {
			x |= uint64(compress(canonical(center(p[4*i+j])), 10)) << (10 * j)
		}
		b := out[5*i : 5*i+5]
		b[0], b[1], b[2], b[3], b[4] = byte(x), byte(x>>8), byte(x>>16), byte(x>>24), byte(x>>32)
	}
}

// compress4 encodes p in 4 bits per coefficient, into 128 bytes.
func (p *poly) compress4(out []byte) {
	for i := range n / 2 {
		lo := compress(canonical(center(p[2*i])), 4)
		hi := compress(canonical(center(p[2*i+1])), 4)
		out[i] = byte(lo | hi<<4)
	}
}

// decode12 reads 384 bytes (algorithm 6). It says whether every coefficient is
// below q, as section 7.2 demands; p is worth nothing if not.
func (p *poly) decode12(in []byte) bool {
	over := int16(0)
	for i := range n / 2 {
		b := in[3*i : 3*i+3]
		d1 := int16(b[0]) | int16(b[1]&15)<<8
		d2 := int16(b[1]>>4) | int16(b[2])<<4
		over |= (q - 1 - d1) | (q - 1 - d2)
		p[2*i], p[2*i+1] = d1, d2
	}
	return over >= 0
}

// addMessage adds Decompress_1 of the bits of m.
func (p *poly) addMessage(m *[MessageSize]byte) {
	for i, b := range m {
		for j := range 8 {
			p[8*i+j] += -(int16(b) >> j & 1) & ((q + 1) / 2)
		}
	}
}
