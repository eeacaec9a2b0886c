package test

import (
	"archive/tar"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pablodelarco/opennebula-helm/e2e/lab/builder"
	"github.com/pablodelarco/opennebula-helm/image"
)

// standins are releases that have packages nowhere but here.
const (
	standinRelease     = "99.0.0"
	standinNextRelease = "99.2.0"
)

func TestLabels(t *testing.T) {
	b := built(t, version())
	config, err := b.Image.ConfigFile()
	require.NoError(t, err)
	assert.Equal(t, map[string]string{
		"org.opencontainers.image.title":       "OpenNebula front-end",
		"org.opencontainers.image.description": "OpenNebula Community front-end, one role per container",
		"org.opencontainers.image.url":         "https://github.com/pablodelarco/opennebula-helm",
		"org.opencontainers.image.source":      "https://github.com/pablodelarco/opennebula-helm",
		"org.opencontainers.image.licenses":    "Apache-2.0",
		"org.opencontainers.image.version":     version(),
		"org.opencontainers.image.revision":    revision,
		"org.opencontainers.image.created":     "2026-01-02T03:04:05Z",
		"org.opencontainers.image.base.name":   image.BaseName,
		"org.opencontainers.image.base.digest": shared.base,
	}, config.Config.Labels)
	assert.Equal(t, created, config.Created.UTC())
}

// The same inputs are the same image, whenever and wherever it is built.
func TestSameInputsSameImage(t *testing.T) {
	first, again := built(t, version()), rebuilt(t, version(), created)
	if !sameDebian(t, first, again) {
		first, again = again, rebuilt(t, version(), created)
	}
	if digest(t, first.Image) != digest(t, again.Image) {
		assert.Fail(t, "a second build is another image", explain(t, first.Image, again.Image))
	}
}

// The builder changes folders when it makes its mount points there, such as /etc/hosts,
// and a step may well begin in another second.
func TestLateStepSettles(t *testing.T) {
	l := requireLab(t)
	one.Lock()
	defer one.Unlock()
	folder := t.TempDir()
	library, err := os.ReadFile(filepath.Join(checkout, "image/build/lib.sh"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "lib.sh"), library, 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "Dockerfile"), fmt.Appendf(nil, `FROM %s@%s
RUN --mount=type=bind,target=/build bash -c 'source /build/lib.sh && settle'
RUN --mount=type=bind,target=/build sleep 2 && bash -c 'source /build/lib.sh && touch /etc/apt/written && settle'
`, image.BaseName, l.base), 0o644))
	b, err := l.run(t.Context(), builder.Build{
		Context: folder, NoCache: true, Repository: l.registry.Address() + "/team/late", Log: filepath.Join(l.state, "late.log"),
	})
	require.NoError(t, err)
	pulled, err := pull(b.Reference)
	require.NoError(t, err)
	found, err := pulled.Layers()
	require.NoError(t, err)
	wrote := entries(t, found[len(found)-1])
	assert.Contains(t, wrote["etc/apt/written"], " 2020-01-01T00:00:00Z ")
	assert.Contains(t, wrote["etc"], " 2020-01-01T00:00:00Z ")
}

// An upgrade fetches what is OpenNebula's, and what was built later what has changed.
func TestLayersStay(t *testing.T) {
	const debian, dependencies, modules, opennebula, own = 1, 2, 3, 4, 5
	kept, later := built(t, standinRelease), rebuilt(t, standinRelease, created.Add(24*time.Hour))
	if !sameDebian(t, kept, later) {
		kept = rebuilt(t, standinRelease, created)
	}
	first := layers(t, kept.Image)
	require.Greater(t, len(first), own, "the base has one layer here")
	assert.Equal(t, first, layers(t, later.Image))

	next := layers(t, built(t, standinNextRelease).Image)
	assert.Equal(t, first[debian], next[debian], "what every release needs of Debian")
	assert.Equal(t, first[dependencies], next[dependencies], "what these two need of it")
	assert.Equal(t, first[modules], next[modules], "FireEdge's modules")
	assert.NotEqual(t, first[opennebula], next[opennebula])
	assert.Equal(t, first[own], next[own], "our own files")
}

// sameDebian tells whether two images have the same packages. Debian's are an input, and
// what the builder has kept may be of before they changed.
func sameDebian(t *testing.T, a, b Built) bool {
	first, err := image.InstalledPackages(a.Image)
	require.NoError(t, err)
	second, err := image.InstalledPackages(b.Image)
	require.NoError(t, err)
	return slices.Equal(first, second)
}

// rebuilt builds the image again, every step of it.
func rebuilt(t *testing.T, version string, at time.Time) Built {
	l := requireLab(t)
	one.Lock()
	defer one.Unlock()
	source, err := l.source(t.Context(), version)
	require.NoError(t, err)
	build := l.imageBuild(version, source, at)
	build.NoCache = true
	b, err := l.run(t.Context(), build)
	require.NoError(t, err)
	pulled, err := pull(b.Reference)
	require.NoError(t, err)
	return Built{Reference: b.Reference, Image: pulled, Version: version}
}

func digest(t *testing.T, img v1.Image) string {
	d, err := img.Digest()
	require.NoError(t, err)
	return d.String()
}

// layers are the digests of an image's layers.
func layers(t *testing.T, img v1.Image) []string {
	found, err := img.Layers()
	require.NoError(t, err)
	digests := make([]string, len(found))
	for i, layer := range found {
		d, err := layer.Digest()
		require.NoError(t, err)
		digests[i] = d.String()
	}
	return digests
}

// explain says in which layers two images differ, and in which files of these.
func explain(t *testing.T, a, b v1.Image) string {
	first, err := a.Layers()
	require.NoError(t, err)
	second, err := b.Layers()
	require.NoError(t, err)
	var said []string
	for i := range min(len(first), len(second)) {
		if differing := compare(entries(t, first[i]), entries(t, second[i])); len(differing) > 0 {
			said = append(said, fmt.Sprintf("layer %d: %s", i, strings.Join(differing[:min(len(differing), 20)], "\n  ")))
		}
	}
	if len(said) == 0 {
		return "the layers are the same; the configurations differ"
	}
	return strings.Join(said, "\n")
}

// entries describes each file of a layer, by its path.
func entries(t *testing.T, layer v1.Layer) map[string]string {
	content, err := layer.Uncompressed()
	require.NoError(t, err)
	defer content.Close()
	found := map[string]string{}
	for archive := tar.NewReader(content); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		require.NoError(t, err)
		sum := sha256.New()
		_, err = io.Copy(sum, archive)
		require.NoError(t, err)
		found[filepath.Clean(h.Name)] = fmt.Sprintf("%c %o %d:%d %s %d bytes %.4x %s", h.Typeflag, h.Mode, h.Uid, h.Gid,
			h.ModTime.UTC().Format(time.RFC3339), h.Size, sum.Sum(nil), h.Linkname)
	}
}

func compare(a, b map[string]string) []string {
	both := maps.Clone(a)
	maps.Copy(both, b)
	var differing []string
	for _, path := range slices.Sorted(maps.Keys(both)) {
		if a[path] != b[path] {
			differing = append(differing, fmt.Sprintf("%s: %q, then %q", path, a[path], b[path]))
		}
	}
	return differing
}
