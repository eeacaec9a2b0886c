package chart

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A checkout for another release differs in one line.
func TestEdits(t *testing.T) {
	now, err := AppVersion(Name)
	require.NoError(t, err)
	edits, err := Edits("..", "99.1.2")
	require.NoError(t, err)
	require.Len(t, edits, 1)
	before, err := os.ReadFile("../" + File)
	require.NoError(t, err)
	assert.Equal(t, strings.Replace(string(before), "appVersion: "+now+"\n", "appVersion: \"99.1.2\"\n", 1), string(edits[File]))

	checkout := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(checkout, File)), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(checkout, File), edits[File], 0o644))
	then, err := AppVersion(Find(checkout))
	require.NoError(t, err)
	assert.Equal(t, "99.1.2", then)
	again, err := Edits(checkout, "99.1.2")
	require.NoError(t, err)
	assert.Equal(t, edits, again)
}

// What a release moves is in the chart's appVersion, and nowhere else that a program
// reads: names of the release stand in examples and tests only.
func TestOneFileNamesTheRelease(t *testing.T) {
	now, err := AppVersion(Name)
	require.NoError(t, err)
	for _, file := range []string{"opennebula/values.yaml", "opennebula/values.schema.json", "../cmd/rehearse/main.go", "../cmd/rehearse/options.go"} {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.NotContains(t, string(content), now, file)
	}
	content, err := os.ReadFile("../" + File)
	require.NoError(t, err)
	assert.Equal(t, 1, strings.Count(string(content), now))
}

func TestEditsAreRefused(t *testing.T) {
	_, err := Edits("..", "7.4")
	assert.ErrorContains(t, err, `"7.4" is not a version of OpenNebula`)
	checkout := t.TempDir()
	_, err = Edits(checkout, "7.4.0")
	assert.ErrorContains(t, err, "read the chart: open "+checkout)
	_, err = AppVersion(Find(checkout))
	assert.ErrorContains(t, err, "read the chart's "+checkout)

	require.NoError(t, os.MkdirAll(Find(checkout), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(checkout, File), []byte("name: opennebula\n"), 0o644))
	_, err = Edits(checkout, "7.4.0")
	assert.EqualError(t, err, "edit chart/opennebula/Chart.yaml: it has no appVersion")
	_, err = AppVersion(Find(checkout))
	assert.ErrorContains(t, err, "the appVersion of "+checkout)
}
