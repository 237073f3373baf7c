// Package ratchet keeps a two-party session: Signal's Triple Ratchet (Double
// Ratchet revision 4 with the Sparse Post-Quantum Ratchet beside it) with header
// encryption, the deferred sending step, and message keys that commit.
//
// Both parties share [Secrets] from a handshake, which this package knows nothing
// of. The initiator calls [NewInitiator], the other side [NewResponder]; then each
// calls [Session.Seal] and [Session.Open]. Both return the next session and leave
// the one they were called on as it was, so a step is taken by keeping the
// result and given up by dropping it. Keep exactly one line of succession:
//
//	next, msg, err := session.Seal(plaintext, ad)
//	// store next.MarshalBinary() durably, only then let msg out
//	session.Wipe()
//	session = next
//
// Sealing twice from the same session would use a key twice; the caller prevents it
// by storing next before msg becomes visible, and by never going back to a backup.
//
// # What it promises
//
// Messages may come late, twice, in any order or never, within the limits of this
// package; each opens at most once. Whoever steals a session cannot read what
// was opened before (forward secrecy), and if he only listens cannot read what follows
// the next round trip; with a quantum computer it takes him two epochs of the
// post-quantum ratchet to fall behind, about fourteen round trips (post-compromise
// security). [Session.QuantumStale] tells when that ratchet has stopped turning.
// A message tells an onlooker only its length: counters, ratchet keys and what
// belongs to the post-quantum ratchet are encrypted. A failed Open changes nothing.
//
// # What it does not do
//
// It does not pad, retransmit, keep time, or tell sessions of one peer apart beyond
// [Session.CanOpen]. A conversation in which only one side speaks does not heal.
//
// The format is specified in docs/spec/ratchet.md. The engine is in internal/triple,
// its parts beside it; another suite of the same engine speaks with libsignal in tests
// (package oracle). No function here starts a
// goroutine or reads a clock. A Session is not changed by its methods except by
// Wipe, so it may be used concurrently as long as nobody wipes it.
package ratchet
