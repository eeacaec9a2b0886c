package signature

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pablodelarco/opennebula-helm/e2e/lab/registry/registrytest"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/sigstore"
	"github.com/pablodelarco/opennebula-helm/registry"
)

func signatureOf(t testing.TB, signer *Signer, digest v1.Hash) []byte {
	statement, err := newStatement(Signature, "", digest, nil)
	require.NoError(t, err)
	bundle, err := signer.bundle(t.Context(), statement, digest)
	require.NoError(t, err)
	return bundle
}

func subjectOf(t testing.TB, repository *registry.Repository, digest v1.Hash) v1.Descriptor {
	subject, err := repository.Get(t.Context(), digest.String())
	require.NoError(t, err)
	return subject.Descriptor
}

// put stores content as if it were a bundle.
func put(t testing.TB, repository *registry.Repository, subject v1.Descriptor, content []byte) {
	image, err := newArtifact(content, Signature, subject)
	require.NoError(t, err)
	_, err = repository.Push(t.Context(), image)
	require.NoError(t, err)
}

// edit changes the bundle's envelope.
func edit(t *testing.T, bundle []byte, change func(envelope map[string]any)) []byte {
	var all map[string]any
	require.NoError(t, json.Unmarshal(bundle, &all))
	change(all["dsseEnvelope"].(map[string]any))
	text, err := json.Marshal(all)
	require.NoError(t, err)
	return text
}

func TestWhatDoesNotCount(t *testing.T) {
	key, i := newSigner(t), newInstance(t)
	keyless := i.signer(t, releaser, sigstore.Token(GitHubIssuer, workflow))
	other := v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("0", 64)}
	for name, test := range map[string]struct {
		policy Policy
		bundle func(t *testing.T, digest v1.Hash) []byte
		want   string
	}{
		"no bundle":            {key.policy, func(*testing.T, v1.Hash) []byte { return []byte("hello") }, "it is no sigstore bundle"},
		"an empty bundle":      {key.policy, func(*testing.T, v1.Hash) []byte { return []byte("{}") }, "it is no sigstore bundle"},
		"of another digest":    {key.policy, func(t *testing.T, _ v1.Hash) []byte { return signatureOf(t, key, other) }, "does not match any digest in statement"},
		"by another key":       {key.policy, func(t *testing.T, d v1.Hash) []byte { return signatureOf(t, newSigner(t), d) }, "it is not by the key SHA256:"},
		"keyless for a key":    {key.policy, func(t *testing.T, d v1.Hash) []byte { return signatureOf(t, keyless, d) }, "expected key signature, not certificate"},
		"by a key for keyless": {keyless.policy, func(t *testing.T, d v1.Hash) []byte { return signatureOf(t, key, d) }, "it is not by " + releaser.Subject},
		"by another instance": {keyless.policy, func(t *testing.T, d v1.Hash) []byte {
			return signatureOf(t, newInstance(t).signer(t, releaser, sigstore.Token(GitHubIssuer, workflow)), d)
		}, "it is not by " + releaser.Subject},
		"by another identity": {keyless.policy, func(t *testing.T, d v1.Hash) []byte {
			fork := "mallory/fork/.github/workflows/release.yml@refs/heads/main"
			return signatureOf(t, i.signer(t, Identity{Issuer: GitHubIssuer, Subject: "https://github.com/" + fork}, sigstore.Token(GitHubIssuer, fork)), d)
		}, "mallory/fork"},
		"its statement changed": {key.policy, func(t *testing.T, d v1.Hash) []byte {
			return edit(t, signatureOf(t, key, other), func(envelope map[string]any) {
				statement, err := newStatement(Signature, "", d, nil)
				require.NoError(t, err)
				envelope["payload"] = statement // in base 64, by the encoder
			})
		}, "could not verify envelope"},
		"its signature taken away": {key.policy, func(t *testing.T, d v1.Hash) []byte {
			return edit(t, signatureOf(t, key, d), func(envelope map[string]any) { envelope["signatures"] = []any{} })
		}, "it is not by the key"},
		"of another type of statement": {key.policy, func(t *testing.T, d v1.Hash) []byte {
			return edit(t, signatureOf(t, key, d), func(envelope map[string]any) { envelope["payloadType"] = "text/plain" })
		}, "it is not by the key"},
		"its log entry taken away": {keyless.policy, func(t *testing.T, d v1.Hash) []byte {
			var all map[string]any
			require.NoError(t, json.Unmarshal(signatureOf(t, keyless, d), &all))
			delete(all["verificationMaterial"].(map[string]any), "tlogEntries")
			text, err := json.Marshal(all)
			require.NoError(t, err)
			return text
		}, "log inclusion"},
	} {
		t.Run(name, func(t *testing.T) {
			repository := open(t, registrytest.Start(t))
			digest := pushImage(t, repository)
			put(t, repository, subjectOf(t, repository, digest), test.bundle(t, digest))
			report, err := Verify(t.Context(), repository, digest, test.policy, Signature)
			require.ErrorContains(t, err, repository.Name()+"@"+digest.String()+" has no signature by "+test.policy.whose)
			require.ErrorContains(t, err, test.want)
			require.ErrorContains(t, err, "do not use it, or publish it again")
			assert.Empty(t, report.Attached)
			require.Len(t, report.Refused, 1)
		})
	}
}

