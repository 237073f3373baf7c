// Package spqr is the Sparse Post-Quantum Ratchet of the Triple Ratchet
// (Double Ratchet revision 4, sections 5 to 7): a key for each message out of chains that the secrets
// of package braid renew, epoch after epoch.
//
// A [State] is a value to be cloned before it is changed.
package spqr
