package boxstore

import (
	"encoding/binary"
	"errors"
	"hash/fnv"
	"io"
)

// What bbolt 1.4 writes, byte order of the machine. bbolt trusts its files: a
// branch that leads back to itself, or a free list with a length out of
// nowhere, would end the process and not the call. checkFile looks at these
// before bbolt does; what it leaves, the leaves, is caught when they are read.
const (
	pageSize       = 4096
	pageHeader     = 16 // id u64, flags u16, count u16, overflow u32
	branchElement  = 16 // pos u32, ksize u32, child u64
	leafElement    = 16 // flags u32, pos u32, ksize u32, vsize u32
	flagBranch     = 1
	flagLeaf       = 2
	flagFree       = 0x10
	flagBucket     = 1 // of a leaf's element
	metaMagic      = 0xED0CDAED
	metaVersion    = 2
	metaSize       = 64 // magic, version, page size, flags u32; root, sequence, free list, high water, transaction, checksum u64
	noFreeList     = ^uint64(0)
	maxDepth       = 32
	maxOverflow    = 1 << 20 // pages of one branch or list; more is damage
	countElsewhere = 0xFFFF
)

// errDamaged reports a file that is not as this package left it.
var errDamaged = errors.New("damaged")

var order = binary.NativeEndian

// inspection walks one file.
type inspection struct {
	file   io.ReaderAt
	pages  uint64 // high water mark: pages with this number and above do not exist
	seen   []uint64
	failed error // of the disk, not of its contents
}

// checkFile reports errDamaged when the skeleton of a bbolt file (its newest
// meta page, free list, buckets and branches) is not sound, or the disk's error; and
// how many of its two meta pages are sound.
func checkFile(file io.ReaderAt, size int64) (heads int, err error) {
	root, free, pages, heads, err := readMeta(file)
	if err != nil {
		return heads, err
	}
	if pages < 4 || pages > uint64(size)/pageSize {
		return heads, errDamaged
	}
	in := &inspection{file: file, pages: pages, seen: make([]uint64, pages/64+1)}
	if in.freeList(free) && in.buckets(root) {
		return heads, nil
	}
	if in.failed != nil {
		return heads, in.failed
	}
	return heads, errDamaged
}

// readMeta chooses between the two meta pages as bbolt does.
func readMeta(file io.ReaderAt) (root, free, pages uint64, heads int, err error) {
	newest := uint64(0)
	for i := range int64(2) {
		var b [pageHeader + metaSize]byte
		if _, err := file.ReadAt(b[:], i*pageSize); err == io.EOF {
			continue
		} else if err != nil {
			return 0, 0, 0, 0, err
		}
		m := b[pageHeader:]
		sum := fnv.New64a()
		sum.Write(m[:56])
		if order.Uint32(m) != metaMagic || order.Uint32(m[4:]) != metaVersion || order.Uint32(m[8:]) != pageSize ||
			order.Uint64(m[56:]) != sum.Sum64() || order.Uint64(m[48:])%2 != uint64(i) { // written in turn: the other's copy is no head
			continue
		}
		if tx := order.Uint64(m[48:]); heads == 0 || tx > newest {
			newest = tx
			root, free, pages = order.Uint64(m[16:]), order.Uint64(m[32:]), order.Uint64(m[40:])
		}
		heads++
	}
	if heads == 0 {
		return 0, 0, 0, 0, errDamaged
	}
	return root, free, pages, heads, nil
}

// read fills b from the page's offset on; beyond the end of the file is damage.
func (in *inspection) read(b []byte, page uint64, offset int64) bool {
	_, err := in.file.ReadAt(b, int64(page)*pageSize+offset)
	if err != nil && err != io.EOF {
		in.failed = err
	}
	return err == nil
}

// header reads a page's header and marks its pages as seen, once for each.
func (in *inspection) header(page uint64) (flags, count uint16, length int, ok bool) {
	var b [pageHeader]byte
	if page < 2 || page >= in.pages || !in.read(b[:], page, 0) || order.Uint64(b[:]) != page {
		return 0, 0, 0, false
	}
	over := uint64(order.Uint32(b[12:]))
	if over >= maxOverflow || page+over >= in.pages {
		return 0, 0, 0, false
	}
	for p := page; p <= page+over; p++ {
		if !in.visit(p) {
			return 0, 0, 0, false
		}
	}
	return order.Uint16(b[8:]), order.Uint16(b[10:]), int(over+1) * pageSize, true
}

