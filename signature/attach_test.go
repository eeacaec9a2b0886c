package signature

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	registryserver "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pablodelarco/opennebula-helm/e2e/lab/registry/registrytest"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/sigstore"
	"github.com/pablodelarco/opennebula-helm/registry"
)

// eachRegistry runs a test with the registries that tests have.
func eachRegistry(t *testing.T, test func(*testing.T, *registrytest.Faults)) {
	t.Run("in memory", func(t *testing.T) { test(t, registrytest.Start(t)) })
	t.Run("with referrers", func(t *testing.T) { test(t, registrytest.Start(t, registryserver.WithReferrersSupport(true))) })
	t.Run("Debian's", func(t *testing.T) { test(t, registrytest.StartDistribution(t).Faults) })
}

// open is a repository that waits for nothing, and tries nothing again.
func open(t testing.TB, at *registrytest.Faults) *registry.Repository {
	repository, err := registry.Open(at.Address()+"/team/thing", registry.WithRetries(0, time.Millisecond))
	require.NoError(t, err)
	return repository
}

func pushImage(t testing.TB, repository *registry.Repository) v1.Hash {
	image, err := random.Image(512, 1)
	require.NoError(t, err)
	digest, err := repository.Push(t.Context(), image)
	require.NoError(t, err)
	return digest
}

func pushIndex(t testing.TB, repository *registry.Repository) (digest v1.Hash, images []v1.Hash) {
	index, err := random.Index(512, 1, 2)
	require.NoError(t, err)
	digest, err = repository.Push(t.Context(), index)
	require.NoError(t, err)
	manifest, err := index.IndexManifest()
	require.NoError(t, err)
	for _, m := range manifest.Manifests {
		images = append(images, m.Digest)
	}
	return digest, images
}

func newSigner(t testing.TB) *Signer {
	key, err := GenerateKey()
	require.NoError(t, err)
	signer, err := WithKey(key)
	require.NoError(t, err)
	return signer
}

// spdxOf is a document as scanners write it.
func spdxOf(image v1.Hash) []byte {
	return fmt.Appendf(nil, `{
  "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": "thing",
  "documentNamespace": "https://example.org/thing-1", "creationInfo": {"created": "2026-01-02T03:04:05Z", "creators": ["Tool: test-1"]},
  "packages": [
    {"name": "thing", "SPDXID": "SPDXRef-image", "versionInfo": "%s", "downloadLocation": "NOASSERTION", "filesAnalyzed": false, "primaryPackagePurpose": "CONTAINER"},
    {"name": "bash", "SPDXID": "SPDXRef-bash", "versionInfo": "5.2", "downloadLocation": "NOASSERTION", "filesAnalyzed": false}
  ],
  "relationships": [
    {"spdxElementId": "SPDXRef-DOCUMENT", "relatedSpdxElement": "SPDXRef-image", "relationshipType": "DESCRIBES"},
    {"spdxElementId": "SPDXRef-image", "relatedSpdxElement": "SPDXRef-bash", "relationshipType": "CONTAINS"}
  ]
}`, image)
}

func provenanceOf(t testing.TB) json.RawMessage {
	predicate, err := OfChart("1.0.0", "0123456789012345678901234567890123456789", "example.org/thing@sha256:"+hex64, aRun).Predicate()
	require.NoError(t, err)
	return predicate
}

const hex64 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

var aRun = Run{
	Builder: "https://example.org/builder", Invocation: "https://example.org/runs/1",
	Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Finished: time.Date(2026, 1, 2, 3, 14, 5, 0, time.UTC),
}

// attachAll is what a release does with an image.
func attachAll(t testing.TB, repository *registry.Repository, digest v1.Hash, signer *Signer) error {
	if err := Sign(t.Context(), repository, digest, signer); err != nil {
		return err
	}
	document, err := SPDX(spdxOf(digest), digest)
	require.NoError(t, err)
	if err := Attest(t.Context(), repository, digest, SBOM, document, signer); err != nil {
		return err
	}
	return Attest(t.Context(), repository, digest, Provenance, provenanceOf(t), signer)
}

