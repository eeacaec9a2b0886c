package image

import (
	"archive/tar"
	"compress/gzip"
	"crypto/rand"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/crane"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/stretchr/testify/require"

	"github.com/pablodelarco/opennebula-helm/e2e/lab/registry/registrytest"
)

// An image of 500 MB is published to Debian's registry, each time an empty one, by
// Publish, by crane's package and by skopeo. Printed are Publish's times as parts of
// theirs.
func BenchmarkPublish(b *testing.B) {
	skopeo, err := exec.LookPath("skopeo")
	if err != nil {
		b.Skip("skopeo is not there; apt-get install skopeo")
	}
	folder := bigLayout(b, 5, 100<<20)
	images, err := Load(b.Context(), folder, "")
	require.NoError(b, err)
	ways := []struct {
		name string
		send func(at *registrytest.Distribution) error
	}{
		{"publish", func(at *registrytest.Distribution) error {
			index, err := Join(images...)
			require.NoError(b, err)
			_, err = Publish(b.Context(), repositoryAt(b, at.Direct), index, "7.2.0", "latest")
			return err
		}},
		{"crane", func(at *registrytest.Distribution) error {
			return crane.Push(images[0], at.Direct+"/team/frontend:7.2.0", crane.Insecure)
		}},
		{"skopeo", func(at *registrytest.Distribution) error {
			return exec.CommandContext(b.Context(), skopeo, "copy", "--quiet", "--insecure-policy", "--dest-tls-verify=false",
				"oci:"+folder, "docker://"+at.Direct+"/team/frontend:7.2.0").Run()
		}},
	}
	took := map[string]time.Duration{}
	for b.Loop() {
		for _, way := range ways {
			at := registrytest.StartDistribution(b)
			began := time.Now()
			require.NoError(b, way.send(at), way.name)
			took[way.name] += time.Since(began)
			require.NoError(b, os.RemoveAll(filepath.Join(at.Dir, "docker")))
		}
		ways = append(ways[1:], ways[0]) // no way is always first
	}
	b.ReportMetric(took["publish"].Seconds()/took["crane"].Seconds(), "of-crane")
	b.ReportMetric(took["publish"].Seconds()/took["skopeo"].Seconds(), "of-skopeo")
}

// What is there already is published again.
func BenchmarkPublishAgain(b *testing.B) {
	images, err := Load(b.Context(), bigLayout(b, 10, 1<<10), "")
	require.NoError(b, err)
	index, err := Join(images...)
	require.NoError(b, err)
	at := registrytest.Start(b)
	_, err = Publish(b.Context(), repositoryAt(b, at.Address()), index, "7.2.0", "7.2", "latest")
	require.NoError(b, err)
	for b.Loop() {
		at.Break(0, "")
		again, err := Publish(b.Context(), repositoryAt(b, at.Address()), index, "7.2.0", "7.2", "latest")
		require.NoError(b, err)
		require.True(b, again.Already)
	}
	b.ReportMetric(float64(len(at.Requests())), "requests")
	b.ReportMetric(float64(len(at.Writes())), "writes")
}

// bigLayout writes a front-end's image of random layers, which do not compress.
func bigLayout(b *testing.B, layers int, size int64) string {
	img := empty.Image
	for range layers {
		file := filepath.Join(b.TempDir(), "layer.tar")
		writeTar(b, file, size)
		layer, err := tarball.LayerFromFile(file, tarball.WithCompressionLevel(gzip.NoCompression))
		require.NoError(b, err)
		img, err = mutate.AppendLayers(img, layer)
		require.NoError(b, err)
	}
	config, err := img.ConfigFile()
	require.NoError(b, err)
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", "amd64"
	config.Config = v1.Config{User: User, Entrypoint: Entrypoint, Labels: map[string]string{}}
	for _, name := range labelNames {
		config.Config.Labels[name] = "anything"
	}
	config.Config.Labels[VersionLabel] = "7.2.0"
	config.Config.Labels[CreatedLabel] = "2026-01-02T03:04:05Z"
	config.Config.Labels[BaseDigestLabel] = "sha256:" + strings.Repeat("0", 64)
	img, err = mutate.ConfigFile(img, config)
	require.NoError(b, err)
	folder := b.TempDir()
	path, err := layout.Write(folder, empty.Index)
	require.NoError(b, err)
	require.NoError(b, path.AppendImage(img))
	return folder
}

func writeTar(b *testing.B, name string, size int64) {
	file, err := os.Create(name)
	require.NoError(b, err)
	archive := tar.NewWriter(file)
	require.NoError(b, archive.WriteHeader(&tar.Header{Name: "random", Typeflag: tar.TypeReg, Size: size, Mode: 0o644}))
	_, err = io.CopyN(archive, rand.Reader, size)
	require.NoError(b, err)
	require.NoError(b, archive.Close())
	require.NoError(b, file.Close())
}
