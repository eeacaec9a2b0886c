package pipeline

import (
	"os"
	"os/exec"
	"path/filepath"
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
