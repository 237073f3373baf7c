// Package media is a file as encrypted chunks: encrypted once while it streams
// in, read from anywhere while it is still encrypted on disk, and put together
// again from chunks that come in any order from anybody.
//
// To send, call [Encrypt] (or run a [Sealer], [Leaf] and [BuildTree] on
// goroutines of your own, which is faster) and give the [Pointer] to the
// receiver over a secure channel; it holds the key. Give chunks to whoever
// asks, each with its [Proof]. To receive, make an [Assembly] from the
// pointer's [Ref] and [Assembly.Put] every chunk; each is verified before a
// byte of it is written, so it does not matter who sent it. To read, open a
// [Reader], which is an io.ReadSeeker and works with http.ServeContent.
//
// [Strip] removes place, camera and other metadata from pictures and films without
// touching a pixel.
//
// It promises: constant memory for any size; a changed, moved, missing or
// foreign byte is noticed; the stored length tells only a bucket (Padmé). It
// does not hide which blob is fetched, keeps no files and starts no
// goroutines. Specified in docs/spec/media.md.
package media
