package image

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pablodelarco/opennebula-helm/release"
	"github.com/pablodelarco/opennebula-helm/upstream"
	"github.com/pablodelarco/opennebula-helm/upstream/upstreamtest"
)

// status is dpkg's, with the fields that Debian's own has.
const status = `Package: libxml2
Status: install ok installed
Priority: optional
Section: libs
Architecture: amd64
Multi-Arch: same
Version: 2.9.14+dfsg-1.3~deb12u1
Depends: libc6 (>= 2.36), libicu72 (>= 72.1~rc-1~)
Conffiles:
 /etc/xml.conf 0123456789abcdef0123456789abcdef
Description: GNOME XML library
 XML is a metalanguage to let you design your own markup language.
 .
 This package provides a library – for parsing.

Package: bash
Essential: yes
Status: hold ok installed
Architecture: amd64
Source: bash (5.2.15-2)
Version: 5.2.15-2+b8

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1.0-1

Package: never
Status: unknown ok not-installed
Architecture: amd64
`

// layer holds some files, in the order given: path and content, by turns.
func layer(t testing.TB, files ...string) v1.Layer {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		require.NoError(t, w.WriteHeader(&tar.Header{Name: files[i], Mode: 0o644, Size: int64(len(files[i+1]))}))
		_, err := w.Write([]byte(files[i+1]))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil })
	require.NoError(t, err)
	return l
}

func layered(t testing.TB, layers ...v1.Layer) v1.Image {
	img, err := mutate.AppendLayers(empty.Image, layers...)
	require.NoError(t, err)
	return img
}

func TestInstalledPackages(t *testing.T) {
	base := layer(t, "etc/os-release", "debian", "var/lib/dpkg/status", status)
	installed := []Installed{{"libxml2", "2.9.14+dfsg-1.3~deb12u1", "amd64"}, {"bash", "5.2.15-2+b8", "amd64"}}
	for name, test := range map[string]struct {
		layers []v1.Layer
		want   []Installed
		fails  string
	}{
		"in the base":           {[]v1.Layer{base, layer(t, "etc/motd", "hello")}, installed, ""},
		"with a leading ./":     {[]v1.Layer{layer(t, "./var/lib/dpkg/status", status)}, installed, ""},
		"replaced by a layer":   {[]v1.Layer{base, layer(t, "var/lib/dpkg/status", "Package: a\nStatus: install ok installed\nVersion: 1\n")}, []Installed{{"a", "1", ""}}, ""},
		"another file hidden":   {[]v1.Layer{base, layer(t, "var/lib/dpkg/.wh.status-old", "", "var/.wh.cache", "", "var/lib/apt/.wh..wh..opq", "")}, installed, ""},
		"taken away":            {[]v1.Layer{base, layer(t, "var/lib/dpkg/.wh.status", "")}, nil, "has no /var/lib/dpkg/status"},
		"its folder taken away": {[]v1.Layer{base, layer(t, "var/lib/.wh.dpkg", "")}, nil, "has no /var/lib/dpkg/status"},
		"its folder anew":       {[]v1.Layer{base, layer(t, "var/lib/.wh..wh..opq", "", "var/lib/dpkg/status", "Package: a\nStatus: install ok installed\nVersion: 1\n")}, []Installed{{"a", "1", ""}}, ""},
		"no image of Debian":    {[]v1.Layer{layer(t, "etc/os-release", "alpine")}, nil, "it is no image of Debian packages"},
		"nothing installed":     {[]v1.Layer{layer(t, "var/lib/dpkg/status", "Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n")}, nil, "a check that saw nothing proves nothing"},
		"an empty status":       {[]v1.Layer{base, layer(t, "var/lib/dpkg/status", "")}, nil, "lists nothing that is installed"},
		"no version":            {[]v1.Layer{layer(t, "var/lib/dpkg/status", "Package: a\nStatus: install ok installed\n")}, nil, `no name or no version (Package: "a", Version: "")`},
		"no status at all":      {[]v1.Layer{layer(t, "var/lib/dpkg/status", "hello\n")}, nil, "read its /var/lib/dpkg/status: malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := InstalledPackages(layered(t, test.layers...))
			if test.fails != "" {
				assert.ErrorContains(t, err, test.fails)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, test.want, found)
		})
	}
}

