package oracle_test

import "testing"

// BenchmarkOracle_libsignal measures libsignal in one thread of node, with a pair of
// its own parties, sessions stored after each step: medians of batches of messages
// of 100 bytes. What it counts in one go, it does in node; the loop here is empty.
func BenchmarkOracle_libsignal(b *testing.B) {
	var microseconds struct{ Start, Accept, Encrypt, Decrypt, PingPong float64 }
	n := startNode(b, "v103")
	n.must("bench", map[string]any{"size": 100, "batch": 200, "batches": 15}, &microseconds)
	for name, value := range map[string]float64{
		"start a session":      microseconds.Start,
		"accept first message": microseconds.Accept,
		"encrypt":              microseconds.Encrypt,
		"decrypt":              microseconds.Decrypt,
		"ping-pong message":    microseconds.PingPong,
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
			}
			b.ReportMetric(1000*value, "ns/op")
			b.ReportMetric(1e6/value, "per-second")
		})
	}
}
