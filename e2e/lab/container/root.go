package container

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Root is an image's file system, unpacked. Containers share it, and do not write to
// it unless they say so.
type Root struct {
	path   string
	config v1.Config
}

// Pull an image, from a registry that may be without TLS, and lay it out as Unpack does.
func Pull(ctx context.Context, reference, dir string) (*Root, error) {
	ref, err := name.ParseReference(reference, name.Insecure)
	if err != nil {
		return nil, fmt.Errorf("read the image's name %q: %w", reference, err)
	}
	image, err := remote.Image(ref, remote.WithContext(ctx))
	if err != nil {
		return nil, fmt.Errorf("pull %s: %w", reference, err)
	}
	return Unpack(image, dir)
}

// Unpack lays an image out in a folder that does not exist yet.
func Unpack(image v1.Image, dir string) (*Root, error) {
	file, err := image.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("read the image's configuration: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("unpack the image: %w", err)
	}
	content := mutate.Extract(image)
	defer content.Close()
	tar := exec.Command("tar", "--extract", "--numeric-owner", "--preserve-permissions", "--directory", dir)
	tar.Stdin = content
	if out, err := tar.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("unpack the image into %s: %w: %s", dir, err, out)
	}
	return &Root{path: dir, config: file.Config}, nil
}

// Path of a file of the image, on this machine.
func (r *Root) Path(name string) string { return filepath.Join(r.path, name) }
