package image

import (
	"context"
	"errors"
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/pablodelarco/opennebula-helm/registry"
)

// published is what a reference names: one image, or an index of one for each
// platform.
type published struct {
	repository *registry.Repository
	identifier string // tag or digest
	digest     v1.Hash
	images     []platformImage // at least one
}

// platformImage is an image and the platform that it is offered for, OS/architecture.
type platformImage struct {
	platform string
	image    v1.Image
}

// read finds an image or an index of images by its reference.
func read(ctx context.Context, reference string, options ...registry.Option) (published, error) {
	ref, err := Parse(reference)
	if err != nil {
		return published{}, err
	}
	repository, err := registry.Open(ref.Context().Name(), options...)
	if err != nil {
		return published{}, err
	}
	return readFrom(ctx, repository, ref.Identifier())
}

// readFrom finds an image or an index of images by its tag or digest.
func readFrom(ctx context.Context, repository *registry.Repository, identifier string) (published, error) {
	descriptor, err := repository.Get(ctx, identifier)
	if err != nil {
		return published{}, err
	}
	p := published{repository: repository, identifier: identifier, digest: descriptor.Digest}
	if descriptor.MediaType.IsIndex() {
		err = p.readIndex(descriptor)
	} else {
		err = p.readImage(descriptor)
	}
	if err != nil {
		return published{}, fmt.Errorf("read the image %s: %w", p.reference(), repository.Explain(err))
	}
	return p, nil
}

// reference is the one by which it was read.
func (p *published) reference() string {
	if _, err := v1.NewHash(p.identifier); err == nil {
		return p.repository.Name() + "@" + p.identifier
	}
	return p.repository.Name() + ":" + p.identifier
}

func (p *published) readImage(descriptor *remote.Descriptor) error {
	img, err := descriptor.Image()
	if err != nil {
		return err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return fmt.Errorf("read its configuration: %w", err)
	}
	p.images = []platformImage{{platformOf(config), img}}
	return nil
}

// readIndex leaves out what an index holds beside images: attestations, which are
// for no platform.
func (p *published) readIndex(descriptor *remote.Descriptor) error {
	index, err := descriptor.ImageIndex()
	if err != nil {
		return err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return err
	}
	for _, d := range manifest.Manifests {
		if d.Platform == nil || d.Platform.OS == "unknown" {
			continue
		}
		platform := d.Platform.OS + "/" + d.Platform.Architecture
		if slices.ContainsFunc(p.images, func(i platformImage) bool { return i.platform == platform }) {
			return fmt.Errorf("its index has two images for %s", platform)
		}
		img, err := index.Image(d.Digest)
		if err != nil {
			return fmt.Errorf("read its image for %s: %w", platform, err)
		}
		p.images = append(p.images, platformImage{platform, img})
	}
	if len(p.images) == 0 {
		return errors.New("its index has no image for any platform")
	}
	return nil
}

func platformOf(config *v1.ConfigFile) string { return config.OS + "/" + config.Architecture }
