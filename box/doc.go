// Package box is single-use dead drops: one sends another device a message by
// leaving it, sealed and of one size, at an address only the two can compute, with
// relays that know neither of them.
//
// Two devices share a 32-byte root for each direction. The writer's [Chain] and the
// reader's [Reader] derive from it, box by box, an Ed25519 key pair, whose public
// key is the box's address, and an encryption key. [Chain.Seal] makes the request
// that puts a part of a message into the next box, [Reader.Open] opens what was
// found in one. Messages larger than a cell are [Split] and [Join]ed. Relays check
// requests with [ParseRequest] and need no keys; which relays hold a box is said by
// [Rank].
//
// The package promises that addresses of one chain cannot be linked without the root,
// that what was read cannot be read again from a later state of the reader, and that
// only the two ends can write to a box or delete it. It does not hide who talks to a
// relay, does no I/O, knows no clock, and starts no goroutine. Formats and rules:
// docs/spec/box.md. Nothing here is safe for concurrent use of one value.
package box
