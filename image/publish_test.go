package image

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pablodelarco/opennebula-helm/e2e/lab/registry/registrytest"
	"github.com/pablodelarco/opennebula-helm/registry"
)

// joined is an index of two small images.
func joined(t *testing.T) v1.ImageIndex {
	index, err := Join(releasedImage(t, "amd64", nil), releasedImage(t, "arm64", nil))
	require.NoError(t, err)
	return index
}

// repository is one that is asked again n times without a pause.
func repository(t testing.TB, at *registrytest.Faults, name string, retries int) *registry.Repository {
	r, err := registry.Open(at.Address()+"/"+name, registry.WithRetries(retries, time.Millisecond))
	require.NoError(t, err)
	return r
}

// repositoryAt is one with the retries that it has by default.
func repositoryAt(t testing.TB, address string) *registry.Repository {
	r, err := registry.Open(address + "/team/frontend")
	require.NoError(t, err)
	return r
}

// where is a registry for tests.
type where struct {
	// fresh has nothing in the repositories that were not used yet. In memory,
	// repositories share their blobs, so that it takes a new registry.
	fresh func() *registrytest.Faults
	// stored is what the registry keeps for a repository, where that can be seen.
	stored func(repository string) map[string]string
	slow   bool
}

func (w where) skipIfShort(t *testing.T) {
	if w.slow && testing.Short() {
		t.Skip("-short breaks requests of the quicker registry only")
	}
}

// eachRegistry runs a test with go-containerregistry's registry and Debian's.
func eachRegistry(t *testing.T, test func(t *testing.T, registry where)) {
	t.Run("in memory", func(t *testing.T) {
		test(t, where{
			fresh:  func() *registrytest.Faults { return registrytest.Start(t) },
			stored: func(string) map[string]string { return nil },
		})
	})
	t.Run("Debian's", func(t *testing.T) {
		d := registrytest.StartDistribution(t)
		test(t, where{
			fresh:  func() *registrytest.Faults { return d.Faults },
			stored: func(repository string) map[string]string { return filesOf(t, d.Dir, repository) },
			slow:   true,
		})
	})
}

// filesOf are the files that Debian's registry keeps for a repository, by path within
// it, but for uploads that were given up.
func filesOf(t *testing.T, dir, repository string) map[string]string {
	files := map[string]string{}
	root := filepath.Join(dir, "docker/registry/v2/repositories", repository)
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.Contains(path, "/_uploads/") {
			return err
		}
		content, err := os.ReadFile(path)
		files[strings.TrimPrefix(path, root)] = string(content)
		return err
	}))
	return files
}

func TestPublish(t *testing.T) {
	eachRegistry(t, func(t *testing.T, registries where) {
		at, index := registries.fresh(), joined(t)
		to := repository(t, at, "team/frontend", 0)
		published, err := Publish(t.Context(), to, index, "7.2.0", "7.2", "latest")
		require.NoError(t, err)
		assert.False(t, published.Already)
		assert.Equal(t, "7.2.0", published.Version)
		assert.Len(t, published.Platforms, 2)
		for _, tag := range []string{"7.2.0", "7.2", "latest"} {
			report, err := Verify(t.Context(), to.Name()+":"+tag)
			require.NoError(t, err)
			assert.Equal(t, published.Digest, report.Digest)
		}

		at.Break(0, "")
		again, err := Publish(t.Context(), to, index, "7.2.0", "7.2", "latest")
		require.NoError(t, err)
		assert.True(t, again.Already)
		assert.Equal(t, published.Report, again.Report)
		assert.Empty(t, at.Writes(), "what is there is not sent")

		_, err = Publish(t.Context(), to, joined(t), "7.2.0")
		require.ErrorIs(t, err, registry.ErrTaken)
		assert.ErrorContains(t, err, ":7.2.0 exists as "+published.Digest+" and is never moved")
		assert.Empty(t, at.Writes(), "nothing is sent in vain")

		rebuilt, err := Publish(t.Context(), to, joined(t), "7.2.0-1", "latest")
		require.NoError(t, err)
		tags, err := to.Tags(t.Context())
		require.NoError(t, err)
		assert.Equal(t, map[string]string{"7.2.0": published.Digest, "7.2": published.Digest, "7.2.0-1": rebuilt.Digest, "latest": rebuilt.Digest}, tags)
	})
}

