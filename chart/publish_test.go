package chart

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/cli"
	helmregistry "helm.sh/helm/v3/pkg/registry"

	"github.com/pablodelarco/opennebula-helm/e2e/lab/registry/registrytest"
	"github.com/pablodelarco/opennebula-helm/registry"
)

// eachRegistry runs a test with the registries that tests have; with -short in memory only.
func eachRegistry(t *testing.T, test func(*testing.T, *registrytest.Faults)) {
	t.Run("in memory", func(t *testing.T) { test(t, registrytest.Start(t)) })
	if testing.Short() {
		return
	}
	t.Run("Debian's", func(t *testing.T) { test(t, registrytest.StartDistribution(t).Faults) })
}

// charts is the chart's repository of a registry, in which nothing is tried again.
func charts(t testing.TB, address string, options ...registry.Option) *registry.Repository {
	options = append([]registry.Option{registry.WithPlainHTTP(true), registry.WithRetries(0, time.Millisecond)}, options...)
	r, err := registry.Open(address+"/charts/"+Name, options...)
	require.NoError(t, err)
	return r
}

func TestStageGivesOneDigest(t *testing.T) {
	first, err := Stage(t.Context(), archived(t))
	require.NoError(t, err)
	second, err := Stage(t.Context(), archived(t))
	require.NoError(t, err)
	assert.Equal(t, first.Digest, second.Digest)
	assert.Equal(t, "0.1.0", first.Version)

	manifest, err := first.Image.Manifest()
	require.NoError(t, err)
	assert.Equal(t, helmregistry.ConfigMediaType, string(manifest.Config.MediaType))
	assert.Equal(t, "2026-03-04T05:06:07Z", manifest.Annotations["org.opencontainers.image.created"])
	assert.Equal(t, "0.1.0", manifest.Annotations["org.opencontainers.image.version"])
	require.Len(t, manifest.Layers, 1)
	assert.Equal(t, helmregistry.ChartLayerMediaType, string(manifest.Layers[0].MediaType))
	assert.Equal(t, first.Size, manifest.Layers[0].Size)

	later, err := Stage(t.Context(), archived(t, At(committed.Add(time.Hour))))
	require.NoError(t, err)
	assert.NotEqual(t, first.Digest, later.Digest)
}

func TestStageRefusesWhatIsNoChart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.tgz")
	_, err := Stage(t.Context(), file)
	require.ErrorContains(t, err, "read the chart's archive")
	require.NoError(t, os.WriteFile(file, []byte("no archive"), 0o600))
	_, err = Stage(t.Context(), file)
	require.ErrorContains(t, err, "read the chart "+file)
	require.NoError(t, os.WriteFile(file, make([]byte, maxArchive+1), 0o600))
	_, err = Stage(t.Context(), file)
	require.ErrorContains(t, err, "it has 16777217 bytes, and a chart at most 16777216")
}

// What is published, Helm installs: by version, by range, and as the newest.
func TestPublishedChartsAreHelms(t *testing.T) {
	eachRegistry(t, func(t *testing.T, at *registrytest.Faults) {
		to := charts(t, at.Address())
		for _, version := range []string{"0.1.0", "0.1.1", "0.2.0", "0.3.0-rc.1"} {
			published, err := Publish(t.Context(), archived(t, As(Decision{Version: version})), to)
			require.NoError(t, err)
			assert.Equal(t, "oci://"+at.Address()+"/charts/opennebula:"+version, published.Reference)
			assert.False(t, published.Already)
		}
		for asked, want := range map[string]string{"0.1.0": "0.1.0", "~0.1.0": "0.1.1", "^0.1.0": "0.1.1", "": "0.2.0", ">0.2.0-0": "0.3.0-rc.1"} {
			c, err := installOf(t, at.Address(), asked)
			require.NoError(t, err, asked)
			assert.Equal(t, want, c.version, "asked for %q", asked)
			assert.Contains(t, c.manifests, "image: "+img.Reference)
		}
	})
}

type installed struct{ version, manifests string }

