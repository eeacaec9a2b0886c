// Package image names the front-end's images and checks what they hold.
package image

import (
	"context"
	"fmt"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Repository is where released images are published.
const Repository = "docker.io/pablodelarco/opennebula-frontend"

// User is the uid and gid of oneadmin, which owns every volume.
const User = "9869:9869"

// VersionLabel holds the OpenNebula release, X.Y.Z, that an image was built from.
const VersionLabel = "org.opencontainers.image.version"

// Parse reads a reference with a tag or a digest.
func Parse(reference string, options ...name.Option) (name.Reference, error) {
	ref, err := name.ParseReference(reference, options...)
	if err != nil {
		return nil, fmt.Errorf("%q is not an image reference; write it as %s:7.2.0 or with @sha256:…: %w", reference, Repository, err)
	}
	return ref, nil
}

// Info is what is known of a published image.
type Info struct {
	Reference  string // repository@sha256:…
	Repository string
	Digest     string // sha256:…
	Version    string // OpenNebula's, X.Y.Z
	Size       int64  // of the compressed layers, in bytes
}

// Inspect reads an image from its registry and checks that it is a front-end:
// labelled with a version and running as oneadmin.
func Inspect(ctx context.Context, reference string, options ...name.Option) (Info, error) {
	ref, img, err := read(ctx, reference, options...)
	if err != nil {
		return Info{}, err
	}
	info, err := describe(img)
	if err != nil {
		return Info{}, fmt.Errorf("image %s: %w", reference, err)
	}
	info.Repository = ref.Context().Name()
	info.Reference = info.Repository + "@" + info.Digest
	return info, nil
}

func describe(img v1.Image) (Info, error) {
	digest, err := img.Digest()
	if err != nil {
		return Info{}, fmt.Errorf("read its digest: %w", err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		return Info{}, fmt.Errorf("read its configuration: %w", err)
	}
	if config.Config.User != User {
		return Info{}, fmt.Errorf("it runs as %q, not as %s; it is not a front-end image", config.Config.User, User)
	}
	info := Info{Digest: digest.String(), Version: config.Config.Labels[VersionLabel]}
	if info.Version == "" {
		return Info{}, fmt.Errorf("it has no label %s; it is not a front-end image", VersionLabel)
	}
	info.Size, err = compressedSize(img)
	return info, err
}

func compressedSize(img v1.Image) (int64, error) {
	layers, err := img.Layers()
	if err != nil {
		return 0, fmt.Errorf("list its layers: %w", err)
	}
	var total int64
	for _, layer := range layers {
		size, err := layer.Size()
		if err != nil {
			return 0, fmt.Errorf("read a layer's size: %w", err)
		}
		total += size
	}
	return total, nil
}

// PlainHTTP are the options for Parse and Inspect of a registry without TLS.
func PlainHTTP(plain bool) []name.Option {
	if plain {
		return []name.Option{name.Insecure}
	}
	return nil
}
