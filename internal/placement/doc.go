// Package placement decides which relays hold the boxes of a device and asks
// them: it writes what the engine sealed to k of n relays until the other side
// has it, reads the boxes the other side writes, and deletes what was read.
//
// [Machine.Step] takes inputs and returns effects; the machine has no
// goroutine, clock or socket. Its memory is rebuilt at start: the caller gives it
// again what is in its store ([Write], [Watch]). It promises that a cell is asked
// for at its relays again until it is forgotten, that a box is looked for until
// it is watched no more, and that nothing is said to be stored which a relay did
// not say. It seals and opens nothing; the engine does. Not safe for concurrent
// use. Rules: docs/spec/boxing.md.
package placement
