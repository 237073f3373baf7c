// Package sim is a simulated world for tests: devices made of the real
// machines over stores in memory, a network that loses, repeats and reorders,
// and virtual time. No goroutines: one seed gives one history.
//
// [World] is the world; scenario files in testdata tell stories in it, and
// random runs look for histories that break an invariant. A failure prints
// its seed.
package sim
