package mlkem768

// poly is a polynomial of the ring of FIPS 203, section 2.4.4, or its transform.
type poly [n]int16

// ntt transforms f (FIPS 203, algorithm 9). It takes |coefficient| < q and
// returns them between -q/2 and q/2.
func (f *poly) ntt() {
	i := 1
	for length := n / 2; length >= 2; length /= 2 {
		for start := 0; start < n; start += 2 * length {
			zeta := int32(zetas[i&127])
			i++
			lo := f[start : start+length]
			hi := f[start+length : start+2*length]
			hi = hi[:len(lo)]
			for j, a := range lo {
				t := reduce(zeta * int32(hi[j]))
				lo[j], hi[j] = a+t, a-t // each layer adds less than q: below 8q < 2^15
			}
		}
	}
	for j, a := range f {
		f[j] = center(a)
	}
}

// inverse undoes ntt and a factor of 2^-16 (FIPS 203, algorithm 10). It takes
// |coefficient| < q and returns the same.
func (f *poly) inverse() {
	i := 127
	for length := 2; length <= n/2; length *= 2 {
		for start := 0; start < n; start += 2 * length {
			zeta := int32(zetas[i&127])
			i--
			lo := f[start : start+length]
			hi := f[start+length : start+2*length]
			hi = hi[:len(lo)]
			for j, a := range lo {
				b := hi[j]
				lo[j], hi[j] = center(a+b), reduce(zeta*(int32(b)-int32(a)))
			}
		}
	}
	for j, a := range f {
		f[j] = mul(a, scaleBack)
	}
}

// factor is a transformed vector, prepared to be multiplied by many others.
type factor struct {
	v     [k]poly         // between -q/2 and q/2
	twist [k][n / 2]int16 // odd coefficients times the root of their pair
}

// prepare fills twist from v.
func (f *factor) prepare() {
	for i := range f.v {
		for j := range n / 4 {
			zeta, odd := zetas[64+j], &f.v[i]
			f.twist[i][2*j] = mul(odd[4*j+1], zeta)
			f.twist[i][2*j+1] = -mul(odd[4*j+3], zeta)
		}
	}
}

// dot sets p to the product of two vectors, times 2^-16 (FIPS 203, algorithms 11
// and 12). The coefficients of a are below q; those of p are between -q and q.
func (f *factor) dot(p *poly, a *[k]poly) {
	for j := range n / 2 {
		var even, odd int32 // each the sum of six products below q^2
		for i := range k {
			a0, a1 := int32(a[i][2*j]), int32(a[i][2*j+1])
			b0, b1 := int32(f.v[i][2*j]), int32(f.v[i][2*j+1])
			even += a0*b0 + a1*int32(f.twist[i][j])
			odd += a0*b1 + a1*b0
		}
		p[2*j], p[2*j+1] = reduce(even), reduce(odd)
	}
}
