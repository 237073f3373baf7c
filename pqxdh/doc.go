// Package pqxdh agrees on a shared secret with a device that may be offline:
// Signal's PQXDH (revision 3) with X25519, ML-KEM-1024 and SHA-256, hardened by
// a transcript that binds every key, identifier, flag and address.
//
// The owner of a device calls [NewSignedPrekey], [NewOneTimePrekey] and
// [NewKEMPrekey], keeps the private halves (MarshalBinary) and publishes a
// [Bundle]. Whoever holds the bundle calls [Initiate] and sends the [Initial]
// with a first message; the owner looks the named prekeys up and calls [Accept].
// Both sides then hold the same [Secrets]. The classical half is X3DH; it is
// never used without the other one.
//
// # What it promises
//
// If both sides hold equal secrets, they agree on every byte of the transcript:
// both addresses, all public keys, identifiers and expiry times, which prekeys
// were one-time, whether an invite's secret took part, and the suite. The secrets
// stay secret as long as either X25519 or ML-KEM-1024 stands.
//
// # What it does not do
//
// It knows no account, certificate or ratchet. The caller must know that
// [Owner] and [Initial].Identity belong to the devices and accounts they name,
// must look up and delete prekeys, and must remember the [Initial.Hash] of what it
// accepted for as long as the prekeys in it live, for a last-resort prekey and
// a signed prekey do not stop a replay. Accept proves nothing about the sender:
// only the first message that opens under the secrets does, and only then may
// one-time prekeys be deleted.
//
// The peer's authentication is classical: it rests on X25519 and Ed25519.
//
// The format is specified in docs/spec/pqxdh.md. No function here starts a
// goroutine, reads a clock or keeps state; values are safe for concurrent reading.
package pqxdh
