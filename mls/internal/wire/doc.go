// Package wire holds the structures of RFC 9420 and their encodings, and nothing
// that decides. Every structure has Append, which encodes it behind b, and a method
// of [Reader] of its name. Reading is strict: what was read encodes to the same
// bytes again, and [Reader.Done] refuses what is left over.
//
// What a Reader returns shares memory with its input, which must not change.
package wire
