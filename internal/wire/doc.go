// Package wire is the bytes that travel between two devices: frames on a link,
// envelopes inside frames, and padded content inside sealed envelopes.
//
// A frame is what a link carries ([Frame]): an envelope or acknowledgements.
// An envelope ([Envelope]) is what the outside may see of a message: its kind
// and ciphertext, never its sender; on a direct link the transport has
// authenticated the device at the other end. Content ([Content]) is what only
// the two ends see, protobuf for evolution, padded to a bucket ([Pad]) before
// a session seals it.
//
// Formats, limits and rules are in docs/spec/envelope.md and
// docs/spec/content.md. The package holds no state, starts nothing and reads
// no clock; everything in it is safe for concurrent use. It seals only what an
// invite's key protects; sessions belong to package ratchet.
package wire
