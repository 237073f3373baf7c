package erasure

import "testing"

// BenchmarkInit is what every process pays that has this package in it.
func BenchmarkInit(b *testing.B) {
	for b.Loop() {
		conjugation()
		subfieldInverses()
		nearbyInverses()
		numbers()
		barycentric()
		vanishingMaps()
	}
}
