package image

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// read finds an image by its reference.
func read(ctx context.Context, reference string, options ...name.Option) (name.Reference, v1.Image, error) {
	ref, err := Parse(reference, options...)
	if err != nil {
		return nil, nil, err
	}
	img, err := remote.Image(ref, access(ctx)...)
	if err != nil {
		return nil, nil, fmt.Errorf("read the image %s: %w", reference, err)
	}
	return ref, img, nil
}

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

// Copy copies an image, by digest, into another repository.
func Copy(ctx context.Context, reference, repository string, options ...name.Option) error {
	ref, img, err := read(ctx, reference, options...)
	if err != nil {
		return err
	}
	to, err := name.NewDigest(repository+"@"+ref.Identifier(), options...)
	if err != nil {
		return fmt.Errorf("copy %s: give the image by digest: %w", reference, err)
	}
	if err := remote.Write(to, img, access(ctx)...); err != nil {
		return fmt.Errorf("copy %s to %s: %w", reference, to, err)
	}
	return nil
}

func isNotFound(err error) bool {
	var answer *transport.Error
	return errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound
}