// This machine's own packages, where it is a Debian one.
func TestParseStatusOfThisMachine(t *testing.T) {
	content, err := os.ReadFile("/" + dpkgStatus)
	if err != nil {
		t.Skip("this machine has no dpkg")
	}
	want, err := exec.Command("dpkg-query", "--show", "--showformat", "${db:Status-Status} ${Package} ${Version} ${Architecture}\n").Output()
	require.NoError(t, err)
	installed, err := parseStatus(content)
	require.NoError(t, err)
	var lines []string
	for _, p := range installed {
		lines = append(lines, fmt.Sprintf("installed %s %s %s", p.Name, p.Version, p.Architecture))
	}
	var installedOnes []string
	for line := range strings.Lines(string(want)) {
		if strings.HasPrefix(line, "installed ") {
			installedOnes = append(installedOnes, strings.TrimSpace(line))
		}
	}
	assert.ElementsMatch(t, installedOnes, lines)
}

func TestNewer(t *testing.T) {
	for name, test := range map[string]struct {
		installed, available string // versions
		want                 bool
	}{
		"the same":              {"1.0-1", "1.0-1", false},
		"a security update":     {"2.5.0-1+deb12u1", "2.5.0-1+deb12u2", true},
		"the tenth of them":     {"2.5.0-1+deb12u9", "2.5.0-1+deb12u10", true},
		"before the release":    {"1.0~rc1-1", "1.0-1", true},
		"a rebuild is newer":    {"5.2.15-2+b8", "5.2.15-2", false},
		"an epoch":              {"9.0-1", "1:1.0-1", true},
		"an older one":          {"1.1-1", "1.0-1+deb12u1", false},
		"letters and numbers":   {"1.0a-1", "1.0b-1", true},
		"a tilde of a backport": {"1.0-1", "1.0-1~deb12u1", false},
	} {
		t.Run(name, func(t *testing.T) {
			updates, err := newer([]Installed{{Name: "x", Version: test.installed}, {Name: "y", Version: "1"}},
				[]upstream.Package{{Name: "x", Version: "0.1"}, {Name: "x", Version: test.available}, {Name: "x", Version: "0.2"}, {Name: "z", Version: "9"}})
			require.NoError(t, err)
			if !test.want {
				assert.Empty(t, updates)
				return
			}
			assert.Equal(t, []release.Update{{Package: "x", Installed: test.installed, Fixed: test.available}}, updates)
		})
	}
	_, err := newer([]Installed{{Name: "x", Version: "!"}}, nil)
	assert.ErrorContains(t, err, `the version "!" of x is none of Debian's`)
	_, err = newer(nil, []upstream.Package{{Name: "x", Version: "1:2:!"}})
	assert.ErrorContains(t, err, `of x is none of Debian's`)
}

func TestInstalledBySPDX(t *testing.T) {
	installed, err := InstalledBySPDX([]byte(`{"packages": [
		{"name": "libxml2", "externalRefs": [
			{"referenceType": "cpe23Type", "referenceLocator": "cpe:2.3:a:libxml2:libxml2:2.9.14:*:*:*:*:*:*:*"},
			{"referenceType": "purl", "referenceLocator": "pkg:deb/debian/libxml2@2.9.14%2Bdfsg-1.3~deb12u1?arch=amd64&distro=debian-12"}]},
		{"name": "git", "externalRefs": [{"referenceType": "purl", "referenceLocator": "pkg:deb/debian/git@1%3A2.39.5-0%2Bdeb12u2?arch=amd64"}]},
		{"name": "rake", "externalRefs": [{"referenceType": "purl", "referenceLocator": "pkg:gem/rake@13.0.6"}]},
		{"name": "odd", "externalRefs": [{"referenceType": "purl", "referenceLocator": "hello"}]},
		{"name": "image"}]}`))
	require.NoError(t, err)
	assert.Equal(t, []Installed{{"libxml2", "2.9.14+dfsg-1.3~deb12u1", "amd64"}, {"git", "1:2.39.5-0+deb12u2", "amd64"}}, installed)
	_, err = InstalledBySPDX([]byte(`{"packages": []}`))
	assert.ErrorContains(t, err, "lists no Debian package")
	_, err = InstalledBySPDX([]byte(`[]`))
	assert.ErrorContains(t, err, "read an SPDX document")
}

