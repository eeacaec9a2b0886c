package pipeline

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/pablodelarco/opennebula-helm/release"
)

func TestReportNamesWhatIsNew(t *testing.T) {
	before := map[string]string{"7.0.2": "sha256:a", "latest": "sha256:a", "old": release.Unread}
	after := map[string]string{"7.0.2": "sha256:a", "latest": "sha256:b", "7.2.0": "sha256:b", "old": release.Unread}
	assert.Equal(t, []string{"host/image:7.2.0@sha256:b", "host/image:latest@sha256:b"}, moved("host/image", before, after))
}

func TestReportIsMarkdown(t *testing.T) {
	step := release.Step{Kind: release.Tag, Artifact: release.TheChart, Version: "1.0.0", Tag: "1.0.0", Reason: "it is complete | whole"}
	for name, test := range map[string]struct {
		report Report
		want   string
	}{
		"nothing was done": {
			Report{Left: release.Plan{Reason: "all is there"}}, "nothing to do: all is there\n",
		},
		"a chart was published": {
			Report{
				Charts: []string{"host/chart:1.0.0@sha256:c"}, Steps: []Carried{{step, 1500 * time.Millisecond}},
				Left: release.Plan{Reason: "all is there"},
			},
			"Published:\n\n- `host/chart:1.0.0@sha256:c`\n\n" +
				"| Step | Why | Seconds |\n| --- | --- | ---: |\n" +
				"| tag the chart 1.0.0 as 1.0.0 | it is complete \\| whole | 1.5 |\n\n" +
				"nothing to do: all is there\n",
		},
	} {
		assert.Equal(t, test.want, test.report.Markdown(), name)
	}
}
