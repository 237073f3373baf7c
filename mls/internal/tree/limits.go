package tree

// MaxLeaves bounds the leaves of a tree, blank ones included.
const MaxLeaves = 1 << maxDepth

const maxDepth = 16
