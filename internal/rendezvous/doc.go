// Package rendezvous seals where a device is now for one other device, and says
// at which place of a DHT the two leave and find that, day by day.
//
// Begin with [NewPair], from what both know of a stream of boxes. The writer
// gives what [Pair.Seal] makes to the DHT; the reader looks at [Pair.Place] of
// each of [Days] and reads with [Pair.Open]. Whoever keeps records for others
// holds them against [Check] first and keeps the [Newest].
//
// It promises that nobody but the pair can compute a place, read a record or
// make one that passes Check there, that places of two days or two pairs do
// not show what they have in common, and that all records have one size. It
// does not hide from the network who asks for a place and who wrote there.
//
// The package does nothing by itself: time is an argument. All functions are
// safe for concurrent use. Specification: docs/spec/rendezvous.md.
package rendezvous
