package main

import (
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/crane"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/stretchr/testify/require"

	labregistry "github.com/pablodelarco/opennebula-helm/e2e/lab/registry"
	"github.com/pablodelarco/opennebula-helm/image"
	"github.com/pablodelarco/opennebula-helm/registry"
)

// revision is the commit that images of frontEnd are of.
const revision = "0123456789abcdef0123456789abcdef01234567"

const dpkgStatus = "Package: opennebula\nStatus: install ok installed\nArchitecture: amd64\nVersion: 7.2.0-1\n"

// frontEnd is a small image that passes for one of OpenNebula, and no other is the same.
func frontEnd(t *testing.T, version string) v1.Image {
	labels := map[string]string{}
	for _, label := range []string{
		image.TitleLabel, image.DescriptionLabel, image.URLLabel, image.SourceLabel, image.LicensesLabel, image.BaseNameLabel,
	} {
		labels[label] = "any"
	}
	labels[image.VersionLabel], labels[image.RevisionLabel], labels[image.CreatedLabel] = version, revision, "2026-01-02T03:04:05Z"
	labels[image.BaseDigestLabel] = "sha256:" + strings.Repeat("0", 64)
	layers, err := random.Image(512, 1)
	require.NoError(t, err)
	packages, err := crane.Layer(map[string][]byte{"var/lib/dpkg/status": []byte(dpkgStatus)})
	require.NoError(t, err)
	layers, err = mutate.AppendLayers(layers, packages)
	require.NoError(t, err)
	config, err := layers.ConfigFile()
	require.NoError(t, err)
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", "amd64"
	config.Config = v1.Config{User: image.User, Entrypoint: image.Entrypoint, Labels: labels}
	img, err := mutate.ConfigFile(layers, config)
	require.NoError(t, err)
	return img
}

// An image that was given is copied to where it is wanted, and into the lab's own
// registry for the lab's cluster, and named there; a second one gets a name of its own.
func TestImageIsCopiedAndTagged(t *testing.T) {
	start := func() *labregistry.Registry {
		r, err := labregistry.Start("127.0.0.1:0", t.TempDir())
		require.NoError(t, err)
		t.Cleanup(r.Stop)
		return r
	}
	elsewhere, wanted, lab := start(), start(), start()
	from, err := registry.Open(elsewhere.Address() + "/somebody/image")
	require.NoError(t, err)
	r := rehearsal{registry: lab, options: options{registry: wanted.Address() + "/team", plainHTTP: true}}
	for _, name := range []string{"7.2.0", "7.2.0-1"} {
		digest, err := from.Push(t.Context(), frontEnd(t, "7.2.0"))
		require.NoError(t, err)
		for range 2 { // the second time, all is there
			said, err := r.publishImage(t.Context(), from.Name()+"@"+digest.String())
			require.NoError(t, err)
			require.Contains(t, said, "tagged "+name+", 7.2, latest")
			require.Equal(t, wanted.Address()+"/team/"+imageName+"@"+digest.String(), r.image.Reference)
		}
		to, err := registry.Open(wanted.Address() + "/team/" + imageName)
		require.NoError(t, err)
		tags, err := to.Tags(t.Context())
		require.NoError(t, err)
		require.Equal(t, digest.String(), tags[name])
		require.Equal(t, digest.String(), tags["latest"])
		_, err = image.Verify(t.Context(), lab.Address()+"/team/"+imageName+"@"+digest.String())
		require.NoError(t, err)
	}
}
