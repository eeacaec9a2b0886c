package image

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// releasedImage is a small image that is all that a front-end's must be, but for
// what is changed in its configuration.
func releasedImage(t *testing.T, architecture string, change func(*v1.ConfigFile)) v1.Image {
	img, err := random.Image(512, 2)
	require.NoError(t, err)
	config, err := img.ConfigFile()
	require.NoError(t, err)
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", architecture
	config.Config = v1.Config{User: User, Entrypoint: Entrypoint, Labels: map[string]string{
		TitleLabel: "title", DescriptionLabel: "description", URLLabel: "url", SourceLabel: "source", LicensesLabel: "licenses",
		VersionLabel: "7.2.0", RevisionLabel: "0123abc", CreatedLabel: "2026-01-02T03:04:05Z",
		BaseNameLabel: BaseName, BaseDigestLabel: "sha256:" + strings.Repeat("0", 64),
	}}
	if change != nil {
		change(config)
	}
	img, err = mutate.ConfigFile(img, config)
	require.NoError(t, err)
	return img
}

// listed is an index of images, each for the platform that it is listed for.
func listed(images ...mutate.IndexAddendum) v1.ImageIndex {
	return mutate.AppendManifests(empty.Index, images...)
}

func listedFor(architecture string, img v1.Image) mutate.IndexAddendum {
	return mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: architecture}}}
}

// offer pushes an image or an index, and returns its reference by a tag.
func offer(t *testing.T, tag string, what remote.Taggable) string {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	return offerAt(t, strings.TrimPrefix(server.URL, "http://")+"/team/frontend:"+tag, what)
}

func offerAt(t *testing.T, reference string, what remote.Taggable) string {
	ref, err := name.ParseReference(reference)
	require.NoError(t, err)
	switch what := what.(type) {
	case v1.ImageIndex:
		require.NoError(t, remote.WriteIndex(ref, what))
	case v1.Image:
		require.NoError(t, remote.Write(ref, what))
	}
	return reference
}

func TestVerify(t *testing.T) {
	for _, tag := range []string{"7.2.0", "7.2.0-3", "7.2", "latest"} {
		report, err := Verify(t.Context(), offer(t, tag, releasedImage(t, "amd64", nil)))
		require.NoError(t, err, tag)
		assert.Equal(t, "7.2.0", report.Version)
		require.Len(t, report.Platforms, 1)
		assert.Equal(t, "linux/amd64", report.Platforms[0].Platform)
		assert.Equal(t, report.Digest, report.Platforms[0].Digest)
		assert.Greater(t, report.Platforms[0].Size, int64(1000))
	}
}

func TestVerifyIndex(t *testing.T) {
	index := listed(listedFor("amd64", releasedImage(t, "amd64", nil)), listedFor("arm64", releasedImage(t, "arm64", nil)))
	reference := offer(t, "7.2.0", index)
	report, err := Verify(t.Context(), reference)
	require.NoError(t, err)
	require.Len(t, report.Platforms, 2)
	assert.Equal(t, "linux/arm64", report.Platforms[1].Platform)
	assert.NotEqual(t, report.Digest, report.Platforms[1].Digest)

	info, err := Inspect(t.Context(), reference)
	require.NoError(t, err)
	assert.Equal(t, []string{"linux/amd64", "linux/arm64"}, info.Platforms)
	assert.Equal(t, report.Digest, info.Digest, "an index is pinned as a whole")

}

// label sets one label, or takes it away.
func label(name, value string) func(*v1.ConfigFile) {
	return func(c *v1.ConfigFile) {
		c.Config.Labels[name] = value
		if value == "" {
			delete(c.Config.Labels, name)
		}
	}
}

func TestVerifyRefusesImages(t *testing.T) {
	type test struct {
		change func(*v1.ConfigFile)
		want   string
	}
	tests := map[string]test{
		"another user":       {func(c *v1.ConfigFile) { c.Config.User = "root" }, `it runs as "root", not as 9869:9869`},
		"another entrypoint": {func(c *v1.ConfigFile) { c.Config.Entrypoint = []string{"sh"} }, `its entrypoint is ["sh"]`},
		"another system":     {func(c *v1.ConfigFile) { c.OS = "windows" }, "front-ends run on Linux"},
		"no architecture":    {func(c *v1.ConfigFile) { c.Architecture = "" }, "an architecture that is named"},
		"a layer too few":    {func(c *v1.ConfigFile) { c.RootFS.DiffIDs = c.RootFS.DiffIDs[:1] }, "it has 2 layers, and its configuration 1"},
		"an odd version":     {label(VersionLabel, "7.2"), "its label " + VersionLabel + `: "7.2" is not a version`},
		"an odd time":        {label(CreatedLabel, "yesterday"), "its label " + CreatedLabel + ` is "yesterday", which is no time`},
		"an odd digest":      {label(BaseDigestLabel, "sha256:12"), "its label " + BaseDigestLabel + ` is "sha256:12", which is no digest`},
	}
	for _, name := range labelNames {
		tests["without "+name] = test{label(name, ""), "it has no label " + name}
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			reference := offer(t, "latest", releasedImage(t, "amd64", test.change))
			_, err := Verify(t.Context(), reference)
			require.ErrorContains(t, err, "image "+reference+", ")
			assert.ErrorContains(t, err, test.want)
			assert.ErrorContains(t, err, "build and publish it again")
		})
	}
}

