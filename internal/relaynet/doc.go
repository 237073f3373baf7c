// Package relaynet carries boxes between relays and whoever asks them: TLS 1.3
// around frames of one size, and nothing a relay could remember anybody by.
//
// A relay calls [NewServer] with its key and its machine, [Server.Serve] with a
// listener, and [Server.Close]. Whoever asks relays makes one [Client] and calls
// [Client.Do] for each request, from as many goroutines as it likes. A process that
// is a relay and nothing else calls [TuneProcess] first.
//
// Sealed chunks of files go beside boxes, over connections of their own to the same
// port: [NewBlob] and [Client.Upload] leave one with a relay until a day is over,
// [Mint] makes a [Capability] for somebody to get it with by [Client.Fetch].
//
// Promises of both sides: a relay proves its key, a client proves nothing; no name
// is sent in clear, no session is resumed, every frame is one record of one size.
// Promises of the server: one goroutine owns the machine; every queue, the links
// and the links from one network are bounded; who begins a frame finishes it in
// time, who does not read its answers is cut off; nothing is logged about anybody.
// What it does not do: it does not hide from the network that somebody talks to a
// relay, nor from the relay from which address; that is for the path below, which
// [ClientOptions.Dial] replaces.
//
// Wire and rules: docs/spec/relaynet.md.
package relaynet
