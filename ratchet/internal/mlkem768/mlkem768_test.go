package mlkem768_test

import (
	"bytes"
	"crypto/mlkem"
	"crypto/mlkem/mlkemtest"
	"crypto/sha3"
	"errors"
	"math/rand/v2"
	"testing"

	. "kith/ratchet/internal/mlkem768"
)

// split makes header and vector of an encapsulation key of any length.
func split(ek []byte) (header [HeaderSize]byte, vector []byte) {
	end := max(0, len(ek)-32)
	hash := sha3.Sum256(ek)
	copy(header[:32], ek[end:])
	copy(header[32:], hash[:])
	return header, ek[:end]
}

// encapsulate runs both steps.
func encapsulate(header [HeaderSize]byte, vector []byte, m [MessageSize]byte) (ct, shared []byte, err error) {
	ct1, key := Encapsulate1(&header, &m)
	ct2, err := Encapsulate2(&header, &m, vector)
	return append(ct1[:], ct2[:]...), key[:], err
}

// same compares both steps with the standard library's single one, and opens the result.
func same(t *testing.T, seed [SeedSize]byte, m [MessageSize]byte) {
	t.Helper()
	header, vector, err := KeyFromSeed(&seed)
	if err != nil {
		t.Fatal(err)
	}
	dk, err := mlkem.NewDecapsulationKey768(seed[:])
	if err != nil {
		t.Fatal(err)
	}
	if whole := append(bytes.Clone(vector), header[:32]...); !bytes.Equal(whole, dk.EncapsulationKey().Bytes()) {
		t.Fatalf("seed %x: not the key of the standard library", seed)
	}
	wantShared, wantCT, err := mlkemtest.Encapsulate768(dk.EncapsulationKey(), m[:])
	if err != nil {
		t.Fatal(err)
	}
	ct, shared, err := encapsulate(header, vector, m)
	if err != nil || !bytes.Equal(ct, wantCT) || !bytes.Equal(shared, wantShared) {
		t.Fatalf("seed %x, m %x: not what the standard library makes (%v)", seed, m, err)
	}
	opened, err := Decapsulate(&seed, ct[:Ciphertext1Size], ct[Ciphertext1Size:])
	if err != nil || !bytes.Equal(opened[:], shared) {
		t.Fatalf("seed %x, m %x: does not open (%v)", seed, m, err)
	}
}

func random(r *rand.ChaCha8) (seed [SeedSize]byte, m [MessageSize]byte) {
	r.Read(seed[:])
	r.Read(m[:])
	return seed, m
}

func TestSameAsStandardLibrary(t *testing.T) {
	r := rand.NewChaCha8([32]byte{1})
	for range 3000 {
		seed, m := random(r)
		same(t, seed, m)
	}
	same(t, [SeedSize]byte{}, [MessageSize]byte{})
	same(t, [SeedSize]byte(bytes.Repeat([]byte{255}, SeedSize)), [MessageSize]byte(bytes.Repeat([]byte{255}, MessageSize)))
}

func FuzzSameAsStandardLibrary(f *testing.F) {
	f.Add(make([]byte, SeedSize), make([]byte, MessageSize))
	f.Fuzz(func(t *testing.T, seed, m []byte) {
		if len(seed) == SeedSize && len(m) == MessageSize {
			same(t, [SeedSize]byte(seed), [MessageSize]byte(m))
		}
	})
}

// TestVectorRefused changes every byte of a header's hash and of a vector.
func TestVectorRefused(t *testing.T) {
	seed, m := random(rand.NewChaCha8([32]byte{2}))
	header, vector, err := KeyFromSeed(&seed)
	if err != nil {
		t.Fatal(err)
	}
	refused := func(what string, at int, header [HeaderSize]byte, vector []byte) {
		t.Helper()
		ct2, err := Encapsulate2(&header, &m, vector)
		if !errors.Is(err, ErrVector) || ct2 != [Ciphertext2Size]byte{} {
			t.Errorf("%s %d: %v", what, at, err)
		}
	}
	for i := range header {
		h := header
		h[i] ^= 1 << (i % 8)
		refused("header, byte", i, h, vector)
	}
	for i := range vector {
		v := bytes.Clone(vector)
		v[i] ^= 1 << (i % 8)
		refused("vector, byte", i, header, v)
	}
	for _, size := range []int{0, 1, VectorSize - 1} {
		refused("vector of length", size, header, vector[:size])
	}
	refused("vector of length", VectorSize+1, header, append(bytes.Clone(vector), 0))
	refused("vector of length", VectorSize+32, header, append(bytes.Clone(vector), header[:32]...))
}

