// Package signalv4 is Signal's protocol as libsignal speaks it, message version 4:
// PQXDH with X25519 and Kyber-1024 of round 3, XEdDSA signatures, the wire format of
// its messages, and SPQR messages of version 1.
//
// It exists so that our engine can talk to libsignal in tests; no product code
// imports it. Only what two parties need is here: no sender keys, no sealed sender.
//
// [NewKeyPair], [NewKEMKeyPair] and [SignKey] make what a [Bundle] holds. The
// initiator calls [Initiate] with a bundle; the responder gives [Accept] the
// [PreKeyMessage] which [ParsePreKeyMessage] read, and the keys it names. Both get
// [Secrets].
//
// All parsers are strict: what they accept is what the matching Append method
// writes, byte by byte. Functions are safe for concurrent use.
package signalv4
