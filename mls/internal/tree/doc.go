// Package tree holds the ratchet tree of RFC 9420 sections 4 and 7: persistent
// trees with cached hashes, their validation, and TreeKEM on them.
//
// A [Tree] is never changed: an [Editor] makes a new one that shares all nodes it
// did not touch. Keeping many epochs of a group therefore costs little, and a step
// that fails leaves nothing behind.
package tree
