// Package kdf has HMAC-SHA256 and HKDF-SHA256 (RFC 2104, RFC 5869), spelled out
// over sha256.Sum256 for inputs of bounded size: keys and pads live on the stack
// and are erased, and a derivation costs no allocation. Tests compare all of it
// with crypto/hmac and crypto/hkdf.
//
// All functions are pure and safe for concurrent use.
package kdf