func TestAttachAndVerify(t *testing.T) {
	eachRegistry(t, func(t *testing.T, at *registrytest.Faults) {
		repository, signer := open(t, at), newSigner(t)
		digest := pushImage(t, repository)
		none, err := Attached(t.Context(), repository, digest, signer.Policy())
		require.NoError(t, err)
		assert.Empty(t, none.Attached)

		require.NoError(t, attachAll(t, repository, digest, signer))
		report, err := Verify(t.Context(), repository, digest, signer.Policy(), Signature, SBOM, Provenance)
		require.NoError(t, err)
		require.Len(t, report.Attached, 3)
		assert.Empty(t, report.Refused)
		for _, a := range report.Attached {
			assert.Equal(t, signer.policy.whose, a.Signer)
			switch a.Kind {
			case Signature:
				assert.Nil(t, a.Predicate)
			case SBOM:
				assert.JSONEq(t, string(spdxOf(digest)), string(a.Predicate))
			case Provenance:
				assert.JSONEq(t, string(provenanceOf(t)), string(a.Predicate))
			}
		}

		at.Break(0, "")
		require.NoError(t, attachAll(t, repository, digest, signer))
		assert.Empty(t, at.Writes(), "what is there is not written again")
	})
}

func TestIndexIsSignedWithItsImages(t *testing.T) {
	eachRegistry(t, func(t *testing.T, at *registrytest.Faults) {
		repository, signer := open(t, at), newSigner(t)
		digest, images := pushIndex(t, repository)
		require.NoError(t, Sign(t.Context(), repository, digest, signer))
		for _, d := range append(images, digest) {
			_, err := Verify(t.Context(), repository, d, signer.Policy(), Signature)
			require.NoError(t, err)
		}
		_, err := Verify(t.Context(), repository, digest, signer.Policy(), Signature, SBOM)
		require.ErrorContains(t, err, "has no SPDX document by the key SHA256:")
		for _, image := range images {
			require.NoError(t, Attest(t.Context(), repository, image, SBOM, spdxOf(image), signer))
		}
		report, err := Verify(t.Context(), repository, digest, signer.Policy(), Signature, SBOM)
		require.NoError(t, err)
		assert.Len(t, report.Images, 2)
		assert.False(t, report.Has(Provenance))
	})
}

// After a failure of any request and a rerun, all is as it would be without it: when
// nothing was applied, when all was and nobody knows, and when half of an answer came.
func TestFailuresAtEveryRequest(t *testing.T) {
	if testing.Short() {
		t.Skip("some hundred releases")
	}
	key := func(t *testing.T) *Signer { return newSigner(t) }
	keyless := func(t *testing.T) *Signer {
		return newInstance(t).signer(t, releaser, sigstore.Token(GitHubIssuer, workflow))
	}
	eachRegistry(t, func(t *testing.T, at *registrytest.Faults) {
		t.Run("by key, nothing applied", func(t *testing.T) { failEverywhere(t, at, registrytest.ServerError, key(t)) })
		t.Run("keyless, all applied", func(t *testing.T) { failEverywhere(t, at, registrytest.Lost, keyless(t)) })
	})
	at := registrytest.Start(t)
	for _, fault := range registrytest.All {
		t.Run(string(fault), func(t *testing.T) { failEverywhere(t, at, fault, keyless(t)) })
	}
}

func failEverywhere(t *testing.T, at *registrytest.Faults, fault registrytest.Fault, signer *Signer) {
	for n := 1; ; n++ {
		at.Break(0, "")
		digest := pushImage(t, open(t, at))
		at.Break(n, fault)
		_ = attachAll(t, open(t, at), digest, signer) // fails, but where nothing depends on the request
		if len(at.Requests()) < n {
			require.Greater(t, n, 30, "as many requests at least")
			return
		}
		at.Break(0, "")
		repository := open(t, at)
		require.NoError(t, attachAll(t, repository, digest, signer), "request %d", n)
		report, err := Verify(t.Context(), repository, digest, signer.Policy(), Signature, SBOM, Provenance)
		require.NoError(t, err, "request %d", n)
		assert.Len(t, report.Attached, 3, "request %d", n)
		assert.Empty(t, report.Refused, "request %d", n)
	}
}