// installOf finds and renders a chart as helm install --dry-run does.
func installOf(t *testing.T, address, version string) (installed, error) {
	client, err := helmregistry.NewClient(helmregistry.ClientOptPlainHTTP())
	require.NoError(t, err)
	install := action.NewInstall(&action.Configuration{Log: discard, RegistryClient: client})
	install.SetRegistryClient(client)
	install.Version = version
	settings := cli.New()
	settings.RepositoryCache = t.TempDir()
	archive, err := install.LocateChart("oci://"+address+"/charts/"+Name, settings)
	if err != nil {
		return installed{}, err
	}
	rendered, err := Manifests(archive, nil, newest)
	return installed{loaded(t, archive).Metadata.Version, rendered}, err
}

func TestPublishIsDoneOnce(t *testing.T) {
	eachRegistry(t, func(t *testing.T, at *registrytest.Faults) {
		to, archive := charts(t, at.Address()), archived(t)
		signed := 0
		sign := BeforeTag(func(ctx context.Context, digest v1.Hash) error {
			signed++
			tags, err := to.Tags(ctx)
			require.NoError(t, err)
			assert.Empty(t, tags, "it is signed before it has a tag")
			_, err = to.Get(ctx, digest.String())
			return err
		})
		first, err := Publish(t.Context(), archive, to, sign)
		require.NoError(t, err)
		at.Break(0, "")
		again, err := Publish(t.Context(), archived(t), to, sign)
		require.NoError(t, err)
		assert.Empty(t, at.Writes())
		assert.Equal(t, 1, signed)
		assert.True(t, again.Already)
		assert.Equal(t, first.Digest, again.Digest)

		_, err = Publish(t.Context(), archived(t, At(time.Unix(9, 0))), to, sign)
		require.ErrorIs(t, err, registry.ErrTaken)
		require.ErrorContains(t, err, "publish the chart opennebula 0.1.0")
		assert.Empty(t, at.Writes())
		held, err := to.Resolve(t.Context(), "0.1.0")
		require.NoError(t, err)
		assert.Equal(t, first.Digest, held.String())

		looked, err := Lookup(t.Context(), to, "0.1.0")
		require.NoError(t, err)
		assert.Equal(t, again, looked)
	})
}

func TestPublishWithoutSignatureHasNoTag(t *testing.T) {
	to := charts(t, registrytest.Start(t).Address())
	_, err := Publish(t.Context(), archived(t), to, BeforeTag(func(context.Context, v1.Hash) error { return errors.New("no key") }))
	require.ErrorContains(t, err, "no key")
	tags, err := to.Tags(t.Context())
	require.NoError(t, err)
	assert.Empty(t, tags)
}

// Every request of a publish is broken once, in each way. What is under the tag is whole
// or not there, and doing the same again ends where a run without a failure does.
func TestPublishAfterEachFailure(t *testing.T) {
	archive := archived(t)
	staged, err := Stage(t.Context(), archive)
	require.NoError(t, err)
	eachRegistry(t, func(t *testing.T, at *registrytest.Faults) {
		at.Break(0, "")
		_, err := Publish(t.Context(), archive, charts(t, at.Address()))
		require.NoError(t, err)
		requests := len(at.Requests())
		t.Logf("%d requests, %d of them write", requests, len(at.Writes()))
		for _, fault := range registrytest.All {
			for n := 1; n <= requests; n++ {
				t.Run(fmt.Sprintf("request %d, %s", n, fault), func(t *testing.T) {
					breakOnce(t, at, n, fault, archive, staged)
				})
			}
		}
	})
}

func breakOnce(t *testing.T, at *registrytest.Faults, n int, fault registrytest.Fault, archive string, staged Staged) {
	path := fmt.Sprintf("%s/%x/charts", at.Address(), t.Name())
	open := func() *registry.Repository {
		r, err := registry.Open(path+"/"+Name, registry.WithPlainHTTP(true), registry.WithRetries(0, time.Millisecond))
		require.NoError(t, err)
		return r
	}
	at.Break(n, fault)
	_, failure := Publish(t.Context(), archive, open())
	at.Break(0, "")
	held, err := open().Resolve(t.Context(), staged.Version)
	if !errors.Is(err, registry.ErrNotFound) {
		require.NoError(t, err)
		assert.Equal(t, staged.Digest, held)
		require.NoError(t, ReadBack(t.Context(), staged, open()), "what has a tag is whole")
	}
	published, err := Publish(t.Context(), archive, open())
	require.NoError(t, err, "after %v", failure)
	assert.Equal(t, staged.Digest.String(), published.Digest)
	require.NoError(t, ReadBack(t.Context(), staged, open()))
	tags, err := open().Tags(t.Context())
	require.NoError(t, err)
	assert.Equal(t, map[string]string{staged.Version: staged.Digest.String()}, tags)
}

