// Package store is one encrypted SQLite database and the blob files beside
// it: event log, engine state, outbox, projections, search index, media.
//
// Call [Create] once and [Open] at every start. The loop of package node is
// the only writer: [DB.Update] runs a function in one transaction which is
// durable, power loss included, when it returns nil, and which never happened
// when it returns an error. Inside it [Tx] is the engine's View and
// [Tx.Apply] writes everything one step decided. Reads outside a transaction
// see the last commit.
//
// At rest every page is encrypted (Adiantum under a key derived from the
// vault's master key); engine state, log and media pointers are sealed again
// inside their rows with AES-256-GCM, bound to table, row and version, since
// page encryption detects neither tampering nor exchange of rows. Media lies
// beside as the ciphertext that travelled. What an old copy of the whole
// directory put back in place would say is not detected. Layout, keys and
// rules: docs/spec/store.md.
//
// A DB is safe for concurrent use; a Tx is not and ends with its function.
package store
