package upstream

import (
	"testing"

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
