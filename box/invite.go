package box

import "crypto/sha256"

// The two ends of an invite do not know each other's keys yet, so their streams are
// named by who they are. BX-14.
const (
	labelInviter = "drop/1 inviter"
	labelTaker   = "drop/1 taker"
)

func roles() (inviter, taker [32]byte) {
	return sha256.Sum256([]byte(labelInviter)), sha256.Sum256([]byte(labelTaker))
}

// InviterChain begins what an inviter writes to whoever takes up an invite, from the
// invite's 32-byte secret for boxes. Source: docs/spec/box.md, BX-14.
func InviterChain(secret [32]byte) *Chain {
	inviter, taker := roles()
	return NewChain(secret, inviter, taker)
}

// InviterReader is the taker's end of [InviterChain].
func InviterReader(secret [32]byte) *Reader {
	inviter, taker := roles()
	return NewReader(secret, inviter, taker)
}

// TakerChain begins what whoever takes up an invite writes to the inviter.
func TakerChain(secret [32]byte) *Chain {
	inviter, taker := roles()
	return NewChain(secret, taker, inviter)
}

// TakerReader is the inviter's end of [TakerChain].
func TakerReader(secret [32]byte) *Reader {
	inviter, taker := roles()
	return NewReader(secret, taker, inviter)
}