func TestPublishSaysWhatIsWrong(t *testing.T) {
	at := registrytest.Start(t)
	t.Run("wrong credentials", func(t *testing.T) {
		at.Require("somebody", "right")
		defer at.Require("", "")
		to := charts(t, at.Address(), registry.WithCredentials("somebody", "hunter2-secret"))
		_, publishing := Publish(t.Context(), archived(t), to)
		_, listing := Versions(t.Context(), to)
		_, pulling := Pull(t.Context(), to, "0.1.0")
		for _, err := range []error{publishing, listing, pulling} {
			require.ErrorIs(t, err, registry.ErrDenied)
			assert.NotContains(t, err.Error(), "hunter2")
			assert.NotContains(t, err.Error(), "\n")
		}
	})
	t.Run("a registry that refuses", func(t *testing.T) {
		at.Answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusMethodNotAllowed) })
		defer at.Answer(nil)
		_, err := Publish(t.Context(), archived(t), charts(t, at.Address()))
		require.ErrorContains(t, err, "publish the chart opennebula 0.1.0")
		assert.ErrorContains(t, err, "read-only")
	})
	t.Run("a repository of another name", func(t *testing.T) {
		r, err := registry.Open(at.Address()+"/charts/other", registry.WithPlainHTTP(true))
		require.NoError(t, err)
		_, err = Publish(t.Context(), archived(t), r)
		assert.ErrorContains(t, err, "write it as HOST/PATH/opennebula")
	})
}

// publishedVersions reads all that is published.
func publishedVersions(t *testing.T, from *registry.Repository) ([]Version, error) {
	names, err := Versions(t.Context(), from)
	var all []Version
	for _, name := range names {
		version, err := ReadVersion(t.Context(), from, name)
		if err != nil {
			return nil, err
		}
		all = append(all, version)
	}
	return all, err
}

func TestPublishedVersions(t *testing.T) {
	eachRegistry(t, func(t *testing.T, at *registrytest.Faults) {
		to := charts(t, at.Address())
		none, err := publishedVersions(t, to)
		require.NoError(t, err)
		assert.Empty(t, none)
		last, err := Last(t.Context(), to)
		require.NoError(t, err)
		assert.Nil(t, last)

		for _, version := range []string{"0.9.0", "0.10.0", "0.11.0-rc.1"} {
			_, err := Publish(t.Context(), archived(t, As(Decision{Version: version})), to)
			require.NoError(t, err)
		}
		strange, err := random.Image(100, 1)
		require.NoError(t, err)
		digest, err := to.Push(t.Context(), strange)
		require.NoError(t, err)
		require.NoError(t, to.Tag(t.Context(), digest, "0.1.0"))
		require.NoError(t, to.Tag(t.Context(), digest, "latest"))

		at.Break(0, "")
		found, err := publishedVersions(t, to)
		require.NoError(t, err)
		assert.Len(t, at.Requests(), 5, "one to list them, and one for each version")
		require.Len(t, found, 4)
		for i, version := range []string{"0.11.0-rc.1", "0.10.0", "0.9.0"} {
			assert.Equal(t, version, found[i].Version)
			assert.Equal(t, "7.0.2", found[i].AppVersion)
			assert.Equal(t, img.Digest, found[i].Image)
			assert.Equal(t, fingerprint(t, bound(t)), found[i].Content)
		}
		assert.Equal(t, Version{Version: "0.1.0", Digest: digest.String()}, found[3], "not ours")

		last, err = Last(t.Context(), to)
		require.NoError(t, err)
		assert.Equal(t, "0.10.0", last.Metadata.Version)
		decision, err := Decide(last, bound(t))
		require.NoError(t, err)
		assert.Equal(t, Decision{Version: "0.10.0"}, decision)
		_, err = Pull(t.Context(), to, "0.1.0")
		assert.ErrorContains(t, err, "it holds no chart")
		_, err = Pull(t.Context(), to, "7.7.7")
		assert.ErrorIs(t, err, registry.ErrNotFound)
	})
}

