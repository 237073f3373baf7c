// Package mls is Messaging Layer Security (RFC 9420): groups of members who share
// secrets, change who they are by commits, and heal after a theft of keys.
//
// Begin with a [Client]: a cipher suite, a credential and a signing key. It calls
// [Client.Create] to found a group, or publishes what [Client.NewKeyPackage] makes and
// enters a group by [Client.Join] when a Welcome comes. Then there is a [Group]: one
// epoch of a group as one member has it.
//
//	c, err := group.Commit(mls.CommitOptions{Now: now}, mls.Add(keyPackage))
//	// store the group; send c.Message; when it is accepted:
//	err = group.Merge(c.StagedCommit) // store the group, then send c.Welcome
//
// All others give what they receive to [Group.Process], which returns an
// [*Application], a [*QueuedProposal] or a [*StagedCommit]. A commit is only staged: look
// at whom it adds and removes, then [Group.Merge] it, or drop it. What is not merged
// never happened. Every member must merge the same commits in the same order; who
// decides that is the application's affair.
//
// # Forks
//
// Where nobody decides, epochs become a tree. [Group.Fork] follows a commit and leaves
// the Group as it is, to open late messages and to follow other commits. Groups that
// were forked share the ratchet tree but for what a commit changed, so that many cost
// little, in memory and, by [Group.MarshalEpoch], at rest. Message keys are never shared
// nor restored from a snapshot: they are in [Group.MarshalRatchets] alone, and a commit
// is followed once.
//
// # What it promises
//
// Whatever is malformed, forged, out of place or against a rule of RFC 9420 is refused
// with an [*Error] that names the rule and whose fault it is, and leaves the group as it
// was, byte for byte. Nothing panics. Secrets are compared in constant time and erased
// when the protocol has consumed them, as far as Go lets a program erase them.
//
// # What it does not do
//
// It does no I/O, starts no goroutine and reads no clock: time is an argument. It does
// not deliver, order or retry messages, does not judge credentials beyond their form
// (see [Client.Authenticate]), keeps no key package and no past epoch for the caller, and
// knows the proposals and extensions of RFC 9420 and no others; unknown extensions are
// carried. Whether a state is the newest it cannot know: restoring an older one uses
// message keys twice.
//
// A Group or PrivateKeyPackage is not safe for concurrent use; different ones are, and
// so is all else here.
//
// The choices that RFC 9420 leaves open, and the rules with their numbers, are in
// docs/spec/mls-profile.md.
package mls
