// Package schedule holds the symmetric half of RFC 9420: the key schedule,
// pre-shared keys and transcript hashes of section 8, the secret tree of section 9.
package schedule
