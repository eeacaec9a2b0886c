package image

import (
	"context"
	"errors"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pablodelarco/opennebula-helm/registry"
)

// Publication is an index in the repository where it was published.
type Publication struct {
	Report
	Already bool // it was there, complete and under its tag, and no image was sent
}

// Publish sends an index of Join by its digest, verifies what the registry then has,
// and only then tags it: with a version, X.Y.Z or X.Y.Z-N, which is never moved, and
// with floating tags, which are. A version that has another digest is
// registry.ErrTaken, before anything is sent. After a failure the same call again
// ends as if there had been none.
func Publish(ctx context.Context, to *registry.Repository, index v1.ImageIndex, version string, floating ...string) (Publication, error) {
	digest, err := publishable(index, version, floating)
	if err != nil {
		return Publication{}, err
	}
	already, err := to.Holds(ctx, digest, version)
	if err != nil {
		return Publication{}, err
	}
	var report Report
	if already {
		report, err = VerifyIn(ctx, to, digest.String())
	}
	if !already || err != nil { // what is damaged there is sent again
		already = false
		report, err = send(ctx, to, index)
	}
	if err != nil {
		return Publication{}, err
	}
	if err := to.Tag(ctx, digest, version); err != nil {
		return Publication{}, err
	}
	for _, tag := range floating {
		if err := to.Move(ctx, digest, tag); err != nil {
			return Publication{}, err
		}
	}
	return Publication{Report: report, Already: already}, nil
}

// publishable refuses tags that an index must not have.
func publishable(index v1.ImageIndex, version string, floating []string) (v1.Hash, error) {
	digest, err := index.Digest()
	if err != nil {
		return v1.Hash{}, fmt.Errorf("read the index to be published: %w", err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return v1.Hash{}, fmt.Errorf("read the index to be published: %w", err)
	}
	of := manifest.Annotations[VersionLabel]
	if of == "" {
		return v1.Hash{}, errors.New("the index to be published has no annotation " + VersionLabel + ": make it with Join")
	}
	if !releaseTag.MatchString(version) {
		return v1.Hash{}, fmt.Errorf("%q is not the version of an image: publish it as X.Y.Z or X.Y.Z-N", version)
	}
	for _, tag := range append([]string{version}, floating...) {
		if err := verifyTag(tag, of); err != nil {
			return v1.Hash{}, fmt.Errorf("the index to be published: %w: choose another tag", err)
		}
	}
	for _, tag := range floating {
		if releaseTag.MatchString(tag) {
			return v1.Hash{}, fmt.Errorf("the tag %s is never moved: it can be the version of an image, not a floating tag", tag)
		}
	}
	return digest, nil
}

func send(ctx context.Context, to *registry.Repository, index v1.ImageIndex) (Report, error) {
	digest, err := to.Push(ctx, index)
	if err != nil {
		return Report{}, err
	}
	return VerifyIn(ctx, to, digest.String())
}
