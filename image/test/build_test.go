package test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pablodelarco/opennebula-helm/image"
)

func TestBuild(t *testing.T) {
	b := built(t, version())
	info, err := image.Inspect(t.Context(), b.Reference, image.PlainHTTP(true)...)
	require.NoError(t, err)
	assert.Equal(t, version(), info.Version)
}