func FuzzDescribe(f *testing.F) {
	staged, err := Stage(f.Context(), archived(f))
	require.NoError(f, err)
	manifest, err := staged.Image.RawManifest()
	require.NoError(f, err)
	f.Add(manifest)
	other, err := empty.Image.RawManifest()
	require.NoError(f, err)
	f.Add(other)
	f.Fuzz(func(t *testing.T, manifest []byte) {
		var v Version
		v.describe(manifest)
		assert.Equal(t, v.Content == "", v.Image == "", "all of it, or nothing")
		if v.Image != "" {
			assert.Regexp(t, `^sha256:[0-9a-f]{64}$`, v.Image)
		}
	})
}

func TestPublishMetadata(t *testing.T) {
	eachRegistry(t, func(t *testing.T, at *registrytest.Faults) {
		to, checkout := charts(t, at.Address()), t.TempDir()
		require.NoError(t, os.Mkdir(filepath.Join(checkout, "chart"), 0o755))
		write := func(text string) {
			require.NoError(t, os.WriteFile(filepath.Join(checkout, "chart", hubFile), []byte(text), 0o600))
		}
		publish := func() string {
			digest, err := PublishMetadata(t.Context(), checkout, to)
			require.NoError(t, err)
			return digest
		}
		const first = "repositoryID: 9ff7c2a4-2a56-4c25-9f4e-6a0d2f3d8c11\n"
		write(first)
		digest := publish()
		descriptor, err := to.Get(t.Context(), "artifacthub.io")
		require.NoError(t, err)
		assert.Equal(t, digest, descriptor.Digest.String())
		img, err := descriptor.Image()
		require.NoError(t, err)
		manifest, err := img.Manifest()
		require.NoError(t, err)
		assert.Equal(t, "application/vnd.cncf.artifacthub.config.v1+yaml", string(manifest.Config.MediaType))
		require.Len(t, manifest.Layers, 1)
		assert.Equal(t, "application/vnd.cncf.artifacthub.repository-metadata.layer.v1.yaml", string(manifest.Layers[0].MediaType))
		layers, err := img.Layers()
		require.NoError(t, err)
		content, err := readLayer(layers[0])
		require.NoError(t, err)
		assert.Equal(t, first, string(content))

		at.Break(0, "")
		assert.Equal(t, digest, publish())
		assert.Empty(t, at.Writes(), "it is not sent again")

		write("repositoryID: 9ff7c2a4-2a56-4c25-9f4e-6a0d2f3d8c12\n")
		assert.NotEqual(t, digest, publish())
		versions, err := publishedVersions(t, to)
		require.NoError(t, err)
		assert.Empty(t, versions, "it is no version")
	})
}

func TestMetadataIsChecked(t *testing.T) {
	for text, want := range map[string]string{
		"repositoryID: 12":               "not an id as Artifact Hub gives them",
		"id: a":                          `unknown field "id"`,
		"owners: [{name: a}]":            "an owner has no email",
		"owners: [{email: a@b.example}]": "",
	} {
		isEmpty, err := checkMetadata([]byte(text))
		if want == "" {
			require.NoError(t, err, text)
			assert.False(t, isEmpty, text)
			continue
		}
		assert.ErrorContains(t, err, want, text)
	}

	// The checkout's own says nothing yet, and so is not sent.
	digest, err := PublishMetadata(t.Context(), "..", charts(t, "127.0.0.1:1"))
	require.NoError(t, err)
	assert.Empty(t, digest)
}

// The registry in memory is asked as one over HTTP.
func TestInMemory(t *testing.T) {
	client := &http.Client{Transport: inMemory{http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "3")
		w.WriteHeader(http.StatusTeapot)
		w.WriteHeader(http.StatusOK)
		_, _ = w.Write([]byte("tea"))
	})}}
	response, err := client.Get("http://staging.invalid/")
	require.NoError(t, err)
	var body bytes.Buffer
	_, err = body.ReadFrom(response.Body)
	require.NoError(t, err)
	assert.Equal(t, http.StatusTeapot, response.StatusCode)
	assert.Equal(t, "tea", strings.TrimSpace(body.String()))
	assert.Equal(t, int64(3), response.ContentLength)
}
