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

// Archive is a base image's content for an architecture, in the words of OCI and of
// Debian: amd64, arm64.
type Archive struct {
	Architecture string
	File         string // a tar archive
}

// Debian12 returns a minimal Debian 12, without texts for readers as Docker Hub's
// slim images, made once and kept in the cache folder. For an architecture that is
// not this machine's, it needs an emulator that binfmt_misc knows.
func Debian12(ctx context.Context, cache, architecture string) (Archive, error) {
	archive := Archive{architecture, filepath.Join(cache, "debian-12-slim-"+architecture+".tar")}
	if _, err := os.Stat(archive.File); err == nil {
		return archive, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return archive, fmt.Errorf("create the cache folder: %w", err)
	}
	partial, err := os.CreateTemp(cache, "partial-*.tar")
	if err != nil {
		return archive, fmt.Errorf("create a file in the cache folder: %w", err)
	}
	partial.Close()
	defer os.Remove(partial.Name())
	if out, err := exec.CommandContext(ctx, "mmdebstrap", bootstrap(architecture, partial.Name())...).CombinedOutput(); err != nil {
		return archive, fmt.Errorf("make a base image for %s with mmdebstrap: %w: %s", architecture, err, process.LastLine(out))
	}
	return archive, os.Rename(partial.Name(), archive.File)
}

func bootstrap(architecture, file string) []string {
	args := []string{"--variant=minbase", "--format=tar", "--architectures=" + architecture, `--aptopt=Acquire::Retries "3"`}
	for _, unread := range []string{"doc", "man", "info", "locale"} {
		args = append(args, "--dpkgopt=path-exclude=/usr/share/"+unread+"/*")
	}
	return append(args, "--dpkgopt=path-include=/usr/share/doc/*/copyright", "bookworm", file)
}

// PushDebian12 serves archives as library/debian:12-slim, one as an image and several
// as an index of images, and returns the digest, sha256:….
func PushDebian12(ctx context.Context, registry string, archives ...Archive) (string, error) {
	reference := registry + "/library/debian:12-slim"
	var bases []v1.Image
	for _, archive := range archives {
		layer, err := tarball.LayerFromFile(archive.File)
		if err != nil {
			return "", fmt.Errorf("read %s: %w", archive.File, err)
		}
		base, err := newImage(archive.Architecture, layer, v1.Config{Env: []string{path}, Cmd: []string{"bash"}})
		if err != nil {
			return "", fmt.Errorf("make the image %s: %w", reference, err)
		}
		bases = append(bases, base)
	}
	if len(bases) == 1 {
		return push(ctx, reference, bases[0])
	}
	return pushIndex(ctx, reference, bases)
}

// PushPause serves a static program as the image of pods' first process, and
// returns its reference.
func PushPause(ctx context.Context, registry, program string) (string, error) {
	layer, err := singleFile(program, "pause")
	if err != nil {
		return "", fmt.Errorf("read %s: %w", program, err)
	}
	reference := registry + "/lab/pause:1"
	pause, err := newImage(architecture(), layer, v1.Config{Entrypoint: []string{"/pause"}})
	if err != nil {
		return "", fmt.Errorf("make the image %s: %w", reference, err)
	}
	_, err = push(ctx, reference, pause)
	return reference, err
}

func newImage(architecture string, layer v1.Layer, config v1.Config) (v1.Image, error) {
	image, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return nil, err
	}
	file, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.Config, file.OS, file.Architecture = config, "linux", architecture
	return mutate.ConfigFile(image, file)
}

func push(ctx context.Context, reference string, image v1.Image) (string, error) {
	ref, err := name.ParseReference(reference, name.Insecure)
	if err != nil {
		return "", err
	}
	if err := remote.Write(ref, image, remote.WithContext(ctx)); err != nil {
		return "", fmt.Errorf("push %s: %w", reference, err)
	}
	digest, err := image.Digest()
	return digest.String(), err
}

func pushIndex(ctx context.Context, reference string, images []v1.Image) (string, error) {
	var index v1.ImageIndex = empty.Index
	for _, image := range images {
		config, err := image.ConfigFile()
		if err != nil {
			return "", fmt.Errorf("make the index %s: %w", reference, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: config.Platform()}})
	}
	ref, err := name.ParseReference(reference, name.Insecure)
	if err != nil {
		return "", err
	}
	if err := remote.WriteIndex(ref, index, remote.WithContext(ctx)); err != nil {
		return "", fmt.Errorf("push %s: %w", reference, err)
	}
	digest, err := index.Digest()
	return digest.String(), err
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
