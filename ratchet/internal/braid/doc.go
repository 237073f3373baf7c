// Package braid is the ML-KEM Braid (Signal, revision 1): sparse continuous key
// agreement. Two sides send each other, with every message of a session, some
// chunks of an encapsulation key or of a ciphertext; when enough have come,
// whichever they are, both know the secret of an epoch, change roles and begin the next.
//
// A [State] is a plain value. [State.Send] and [State.Receive] change the one they are called
// on; a copy made before is what it was. Messages need not come, nor come in order.
//
// The package has no opinion on bytes of a message and authenticates nothing but
// keys: whoever uses it puts a [Message] into the authenticated header of a message of his own.
package braid
