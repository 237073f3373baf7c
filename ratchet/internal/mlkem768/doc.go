// Package mlkem768 is ML-KEM-768 (FIPS 203) with an encapsulation in two steps,
// for the ML-KEM Braid: the first part of the ciphertext needs 64 bytes of the
// encapsulation key only, the second needs the rest.
//
// The owner of a key calls [KeyFromSeed] and sends the header and later the
// vector. The peer draws 32 random bytes m, calls [Encapsulate1] with the header
// and, once the vector has come, [Encapsulate2] with the same m. The owner calls
// [Decapsulate] with both parts. The parts together are a ciphertext of ML-KEM-768
// bit by bit, so key generation and decapsulation are those of crypto/mlkem.
//
// Nothing is kept between the two steps but m, which whoever holds it can turn
// into the shared secret: it is as secret as that. Encapsulate1 believes the
// header; that the vector belongs to it is checked by Encapsulate2, so the shared
// secret must not be relied upon for secrecy before the owner has answered.
//
// Memory accesses, branches and divisions do not depend on secrets. All functions
// are safe for concurrent use.
package mlkem768
