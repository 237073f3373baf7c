package mls

import (
	"errors"

	"kith/mls/internal/rule"
)

// Error is the breach of one rule: which, and whose fault it is. Every refusal of
// input is one; use errors.AsType to reach it. It holds no secret and no content.
// The rules are those of docs/spec/mls-profile.md; an Error prints its rule as
// there, "V-08", and a sentence.
type Error = rule.Error

// Fault says who has to change something before the same call can succeed.
type Fault = rule.Fault

// Rule is the number of a rule; it prints as the specification writes it.
type Rule = rule.ID

const (
	// Peer is the fault of whoever made the input: malformed, forged or against the
	// protocol. Drop it.
	Peer = rule.Peer
	// Stale is nobody's fault: the input is for another epoch, was seen before, or
	// the group has ended. Ignore it, or keep it until the group has moved on.
	Stale = rule.Stale
	// Local is the caller's fault: it asked for what the protocol does not allow, or
	// did not give what is needed, such as a pre-shared key.
	Local = rule.Local
)

// Breaches that callers tell from others. Compare with errors.Is.
var (
	// ErrEpoch: the message is for another epoch of this group.
	ErrEpoch error = &Error{Rule: rule.Epoch, Fault: Stale}
	// ErrDuplicate: the key of the message was used or has expired.
	ErrDuplicate error = &Error{Rule: rule.GenerationUsed, Fault: Stale}
	// ErrOwnMessage: the message was sent by this member.
	ErrOwnMessage error = &Error{Rule: rule.OwnMessage, Fault: Stale}
	// ErrProposalsWait: a proposal was received, so a commit comes before data.
	ErrProposalsWait error = &Error{Rule: rule.ProposalsWait, Fault: Local}
	// ErrUnknownPSK: a pre-shared key is not at hand.
	ErrUnknownPSK error = &Error{Rule: rule.PSKMissing, Fault: Local}
	// ErrClosed: we were removed, the group was reinitialised, or it was wiped.
	ErrClosed error = &Error{Rule: rule.GroupClosed, Fault: Stale}
	// ErrTreeMissing: the ratchet tree must be given beside the message.
	ErrTreeMissing error = &Error{Rule: rule.TreeMissing, Fault: Local}
	// ErrNotForUs: the welcome is not for this key package.
	ErrNotForUs error = &Error{Rule: rule.WelcomeNotForUs, Fault: Peer}
)

// ErrState means bytes that are no stored state, or not of this client or base. A
// local fault: a damaged store or a bug.
var ErrState = errors.New("mls: invalid stored state")

// ErrNoRatchets means a group that was restored without its message ratchets: it
// can process public commits, fork and export, and neither seal nor open.
var ErrNoRatchets = errors.New("mls: group was restored without message ratchets")

// errArgument is for arguments no peer has to do with.
func errArgument(what string) error { return errors.New("mls: " + what) }