// TestCoefficientNotReduced offers vectors whose hash is right and in which one
// coefficient is q or more.
func TestCoefficientNotReduced(t *testing.T) {
	seed, m := random(rand.NewChaCha8([32]byte{3}))
	header, vector, err := KeyFromSeed(&seed)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 * 256 {
		for _, value := range []uint16{3328, 3329, 4095} {
			v := bytes.Clone(vector)
			if b := v[i/2*3:]; i%2 == 0 {
				b[0], b[1] = byte(value), b[1]&0xf0|byte(value>>8)
			} else {
				b[1], b[2] = b[1]&0x0f|byte(value<<4), byte(value>>4)
			}
			h, _ := split(append(bytes.Clone(v), header[:32]...))
			if _, err := Encapsulate2(&h, &m, v); errors.Is(err, ErrVector) != (value >= 3329) {
				t.Errorf("coefficient %d is %d: %v", i, value, err)
			}
		}
	}
}

func TestCiphertextSizes(t *testing.T) {
	seed, m := random(rand.NewChaCha8([32]byte{4}))
	header, vector, err := KeyFromSeed(&seed)
	if err != nil {
		t.Fatal(err)
	}
	ct, shared, err := encapsulate(header, vector, m)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int{0, Ciphertext1Size - 1, Ciphertext1Size + 1, len(ct)} {
		if _, err := Decapsulate(&seed, ct[:at], ct[at:]); !errors.Is(err, ErrCiphertext) {
			t.Errorf("cut at %d: %v", at, err)
		}
	}
	ct[0] ^= 1
	other, err := Decapsulate(&seed, ct[:Ciphertext1Size], ct[Ciphertext1Size:])
	if err != nil || bytes.Equal(other[:], shared) {
		t.Errorf("a forged ciphertext must give another secret: %v", err)
	}
}

func TestNoAllocations(t *testing.T) {
	seed, m := random(rand.NewChaCha8([32]byte{5}))
	header, vector, err := KeyFromSeed(&seed)
	if err != nil {
		t.Fatal(err)
	}
	if got := testing.AllocsPerRun(10, func() { encapsulateOnly(&header, &m, vector) }); got != 0 {
		t.Errorf("%v allocations", got)
	}
}

func encapsulateOnly(header *[HeaderSize]byte, m *[MessageSize]byte, vector []byte) {
	Encapsulate1(header, m)
	Encapsulate2(header, m, vector)
}

func BenchmarkMLKEM768(b *testing.B) {
	seed, m := random(rand.NewChaCha8([32]byte{6}))
	header, vector, err := KeyFromSeed(&seed)
	if err != nil {
		b.Fatal(err)
	}
	ct1, _ := Encapsulate1(&header, &m)
	ct2, err := Encapsulate2(&header, &m, vector)
	if err != nil {
		b.Fatal(err)
	}
	dk, err := mlkem.NewDecapsulationKey768(seed[:])
	if err != nil {
		b.Fatal(err)
	}
	for name, run := range map[string]func(){
		"KeyFromSeed":  func() { KeyFromSeed(&seed) },
		"Encapsulate1": func() { Encapsulate1(&header, &m) },
		"Encapsulate2": func() { Encapsulate2(&header, &m, vector) },
		"Decapsulate":  func() { Decapsulate(&seed, ct1[:], ct2[:]) },
		"standard library: Encapsulate": func() {
			ek, _ := mlkem.NewEncapsulationKey768(dk.EncapsulationKey().Bytes())
			ek.Encapsulate()
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				run()
			}
		})
	}
}
