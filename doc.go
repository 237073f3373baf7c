// Package kith is the map of this module: a messenger with nobody in the
// middle, one binary whose every copy is an equal peer. It holds no code; start
// it with
//
//	go run ./cmd/kith demo
//
// and read docs/architecture.md for how the parts work together.
//
// # Protocols, for anybody
//
// These packages know nothing of each other or of kith's inside, start no
// goroutine, read no clock and open no file. Each has a specification of the
// same name in docs/spec.
//
//   - identity: an account, its signed device list, safety numbers, invites
//   - pqxdh: a secret shared with a device that may be offline, post-quantum
//   - ratchet: a two-party session, the Triple Ratchet with encrypted headers
//   - mls: a group session, RFC 9420
//   - media: a file as encrypted chunks, streamed in, sought out
//   - api/v1: the local API of a node and its generated client
//
// # The messenger
//
//   - internal/wire: bytes between devices: frame, envelope, content, padding
//   - internal/chat: the domain's words, and the fold of the event log
//   - internal/engine: commands and envelopes become events, state, envelopes
//   - internal/delivery: gets envelopes to devices, repeats until acknowledged
//   - internal/preview: what is shown of a picture before it is there
//   - internal/transfer: gets chunks of media, verifies nothing twice, resumes
//   - internal/store: one encrypted database and the blob files beside it
//   - internal/vault: the master key of a home directory at rest
//   - internal/p2p: all of libp2p
//   - internal/node: the loop: one owner, one transaction, then the network
//   - internal/api: serves api/v1 and media over a node
//   - internal/client: what faces of this machine have in common
//   - internal/cli: the command line
//   - internal/tui: the terminal screen
//   - internal/door: what lets a browser in; internal/webui: the page it is shown
//   - internal/qr: QR codes drawn and read
//   - internal/sim: a simulated world, for tests
//   - cmd/kith: puts the parts together
//
// Who may import whom is a table in layout_test.go, which runs with every test.
package kith
