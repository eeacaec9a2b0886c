// Package image names the front-end's images and checks what they hold.
package image

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pablodelarco/opennebula-helm/registry"
)

// Repository is where released images are published.
const Repository = "docker.io/pablodelarco/opennebula-frontend"

// User is the uid and gid of oneadmin, which owns every volume.
const User = "9869:9869"

// Parse reads a reference with a tag or a digest.
func Parse(reference string) (name.Reference, error) {
	ref, err := name.ParseReference(reference)
	if err != nil {
		return nil, fmt.Errorf("%q is not an image reference; write it as %s:7.2.0 or with @sha256:…: %w", reference, Repository, err)
	}
	return ref, nil
}

// Info is what is known of a published image, or of an index of images.
type Info struct {
	Reference  string   // repository@sha256:…
	Repository string   // HOST/PATH
	Digest     string   // sha256:…
	Version    string   // OpenNebula's, X.Y.Z
	Platforms  []string // OS/architecture, as linux/amd64
	Size       int64    // of the compressed layers for the first platform, in bytes
}

// Inspect reads an image from its registry and checks that it is a front-end:
// labelled with a version and running as oneadmin. Of an index, it is the first
// image that is looked at; Verify looks at all.
func Inspect(ctx context.Context, reference string, options ...registry.Option) (Info, error) {
	p, err := read(ctx, reference, options...)
	if err != nil {
		return Info{}, err
	}
	return p.inspect()
}

// InspectIn is Inspect of a tag or digest in a repository.
func InspectIn(ctx context.Context, repository *registry.Repository, tagOrDigest string) (Info, error) {
	p, err := readFrom(ctx, repository, tagOrDigest)
	if err != nil {
		return Info{}, err
	}
	return p.inspect()
}

func (p *published) inspect() (Info, error) {
	info, err := describe(p.images[0].image)
	if err != nil {
		return Info{}, fmt.Errorf("image %s: %w", p.reference(), err)
	}
	info.Repository, info.Digest = p.repository.Name(), p.digest.String()
	info.Reference = info.Repository + "@" + info.Digest
	for _, i := range p.images {
		info.Platforms = append(info.Platforms, i.platform)
	}
	return info, nil
}

// ErrOther is what is published and no front-end's image.
var ErrOther = errors.New("it is no front-end's image")

// Description is what a published image says of itself.
type Description struct {
	Labels
	Platforms []string // OS/architecture, as linux/amd64
}

// Describe reads as little of an image, by its tag or digest, as tells what it is: of an
// index, the labels of its first image, which those of all are alike in what Verify has
// seen. What is no front-end's image is ErrOther.
func Describe(ctx context.Context, repository *registry.Repository, tagOrDigest string) (Description, error) {
	p, err := readFrom(ctx, repository, tagOrDigest)
	if err != nil {
		return Description{}, otherUnlessUnread(err)
	}
	config, err := p.images[0].image.ConfigFile()
	if err != nil {
		return Description{}, otherUnlessUnread(repository.Explain(err))
	}
	labels, err := readLabels(config.Config.Labels)
	if err != nil {
		return Description{}, fmt.Errorf("%w: %w", ErrOther, err)
	}
	d := Description{Labels: labels}
	for _, i := range p.images {
		d.Platforms = append(d.Platforms, i.platform)
	}
	return d, nil
}

// otherUnlessUnread tells what is no image from what cannot be read now.
func otherUnlessUnread(err error) error {
	var unread *registry.Error
	if errors.As(err, &unread) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrOther, err)
}

func describe(img v1.Image) (Info, error) {
	config, err := img.ConfigFile()
	if err != nil {
		return Info{}, fmt.Errorf("read its configuration: %w", err)
	}
	if config.Config.User != User {
		return Info{}, fmt.Errorf("it runs as %q, not as %s; it is not a front-end image", config.Config.User, User)
	}
	info := Info{Version: config.Config.Labels[VersionLabel]}
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
