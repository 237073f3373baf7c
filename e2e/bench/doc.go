// Package bench measures the real binary against the machine's own floors and
// against another program, and says which of the project's targets are met.
//
//	CGO_ENABLED=0 go test ./e2e/bench -run TestTargets -bench-all -timeout 30m -v
//
// builds kith, runs nodes in processes and directories of its own, and prints a
// table; it fails when a target is missed. Every ratio is of two figures of the
// same run, since what a shared machine gives changes by the minute. It uses
// nothing but the loopback, except that croc is installed with go install
// unless -bench-croc names one. Memory is read from /proc, so only Linux shows
// it. Without -bench-all the test is skipped. Figures that were seen:
// docs/benchmarks.md.
package bench
