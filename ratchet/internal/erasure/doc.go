// Package erasure is the Reed-Solomon code of the ML-KEM Braid: a message becomes
// up to 65536 chunks of 32 bytes, and any as many of them as the message is long
// give it back.
//
// The field is GF(2^16) modulo x^16 + x^12 + x^3 + x + 1. A message is read as
// big-endian symbols of 16 bits; symbol i is the value of polynomial i mod 16 at
// the point i / 16; chunk k holds the values of the 16 polynomials at the point k.
// So the first chunks are the message itself, and which chunks are missing decides
// what there is to compute.
//
// [AppendChunk] makes one chunk, [Decode] takes them. Neither keeps anything.
// Their time depends on sizes and indices, never on what the chunks hold. Chunks
// carry no checksum: a wrong one gives a wrong message, which the caller must find
// out by itself.
//
// Both functions are safe for concurrent use.
package erasure
