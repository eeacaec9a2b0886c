package image

import (
	"context"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pablodelarco/opennebula-helm/e2e/lab/registry"
)

// push serves a small image with a configuration and returns its reference.
func push(t *testing.T, config v1.Config) string {
	r, err := registry.Start("127.0.0.1:0", t.TempDir())
	require.NoError(t, err)
	t.Cleanup(r.Stop)
	img, err := random.Image(512, 2)
	require.NoError(t, err)
	img, err = mutate.Config(img, config)
	require.NoError(t, err)
	ref, err := name.ParseReference(r.Address() + "/team/frontend:built")
	require.NoError(t, err)
	require.NoError(t, remote.Write(ref, img))
	return ref.String()
}

func frontEnd() v1.Config {
	return v1.Config{User: User, Labels: map[string]string{VersionLabel: "7.2.0"}}
}

func TestInspect(t *testing.T) {
	info, err := Inspect(context.Background(), push(t, frontEnd()))
	require.NoError(t, err)
	assert.Equal(t, "7.2.0", info.Version)
	assert.Greater(t, info.Size, int64(512))
	assert.Equal(t, info.Repository+"@"+info.Digest, info.Reference)
	assert.Regexp(t, `^127\.0\.0\.1:\d+/team/frontend$`, info.Repository)
}

func TestInspectRefusesOtherImages(t *testing.T) {
	_, err := Inspect(context.Background(), push(t, v1.Config{}))
	assert.ErrorContains(t, err, "not a front-end image")
	_, err = Inspect(context.Background(), push(t, v1.Config{User: User}))
	assert.ErrorContains(t, err, "no label org.opencontainers.image.version")
	_, err = Inspect(context.Background(), "Not An Image")
	assert.ErrorContains(t, err, `"Not An Image" is not an image reference; write it as`)
}
