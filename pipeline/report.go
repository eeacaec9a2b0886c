package pipeline

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/pablodelarco/opennebula-helm/release"
)

// Carried is a step that was carried out.
type Carried struct {
	release.Step
	Took time.Duration
}

// Report is what a run has come to.
type Report struct {
	Images []string  // references that are published now and were not before, HOST/PATH:TAG@sha256:…
	Charts []string  // likewise
	Steps  []Carried // in their order
	Left   release.Plan
}

// Report tells what has become of a state since this carrier began. What is left to
// publish of what was asked is in it too.
func (c *Carrier) Report(before, after release.State, request release.Request) (Report, error) {
	left, err := after.Plan(request)
	return Report{
		Images: moved(c.Site.Images.Name(), before.Tags, after.Tags),
		Charts: moved(c.Site.Charts.Name(), before.ChartTags, after.ChartTags),
		Steps:  c.Carried, Left: left.Publication(),
	}, err
}

// moved are the references whose tags are new, or name something else than before.
func moved(repository string, before, after map[string]string) []string {
	var references []string
	for _, tag := range slices.Sorted(maps.Keys(after)) {
		if after[tag] != before[tag] && after[tag] != release.Unread {
			references = append(references, fmt.Sprintf("%s:%s@%s", repository, tag, after[tag]))
		}
	}
	return references
}

// Markdown is the report for a terminal and for a summary.
func (r Report) Markdown() string {
	var b strings.Builder
	if len(r.Images)+len(r.Charts) > 0 {
		b.WriteString("Published:\n\n")
		for _, reference := range slices.Concat(r.Images, r.Charts) {
			fmt.Fprintf(&b, "- `%s`\n", reference)
		}
		b.WriteString("\n")
	}
	if len(r.Steps) > 0 {
		b.WriteString("| Step | Why | Seconds |\n| --- | --- | ---: |\n")
		for _, step := range r.Steps {
			fmt.Fprintf(&b, "| %s | %s | %.1f |\n", release.Escape(step.String()), release.Escape(step.Reason), step.Took.Seconds())
		}
		b.WriteString("\n")
	}
	return b.String() + r.Left.Markdown()
}
