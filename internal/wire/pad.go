package wire

// The padding buckets: content of a text or a receipt fits the first two, so
// that most messages look alike; beyond padLinear sizes grow in its multiples.
const (
	padSmallest = 256
	padLinear   = 4096
)

// Bucket returns the padded size of n bytes of content: the next power of two
// from 256 to 4096, then the next multiple of 4096, the end mark included.
// Spec: content.md 2.
func Bucket(n int) int {
	n++ // the end mark
	if n > padLinear {
		return (n + padLinear - 1) / padLinear * padLinear
	}
	size := padSmallest
	for size < n {
		size *= 2
	}
	return size
}

// Pad appends the end mark 0x80 and zeros up to the bucket. Spec: content.md 2.
func Pad(content []byte) []byte {
	padded := make([]byte, Bucket(len(content)))
	copy(padded, content)
	padded[len(content)] = 0x80
	return padded
}

// Unpad reverses [Pad] and refuses any other length or padding, so that every
// content has exactly one padded form. The input is already authenticated, so
// its timing tells nobody anything new. It fails with [ErrMalformed].
func Unpad(padded []byte) ([]byte, error) {
	i := len(padded) - 1
	for i >= 0 && padded[i] == 0 {
		i--
	}
	if i < 0 || padded[i] != 0x80 || Bucket(i) != len(padded) {
		return nil, ErrMalformed
	}
	return padded[:i], nil
}
