// Package tui is kith on a whole terminal: conversations, a timeline, a field
// to write in.
//
// [Run] shows it until the person leaves; it is a client of the local API like
// every face. Inside, [Model] is a function of what it was and what happened:
// Update and View read no clock, file or socket. Whatever has to be asked is
// asked through [Node] in commands that Bubble Tea runs, and comes back as a
// message. [Live] is the node of a home directory; tests have another.
//
// What others wrote passes through clean before it is drawn (clean.go), and
// pictures through fits before they are decoded (picture.go). A conversation
// may be of any length: the timeline holds a window of it (window.go).
package tui
