// Package e2e tests the real binary in processes of its own: nodes that are
// killed at chosen system calls, that lose power, that fill their disk, whose
// clocks are a year off, whose files are damaged; and what a thief of their
// disks would find. Everything happens on the loopback and in temporary
// directories. What a machine cannot do (strace, FUSE, mounts) is skipped, and
// says so. The longer parts are behind the flags of flags_test.go.
package e2e