// What does not count is left, and signed beside.
func TestSignsBesideWhatDoesNotCount(t *testing.T) {
	repository, signer := open(t, registrytest.Start(t)), newSigner(t)
	digest := pushImage(t, repository)
	put(t, repository, subjectOf(t, repository, digest), []byte("hello"))
	require.NoError(t, Sign(t.Context(), repository, digest, newSigner(t)))
	require.NoError(t, Sign(t.Context(), repository, digest, signer))
	report, err := Verify(t.Context(), repository, digest, signer.Policy(), Signature)
	require.NoError(t, err)
	assert.Len(t, report.Attached, 1)
	assert.Len(t, report.Refused, 2)
}

// A kind is what was signed, not what the manifest says.
func TestAttestationIsNoSignature(t *testing.T) {
	repository, signer := open(t, registrytest.Start(t)), newSigner(t)
	digest := pushImage(t, repository)
	statement, err := newStatement(Provenance, "", digest, []byte(`{}`))
	require.NoError(t, err)
	bundle, err := signer.bundle(t.Context(), statement, digest)
	require.NoError(t, err)
	put(t, repository, subjectOf(t, repository, digest), bundle)
	_, err = Verify(t.Context(), repository, digest, signer.Policy(), Signature)
	require.ErrorContains(t, err, "has no signature")
}

func TestOtherReferrersAreLeftAlone(t *testing.T) {
	repository, signer := open(t, registrytest.Start(t)), newSigner(t)
	digest := pushImage(t, repository)
	subject := subjectOf(t, repository, digest)
	image, err := mutate.AppendLayers(empty.Image, static.NewLayer([]byte("hello"), "text/plain"))
	require.NoError(t, err)
	for _, config := range []string{"application/vnd.test", emptyType} {
		other, ok := mutate.Subject(mutate.ConfigMediaType(image, "application/vnd.test"), subject).(v1.Image)
		require.True(t, ok)
		_, err = repository.Push(t.Context(), mutate.Annotations(other, map[string]string{"of": config}).(v1.Image))
		require.NoError(t, err)
	}
	report, err := Attached(t.Context(), repository, digest, signer.Policy())
	require.NoError(t, err)
	assert.Empty(t, report.Refused)
}

func TestWhatIsNotThereIsNotSigned(t *testing.T) {
	repository := open(t, registrytest.Start(t))
	pushImage(t, repository)
	require.ErrorIs(t, Sign(t.Context(), repository, aDigest, newSigner(t)), registry.ErrNotFound)
	require.ErrorIs(t, Attest(t.Context(), repository, aDigest, SBOM, []byte(`{}`), newSigner(t)), registry.ErrNotFound)
}

func TestPredicateMustBeAnObject(t *testing.T) {
	repository := open(t, registrytest.Start(t))
	digest := pushImage(t, repository)
	for _, predicate := range []string{"", "[]", `"text"`, "{", "nul"} {
		err := Attest(t.Context(), repository, digest, SBOM, []byte(predicate), newSigner(t))
		require.ErrorContains(t, err, "SPDX document", "%q", predicate)
	}
}