func (in *inspection) visit(page uint64) bool {
	word, bit := page/64, uint64(1)<<(page%64)
	if in.seen[word]&bit != 0 {
		return false
	}
	in.seen[word] |= bit
	return true
}

// freeList checks the list of free pages: each exists, is named once, and is
// not used by what is checked later.
func (in *inspection) freeList(page uint64) bool {
	flags, count, length, ok := in.header(page)
	if !ok || flags != flagFree {
		return false
	}
	b := make([]byte, length)
	if !in.read(b, page, 0) {
		return false
	}
	ids, n := b[pageHeader:], uint64(count)
	if count == countElsewhere {
		ids, n = ids[8:], order.Uint64(ids)
	}
	if n > uint64(len(ids))/8 {
		return false
	}
	for i := range n {
		id := order.Uint64(ids[8*i:])
		if id < 2 || id >= in.pages || !in.visit(id) {
			return false
		}
	}
	return true
}

// buckets checks the root page, which lists the buckets, and each one's tree.
func (in *inspection) buckets(root uint64) bool {
	flags, count, length, ok := in.header(root)
	if !ok || flags != flagLeaf {
		return false
	}
	b := make([]byte, length)
	if !in.read(b, root, 0) || pageHeader+int(count)*leafElement > length {
		return false
	}
	for i := range int(count) {
		at := pageHeader + i*leafElement
		e := b[at:]
		pos, ksize, vsize := uint64(order.Uint32(e[4:])), uint64(order.Uint32(e[8:])), uint64(order.Uint32(e[12:]))
		end := uint64(at) + pos + ksize + vsize
		if order.Uint32(e) != flagBucket || ksize == 0 || vsize < 16 || end > uint64(length) {
			return false
		}
		value := b[uint64(at)+pos+ksize : end]
		if tree := order.Uint64(value); tree == 0 {
			if !inlineSound(value[16:]) {
				return false
			}
		} else if !in.tree(tree) {
			return false
		}
	}
	return true
}

// inlineSound checks a bucket so small that its one leaf lies in its value.
func inlineSound(leaf []byte) bool {
	if len(leaf) < pageHeader || order.Uint16(leaf[8:]) != flagLeaf {
		return false
	}
	return leafSound(leaf, int(order.Uint16(leaf[10:])))
}

// leafSound checks that a leaf's elements lie inside it.
func leafSound(leaf []byte, count int) bool {
	if pageHeader+count*leafElement > len(leaf) {
		return false
	}
	for i := range count {
		at := pageHeader + i*leafElement
		e := leaf[at:]
		end := uint64(at) + uint64(order.Uint32(e[4:])) + uint64(order.Uint32(e[8:])) + uint64(order.Uint32(e[12:]))
		if order.Uint32(e) != 0 || order.Uint32(e[8:]) == 0 || end > uint64(len(leaf)) {
			return false
		}
	}
	return true
}

// tree checks all branches above a bucket's leaves. All leaves are equally
// deep, so that they need not be read to be told from branches.
func (in *inspection) tree(root uint64) bool {
	depth, page := 0, root
	for {
		var b [pageHeader + branchElement]byte
		if page < 2 || page >= in.pages || !in.read(b[:], page, 0) {
			return false
		}
		if order.Uint16(b[8:]) == flagLeaf {
			return in.branch(root, depth)
		}
		if order.Uint16(b[8:]) != flagBranch || depth == maxDepth {
			return false
		}
		page = order.Uint64(b[pageHeader+8:])
		depth++
	}
}

// branch checks a page with so many levels of branches from it to the leaves.
func (in *inspection) branch(page uint64, levels int) bool {
	if levels == 0 {
		return page >= 2 && page < in.pages && in.visit(page)
	}
	flags, count, length, ok := in.header(page)
	if !ok || flags != flagBranch || count == 0 || pageHeader+int(count)*branchElement > length {
		return false
	}
	b := make([]byte, length)
	if !in.read(b, page, 0) {
		return false
	}
	for i := range int(count) {
		at := pageHeader + i*branchElement
		e := b[at:]
		end := uint64(at) + uint64(order.Uint32(e)) + uint64(order.Uint32(e[4:]))
		if order.Uint32(e[4:]) == 0 || end > uint64(length) || !in.branch(order.Uint64(e[8:]), levels-1) {
			return false
		}
	}
	return true
}
