// Package deposit is a file left with relays for one device that is away: its
// chunks, sealed once more so that relays can neither read them nor see that two
// devices were left the same file, each under a capability of its own.
//
// The sender draws a [Key], seals every chunk with [Key.SealChunk] and uploads it
// under [Key.Capability]; if there are more than [MaxDirect] it seals lists of their
// ids with [Key.SealIndex] and uploads these too. What the receiver needs, key and
// ids, travels inside the session. It fetches by the same capabilities and opens
// with [Key.OpenIndex] and [Key.OpenChunk]; chunks are verified against the file's
// root by package media as from anywhere else.
//
// Everything follows from the key, so that an upload goes on after a restart with
// the same bytes. The package does no I/O. A Key is safe for concurrent use. Rules:
// docs/spec/deposit.md.
package deposit
