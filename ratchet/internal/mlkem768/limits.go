package mlkem768

// Sizes in bytes (FIPS 203, sections 7 and 8, for k = 3, du = 10, dv = 4).
const (
	SeedSize        = 64   // d || z, the decapsulation key as its seed
	HeaderSize      = 64   // rho || H(ek)
	VectorSize      = 1152 // the encoded vector t-hat: ek without rho
	MessageSize     = 32   // m, the randomness of an encapsulation
	Ciphertext1Size = 960  // the encoded vector u: c1
	Ciphertext2Size = 128  // the encoded polynomial v: c2
	SharedSize      = 32   // K
)

const (
	n = 256  // coefficients of a polynomial
	k = 3    // polynomials of a vector
	q = 3329 // the modulus

	polySize = 384 // a polynomial in 12 bits per coefficient
)
