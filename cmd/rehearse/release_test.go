package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pablodelarco/opennebula-helm/chart"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/packages"
	labregistry "github.com/pablodelarco/opennebula-helm/e2e/lab/registry"
	"github.com/pablodelarco/opennebula-helm/image"
	"github.com/pablodelarco/opennebula-helm/pipeline"
	"github.com/pablodelarco/opennebula-helm/registry"
)

// readyToRelease is a rehearsal whose suite has passed an image of frontEnd.
func readyToRelease(t *testing.T, version string) *rehearsal {
	lab, err := labregistry.Start("127.0.0.1:0", t.TempDir())
	require.NoError(t, err)
	t.Cleanup(lab.Stop)
	r := &rehearsal{
		checkout: pipeline.ReadCheckout(t.Context(), "../.."), state: t.TempDir(), registry: lab, base: "sha256:" + strings.Repeat("0", 64),
		source: &packages.Source{Repository: "https://packages.example.org/7.2.0", Key: "https://packages.example.org/key.asc"},
	}
	r.checkout.Image.Hash = revision
	r.image = push(t, r, version)
	return r
}

// push an image of frontEnd, as a build does.
func push(t *testing.T, r *rehearsal, version string) image.Info {
	to, err := registry.Open(r.repositoryOf(imageName))
	require.NoError(t, err)
	digest, err := to.Push(t.Context(), frontEnd(t, version))
	require.NoError(t, err)
	info, err := image.InspectIn(t.Context(), to, digest.String())
	require.NoError(t, err)
	return info
}

func TestRelease(t *testing.T) {
	source, err := chart.Read(chart.Find("../.."))
	require.NoError(t, err)
	andChart := " and the chart " + source.Metadata.Version
	for version, want := range map[string]string{
		"7.2.0":  "opennebula-frontend:7.2.0, 7.2, latest" + andChart,
		"7.0.2":  "opennebula-frontend:7.0.2, 7.0, latest" + andChart,
		"7.3.90": "opennebula-frontend:7.3.90", // a candidate, which has no chart
	} {
		t.Run(version, func(t *testing.T) {
			said, err := readyToRelease(t, version).release(t.Context())
			require.NoError(t, err)
			assert.Equal(t, want+", signed and attested; a second release has nothing to do", said)
		})
	}
}

func TestReleaseThatLeavesSomethingToDo(t *testing.T) {
	r := readyToRelease(t, "7.2.0")
	carrier, err := r.newCarrier()
	require.NoError(t, err)
	assert.ErrorContains(t, r.releaseAgain(t.Context(), carrier.Site), "a second release has more to do: build the image of OpenNebula 7.2.0")
}

func TestReleaseBesideOneOfAnotherKey(t *testing.T) {
	r := readyToRelease(t, "7.2.0")
	_, err := r.release(t.Context())
	require.NoError(t, err)
	_, err = r.release(t.Context())
	assert.ErrorContains(t, err, "release/charts/opennebula@sha256:")
	assert.ErrorContains(t, err, "has no signature by the key")
}

func TestReleaseOfAnotherCommit(t *testing.T) {
	r := readyToRelease(t, "7.2.0")
	other := strings.Repeat("0", 40)
	r.checkout.Image.Hash = other
	_, err := r.release(t.Context())
	assert.ErrorContains(t, err, `"`+revision+`", and "`+other+`" is to be released`)
}

func TestOnlyWhatTheSuiteHasPassedIsReleased(t *testing.T) {
	r := readyToRelease(t, "7.2.0")
	index, err := tested{push(t, r, "7.2.0")}.Build(t.Context(), image.Arguments{Version: "7.2.0", Revision: revision, BaseDigest: r.base}, []string{"linux/amd64"})
	require.NoError(t, err)
	assert.ErrorContains(t, tested{r.image}.Test(t.Context(), pipeline.Built{Index: index}), "the suite has passed "+r.image.Digest)
	assert.ErrorContains(t, tested{r.image}.Test(t.Context(), pipeline.Built{Archive: "chart.tgz"}), "release both")
}

func TestWhatIsReleased(t *testing.T) {
	assert.True(t, options{thorough: true, keep: true}.isReleased())
	assert.False(t, options{registry: "example.org/team"}.isReleased())
	assert.False(t, options{image: "example.org/team/image@sha256:0"}.isReleased())
}