// What a repository shows to those who read it: each tag with the bytes of all that
// it names. It fails if a tag names something that is not complete.
func shown(t *testing.T, at *registrytest.Faults, name string) map[string]string {
	r := repository(t, at, name, 3)
	tags, err := r.TagNames(t.Context())
	require.NoError(t, err)
	found := map[string]string{}
	for _, tag := range tags {
		report, err := Verify(t.Context(), r.Name()+":"+tag)
		require.NoError(t, err, "the tag %s is visible, and what it names is not whole", tag)
		require.Len(t, report.Platforms, 2)
		index, err := r.Get(t.Context(), tag)
		require.NoError(t, err)
		found[tag] = string(index.Manifest)
		for _, platform := range report.Platforms {
			image, err := r.Get(t.Context(), platform.Digest)
			require.NoError(t, err)
			found[platform.Digest] = string(image.Manifest)
			addBlobs(t, found, image.Image)
		}
	}
	return found
}

func addBlobs(t *testing.T, found map[string]string, read func() (v1.Image, error)) {
	image, err := read()
	require.NoError(t, err)
	layers, err := image.Layers()
	require.NoError(t, err)
	config, err := partial.ConfigLayer(image)
	require.NoError(t, err)
	for _, blob := range append(slices.Clone(layers), config) {
		digest, err := blob.Digest()
		require.NoError(t, err)
		content, err := blob.Compressed()
		require.NoError(t, err)
		bytes, err := io.ReadAll(content)
		require.NoError(t, err)
		require.NoError(t, content.Close())
		found[digest.String()] = string(bytes)
	}
}

// Each request of a publication fails in each way. At no time does a tag name what is
// not whole, and the next run ends where a run without failures ends.
func TestPublishSurvivesFailuresAnywhere(t *testing.T) {
	eachRegistry(t, func(t *testing.T, registries where) {
		registries.skipIfShort(t)
		index := joined(t)
		publish := func(at *registrytest.Faults, name string) error {
			_, err := Publish(t.Context(), repository(t, at, name, 0), index, "7.2.0", "latest")
			return err
		}
		clean := registries.fresh()
		clean.Break(0, "")
		require.NoError(t, publish(clean, "team/clean"))
		requests := len(clean.Requests())
		want, files := shown(t, clean, "team/clean"), registries.stored("team/clean")
		require.Contains(t, want, "latest")

		failed := map[registrytest.Fault]int{}
		for n := 1; n <= requests; n++ {
			for _, fault := range faultsFor(n, registrytest.All) {
				at, name := registries.fresh(), repositoryFor(fault, n)
				at.Break(n, fault)
				if err := publish(at, name); err != nil {
					failed[fault]++
				}
				at.Break(0, "")
				shown(t, at, name)
				require.NoError(t, publish(at, name), "the run after %s of request %d", fault, n)
				require.Equal(t, want, shown(t, at, name), "after %s of request %d", fault, n)
				require.Equal(t, files, registries.stored(name), "after %s of request %d", fault, n)
			}
		}
		t.Logf("of %d requests made the run fail: %v", requests, failed)
		for _, fault := range registrytest.All {
			require.Positive(t, failed[fault], "%s: a fault that nothing fails of is none", fault)
		}
	})
}

// faultsFor the n-th request are all, or, where time is short, one after the other.
func faultsFor(n int, all []registrytest.Fault) []registrytest.Fault {
	if testing.Short() {
		return all[n%len(all):][:1]
	}
	return all
}

func repositoryFor(fault registrytest.Fault, n int) string {
	return fmt.Sprintf("team/%s/%d", strings.Map(letters, string(fault)), n)
}

// letters keeps what the name of a repository may have.
func letters(r rune) rune {
	if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
		return r
	}
	return -1
}

