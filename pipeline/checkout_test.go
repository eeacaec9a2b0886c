package pipeline

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pablodelarco/opennebula-helm/pipeline/pipelinetest"
)

// A change elsewhere is no reason for another image, and one that no commit has is none
// to refuse.
func TestCheckoutIsOfItsLastCommits(t *testing.T) {
	folder := t.TempDir()
	commit := func(file string) {
		require.NoError(t, os.MkdirAll(filepath.Join(folder, filepath.Dir(file)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(folder, file), nil, 0o644))
		for _, args := range [][]string{{"init", "--quiet"}, {"add", "--all"}, {"-c", "user.name=test", "-c", "user.email=test@example.org", "commit", "--quiet", "--message=" + file}} {
			cmd := exec.CommandContext(t.Context(), "git", args...)
			cmd.Dir = folder
			require.NoError(t, cmd.Run())
		}
	}
	assert.Equal(t, noCommit, ReadCheckout(t.Context(), folder).Image.Hash)
	commit("image/Dockerfile")
	first := ReadCheckout(t.Context(), folder)
	assert.Equal(t, first.Head, first.Image)
	commit("chart/Chart.yaml")
	require.NoError(t, os.WriteFile(filepath.Join(folder, "image/Dockerfile"), []byte("FROM scratch\n"), 0o644))
	second := ReadCheckout(t.Context(), folder)
	assert.Equal(t, first.Image, second.Image)
	assert.NotEqual(t, first.Head, second.Head)
	_, err := OpenCheckout(t.Context(), folder)
	assert.ErrorContains(t, err, "has changes that no commit has")
}

// What describes the image, tests or reads it is no part of it, and its description is of
// its README alone.
func TestCheckoutTellsTheImageFromWhatIsBesideIt(t *testing.T) {
	folder := pipelinetest.Checkout(t)
	commit := func(file string) *Checkout {
		pipelinetest.Write(t, filepath.Join(folder, file), file+"\n[chart](../chart)\n")
		pipelinetest.Commit(t, folder)
		c, err := OpenCheckout(t.Context(), folder)
		require.NoError(t, err)
		return c
	}
	for _, file := range []string{"image/Dockerfile", "image/build/install-debian", "image/rootfs/etc/one/oned.conf"} {
		c := commit(file)
		assert.Equal(t, c.Head, c.Image, file)
	}
	before := commit("image/README.md")
	assert.NotEqual(t, before.Head, before.Image)
	assert.Equal(t, before.Head, before.Readme)
	description, err := before.description()
	require.NoError(t, err)
	assert.Contains(t, description.Full, "/blob/"+before.Head.Hash+"/chart")
	for _, file := range []string{"image/image.go", "image/vex/CVE.json", "image/build/lib.sh"} {
		c := commit(file)
		assert.Equal(t, file == "image/build/lib.sh", before.Image != c.Image, file)
		same, err := c.description()
		require.NoError(t, err)
		assert.Equal(t, description, same, file)
	}
}

// The paths that count are those that the Dockerfile takes files from, and are the same
// wherever they are written.
func TestImageSourcesAreAll(t *testing.T) {
	read := func(file string) string {
		content, err := os.ReadFile(filepath.Join("..", file))
		require.NoError(t, err)
		return string(content)
	}
	used := []string{"image/Dockerfile"}
	dockerfile := read("image/Dockerfile")
	for _, found := range regexp.MustCompile(`type=bind,source=([^, ]+)`).FindAllStringSubmatch(dockerfile, -1) {
		used = append(used, "image/"+found[1])
	}
	assert.NotContains(t, dockerfile, "\nCOPY ", "the folder's files are mounted")
	slices.Sort(used)
	assert.Equal(t, imageSources(), slices.Compact(used))
	workflow, page := read(".github/workflows/release.yaml"), read("docs/releases.md")
	for _, source := range imageSources() {
		assert.Regexp(t, `(?m)^      - `+source+`(/\*\*)?$`, workflow)
	}
	assert.Contains(t, page, strings.Join(imageSources(), " "))
}

// A merge changes nothing against what it merged, and is the commit that proposals are
// made on all the same.
func TestCheckoutIsOfItsMerge(t *testing.T) {
	folder := pipelinetest.Checkout(t)
	git := func(args ...string) string { return strings.TrimSpace(pipelinetest.Git(t, folder, args...)) }
	pipelinetest.Commit(t, folder)
	image := git("rev-parse", "HEAD")
	git("checkout", "--quiet", "-b", "change")
	pipelinetest.Write(t, filepath.Join(folder, "chart/opennebula/NOTES"), "new\n")
	pipelinetest.Commit(t, folder)
	git("checkout", "--quiet", "-")
	git("merge", "--quiet", "--no-ff", "--no-edit", "change")

	opened, err := OpenCheckout(t.Context(), folder)
	require.NoError(t, err)
	for _, c := range []*Checkout{opened, ReadCheckout(t.Context(), folder)} {
		assert.Equal(t, git("rev-parse", "HEAD"), c.Head.Hash)
		assert.Equal(t, image, c.Image.Hash)
	}
}
