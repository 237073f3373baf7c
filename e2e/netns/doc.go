// Package netns tests the real binary on networks made of namespaces, with
// routers that translate addresses. It needs root and the flag -netns; nothing
// of it leaves the machine.
//
// A lab is a little internet; see lab_test.go. People and relays run on its
// machines; see person_test.go.
package netns
