package image

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// layoutOf writes images as builders do: an index within the layout's index, with
// annotations of the builder's own, and an attestation beside the images.
func layoutOf(t *testing.T, images ...v1.Image) string {
	built := listed()
	for _, img := range images {
		built = mutate.AppendManifests(built, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{
			Platform: &v1.Platform{OS: "linux"}, Annotations: map[string]string{"org.opencontainers.image.created": "2026-01-02T03:04:05Z"},
		}})
	}
	built = mutate.AppendManifests(built, mutate.IndexAddendum{Add: empty.Image, Descriptor: v1.Descriptor{
		Platform: &v1.Platform{OS: "unknown", Architecture: "unknown"},
	}})
	folder := t.TempDir()
	path, err := layout.Write(folder, empty.Index)
	require.NoError(t, err)
	require.NoError(t, path.AppendIndex(built, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": "built"})))
	return folder
}

// tarOf packs a folder, with what has no place in a layout beside it.
func tarOf(t *testing.T, folder string) string {
	name := filepath.Join(t.TempDir(), "image.tar")
	file, err := os.Create(name)
	require.NoError(t, err)
	defer file.Close()
	archive := tar.NewWriter(file)
	require.NoError(t, archive.AddFS(os.DirFS(folder)))
	for _, odd := range []string{"manifest.json", "../outside", "blobs/sha256/../../../outside"} {
		require.NoError(t, archive.WriteHeader(&tar.Header{Name: odd, Typeflag: tar.TypeReg, Size: 2, Mode: 0o644}))
		_, err := archive.Write([]byte("{}"))
		require.NoError(t, err)
	}
	require.NoError(t, archive.WriteHeader(&tar.Header{Name: "blobs/sha256/" + strings.Repeat("a", 64), Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}))
	require.NoError(t, archive.Close())
	return name
}

func TestLoadUnpacksNothingElse(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "deep/unpacked")
	images, err := Load(t.Context(), tarOf(t, layoutOf(t, releasedImage(t, "amd64", nil))), folder)
	require.NoError(t, err)
	require.Len(t, images, 1)
	assert.NoFileExists(t, filepath.Join(folder, "manifest.json"))
	assert.NoFileExists(t, filepath.Join(folder, "../outside"))
	assert.NoFileExists(t, filepath.Join(folder, "blobs/sha256", strings.Repeat("a", 64)))
}

func TestLoadRefuses(t *testing.T) {
	whole := tarOf(t, layoutOf(t, releasedImage(t, "amd64", nil)))
	content, err := os.ReadFile(whole)
	require.NoError(t, err)
	cut, odd, empty := filepath.Join(t.TempDir(), "cut.tar"), filepath.Join(t.TempDir(), "odd.tar"), t.TempDir()
	// Within a file: what ends between two cannot be told from a whole one of fewer files.
	begin, _, found := bytes.Cut(content, []byte("schemaVersion"))
	require.True(t, found)
	write(t, cut, string(begin))
	write(t, odd, strings.Repeat("no tar file", 100))
	nothing := layoutOf(t)
	for name, test := range map[string]struct{ source, want string }{
		"a folder without": {empty, empty + " is not an image in OCI's layout (it lacks index.json): export it as such"},
		"a layout of none": {nothing, nothing + " has no image for any platform"},
		"a cut file":       {cut, "unpack the image " + cut},
		"no tar file":      {odd, "it is no tar file, or was cut"},
		"a missing file":   {"./missing.tar", "read the image ./missing.tar: "},
		"no reference":     {"Not An Image", `"Not An Image" is not an image reference`},
		"a missing image":  {"127.0.0.1:1/team/frontend:7.2.0", "nothing listens at 127.0.0.1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(t.Context(), test.source, t.TempDir())
			assert.ErrorContains(t, err, test.want)
		})
	}
}
