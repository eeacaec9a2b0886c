package pipeline

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pablodelarco/opennebula-helm/pipeline/pipelinetest"
	"github.com/pablodelarco/opennebula-helm/registry"
	"github.com/pablodelarco/opennebula-helm/release"
	"github.com/pablodelarco/opennebula-helm/upstream/upstreamtest"
)

// What a project has after some years: three lines, each image built again every other
// day, and a chart for many of these.
var lines = []string{"6.10.0", "7.0.0", "7.2.0"}

const (
	rebuilds = 666 // of each line
	charts   = 200
)

// BenchmarkQuietNight is a run that finds nothing to do: it counts what is asked of whom.
func BenchmarkQuietNight(b *testing.B) {
	w := oldWorld(b)
	keys := filepath.Join(b.TempDir(), "keys.asc")
	require.NoError(b, os.WriteFile(keys, w.Mirror.Public, 0o644))
	updates := DebianUpdates(w.Mirror.URL, keys)
	github, apt := len(w.GitHub.Requests()), len(w.Mirror.Requests())
	w.Registry.Break(0, "")
	for b.Loop() {
		site := w.site()
		site.Updates = updates
		state, err := site.Survey(b.Context(), w.checkout, release.Request{})
		require.NoError(b, err)
		plan, err := state.Plan(release.Request{})
		require.NoError(b, err)
		require.Empty(b, plan.Steps, plan.String())
	}
	nights := float64(b.N)
	b.ReportMetric(float64(len(w.GitHub.Requests())-github)/nights, "github/op")
	b.ReportMetric(float64(len(w.Mirror.Requests())-apt)/nights, "apt/op")
	b.ReportMetric(float64(len(w.Registry.Requests()))/nights, "registry/op")
	require.Empty(b, w.Registry.Writes())
}

// oldWorld has all lines published, each under many names.
func oldWorld(b *testing.B) *world {
	w := newWorld(b, pipelinetest.InMemory)
	w.GitHub.Set(w.Tags(lines...))
	w.Mirror.Put("", upstreamtest.Repository{
		Suite: "bookworm-security", Component: "main", Endings: []string{".xz"}, Indexes: map[string]string{"amd64": "", "arm64": ""},
	})
	for _, line := range lines {
		w.Pack(line, "amd64", "arm64")
		require.NoError(b, w.release(release.Request{Version: line}))
		copies(b, w.Open(pipelinetest.Images), line, line+"-%d", rebuilds)
	}
	copies(b, w.Open(pipelinetest.Charts), "0.1.0", "0.0.%d", charts)
	return w
}

// copies gives what has a tag many others.
func copies(b *testing.B, r *registry.Repository, tag, names string, n int) {
	digest, err := r.Resolve(b.Context(), tag)
	require.NoError(b, err)
	for i := range n {
		require.NoError(b, r.Tag(b.Context(), digest, fmt.Sprintf(names, i+1)))
	}
}
