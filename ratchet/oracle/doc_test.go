// Package oracle_test lets our engine, with the suite of package signalv4, talk
// to libsignal: a node process that uses its npm package, in two versions. The
// packages are installed by make oracle; without them the tests that need them are
// skipped, unless the environment has KITH_ORACLE=require.
//
// What was said in some conversations is kept under testdata: tests replay those
// without node. The flag -record holds the conversations again.
package oracle_test
