package upstream

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseTag(t *testing.T) {
	for tag, candidate := range map[string]bool{
		"release-7.2.0": false, "release-6.10.5": false, "release-7.3.85": true, "release-6.99.90": true,
	} {
		v, ok := ParseTag(tag)
		require.True(t, ok, tag)
		assert.Equal(t, tag, "release-"+v.String())
		assert.Equal(t, candidate, IsCandidate(v), tag)
	}
	for _, tag := range []string{"release-7.2.0-fixup-ce", "release-6.8.0.1", "7.2.0", "release-7.2", "release-", "one-7.2.0"} {
		_, ok := ParseTag(tag)
		assert.False(t, ok, tag)
	}
}

func TestParseVersionSaysWhatToGive(t *testing.T) {
	for _, text := range []string{"", "7.2", "v7.2.0", "7.2.0-1", "latest", "7.2.0 "} {
		_, err := ParseVersion(text)
		assert.ErrorContains(t, err, "give a release as X.Y.Z", text)
	}
}

// Every tag of OpenNebula from 5.10 to 7.4, classified by hand.
func TestClassifyRealTags(t *testing.T) {
	count := map[string]int{}
	for _, tag := range realTags(t) {
		version, channel, ok := Classify(tag.name)
		count[tag.channel]++
		if tag.channel == "none" {
			assert.False(t, ok, tag.name)
			continue
		}
		require.True(t, ok, tag.name)
		assert.Equal(t, tag.channel, string(channel), tag.name)
		assert.Equal(t, tag.version, version.String(), tag.name)
	}
	assert.Equal(t, map[string]int{"stable": 54, "candidate": 16, "none": 14}, count)
}

func TestClassifyOldAndOddTags(t *testing.T) {
	for tag, want := range map[string]Channel{
		"release-4.14.2": Stable, "release-5.11.80": Candidate, "release-2.9.80": Candidate,
		"release-5.11.8": Stable, // tagged by mistake: no packages, and of no line
		"release-4.12":   "", "release-5.0-beta1": "", "release-3.8.3-2": "", "release-3.2-s1": "",
		"release-4.0-rc": "", "psych": "", "release-7.2.0\n": "", "refs/tags/release-7.2.0": "", "Release-7.2.0": "",
		"release-07.2.0": "", "release-7.2.99999999999999999999": "",
	} {
		_, channel, _ := Classify(tag)
		assert.Equal(t, want, channel, tag)
	}
}

type realTag struct {
	name, channel, version string
	date                   time.Time
}

func realTags(t testing.TB) []realTag {
	file, err := os.ReadFile("testdata/tags.tsv")
	require.NoError(t, err)
	var tags []realTag
	for line := range strings.Lines(string(file)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Split(strings.TrimSpace(line), "\t")
		require.Len(t, fields, 4, line)
		date, err := time.Parse(time.RFC3339, fields[1])
		require.NoError(t, err)
		tags = append(tags, realTag{name: fields[0], date: date, channel: fields[2], version: fields[3]})
	}
	require.Len(t, tags, 84)
	return tags
}
