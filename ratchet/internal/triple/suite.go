package triple

import (
	"kith/ratchet/internal/kdf"
	"kith/ratchet/internal/skipped"
	"kith/ratchet/internal/spqr"
)

// MaxMessages is how many messages a chain of the Double Ratchet may have.
const MaxMessages = 1<<32 - 1

// Header is what a message says about itself.
type Header struct {
	Key kdf.Key     // the sender's ratchet key
	PN  uint32      // messages in his previous chain
	N   uint32      // number of this one in its chain
	PQ  spqr.Header // the post-quantum ratchet's
}

// Place is the chain a message belongs to: the current receiving chain, the
// next, or closed chain number Place-1, counted from the newest.
type Place int

// The places of a message that is not late.
const (
	Current Place = 0
	Next    Place = -1
)

// Chains are the header keys by which a message may be recognised. One that is
// nil is not there; what is not there recognises nothing.
type Chains struct {
	Current, Next *kdf.Key
	Closed        []Closed // newest first
}

// Closed is a receiving chain that was closed while messages of it were missing.
type Closed struct {
	Number uint64 // of the chain, from 1
	Header kdf.Key
}

// Limits are the bounds of a suite.
type Limits struct {
	MaxSkip uint32        // keys skipped at the end of the old chain, and again in the new
	Chains  int           // receiving chains known, the current one included
	Rules   skipped.Rules // for skipped keys
}

// Suite is what profiles of the protocol differ in. Its methods are pure.
type Suite interface {
	// ID is the number of the suite in a stored session.
	ID() uint16
	Limits() *Limits
	SPQR() *spqr.Profile
	// Root is KDF_RK_HE: it replaces the root key and returns a chain key and the
	// header key after the next. A suite with headers in the clear ignores the latter.
	Root(root, dh *kdf.Key) (chain, nextHeader kdf.Key)
	// HeaderKey is what the headers of a chain that begins now are recognised by:
	// the header key announced before, or the sender's ratchet key.
	HeaderKey(announced, ratchetKey *kdf.Key) kdf.Key
	// Locate finds the chain of a message and reads its header. It reports false for
	// anything that is not a message of this suite for one of these chains.
	Locate(msg []byte, chains *Chains, h *Header) (Place, bool)
	// Fits reports whether plaintext and associated data have lengths it can seal.
	Fits(plaintext, ad int) bool
	// Seal makes a message out of its header, sealed under the header key, and
	// its plaintext, under the message keys of both ratchets.
	Seal(header *kdf.Key, h *Header, ec, pq *kdf.Key, plaintext, ad []byte) []byte
	// Open reverses Seal for the body of a message that Locate accepted. It
	// reports false for anything else.
	Open(msg []byte, h *Header, ec, pq *kdf.Key, ad []byte) (plaintext []byte, ok bool)
}
