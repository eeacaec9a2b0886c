package changes

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pablodelarco/opennebula-helm/image"
)

// The folders of .deb files that OPENNEBULA_PREVIOUS_PACKAGES and OPENNEBULA_PACKAGES
// name, of one release each, are compared; what is written is kept where
// OPENNEBULA_CHANGES says.
func TestRealPackages(t *testing.T) {
	from, to := realRelease(t, "OPENNEBULA_PREVIOUS_PACKAGES"), realRelease(t, "OPENNEBULA_PACKAGES")
	c, err := Compare(t.Context(), from, to, slices.Concat(image.Packages, image.OptionalPackages))
	require.NoError(t, err)
	text := c.Markdown(BodyLimit)
	t.Logf("%d bytes, and %d without a limit; %s", len(text), len(c.Markdown(1<<30)), c.Summary())
	assert.True(t, c.Schema.Known(), "the schema is told by every release")
	assert.NotEmpty(t, c.Conffiles.Kept)
	if file := os.Getenv("OPENNEBULA_CHANGES"); file != "" {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	}
}

// realRelease is the one whose packages are in a folder.
func realRelease(t *testing.T, variable string) Release {
	folder := os.Getenv(variable)
	if folder == "" {
		t.Skipf("%s is not set: it names a folder with OpenNebula's .deb packages", variable)
	}
	folder = filepath.SplitList(folder)[0] // the tests of the image take several
	packages, err := Folder(folder, runtime.GOARCH).Packages(t.Context())
	require.NoError(t, err)
	found := releases(packages)
	require.Len(t, found, 1, "%s must hold one release", folder)
	return Release{Version: found[0], Source: Folder(folder, runtime.GOARCH)}
}
