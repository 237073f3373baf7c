package media_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"kith/media"
)

// Alice encrypts a file; Bob, who got the pointer in a message, asks her for
// one chunk after another and reads.
func Example() {
	dir, err := os.MkdirTemp("", "media")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	file := func(name string) *os.File {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			panic(err)
		}
		return f
	}

	var blob bytes.Buffer
	tree := file("tree")
	pointer, err := media.Encrypt(&blob, tree, strings.NewReader("a long film"))
	if err != nil {
		panic(err)
	}

	ref := pointer.Ref() // what others may know
	data := file("data")
	assembly := media.NewAssembly(ref, data, file("have"))
	for i := range ref.Chunks() {
		chunk := blob.Next(ref.ChunkLength(i))
		proof, err := media.Proof(nil, tree, ref, i)
		if err != nil {
			panic(err)
		}
		if err := assembly.Put(i, chunk, proof); err != nil {
			panic(err) // forged: ask somebody else
		}
	}
	if err := assembly.Complete(); err != nil {
		panic(err)
	}
	r, err := media.NewReader(data, pointer)
	if err != nil {
		panic(err)
	}
	plain, err := io.ReadAll(r)
	fmt.Printf("%s, stored as %d bytes, %v\n", plain, ref.Length, err)
	// Output: a long film, stored as 1040 bytes, <nil>
}
