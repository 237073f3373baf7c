// Package cli is kith on the command line: every verb, its help, its output
// for people and, with --json, for scripts.
//
// All verbs but init, up and demo are clients of the local API (package
// apiv1) of a node that runs in the same home directory. Init and up need the
// parts of a node, which this package must not know; whoever calls [Main]
// passes them as [Local]. Names of verbs and JSON fields are relied on by
// scripts and listed in docs/spec/api.md.
package cli
