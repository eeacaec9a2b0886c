package load

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Median of runs by the time of all lives: the figures of that run.
func Median(all []Figures) Figures {
	if len(all) == 0 {
		return Figures{}
	}
	sorted := slices.SortedFunc(slices.Values(all), func(a, b Figures) int { return cmp.Compare(a.Life(), b.Life()) })
	return sorted[len(sorted)/2]
}

// Table of two runs of a plan, in Markdown, with the ratio of the first to the second.
func Table(p Plan, kubernetes, plain Figures) string {
	var b strings.Builder
	fmt.Fprintf(&b, "| %d virtual machines, %d clients | in Kubernetes | without | ratio |\n|---|---|---|---|\n", p.VMs, p.Clients)
	for _, row := range []struct {
		what string
		of   func(Figures) float64
	}{
		{"seconds until all are created", func(f Figures) float64 { return f.Created.Seconds() }},
		{"seconds until all run", func(f Figures) float64 { return f.Running.Seconds() }},
		{"seconds until all have ended", func(f Figures) float64 { return f.Done.Seconds() }},
		{"calls to the API in a second", func(f Figures) float64 { return f.Calls(p) }},
		{"whole lives in a second", func(f Figures) float64 { return f.Lives(p) }},
		{"oned's memory at the end, MB", func(f Figures) float64 { return float64(f.Memory.Now) / 1e6 }},
		{"oned's memory at its peak, MB", func(f Figures) float64 { return float64(f.Memory.Peak) / 1e6 }},
	} {
		a, c := row.of(kubernetes), row.of(plain)
		fmt.Fprintf(&b, "| %s | %.1f | %.1f | %.2f |\n", row.what, a, c, a/c)
	}
	return b.String()
}
