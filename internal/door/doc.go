// Package door lets one person's browser, and nothing else, at a node from the
// loopback: it serves the page, exchanges a one-time token for a session, and
// passes what a session asks on to the API.
//
// Make a [Door] with [New], serve it with [Door.Serve], and hand [Door.Launch]'s
// address to the person's browser. What is behind the door can change while it is
// open, with [Door.Behind]: nothing yet, then a node. Specified in
// docs/spec/page.md.
//
// It keeps out pages of other origins (cross-site requests, DNS rebinding),
// other browsers, and scripts in what people send. It does not keep out programs
// that run as the same person: they can read the home directory anyway.
package door