// A registry that cannot be read now has no say on what is there.
func TestFailureIsNoAbsence(t *testing.T) {
	at := registrytest.Start(t)
	signer := newSigner(t)
	digest := pushImage(t, open(t, at))
	require.NoError(t, Sign(t.Context(), open(t, at), digest, signer))
	at.Break(0, "")
	_, err := Attached(t.Context(), open(t, at), digest, signer.Policy())
	require.NoError(t, err)
	for n := range at.Requests() {
		at.Break(n+1, registrytest.ServerError)
		report, err := Attached(t.Context(), open(t, at), digest, signer.Policy())
		assert.True(t, err != nil || len(report.Attached) == 1, "request %d: %v", n+1, err)
	}
}

func FuzzBundle(f *testing.F) {
	key, i := newSigner(f), newInstance(f)
	keyless := i.signer(f, releaser, sigstore.Token(GitHubIssuer, workflow))
	signed := signatureOf(f, key, aDigest)
	f.Add(signed)
	f.Add(signatureOf(f, keyless, aDigest))
	f.Add([]byte(`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","dsseEnvelope":{"payload":"e30=","signatures":[{}]},"verificationMaterial":{"publicKey":{}}}`))
	f.Add([]byte(`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","messageSignature":{"messageDigest":{}},"verificationMaterial":{"certificate":{}}}`))
	other := v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("0", 64)}
	f.Fuzz(func(t *testing.T, content []byte) {
		for _, policy := range []Policy{key.policy, keyless.policy} {
			said, err := policy.verify(content, aDigest)
			if err == nil {
				assert.Equal(t, Signature, said.Kind, "nothing else was signed")
			}
			_, err = policy.verify(content, other)
			assert.Error(t, err, "nothing was signed for it")
		}
	})
}

// FuzzReferrers has a registry answer anything in place of a list and of a manifest.
func FuzzReferrers(f *testing.F) {
	at := registrytest.Start(f)
	signer := newSigner(f)
	digest := pushImage(f, open(f, at))
	require.NoError(f, Sign(f.Context(), open(f, at), digest, signer))
	tag := "sha256-" + digest.Hex
	list, err := open(f, at).Get(f.Context(), tag)
	require.NoError(f, err)
	report, err := Attached(f.Context(), open(f, at), digest, signer.Policy())
	require.NoError(f, err)
	manifest, err := open(f, at).Get(f.Context(), report.Attached[0].Manifest.String())
	require.NoError(f, err)
	f.Add(list.Manifest, manifest.Manifest)
	f.Add([]byte(`{"manifests":[{}]}`), []byte(`{"layers":[{}]}`))
	f.Add(bytes.ReplaceAll(list.Manifest, []byte(emptyType), nil), bytes.Replace(manifest.Manifest, []byte(`"size":`), []byte(`"size":9999999999`), 2))
	f.Fuzz(func(t *testing.T, list, manifest []byte) {
		repository := answering(t, digest, list, manifest)
		report, err := readAttached(t.Context(), repository, digest, signer.Policy())
		if err == nil {
			assert.Empty(t, report.Attached, "the bundle is not in this registry")
		}
	})
}

// answering is a repository whose registry has this list of referrers and, for all that
// is asked by digest, this manifest.
func answering(t *testing.T, subject v1.Hash, list, manifest []byte) *registry.Repository {
	repository, err := registry.Open("registry.example.org/team/thing", registry.WithRetries(0, 0), registry.WithTransport(answers(func(path string) (string, []byte) {
		switch {
		case strings.Contains(path, "/referrers/"):
			return "application/vnd.oci.image.index.v1+json", list
		case strings.Contains(path, "/blobs/"), strings.HasSuffix(path, "/v2/"), strings.HasSuffix(path, subject.String()):
			return "application/vnd.oci.image.manifest.v1+json", []byte("{}")
		default:
			return "application/vnd.oci.image.manifest.v1+json", manifest
		}
	})))
	require.NoError(t, err)
	return repository
}

// answers takes the place of a registry: content type and body for a path.
type answers func(path string) (string, []byte)

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	kind, body := a(r.URL.Path)
	return &http.Response{
		StatusCode: http.StatusOK, Request: r, ContentLength: int64(len(body)),
		Header: http.Header{"Content-Type": {kind}}, Body: io.NopCloser(bytes.NewReader(body)),
	}, nil
}
