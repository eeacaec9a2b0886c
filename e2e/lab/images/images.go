// Package images makes the base images that Docker Hub would give, from Debian's
// packages, and serves them under their own names.
package images

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/pablodelarco/opennebula-helm/e2e/lab/process"
)

const path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Debian12 returns an archive of a minimal Debian 12, made once and kept in the
// cache folder.
func Debian12(ctx context.Context, cache string) (string, error) {
	archive := filepath.Join(cache, "debian-12.tar")
	if _, err := os.Stat(archive); err == nil {
		return archive, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", fmt.Errorf("create the cache folder: %w", err)
	}
	partial := archive + ".partial"
	defer os.Remove(partial)
	cmd := exec.CommandContext(ctx, "mmdebstrap", "--variant=minbase", "--format=tar",
		"--aptopt=Acquire::Retries \"3\"", "bookworm", partial)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("make a base image with mmdebstrap: %w: %s", err, process.LastLine(out))
	}
	return archive, os.Rename(partial, archive)
}

// PushDebian12 serves the archive as library/debian:12-slim.
func PushDebian12(ctx context.Context, registry, archive string) error {
	layer, err := tarball.LayerFromFile(archive)
	if err != nil {
		return fmt.Errorf("read %s: %w", archive, err)
	}
	return push(ctx, registry+"/library/debian:12-slim", layer, v1.Config{
		Env: []string{path},
		Cmd: []string{"bash"},
	})
}

// PushPause serves a static program as the image of pods' first process, and
// returns its reference.
func PushPause(ctx context.Context, registry, program string) (string, error) {
	layer, err := singleFile(program, "pause")
	if err != nil {
		return "", fmt.Errorf("read %s: %w", program, err)
	}
	reference := registry + "/lab/pause:1"
	return reference, push(ctx, reference, layer, v1.Config{Entrypoint: []string{"/pause"}})
}

func push(ctx context.Context, reference string, layer v1.Layer, config v1.Config) error {
	image, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return fmt.Errorf("make the image %s: %w", reference, err)
	}
	file, err := image.ConfigFile()
	if err != nil {
		return fmt.Errorf("make the image %s: %w", reference, err)
	}
	file = file.DeepCopy()
	file.Config, file.OS, file.Architecture = config, "linux", architecture()
	if image, err = mutate.ConfigFile(image, file); err != nil {
		return fmt.Errorf("make the image %s: %w", reference, err)
	}
	ref, err := name.ParseReference(reference, name.Insecure)
	if err != nil {
		return err
	}
	if err := remote.Write(ref, image, remote.WithContext(ctx)); err != nil {
		return fmt.Errorf("push %s: %w", reference, err)
	}
	return nil
}

func singleFile(file, as string) (v1.Layer, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: as, Mode: 0o755, Size: int64(len(content))}); err != nil {
		return nil, err
	}
	if _, err := w.Write(content); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(opener(b.Bytes()))
}