func TestVerifyRefusesTags(t *testing.T) {
	for tag, want := range map[string]string{
		"7.2.1": "is 7.2.0, which the tag 7.2.1 does not name", "7.2.1-1": "does not name", "7.20": "does not name", "7.4": "does not name",
		"stable": "the tag stable is none of X.Y.Z, X.Y.Z-N, X.Y and latest", "7.2.0-rc1": "is none of", "7": "is none of",
	} {
		reference := offer(t, tag, releasedImage(t, "amd64", nil))
		_, err := Verify(t.Context(), reference)
		require.ErrorContains(t, err, "image "+reference+": ")
		assert.ErrorContains(t, err, want)
		assert.ErrorContains(t, err, "move the tag")
	}
}

func TestVerifyRefusesIndexes(t *testing.T) {
	amd64, arm64 := releasedImage(t, "amd64", nil), releasedImage(t, "arm64", nil)
	for name, test := range map[string]struct {
		index v1.ImageIndex
		want  string
	}{
		"no image":         {listed(), "its index has no image for any platform"},
		"a platform twice": {listed(listedFor("amd64", amd64), listedFor("amd64", arm64)), "its index has two images for linux/amd64"},
		"another platform": {listed(listedFor("amd64", amd64), listedFor("arm64", amd64)), "linux/arm64: its configuration is for linux/amd64"},
		"another revision": {
			listed(listedFor("amd64", amd64), listedFor("arm64", releasedImage(t, "arm64", label(RevisionLabel, "4567def")))),
			"linux/arm64: its label " + RevisionLabel + " is 4567def, and elsewhere 0123abc",
		},
		"another time": {
			listed(listedFor("amd64", amd64), listedFor("arm64", releasedImage(t, "arm64", label(CreatedLabel, "2026-01-02T03:04:06Z")))),
			"its label " + CreatedLabel + " is 2026-01-02 03:04:06",
		},
		"another release": {
			listed(listedFor("amd64", amd64), listedFor("arm64", releasedImage(t, "arm64", label(VersionLabel, "7.0.2")))),
			"its label " + VersionLabel + " is 7.0.2, and elsewhere 7.2.0",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Verify(t.Context(), offer(t, "7.2.0", test.index))
			assert.ErrorContains(t, err, test.want)
		})
	}
}

// A registry may have lost, or cut, what a manifest names.
func TestVerifyRefusesMissingLayers(t *testing.T) {
	img := releasedImage(t, "amd64", nil)
	layers, err := img.Layers()
	require.NoError(t, err)
	lost, err := layers[1].Digest()
	require.NoError(t, err)
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"lost": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }, "layer 2 of 2, " + lost.String() + ", cannot be had"},
		"cut":  {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "3") }, lost.String() + ", has 3 bytes, and "},
	} {
		t.Run(name, func(t *testing.T) {
			whole, broken := registry.New(registry.Logger(log.New(io.Discard, "", 0))), false
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if broken && strings.HasSuffix(r.URL.Path, lost.String()) {
					test.answer(w, r)
					return
				}
				whole.ServeHTTP(w, r)
			}))
			defer server.Close()
			reference := offerAt(t, strings.TrimPrefix(server.URL, "http://")+"/team/frontend:7.2.0", img)
			broken = true
			_, err := Verify(context.Background(), reference)
			require.ErrorContains(t, err, "image "+reference+", linux/amd64")
			assert.ErrorContains(t, err, test.want)
		})
	}
}

func TestVerifyNothing(t *testing.T) {
	_, err := Verify(t.Context(), "127.0.0.1:1/team/frontend:7.2.0")
	assert.ErrorContains(t, err, "read 127.0.0.1:1/team/frontend:7.2.0: ")
	assert.ErrorContains(t, err, "nothing listens at 127.0.0.1:1: correct the name, or start it")
	_, err = Verify(t.Context(), "Not An Image")
	assert.ErrorContains(t, err, "is not an image reference")
}
