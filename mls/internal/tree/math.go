package tree

import "math/bits"

// The arithmetic of node numbers (appendix C). Leaves have the even numbers,
// node x of level k has k ones at its low end.

// Width returns the number of nodes of a tree of this many leaves.
func Width(leaves uint32) uint32 {
	if leaves == 0 {
		return 0
	}
	return 2*(leaves-1) + 1
}

// Level returns the height of node x above the leaves.
func Level(x uint32) int { return bits.TrailingZeros32(^x) }

// Root returns the root of a tree of this many leaves, a power of two.
func Root(leaves uint32) uint32 { return leaves - 1 }

// Left returns the left child of x, which is no leaf.
func Left(x uint32) uint32 { return x ^ 1<<(Level(x)-1) }

// Right returns the right child of x, which is no leaf.
func Right(x uint32) uint32 { return x ^ 3<<(Level(x)-1) }

// Parent returns the node above x, which is not the root.
func Parent(x uint32) uint32 {
	k := Level(x)
	return (x | 1<<k) &^ (1 << (k + 1))
}

// Sibling returns the other child of x's parent; x is not the root.
func Sibling(x uint32) uint32 {
	if p := Parent(x); x < p {
		return Right(p)
	} else {
		return Left(p)
	}
}

// NodeNumber returns the number of the node at a level over a leaf.
func NodeNumber(leaf uint32, level int) uint32 {
	return leaf>>level<<(level+1) | (1<<level - 1)
}

// CommonLevel returns the level of the lowest node above both leaves.
func CommonLevel(a, b uint32) int { return bits.Len32(a ^ b) }

// Capacity returns the number of leaves of the smallest full tree that has room
// for n.
func Capacity(n uint32) uint32 {
	if n <= 1 {
		return 1
	}
	return 1 << bits.Len32(n-1)
}
