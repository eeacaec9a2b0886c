package signature

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pablodelarco/opennebula-helm/image"
)

var arguments = image.Arguments{
	Version: "7.2.0", Repository: "https://downloads.opennebula.io/repo/7.2.0/Debian/12", Key: "https://downloads.opennebula.io/repo/repo2.key",
	BaseDigest: "sha256:" + hex64, Revision: "0123456789012345678901234567890123456789", Created: aRun.Started,
}

func TestProvenanceOfAnImage(t *testing.T) {
	build := OfImage(arguments, []string{"linux/amd64", "linux/arm64"}, "sha256:"+strings.Repeat("1", 64), aRun)
	predicate, err := build.Predicate()
	require.NoError(t, err)
	assert.JSONEq(t, `{
  "buildDefinition": {
    "buildType": "https://github.com/pablodelarco/opennebula-helm/blob/main/signature/provenance.md#image-v1",
    "externalParameters": {
      "version": "7.2.0", "repository": "https://downloads.opennebula.io/repo/7.2.0/Debian/12",
      "key": "https://downloads.opennebula.io/repo/repo2.key", "platforms": ["linux/amd64", "linux/arm64"]
    },
    "resolvedDependencies": [
      {"uri": "git+https://github.com/pablodelarco/opennebula-helm", "digest": {"gitCommit": "0123456789012345678901234567890123456789"}},
      {"uri": "oci://docker.io/library/debian:12-slim", "digest": {"sha256": "`+hex64+`"}},
      {"uri": "https://downloads.opennebula.io/repo/7.2.0/Debian/12/dists/stable/InRelease", "digest": {"sha256": "`+strings.Repeat("1", 64)+`"}}
    ]
  },
  "runDetails": {
    "builder": {"id": "https://example.org/builder"},
    "metadata": {"invocationId": "https://example.org/runs/1", "startedOn": "2026-01-02T03:04:05Z", "finishedOn": "2026-01-02T03:14:05Z"}
  }
}`, string(predicate))
	for range 20 {
		again, err := build.Predicate()
		require.NoError(t, err)
		assert.Equal(t, string(predicate), string(again))
	}
}

func TestProvenanceOfAChart(t *testing.T) {
	var predicate struct {
		BuildDefinition struct {
			BuildType            string
			ExternalParameters   map[string]string
			ResolvedDependencies []struct {
				URI    string
				Digest map[string]string
			}
		}
	}
	require.NoError(t, json.Unmarshal(provenanceOf(t), &predicate))
	assert.Equal(t, ChartBuild, predicate.BuildDefinition.BuildType)
	assert.Equal(t, map[string]string{"version": "1.0.0", "image": "example.org/thing@sha256:" + hex64}, predicate.BuildDefinition.ExternalParameters)
	require.Len(t, predicate.BuildDefinition.ResolvedDependencies, 2)
	assert.Equal(t, "oci://example.org/thing", predicate.BuildDefinition.ResolvedDependencies[1].URI)
	assert.Equal(t, map[string]string{"sha256": hex64}, predicate.BuildDefinition.ResolvedDependencies[1].Digest)
}

func TestProvenanceIsRefused(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Build)
		want   string
	}{
		"without a builder":     {func(b *Build) { b.Builder = "" }, "the provenance is not complete: "},
		"without a type":        {func(b *Build) { b.Type = "" }, "buildType"},
		"without parameters":    {func(b *Build) { b.Parameters = nil }, "externalParameters"},
		"without a commit":      {func(b *Build) { b.Materials[0].Digest = "" }, "has no digest of git+" + Source},
		"a digest that is none": {func(b *Build) { b.Materials[1].Digest = "hello" }, "resolvedDependencies"},
		"a time before time":    {func(b *Build) { b.Started = time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC) }, "startedOn"},
	} {
		t.Run(name, func(t *testing.T) {
			build := OfImage(arguments, []string{"linux/amd64"}, "", aRun)
			test.change(&build)
			_, err := build.Predicate()
			require.Error(t, err)
			assert.Contains(t, strings.ToLower(err.Error()), strings.ToLower(test.want))
		})
	}
}

// What a provenance refers to is there to be read.
func TestBuildTypesAreExplained(t *testing.T) {
	page, err := os.ReadFile("provenance.md")
	require.NoError(t, err)
	for _, kind := range []string{ImageBuild, ChartBuild} {
		file, anchor, _ := strings.Cut(strings.TrimPrefix(kind, Source+"/blob/main/signature/"), "#")
		assert.Equal(t, "provenance.md", file)
		assert.Contains(t, string(page), "\n## "+strings.ToUpper(anchor[:1])+strings.ReplaceAll(anchor[1:], "-", " ")+"\n")
	}
}
