package preview

import (
	"image"
	"math"
)

// hashSide is the longest side of what is hashed.
const hashSide = 100

// thumbHash describes a picture in up to 25 bytes: its average colour and the
// lowest frequencies of its brightness, two colour differences and opacity, each
// number in a few bits. Source: Evan Wallace, ThumbHash (the format's reference).
func thumbHash(p *image.RGBA) []byte {
	w, h := p.Bounds().Dx(), p.Bounds().Dy()
	l, pd, q, a := planes(p)
	opaque := true
	for _, x := range a {
		opaque = opaque && x == 1
	}
	limit := 7.0
	if !opaque {
		limit = 5 // fewer of brightness, to make room
	}
	longer := float64(max(w, h))
	lx := max(1, int(math.Round(limit*float64(w)/longer)))
	ly := max(1, int(math.Round(limit*float64(h)/longer)))
	lc := transform(l, w, h, max(3, lx), max(3, ly))
	pc, qc := transform(pd, w, h, 3, 3), transform(q, w, h, 3, 3)

	head := bits(63*lc.dc) | bits(31.5+31.5*pc.dc)<<6 | bits(31.5+31.5*qc.dc)<<12 | bits(31*lc.scale)<<18
	tail := bits(63*pc.scale)<<3 | bits(63*qc.scale)<<9
	if !opaque {
		head |= 1 << 23
	}
	if w > h {
		tail |= uint32(ly) | 1<<15
	} else {
		tail |= uint32(lx)
	}
	hash := []byte{byte(head), byte(head >> 8), byte(head >> 16), byte(tail), byte(tail >> 8)}
	waves := append(append(lc.ac, pc.ac...), qc.ac...)
	if !opaque {
		ac := transform(a, w, h, 5, 5)
		hash = append(hash, byte(bits(15*ac.dc)|bits(15*ac.scale)<<4))
		waves = append(waves, ac.ac...)
	}
	for i, f := range waves {
		if i%2 == 0 {
			hash = append(hash, byte(bits(15*f)))
		} else {
			hash[len(hash)-1] |= byte(bits(15*f) << 4)
		}
	}
	return hash
}

func bits(f float64) uint32 { return uint32(math.Round(f)) }

// planes gives brightness, yellow against blue, red against green, and opacity.
// What is transparent has the average colour.
func planes(p *image.RGBA) (l, pd, q, a []float64) {
	n := len(p.Pix) / 4
	var avg [3]float64
	var all float64
	for i := range n {
		px := p.Pix[4*i : 4*i+4]
		for c := range avg {
			avg[c] += float64(px[c]) / 255 // already times opacity
		}
		all += float64(px[3]) / 255
	}
	for c := range avg {
		if all > 0 {
			avg[c] /= all
		}
	}
	for i := range n {
		px := p.Pix[4*i : 4*i+4]
		alpha := float64(px[3]) / 255
		r := avg[0]*(1-alpha) + float64(px[0])/255
		g := avg[1]*(1-alpha) + float64(px[1])/255
		b := avg[2]*(1-alpha) + float64(px[2])/255
		l, pd, q, a = append(l, (r+g+b)/3), append(pd, (r+g)/2-b), append(q, r-g), append(a, alpha)
	}
	return l, pd, q, a
}

// waves are the low frequencies of a plane: the average, and the others between 0
// and 1 of a scale.
type waves struct {
	dc, scale float64
	ac        []float64
}

// transform is a cosine transform of which only a triangle of nx by ny is kept.
func transform(plane []float64, w, h, nx, ny int) (out waves) {
	fx := make([]float64, w)
	for cy := range ny {
		for cx := 0; cx*ny < nx*(ny-cy); cx++ {
			for x := range fx {
				fx[x] = math.Cos(math.Pi / float64(w) * float64(cx) * (float64(x) + 0.5))
			}
			f := 0.0
			for y := range h {
				fy := math.Cos(math.Pi / float64(h) * float64(cy) * (float64(y) + 0.5))
				for x := range w {
					f += plane[x+y*w] * fx[x] * fy
				}
			}
			f /= float64(w * h)
			if cx == 0 && cy == 0 {
				out.dc = f
				continue
			}
			out.ac = append(out.ac, f)
			out.scale = max(out.scale, math.Abs(f))
		}
	}
	for i := range out.ac {
		if out.scale > 0 {
			out.ac[i] = 0.5 + 0.5/out.scale*out.ac[i]
		}
	}
	return out
}