// Against a signed repository laid out as Debian's for security updates.
func TestPendingUpdates(t *testing.T) {
	mirror := upstreamtest.NewMirror(t)
	put := func(component string, fixed map[string]string) {
		r := upstreamtest.Repository{Suite: "bookworm-security", Component: component, Endings: []string{".xz"}, Indexes: map[string]string{}}
		for architecture, version := range fixed {
			r.Indexes[architecture] = upstreamtest.Package("libxml2", version, architecture) + upstreamtest.Package("other", "9", architecture)
		}
		mirror.Put("", r)
	}
	put("main", map[string]string{"amd64": "2.9.14+dfsg-1.3~deb12u2", "arm64": "2.9.14+dfsg-1.3~deb12u2"})
	pending := func(keys []byte, architecture string) ([]release.Update, error) {
		repository := NewDebianSecurity(mirror.URL, keys, upstream.WithRetries(0))
		return PendingUpdates(t.Context(), []Installed{{"libxml2", "2.9.14+dfsg-1.3~deb12u1", architecture}}, architecture, repository)
	}
	updates, err := pending(mirror.Public, "amd64")
	require.NoError(t, err)
	assert.Equal(t, []release.Update{{Package: "libxml2", Installed: "2.9.14+dfsg-1.3~deb12u1", Fixed: "2.9.14+dfsg-1.3~deb12u2"}}, updates)

	put("main", map[string]string{"amd64": "2.9.14+dfsg-1.3~deb12u1", "arm64": "2.9.14+dfsg-1.3~deb12u1"})
	updates, err = pending(mirror.Public, "amd64")
	require.NoError(t, err)
	assert.Empty(t, updates)

	for name, test := range map[string]struct {
		change func()
		keys   []byte
		want   string
	}{
		"a platform less":   {func() { put("main", map[string]string{"amd64": "1"}) }, mirror.Public, "has no packages for arm64"},
		"another component": {func() { put("contrib", map[string]string{"amd64": "1", "arm64": "1"}) }, mirror.Public, "has no packages for arm64"},
		"another key":       {func() {}, upstreamtest.NewMirror(t).Public, "is not signed by the key given"},
		"no key":            {func() {}, []byte("hello"), "is not an armored OpenPGP key, nor a keyring"},
		"an odd version":    {func() { put("main", map[string]string{"amd64": "!", "arm64": "!"}) }, mirror.Public, `the version "!" of libxml2 is none of Debian's`},
	} {
		t.Run(name, func(t *testing.T) {
			test.change()
			_, err := pending(test.keys, "arm64")
			assert.ErrorContains(t, err, test.want)
		})
	}
}

// Debian's own repository and keys, if this machine has the keys and reaches it.
func TestDebianSecurity(t *testing.T) {
	keys, err := os.ReadFile("/usr/share/keyrings/debian-archive-keyring.gpg")
	if testing.Short() || err != nil {
		t.Skip("needs Debian's keys and the network")
	}
	repository := NewDebianSecurity(DebianSecurity, keys, upstream.WithRetries(0), upstream.WithTimeout(10*time.Second))
	packages, err := repository.Packages(t.Context(), "arm64")
	if err != nil {
		t.Skipf("Debian's repository cannot be had: %v", err)
	}
	assert.Greater(t, len(packages), 1000)
	updates, err := newer([]Installed{{Name: "libexpat1", Version: "2.5.0-1"}}, packages)
	require.NoError(t, err)
	assert.Len(t, updates, 1)
}

func FuzzParseStatus(f *testing.F) {
	f.Add([]byte(status))
	f.Add([]byte("Package: a\nStatus: install ok installed\nVersion: 1:2~3-4+b5\n"))
	f.Add([]byte("\n\n:"))
	f.Fuzz(func(t *testing.T, content []byte) {
		installed, err := parseStatus(content)
		if err != nil {
			return
		}
		assert.NotEmpty(t, installed)
		_, _ = newer(installed, []upstream.Package{{Name: installed[0].Name, Version: installed[0].Version}})
	})
}
