package registry

import (
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pablodelarco/opennebula-helm/e2e/lab/registry/registrytest"
)

// open is a repository that waits for nothing.
func open(t *testing.T, repository string, options ...Option) *Repository {
	r, err := Open(repository, append([]Option{WithRetries(3, time.Millisecond)}, options...)...)
	require.NoError(t, err)
	return r
}

// anIndex has two small images.
func anIndex(t *testing.T) v1.ImageIndex {
	index, err := random.Index(512, 2, 2)
	require.NoError(t, err)
	return index
}

func anImage(t *testing.T) v1.Image {
	image, err := random.Image(512, 2)
	require.NoError(t, err)
	return image
}

// eachRegistry runs a test with the registries that tests have.
func eachRegistry(t *testing.T, test func(*testing.T, *registrytest.Faults)) {
	t.Run("in memory", func(t *testing.T) { test(t, registrytest.Start(t)) })
	t.Run("with referrers", func(t *testing.T) { test(t, registrytest.Start(t, registry.WithReferrersSupport(true))) })
	t.Run("Debian's", func(t *testing.T) { test(t, registrytest.StartDistribution(t).Faults) })
}

func TestNamesAreWrittenAsPeopleDo(t *testing.T) {
	for repository, want := range map[string]string{
		"docker.io/team/thing":       "docker.io/team/thing",
		"index.docker.io/team/thing": "docker.io/team/thing",
		"team/thing":                 "docker.io/team/thing",
		"debian":                     "docker.io/library/debian",
		"ghcr.io/team/thing":         "ghcr.io/team/thing",
		"localhost:5000/thing":       "localhost:5000/thing",
	} {
		assert.Equal(t, want, open(t, repository).Name())
	}
}

func TestPushByDigest(t *testing.T) {
	eachRegistry(t, func(t *testing.T, at *registrytest.Faults) {
		r, index := open(t, at.Address()+"/team/thing"), anIndex(t)
		tags, err := r.Tags(t.Context())
		require.NoError(t, err)
		assert.Empty(t, tags, "no repository yet")

		digest, err := r.Push(t.Context(), index)
		require.NoError(t, err)
		tags, err = r.Tags(t.Context())
		require.NoError(t, err)
		assert.Empty(t, tags, "nothing is tagged")
		got, err := r.Get(t.Context(), digest.String())
		require.NoError(t, err)
		want, err := index.RawManifest()
		require.NoError(t, err)
		assert.Equal(t, string(want), string(got.Manifest))

		at.Break(0, "")
		again, err := r.Push(t.Context(), index)
		require.NoError(t, err)
		assert.Equal(t, digest, again)
		assert.Empty(t, at.Writes(), "what is there is not sent")
	})
}

func TestTagStaysAndMoveMoves(t *testing.T) {
	eachRegistry(t, func(t *testing.T, at *registrytest.Faults) {
		r := open(t, at.Address()+"/team/thing")
		first, err := r.Push(t.Context(), anIndex(t))
		require.NoError(t, err)
		second, err := r.Push(t.Context(), anImage(t))
		require.NoError(t, err)

		require.NoError(t, r.Tag(t.Context(), first, "1.0.0"))
		require.NoError(t, r.Move(t.Context(), first, "latest"))
		at.Break(0, "")
		require.NoError(t, r.Tag(t.Context(), first, "1.0.0"), "it is that already")
		require.NoError(t, r.Move(t.Context(), first, "latest"))
		assert.Empty(t, at.Writes())

		err = r.Tag(t.Context(), second, "1.0.0")
		require.ErrorIs(t, err, ErrTaken)
		assert.ErrorContains(t, err, r.Name()+":1.0.0 exists as "+first.String()+" and is never moved")
		require.NoError(t, r.Move(t.Context(), second, "latest"))
		tags, err := r.Tags(t.Context())
		require.NoError(t, err)
		assert.Equal(t, map[string]string{"1.0.0": first.String(), "latest": second.String()}, tags)
	})
}

