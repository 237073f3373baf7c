// Package suite holds the cipher suites: RFC 9420 section 5 and the labelled
// derivations of section 8, over the standard library's primitives.
package suite
