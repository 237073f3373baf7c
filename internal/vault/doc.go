// Package vault keeps the 32-byte master key of a home directory at rest.
//
// [Create] makes a master key once; [Open] returns it at every start; [KindOf] says
// beforehand whether a passphrase will be needed. The key lies in key.json, sealed
// under a wrapping key that lives in the operating system's keychain, is derived from
// a passphrase, or, on explicit request only, lies in a file beside it.
//
// What it promises: the files appear whole or not at all and readable by their owner
// only; nothing in key.json can be changed unnoticed; a keychain that does not
// answer costs seconds, not for ever. What it does not do: it cannot hide the key from whoever can read
// this process's memory or act as this user on an unlocked keychain; it does not know what the
// master key protects; it does not change a passphrase.
//
// Passphrases are the bytes the caller gives and nothing else: no Unicode
// normalisation, no trimming. A caller that reads a line removes the line break.
//
// All functions are safe for concurrent use. The format is specified in docs/spec/vault.md.
package vault
