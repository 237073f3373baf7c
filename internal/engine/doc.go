// Package engine turns commands and envelopes into events, state and
// envelopes. It knows sessions, prekeys, invites and contacts; it knows no
// network, disk or clock.
//
// [Machine.Step] is the whole surface. It reads state through a [View],
// decides, and returns an [Update]: everything that step decided, and nothing
// else happens. Whoever calls Step commits the update in one transaction with
// the View it was given, and only then lets anything of it become visible.
// A step that fails has decided nothing; the caller changes nothing.
//
// Faults: a command that cannot be done is an [*Error] with a code and a hint
// for the person. An envelope that is forged, malformed or foreign is
// [ErrRefused], the peer's fault: drop and count it, never acknowledge it.
// Any other error is local and ends the transaction.
//
// A Machine is not safe for concurrent use; the loop of package node owns it.
// First contact is specified in docs/spec/contact.md, state rows in
// docs/spec/store.md.
package engine
