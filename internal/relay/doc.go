// Package relay decides what a relay answers: the rules of write-once boxes, effort,
// waiting and eviction. [Machine.Step] takes the requests that came, in their order,
// writes what they change in one go, and returns the answers; what an answer says is
// durable. It has no goroutine, clock or socket; package relaynet gives it requests and
// package boxstore keeps records. It remembers nobody: links are numbers that mean
// nothing after they end, and nothing is counted for each of them but what waits. Not
// safe for concurrent use. Rules: docs/spec/relay.md.
package relay
