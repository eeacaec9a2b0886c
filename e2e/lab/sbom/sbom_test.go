package sbom

import (
	"archive/tar"
	"bytes"
	"io"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pablodelarco/opennebula-helm/image"
	"github.com/pablodelarco/opennebula-helm/signature"
)

// withFile is an image of one file.
func withFile(t *testing.T, name, content string) v1.Image {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	require.NoError(t, w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(content))}))
	_, err := w.Write([]byte(content))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archive.Bytes())), nil })
	require.NoError(t, err)
	img, err := mutate.AppendLayers(empty.Image, layer)
	require.NoError(t, err)
	return img
}

func TestListIsOneThatReleasesTake(t *testing.T) {
	img := withFile(t, "var/lib/dpkg/status", `Package: libstdc++6
Status: install ok installed
Architecture: amd64
Version: 12.2.0-14+deb12u1

Package: adduser
Status: install ok installed
Architecture: all
Version: 1:3.134~rc1

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1
`)
	document, err := Of(img)
	require.NoError(t, err)
	digest, err := img.Digest()
	require.NoError(t, err)
	_, err = signature.SPDX(document, digest)
	require.NoError(t, err)
	installed, err := image.InstalledBySPDX(document)
	require.NoError(t, err)
	assert.Equal(t, []image.Installed{{Name: "libstdc++6", Version: "12.2.0-14+deb12u1", Architecture: "amd64"}, {Name: "adduser", Version: "1:3.134~rc1", Architecture: "all"}}, installed)
	assert.Contains(t, string(document), `pkg:deb/debian/adduser@1%3A3.134~rc1?arch=all`)

	again, err := Of(img)
	require.NoError(t, err)
	assert.Equal(t, document, again)
}

func TestImageWithoutPackagesIsRefused(t *testing.T) {
	_, err := Of(withFile(t, "etc/hostname", "front-end"))
	assert.ErrorContains(t, err, "it is no image of Debian packages")
}