func TestCopyMountsWithinARegistry(t *testing.T) {
	eachRegistry(t, func(t *testing.T, at *registrytest.Faults) {
		from, to := open(t, at.Address()+"/team/staging"), open(t, at.Address()+"/team/thing")
		digest, err := from.Push(t.Context(), anIndex(t))
		require.NoError(t, err)
		at.Break(0, "")
		copied, err := to.Copy(t.Context(), from, digest.String())
		require.NoError(t, err)
		assert.Equal(t, digest, copied)
		for _, request := range at.Writes() {
			assert.NotEqual(t, "PATCH", request.Method, "blobs are not sent within a registry")
		}
	})
}

func TestCopyBetweenRegistries(t *testing.T) {
	from, to := open(t, registrytest.Start(t).Address()+"/a/b"), open(t, registrytest.Start(t).Address()+"/team/copy")
	digest, err := from.Push(t.Context(), anIndex(t))
	require.NoError(t, err)
	require.NoError(t, from.Move(t.Context(), digest, "stable"))
	copied, err := to.Copy(t.Context(), from, "stable")
	require.NoError(t, err)
	assert.Equal(t, digest, copied)
}

// attached is an artifact that refers to a subject, as a signature does.
func attached(t *testing.T, subject v1.ImageIndex) v1.Image {
	descriptor := v1.Descriptor{}
	var err error
	descriptor.Digest, err = subject.Digest()
	require.NoError(t, err)
	descriptor.Size, err = subject.Size()
	require.NoError(t, err)
	descriptor.MediaType, err = subject.MediaType()
	require.NoError(t, err)
	artifact, ok := mutate.Subject(mutate.ConfigMediaType(anImage(t), "application/vnd.test.signature"), descriptor).(v1.Image)
	require.True(t, ok)
	return artifact
}

func TestReferrers(t *testing.T) {
	eachRegistry(t, func(t *testing.T, at *registrytest.Faults) {
		r, index := open(t, at.Address()+"/team/thing"), anIndex(t)
		subject, err := r.Push(t.Context(), index)
		require.NoError(t, err)
		none, err := r.Referrers(t.Context(), subject, "")
		require.NoError(t, err)
		assert.Empty(t, none)

		signature := attached(t, index)
		digest, err := r.Push(t.Context(), signature)
		require.NoError(t, err)
		for artifactType, want := range map[string]int{"": 1, "application/vnd.test.signature": 1, "application/vnd.test.other": 0} {
			listed, err := r.Referrers(t.Context(), subject, artifactType)
			require.NoError(t, err)
			require.Len(t, listed, want, artifactType)
			if want == 1 {
				assert.Equal(t, digest, listed[0].Digest)
			}
		}
	})
}

// What ended between a manifest and the list of referrers is finished by the next run.
func TestReferrersAreListedLater(t *testing.T) {
	at := registrytest.Start(t)
	r, index := open(t, at.Address()+"/team/thing", WithRetries(0, 0)), anIndex(t)
	subject, err := r.Push(t.Context(), index)
	require.NoError(t, err)
	signature := attached(t, index)

	at.Break(0, "")
	_, err = open(t, at.Address()+"/team/elsewhere").Push(t.Context(), signature)
	require.NoError(t, err)
	for n := range at.Requests() {
		at.Break(n+1, registrytest.ServerError)
		_, _ = r.Push(t.Context(), signature) // fails, or not, if it has nothing left to do
		at.Break(0, "")
		_, err = r.Push(t.Context(), signature)
		require.NoError(t, err)
		listed, err := r.Referrers(t.Context(), subject, "")
		require.NoError(t, err)
		require.Len(t, listed, n+1)
		signature = attached(t, index)
	}
}

func TestIndexOfNothing(t *testing.T) {
	r := open(t, registrytest.Start(t).Address()+"/team/thing")
	digest, err := r.Push(t.Context(), empty.Index)
	require.NoError(t, err)
	found, err := r.Resolve(t.Context(), digest.String())
	require.NoError(t, err)
	assert.Equal(t, digest, found)
}