// With retries, a failure that passes is overcome in the same run.
func TestPublishRetries(t *testing.T) {
	eachRegistry(t, func(t *testing.T, registries where) {
		registries.skipIfShort(t)
		index, clean := joined(t), registries.fresh()
		clean.Break(0, "")
		_, err := Publish(t.Context(), repository(t, clean, "team/clean", 2), index, "7.2.0", "latest")
		require.NoError(t, err)
		for n := range clean.Requests() {
			for _, fault := range faultsFor(n, registrytest.Transient) {
				at := registries.fresh()
				at.Break(n+1, fault)
				_, err := Publish(t.Context(), repository(t, at, repositoryFor(fault, n), 2), index, "7.2.0", "latest")
				require.NoError(t, err, "%s of request %d", fault, n+1)
			}
		}
	})
}

// A rerun sends only what the run before had not sent.
func TestPublishResumes(t *testing.T) {
	index := joined(t)
	publish := func(at *registrytest.Faults) error {
		_, err := Publish(t.Context(), repository(t, at, "team/frontend", 0), index, "7.2.0")
		return err
	}
	clean, at := registrytest.Start(t), registrytest.Start(t)
	require.NoError(t, publish(clean))
	manifest := slices.IndexFunc(clean.Requests(), func(r registrytest.Request) bool {
		return r.Method == http.MethodPut && strings.Contains(r.Path, "/manifests/")
	})
	require.Positive(t, blobBytes(clean))

	at.Break(manifest+1, registrytest.ServerError)
	require.ErrorContains(t, publish(at), "send the manifest")
	at.Break(0, "")
	require.NoError(t, publish(at))
	assert.Zero(t, blobBytes(at), "all blobs were there")
}

// blobBytes are those that were sent since the last Break.
func blobBytes(at *registrytest.Faults) int64 {
	var total int64
	for _, request := range at.Requests() {
		if request.Method == http.MethodPatch {
			total += request.Bytes
		}
	}
	return total
}

// What a registry lost is sent again, though the tag is there.
func TestPublishHeals(t *testing.T) {
	d := registrytest.StartDistribution(t)
	index, to := joined(t), repository(t, d.Faults, "team/frontend", 0)
	first, err := Publish(t.Context(), to, index, "7.2.0")
	require.NoError(t, err)
	layers := filepath.Join(d.Dir, "docker/registry/v2/repositories/team/frontend/_layers")
	require.NoError(t, os.RemoveAll(layers))
	_, err = Verify(t.Context(), to.Name()+":7.2.0")
	require.Error(t, err, "it is damaged")

	again, err := Publish(t.Context(), to, index, "7.2.0")
	require.NoError(t, err)
	assert.False(t, again.Already)
	assert.Equal(t, first.Report, again.Report)
	assert.NotEmpty(t, shown(t, d.Faults, "team/frontend"))
}

func TestPublishRefusesTags(t *testing.T) {
	at := registrytest.Start(t)
	to := repository(t, at, "team/frontend", 0)
	for name, test := range map[string]struct {
		version  string
		floating []string
		want     string
	}{
		"another release":      {"7.2.1", nil, "is 7.2.0, which the tag 7.2.1 does not name"},
		"a floating version":   {"latest", nil, `"latest" is not the version of an image: publish it as X.Y.Z or X.Y.Z-N`},
		"another line":         {"7.2.0", []string{"7.4"}, "which the tag 7.4 does not name"},
		"a version to move":    {"7.2.0", []string{"7.2.0-1"}, "the tag 7.2.0-1 is never moved"},
		"an unknown tag":       {"7.2.0", []string{"stable"}, "the tag stable is none of X.Y.Z"},
		"no version":           {"", nil, `"" is not the version`},
		"a tag that is no tag": {"7.2.0", []string{"a b"}, "the tag a b is none of"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Publish(t.Context(), to, joined(t), test.version, test.floating...)
			require.ErrorContains(t, err, test.want)
			assert.Empty(t, at.Requests())
		})
	}
}

func TestJoin(t *testing.T) {
	amd64, arm64 := releasedImage(t, "amd64", nil), releasedImage(t, "arm64", nil)
	index, err := Join(arm64, amd64)
	require.NoError(t, err)
	manifest, err := index.IndexManifest()
	require.NoError(t, err)
	require.Len(t, manifest.Manifests, 2)
	assert.Equal(t, "linux/amd64", manifest.Manifests[0].Platform.String())
	assert.Equal(t, "linux/arm64", manifest.Manifests[1].Platform.String())
	assert.Equal(t, "7.2.0", manifest.Annotations[VersionLabel])
	assert.Len(t, manifest.Annotations, len(labelNames))
	assert.EqualValues(t, "application/vnd.oci.image.index.v1+json", manifest.MediaType)
}

