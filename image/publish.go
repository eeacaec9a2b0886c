package image

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// published is what a reference names: one image, or an index of one for each
// platform.
type published struct {
	ref    name.Reference
	digest v1.Hash
	whole  remote.Taggable // v1.Image or v1.ImageIndex
	images []platformImage // at least one
}

// platformImage is an image and the platform that it is offered for, OS/architecture.
type platformImage struct {
	platform string
	image    v1.Image
}

// read finds an image or an index of images by its reference.
func read(ctx context.Context, reference string, options ...name.Option) (published, error) {
	ref, err := Parse(reference, options...)
	if err != nil {
		return published{}, err
	}
	descriptor, err := remote.Get(ref, access(ctx)...)
	if err != nil {
		return published{}, fmt.Errorf("read the image %s: %w", reference, err)
	}
	p := published{ref: ref, digest: descriptor.Digest}
	if descriptor.MediaType.IsIndex() {
		err = p.readIndex(descriptor)
	} else {
		err = p.readImage(descriptor)
	}
	if err != nil {
		return published{}, fmt.Errorf("read the image %s: %w", reference, err)
	}
	return p, nil
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
	p.whole, p.images = img, []platformImage{{platformOf(config), img}}
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
	p.whole = index
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

func access(ctx context.Context) []remote.Option {
	return []remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)}
}

// Published lists a repository's tags with their digests; none where there is no
// such repository yet.
func Published(ctx context.Context, repository string, options ...name.Option) (map[string]string, error) {
	repo, err := name.NewRepository(repository, options...)
	if err != nil {
		return nil, fmt.Errorf("%q is not a repository of images; write it as %s: %w", repository, Repository, err)
	}
	names, err := remote.List(repo, access(ctx)...)
	if isNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the tags of %s: %w", repository, err)
	}
	tags := map[string]string{}
	for _, tag := range names {
		head, err := remote.Head(repo.Tag(tag), access(ctx)...)
		if err != nil {
			return nil, fmt.Errorf("read the tag %s:%s: %w", repository, tag, err)
		}
		tags[tag] = head.Digest.String()
	}
	return tags, nil
}

// Tag gives an image, by digest, further names in its repository.
func Tag(ctx context.Context, reference string, tags []string, options ...name.Option) error {
	ref, err := Parse(reference, options...)
	if err != nil {
		return err
	}
	descriptor, err := remote.Get(ref, access(ctx)...)
	if err != nil {
		return fmt.Errorf("read the image %s: %w", reference, err)
	}
	for _, tag := range tags {
		if err := remote.Tag(ref.Context().Tag(tag), descriptor, access(ctx)...); err != nil {
			return fmt.Errorf("tag %s as %s: %w", reference, tag, err)
		}
	}
	return nil
}

// Copy copies an image, by digest, into another repository; of an index, all of it.
func Copy(ctx context.Context, reference, repository string, options ...name.Option) error {
	p, err := read(ctx, reference, options...)
	if err != nil {
		return err
	}
	to, err := name.NewDigest(repository+"@"+p.ref.Identifier(), options...)
	if err != nil {
		return fmt.Errorf("copy %s: give the image by digest: %w", reference, err)
	}
	switch whole := p.whole.(type) {
	case v1.ImageIndex:
		err = remote.WriteIndex(to, whole, access(ctx)...)
	case v1.Image:
		err = remote.Write(to, whole, access(ctx)...)
	}
	if err != nil {
		return fmt.Errorf("copy %s to %s: %w", reference, to, err)
	}
	return nil
}

func isNotFound(err error) bool {
	var answer *transport.Error
	return errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound
}
