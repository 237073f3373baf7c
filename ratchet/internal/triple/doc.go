// Package triple is the engine of a session: Signal's Triple Ratchet (Double
// Ratchet revision 4), that is the Double Ratchet with the Sparse Post-Quantum
// Ratchet beside it and one message key out of both.
//
// What two profiles of the protocol differ in, such as encodings, labels and limits, is a [Suite].
// Everything else, notably skipping, limits, what is erased when, and that a failed step
// changes nothing, is here, once for all suites.
//
// A [Session] is never changed by its methods, except by Wipe; they return the
// next one. Nothing here does I/O, reads a clock or starts a goroutine.
package triple
