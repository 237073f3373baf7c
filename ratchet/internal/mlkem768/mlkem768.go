package mlkem768

import (
	"crypto/mlkem"
	"crypto/sha3"
	"crypto/subtle"
	"errors"
	"fmt"
)

var (
	// ErrVector: the vector is not one, or not the one its header has promised.
	// The peer's fault.
	ErrVector = errors.New("mlkem768: the vector does not fit its header")
	// ErrCiphertext: a part of the ciphertext is too long or too short.
	// The caller's fault: parsers know the sizes.
	ErrCiphertext = errors.New("mlkem768: a ciphertext of a wrong size")
)

// KeyFromSeed makes the encapsulation key of a seed (FIPS 203, algorithm 16), in
// two parts: the header, rho || H(ek), and the vector of VectorSize bytes, t-hat.
// It fails only if the standard library refuses.
func KeyFromSeed(seed *[SeedSize]byte) (header [HeaderSize]byte, vector []byte, err error) {
	dk, err := mlkem.NewDecapsulationKey768(seed[:])
	if err != nil {
		return header, nil, fmt.Errorf("mlkem768: key from seed: %w", err)
	}
	ek := dk.EncapsulationKey().Bytes()
	hash := sha3.Sum256(ek)
	copy(header[:32], ek[VectorSize:])
	copy(header[32:], hash[:])
	return header, ek[:VectorSize:VectorSize], nil
}

// Encapsulate1 begins an encapsulation: from the header of a key and 32 random
// bytes it makes the first part of the ciphertext and the shared secret (FIPS 203,
// algorithms 17 and 14, as far as they do without t-hat). The header is not
// checked, since nothing in it can be wrong by itself.
func Encapsulate1(header *[HeaderSize]byte, m *[MessageSize]byte) (ct1 [Ciphertext1Size]byte, shared [SharedSize]byte) {
	var w work
	defer w.wipe()
	w.derive(header, m)
	copy(shared[:], w.keys[:32])
	w.sampleR()
	for i := range k {
		for j := range k { // a row of the transposed matrix
			w.row[j].uniform(header[:32], byte(j), byte(i))
		}
		w.r.dot(&w.sum, &w.row)
		w.sum.inverse()
		w.noise.next(&w.error)
		w.sum.add(&w.error)
		w.sum.compress10(ct1[320*i : 320*i+320])
	}
	return ct1, shared
}

// Encapsulate2 ends an encapsulation: with the vector and the same m it makes the
// second part of the ciphertext. The error is ErrVector: a wrong length, a
// coefficient that is not reduced, or another hash than the header's.
func Encapsulate2(header *[HeaderSize]byte, m *[MessageSize]byte, vector []byte) (ct2 [Ciphertext2Size]byte, err error) {
	if len(vector) != VectorSize {
		return ct2, ErrVector
	}
	var w work
	defer w.wipe()
	reduced := true
	for i := range k {
		reduced = w.row[i].decode12(vector[polySize*i:polySize*i+polySize]) && reduced
	}
	var ek [VectorSize + 32]byte
	copy(ek[:], vector)
	copy(ek[VectorSize:], header[:32])
	hash := sha3.Sum256(ek[:])
	if subtle.ConstantTimeCompare(hash[:], header[32:]) != 1 || !reduced {
		return ct2, ErrVector
	}

	w.derive(header, m)
	w.sampleR()
	w.r.dot(&w.sum, &w.row)
	w.sum.inverse()
	w.noise.seed[32] = 2 * k // the three of e1 belong to the first part
	w.noise.next(&w.error)
	w.sum.add(&w.error)
	w.sum.addMessage(m)
	w.sum.compress4(ct2[:])
	return ct2, nil
}

// Decapsulate returns the shared secret for both parts of a ciphertext (FIPS 203,
// algorithm 21). A ciphertext of the right size is never refused: a forged one
// gives another secret. The error is ErrCiphertext for other sizes.
func Decapsulate(seed *[SeedSize]byte, ct1, ct2 []byte) (shared [SharedSize]byte, err error) {
	if len(ct1) != Ciphertext1Size || len(ct2) != Ciphertext2Size {
		return shared, ErrCiphertext
	}
	dk, err := mlkem.NewDecapsulationKey768(seed[:])
	if err != nil {
		return shared, fmt.Errorf("mlkem768: key from seed: %w", err)
	}
	var ct [Ciphertext1Size + Ciphertext2Size]byte
	copy(ct[:], ct1)
	copy(ct[Ciphertext1Size:], ct2)
	secret, err := dk.Decapsulate(ct[:])
	if err != nil {
		return shared, fmt.Errorf("mlkem768: decapsulate: %w", err)
	}
	copy(shared[:], secret)
	clear(secret)
	return shared, nil
}

// work is everything an encapsulation computes with, to be wiped as a whole.
type work struct {
	keys  [64]byte // K || r
	noise noise
	r     factor
	row   [k]poly
	sum   poly
	error poly
}

// derive sets K and r from m and H(ek), and starts the noise.
func (w *work) derive(header *[HeaderSize]byte, m *[MessageSize]byte) {
	var input [64]byte
	copy(input[:32], m[:])
	copy(input[32:], header[32:])
	w.keys = sha3.Sum512(input[:])
	clear(input[:])
	w.noise.start(w.keys[32:], 0)
}

// sampleR draws the vector r and transforms it.
func (w *work) sampleR() {
	for i := range w.r.v {
		w.noise.next(&w.r.v[i])
		w.r.v[i].ntt()
	}
	w.r.prepare()
}

func (w *work) wipe() {
	w.noise.wipe()
	clear(w.keys[:])
	w.r, w.sum, w.error = factor{}, poly{}, poly{}
}

// add adds a polynomial of small coefficients.
func (p *poly) add(small *poly) {
	for i, a := range small {
		p[i] += a
	}
}
