// Package client is what faces of this machine have in common when they talk
// to a node: the socket of a home directory, files in and out, what is watched,
// and errors in words for people.
//
// Call [New] with a home directory. Whether a node runs there shows at the
// first call, whose error [Client.Explain] turns into an [Error]. It prints
// nothing and asks nobody.
package client
