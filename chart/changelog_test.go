package chart

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pablodelarco/opennebula-helm/e2e/lab/registry/registrytest"
)

func TestChangelog(t *testing.T) {
	to := charts(t, registrytest.Start(t).Address())
	none, err := Entries(t.Context(), to)
	require.NoError(t, err)
	assert.Contains(t, Changelog(none), "Nothing is published yet.")

	changes := []Change{{Kind: "removed", Text: "The value a.b"}, {Kind: "added", Text: "A value\nc"}, {Kind: "added", Text: "A template"}}
	for version, options := range map[string][]PackageOption{
		"0.9.0":      {As(Decision{Version: "0.9.0"})},
		"0.10.0":     {As(Decision{Version: "0.10.0", Changes: changes}), WithSecurityUpdates()},
		"0.11.0-rc1": {As(Decision{Version: "0.11.0-rc1"})},
	} {
		_, err := Publish(t.Context(), archived(t, options...), to)
		require.NoError(t, err, version)
	}
	other, err := random.Image(16, 1)
	require.NoError(t, err)
	digest, err := to.Push(t.Context(), other)
	require.NoError(t, err)
	require.NoError(t, to.Tag(t.Context(), digest, "9.9.9"))

	entries, err := Entries(t.Context(), to)
	require.NoError(t, err)
	written := Changelog(entries)
	assert.Contains(t, written, `
## 0.10.0 (2026-03-04)

OpenNebula `+img.Version+", in the image `"+img.Digest+"`."+`

### Security

- Security updates of the packages in the image

### Added

- A value c
- A template

### Removed

- The value a.b

## 0.9.0 (2026-03-04)
`)
	assert.Less(t, strings.Index(written, "0.11.0-rc1"), strings.Index(written, "0.10.0"), "the newest first")
	assert.NotContains(t, written, "9.9.9", "which is no chart of ours")
}

func TestDocsChangelog(t *testing.T) {
	requireDocs(t)
	file, err := os.ReadFile("../CHANGELOG.md")
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(string(file), changelogHeading), "dagger call changelog writes CHANGELOG.md anew")
}