func TestJoinRefuses(t *testing.T) {
	amd64 := releasedImage(t, "amd64", nil)
	for name, test := range map[string]struct {
		images []v1.Image
		want   string
	}{
		"nothing":          {nil, "there is no image to publish"},
		"a platform twice": {[]v1.Image{amd64, releasedImage(t, "amd64", nil)}, "there are two images for linux/amd64: give one"},
		"another revision": {[]v1.Image{amd64, releasedImage(t, "arm64", label(RevisionLabel, "4567def"))}, "the label " + RevisionLabel + ` is "0123abc" for linux/amd64 and "4567def" for linux/arm64: build all platforms from one commit`},
		"another title":    {[]v1.Image{amd64, releasedImage(t, "arm64", label(TitleLabel, "other"))}, "the label " + TitleLabel},
		"a label more":     {[]v1.Image{amd64, releasedImage(t, "arm64", label("org.opencontainers.image.vendor", "me"))}, `org.opencontainers.image.vendor is "" for linux/amd64 and "me" for linux/arm64`},
		"a label too few":  {[]v1.Image{releasedImage(t, "arm64", label(CreatedLabel, ""))}, "image 1 of 1, linux/arm64: it has no label " + CreatedLabel},
		"another user":     {[]v1.Image{amd64, releasedImage(t, "arm64", func(c *v1.ConfigFile) { c.Config.User = "root" })}, `image 2 of 2, linux/arm64: it runs as "root"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Join(test.images...)
			assert.ErrorContains(t, err, test.want)
		})
	}
}

// Wherever the images come from, the index is the same.
func TestJoinIsReproducible(t *testing.T) {
	amd64, arm64 := releasedImage(t, "amd64", nil), releasedImage(t, "arm64", nil)
	direct, err := Join(amd64, arm64)
	require.NoError(t, err)
	want, err := direct.RawManifest()
	require.NoError(t, err)

	both := layoutOf(t, amd64, arm64)
	staged := offer(t, "built", listed(listedFor("arm64", arm64), listedFor("amd64", amd64)))
	for name, sources := range map[string][]string{
		"a folder":            {both},
		"a folder each":       {layoutOf(t, arm64), layoutOf(t, amd64)},
		"a tar file":          {tarOf(t, both)},
		"a registry":          {staged},
		"an image each":       {offer(t, "built", arm64), offer(t, "built", amd64)},
		"folder and registry": {layoutOf(t, amd64), offer(t, "built", arm64)},
	} {
		t.Run(name, func(t *testing.T) {
			var images []v1.Image
			for _, source := range sources {
				more, err := Load(t.Context(), source, t.TempDir())
				require.NoError(t, err)
				images = append(images, more...)
			}
			index, err := Join(images...)
			require.NoError(t, err)
			got, err := index.RawManifest()
			require.NoError(t, err)
			assert.Equal(t, string(want), string(got))
			assert.True(t, bytes.Equal(want, got))

			to := repository(t, registrytest.Start(t), "team/frontend", 0)
			_, err = Publish(t.Context(), to, index, "7.2.0")
			require.NoError(t, err)
		})
	}
}

// From a staging repository of the same registry, layers are mounted.
func TestPublishMounts(t *testing.T) {
	eachRegistry(t, func(t *testing.T, registries where) {
		at := registries.fresh()
		staging := repository(t, at, "team/staging", 0)
		digest, err := staging.Push(t.Context(), listed(listedFor("amd64", releasedImage(t, "amd64", nil)), listedFor("arm64", releasedImage(t, "arm64", nil))))
		require.NoError(t, err)
		images, err := Load(t.Context(), staging.Name()+"@"+digest.String(), "")
		require.NoError(t, err)
		index, err := Join(images...)
		require.NoError(t, err)
		at.Break(0, "")
		_, err = Publish(t.Context(), repository(t, at, "team/frontend", 0), index, "7.2.0")
		require.NoError(t, err)
		assert.Zero(t, blobBytes(at), "no blob is sent within a registry")
	})
}
