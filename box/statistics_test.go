package box_test

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
)

// chiSquare is how many standard deviations the counts of byte values are away from
// all being as frequent (Wilson and Hilferty's approximation).
func chiSquare(bytes []byte) float64 {
	var counts [256]float64
	for _, b := range bytes {
		counts[b]++
	}
	want, x := float64(len(bytes))/256, 0.0
	for _, n := range counts {
		x += (n - want) * (n - want) / want
	}
	const freedom = 255
	return (math.Cbrt(x/freedom) - (1 - 2.0/(9*freedom))) / math.Sqrt(2.0/(9*freedom))
}

// worstBit is how many standard deviations the bit that is most often the same, of
// samples of one length, is away from being so half of the time.
func worstBit(samples [][]byte) (worst float64) {
	for bit := range 8 * len(samples[0]) {
		n := 0
		for _, s := range samples {
			n += int(s[bit/8] >> (bit % 8) & 1)
		}
		z := (2*float64(n) - float64(len(samples))) / math.Sqrt(float64(len(samples)))
		worst = max(worst, math.Abs(z))
	}
	return worst
}

// example is a vector of bits, as -1 and 1, and whether it is of the class.
type example struct {
	bits []float64
	is   bool
}

func xorBits(a, b [32]byte) []float64 {
	bits := make([]float64, 256)
	for i := range bits {
		bits[i] = float64(2*int((a[i/8]^b[i/8])>>(i%8)&1) - 1)
	}
	return bits
}

// learn is a logistic regression by gradient descent.
func learn(rng *rand.Rand, all []example) (weights []float64) {
	weights = make([]float64, len(all[0].bits)+1)
	for epoch := range 6 {
		rate := 0.02 / float64(1+epoch)
		rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		for _, x := range all {
			miss := -1 / (1 + math.Exp(-score(weights, x.bits)))
			if x.is {
				miss++
			}
			for i, v := range x.bits {
				weights[i] += rate * miss * v
			}
			weights[len(x.bits)] += rate * miss
		}
	}
	return weights
}

func score(weights, bits []float64) float64 {
	sum := weights[len(bits)]
	for i, v := range bits {
		sum += weights[i] * v
	}
	return sum
}

// auc is the chance that an example of the class scores higher than one that is not,
// and how many standard deviations it is away from a half.
func auc(weights []float64, all []example) (area, z float64) {
	type scored struct {
		score float64
		is    bool
	}
	var list []scored
	for _, x := range all {
		list = append(list, scored{score(weights, x.bits), x.is})
	}
	slices.SortFunc(list, func(a, b scored) int { return cmp.Compare(a.score, b.score) })
	var ranks, is, not float64
	for i, x := range list {
		if x.is {
			ranks += float64(i + 1)
			is++
		} else {
			not++
		}
	}
	area = (ranks - is*(is+1)/2) / (is * not)
	return area, (area - 0.5) / math.Sqrt((is+not+1)/(12*is*not))
}
