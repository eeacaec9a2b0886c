package image

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"

	"github.com/pablodelarco/opennebula-helm/registry"
)

// Load reads the images of a source, one for each platform that it has: a folder in
// OCI's layout, a tar file of one (as docker buildx build --output type=oci and
// Dagger's AsTarball write it), or a reference in a registry. What is no file and
// does not begin as a path (/, ./ or ../) is a reference. A tar file is unpacked
// into a folder, which must stay until the images were used.
func Load(ctx context.Context, source, unpacked string, options ...registry.Option) ([]v1.Image, error) {
	info, err := os.Stat(source)
	switch {
	case err == nil && info.IsDir():
		return loadLayout(source, source)
	case err == nil:
		if err := unpack(source, unpacked); err != nil {
			return nil, fmt.Errorf("unpack the image %s: %w", source, err)
		}
		return loadLayout(source, unpacked)
	case strings.HasPrefix(source, "/"), strings.HasPrefix(source, "./"), strings.HasPrefix(source, "../"):
		return nil, fmt.Errorf("read the image %s: %w", source, err)
	}
	p, err := read(ctx, source, options...)
	if err != nil {
		return nil, err
	}
	images := make([]v1.Image, len(p.images))
	for i := range p.images {
		images[i] = p.images[i].image
	}
	return images, nil
}

func loadLayout(source, folder string) ([]v1.Image, error) {
	top, err := layout.ImageIndexFromPath(folder)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s is not an image in OCI's layout (it lacks %s): export it as such, with docker buildx build --output type=oci", source, filepath.Base(pathOf(err)))
	}
	if err != nil {
		return nil, fmt.Errorf("read the image %s: %w", source, err)
	}
	found := map[v1.Hash]bool{}
	images, err := imagesIn(top, found)
	if err != nil {
		return nil, fmt.Errorf("read the image %s: %w", source, err)
	}
	if len(images) == 0 {
		return nil, fmt.Errorf("%s has no image for any platform", source)
	}
	return images, nil
}

// pathOf is the file that an error is about.
func pathOf(err error) string {
	var of *os.PathError
	if errors.As(err, &of) {
		return of.Path
	}
	return "index.json"
}

// imagesIn lists the images of an index and of the indexes within it, each once and
// without attestations.
func imagesIn(index v1.ImageIndex, found map[v1.Hash]bool) ([]v1.Image, error) {
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	var images []v1.Image
	for _, d := range manifest.Manifests {
		if found[d.Digest] || isAttestation(d) {
			continue
		}
		found[d.Digest] = true
		more, err := imagesOf(index, d, found)
		if err != nil {
			return nil, err
		}
		images = append(images, more...)
	}
	return images, nil
}

func imagesOf(index v1.ImageIndex, d v1.Descriptor, found map[v1.Hash]bool) ([]v1.Image, error) {
	switch {
	case d.MediaType.IsImage():
		img, err := index.Image(d.Digest)
		return []v1.Image{img}, err
	case d.MediaType.IsIndex():
		within, err := index.ImageIndex(d.Digest)
		if err != nil {
			return nil, err
		}
		return imagesIn(within, found)
	default:
		return nil, nil
	}
}

// isAttestation tells what BuildKit puts into an index beside images.
func isAttestation(d v1.Descriptor) bool { return d.Platform != nil && d.Platform.OS == "unknown" }

// What OCI's layout is made of; a tar file may have more, which is left out.
var layoutFile = regexp.MustCompile(`^(oci-layout|index\.json|blobs/sha256/[0-9a-f]{64})$`)

// unpack writes the files of a layout, and nothing else, into a folder.
func unpack(archive, folder string) error {
	file, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := os.MkdirAll(filepath.Join(folder, "blobs/sha256"), 0o755); err != nil {
		return err
	}
	content := tar.NewReader(file)
	for {
		header, err := content.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("it is no tar file, or was cut (compressed ones must be decompressed): %w", err)
		}
		name := path.Clean(header.Name)
		if header.Typeflag != tar.TypeReg || !layoutFile.MatchString(name) {
			continue
		}
		if err := writeFile(filepath.Join(folder, filepath.FromSlash(name)), content); err != nil {
			return err
		}
	}
}

func writeFile(name string, content io.Reader) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	return errors.Join(err, file.Close())
}
