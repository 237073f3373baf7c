package signalv4

import (
	"bytes"
	"crypto/rand"
	"crypto/sha512"

	"filippo.io/edwards25519"
)

// Signature is one of XEdDSA: R || s.
type Signature [signatureSize]byte

// SignKey signs an encoded public key as libsignal does, with fresh randomness.
func SignKey(identity *KeyPair, encoded []byte) Signature {
	var z [64]byte
	rand.Read(z[:])
	return SignSignal(&identity.Private, encoded, &z)
}

// SignXEdDSA signs with a private key of Curve25519, which is clamped, and 64
// random bytes, as revision 1 of the specification of XEdDSA has it (section 3.1):
// the private scalar is negated if its public point has the sign 1.
func SignXEdDSA(private *[keySize]byte, message []byte, z *[64]byte) Signature {
	a, hashed := signingScalar(private)
	public := new(edwards25519.Point).ScalarBaseMult(a).Bytes()
	if public[31]&0x80 != 0 {
		a.Negate(a)
		hashed = [keySize]byte(a.Bytes())
		public[31] &= 0x7f
	}
	sig := sign(a, &hashed, public, message, z)
	clear(hashed[:])
	return sig
}

// SignSignal signs as libsignal does: nothing is negated, and the sign of the
// public point is put into the highest bit of the signature.
func SignSignal(private *[keySize]byte, message []byte, z *[64]byte) Signature {
	a, hashed := signingScalar(private)
	public := new(edwards25519.Point).ScalarBaseMult(a).Bytes()
	sig := sign(a, &hashed, public, message, z)
	sig[63] |= public[31] & 0x80
	clear(hashed[:])
	return sig
}

// signingScalar returns the clamped key modulo the group's order, and as it is: the
// latter is what goes into the hash.
func signingScalar(private *[keySize]byte) (a *edwards25519.Scalar, hashed [keySize]byte) {
	hashed = *private
	hashed[0] &= 248
	hashed[31] = hashed[31]&127 | 64
	a, err := new(edwards25519.Scalar).SetBytesWithClamping(hashed[:])
	if err != nil {
		panic("signalv4: 32 bytes are no scalar") // says the length, which is fixed
	}
	return a, hashed
}

func sign(a *edwards25519.Scalar, hashed *[keySize]byte, public, message []byte, z *[64]byte) (sig Signature) {
	prefix := [keySize]byte(bytes.Repeat([]byte{0xff}, keySize)) // hash_1: 2^256 - 2
	prefix[0] = 0xfe
	r := hashScalar(prefix[:], hashed[:], message, z[:])
	copy(sig[:], new(edwards25519.Point).ScalarBaseMult(r).Bytes())
	h := hashScalar(sig[:32], public, message)
	copy(sig[32:], new(edwards25519.Scalar).MultiplyAdd(h, a, r).Bytes())
	return sig
}

// hashScalar returns SHA-512 of all parts modulo the group's order.
func hashScalar(parts ...[]byte) *edwards25519.Scalar {
	h := sha512.New()
	for _, p := range parts {
		h.Write(p)
	}
	s, err := new(edwards25519.Scalar).SetUniformBytes(h.Sum(nil))
	if err != nil {
		panic("signalv4: 64 bytes are no scalar") // says the length, which is fixed
	}
	return s
}

// VerifyXEdDSA reports whether the signature is good by revision 1 of the
// specification (section 3.2): the public point's sign is 0.
func VerifyXEdDSA(public *PublicKey, message []byte, sig *Signature) bool {
	return public.canonical() && verify(public, 0, message, sig)
}

// VerifySignal reports whether libsignal takes the signature: the sign of the
// public point is the highest bit.
func VerifySignal(public *PublicKey, message []byte, sig *Signature) bool {
	s := *sig
	s[63] &= 0x7f
	return public.canonical() && verify(public, sig[63]&0x80, message, &s)
}

func verify(public *PublicKey, sign byte, message []byte, sig *Signature) bool {
	point, err := public.edwards(sign)
	if err != nil || sig[63]&0xe0 != 0 {
		return false
	}
	var wide [64]byte // s may be beyond the group's order, but not beyond 2^253
	copy(wide[:], sig[32:])
	s, err := new(edwards25519.Scalar).SetUniformBytes(wide[:])
	if err != nil {
		return false
	}
	h := hashScalar(sig[:32], point.Bytes(), message)
	r := new(edwards25519.Point).VarTimeDoubleScalarBaseMult(h, new(edwards25519.Point).Negate(point), s)
	return bytes.Equal(r.Bytes(), sig[:32])
}
