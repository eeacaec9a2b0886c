package image

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pablodelarco/opennebula-helm/upstream"
)

const (
	// dpkgStatus lists what is installed.
	dpkgStatus = "var/lib/dpkg/status"
	// A status of a thousand packages is about a megabyte.
	maxStatus = 64 << 20
	// whiteout begins the names of files that take away one of a lower layer.
	whiteout = ".wh."
	// opaque takes away all that lower layers have in its folder.
	opaque = whiteout + whiteout + ".opq"
)

// Installed is a Debian package in an image.
type Installed struct{ Name, Version, Architecture string }

// InstalledPackages reads what dpkg says of an image. Layers are read from the last one
// on, and only until one of them has dpkg's status.
func InstalledPackages(img v1.Image) ([]Installed, error) {
	layers, err := img.Layers()
	if err != nil {
		return nil, fmt.Errorf("list its layers: %w", err)
	}
	for _, layer := range slices.Backward(layers) {
		status, err := statusIn(layer)
		if err != nil {
			digest, _ := layer.Digest()
			return nil, fmt.Errorf("read its layer %s: %w", digest, err)
		}
		if status != nil {
			return parseStatus(status)
		}
	}
	return nil, errNoStatus
}

var errNoStatus = errors.New("it has no /" + dpkgStatus + ": it is no image of Debian packages")

// statusIn is dpkg's status in a layer; nil where the layer leaves it as it was.
func statusIn(layer v1.Layer) ([]byte, error) {
	content, err := layer.Uncompressed()
	if err != nil {
		return nil, err
	}
	defer content.Close()
	hidden := false
	for files := tar.NewReader(content); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) && hidden {
			return nil, errNoStatus
		}
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		name := strings.TrimPrefix(path.Clean(header.Name), "/")
		if name == dpkgStatus && header.Typeflag == tar.TypeReg {
			return io.ReadAll(io.LimitReader(files, maxStatus))
		}
		hidden = hidden || hides(name)
	}
}

// hides tells whether a file of a layer takes dpkg's status of lower layers away.
func hides(name string) bool {
	folder, base := path.Split(name)
	hidden, ok := strings.CutPrefix(base, whiteout)
	status := dpkgStatus + "/"
	if base == opaque {
		return strings.HasPrefix(status, folder)
	}
	return ok && strings.HasPrefix(status, folder+hidden+"/")
}

// parseStatus reads dpkg's status: https://manpages.debian.org/bookworm/dpkg/dpkg.1.en.html
func parseStatus(status []byte) ([]Installed, error) {
	stanzas, err := upstream.Stanzas(bytes.TrimSpace(status))
	if err != nil {
		return nil, fmt.Errorf("read its /%s: %w", dpkgStatus, err)
	}
	var installed []Installed
	for _, stanza := range stanzas {
		// What was wanted, what went wrong, and what is.
		state := strings.Fields(stanza.Get("Status"))
		if len(state) != 3 || state[2] != "installed" {
			continue
		}
		p := Installed{stanza.Get("Package"), stanza.Get("Version"), stanza.Get("Architecture")}
		if p.Name == "" || p.Version == "" {
			return nil, fmt.Errorf("read its /%s: a package has no name or no version (Package: %q, Version: %q)", dpkgStatus, p.Name, p.Version)
		}
		installed = append(installed, p)
	}
	if len(installed) == 0 {
		return nil, fmt.Errorf("its /%s lists nothing that is installed: a check that saw nothing proves nothing", dpkgStatus)
	}
	return installed, nil
}
