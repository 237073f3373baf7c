package bench

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// row is one line of the table.
type row struct {
	what   string
	figure string
	beside string // floor or rival, with its figure
	ratio  string
	target string
	met    verdict
}

type verdict string

const (
	pass verdict = "PASS"
	fail verdict = "FAIL"
	none verdict = "" // a figure without a target
)

func (r row) missed() bool { return r.met == fail }

func judge(ok bool) verdict {
	if ok {
		return pass
	}
	return fail
}

func table(rows []row) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "measured\tfigure\tbeside\tratio\ttarget\t")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", r.what, r.figure, r.beside, r.ratio, r.target, r.met)
	}
	w.Flush()
	return b.String()
}

// figures are repeated measurements of one thing.
type figures[T cmp.Ordered] []T

// quantile returns the value below which the share q of the figures lies.
func (f figures[T]) quantile(q float64) T {
	sorted := slices.Sorted(slices.Values(f))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

func (f figures[T]) median() T { return f.quantile(0.5) }

// spread shows the median with the least and the most.
func (f figures[T]) spread(show func(T) string) string {
	return fmt.Sprintf("%s (%s to %s, n=%d)", show(f.median()), show(slices.Min(f)), show(slices.Max(f)), len(f))
}

func ms(d time.Duration) string {
	return fmt.Sprintf("%.2f ms", float64(d)/float64(time.Millisecond))
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

func rate(mibPerSecond float64) string { return fmt.Sprintf("%.0f MiB/s", mibPerSecond) }

func mib(bytes int64) string { return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20)) }

func times(x float64) string { return fmt.Sprintf("%.2f x", x) }

func percent(x float64) string { return fmt.Sprintf("%.0f %%", 100*x) }
