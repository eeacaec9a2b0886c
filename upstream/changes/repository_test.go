package changes

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pablodelarco/opennebula-helm/upstream"
	"github.com/pablodelarco/opennebula-helm/upstream/upstreamtest"
)

// newMirror serves packages, with an index that a test may change before it is signed.
func newMirror(t *testing.T, change func(index string) string, debs ...deb) *upstreamtest.Mirror {
	m := upstreamtest.NewMirror(t)
	var index strings.Builder
	for _, d := range debs {
		content := d.bytes(t)
		m.Write("/pool/"+d.filename(), content)
		fmt.Fprintf(&index, "Package: %s\nVersion: %s\nArchitecture: %s\nFilename: pool/%s\nSize: %d\nSHA256: %x\n\n",
			d.name, d.version, d.arch(), d.filename(), len(content), sha256.Sum256(content))
	}
	m.Put("", upstreamtest.Repository{Indexes: map[string]string{"amd64": change(index.String())}})
	return m
}

func servedBy(m *upstreamtest.Mirror, version string) Release {
	return Release{version, Repository(upstream.NewRepository(m.URL, m.Public, upstream.WithRetries(0)), "amd64")}
}

func asItIs(index string) string { return index }

func TestRepositoriesAreCompared(t *testing.T) {
	old, mirror := newMirror(t, asItIs, before()[:8]...), newMirror(t, asItIs, after()...)
	assert.Equal(t, both(t), compare(t, servedBy(old, "7.0.2"), servedBy(mirror, "7.2.0")))
	read := mirror.Requests()
	assert.NotContains(t, read, "/pool/opennebula-form_7.2.0-1_all.deb", "what is not installed is not downloaded")
	slices.Sort(read)
	assert.Equal(t, slices.Compact(slices.Clone(read)), read, "nothing is downloaded twice")
}

func TestBrokenDownloadsAreTriedAgain(t *testing.T) {
	m := newMirror(t, asItIs, after()...)
	release := servedBy(m, "7.2.0")
	_, err := release.Source.Packages(t.Context()) // the index is read
	require.NoError(t, err)
	broken := upstreamtest.CutOff("!<arch>")
	m.Next(broken, broken)
	assert.True(t, compare(t, release, release).Empty())

	m.Next(broken, broken, broken)
	_, err = Compare(t.Context(), release, release, installed)
	require.ErrorContains(t, err, "read the package pool/opennebula_7.2.0-1_amd64.deb: it did not come whole: after 7 bytes: unexpected EOF")
}

func TestPackagesAreHeldAgainstTheIndex(t *testing.T) {
	const file = "/pool/opennebula_7.2.0-1_amd64.deb"
	renamed := func(from, to string) func(string) string {
		return func(index string) string { return strings.Replace(index, from, to, 1) }
	}
	nothing := func(*upstreamtest.Mirror, []byte) {}
	for name, test := range map[string]struct {
		index func(string) string
		files func(*upstreamtest.Mirror, []byte)
		want  string
	}{
		"as they are":  {asItIs, nothing, ""},
		"changed":      {asItIs, func(m *upstreamtest.Mirror, b []byte) { b[200] ^= 1; m.Write(file, b) }, "its SHA256 is not what the index says"},
		"cut":          {asItIs, func(m *upstreamtest.Mirror, b []byte) { m.Write(file, b[:300]) }, "it ends after 300 of "},
		"longer":       {asItIs, func(m *upstreamtest.Mirror, b []byte) { m.Write(file, append(b, 0)) }, "it has more than the "},
		"gone":         {asItIs, func(m *upstreamtest.Mirror, _ []byte) { m.Remove(file) }, file + " answers 404"},
		"renamed":      {renamed("Package: opennebula-common", "Package: opennebula-rubygems"), nothing, "says that it is opennebula-common 7.2.0-1, and the index that it is opennebula-rubygems 7.2.0-1"},
		"no checksum":  {renamed("SHA256:", "MD5sum:"), nothing, "has no SHA256 or no size for opennebula 7.2.0-1"},
		"no size":      {renamed("Size:", "Large:"), nothing, "has no SHA256 or no size for opennebula 7.2.0-1"},
		"wrong number": {renamed("Version: 1:3.2-1", "Version: 1:3.2-1 or so"), nothing, "which is none of Debian's"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMirror(t, test.index, after()...)
			test.files(m, m.Read(file))
			release := servedBy(m, "7.2.0")
			_, err := Compare(t.Context(), release, release, installed)
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			assert.ErrorContains(t, err, test.want)
		})
	}
}
