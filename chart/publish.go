package chart

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/pablodelarco/opennebula-helm/registry"
)

// Published is a chart in a registry.
type Published struct {
	Reference string // oci://HOST/PATH/opennebula:VERSION
	Digest    string // of its manifest, sha256:…
	Size      int64  // of the archive, in bytes
	Already   bool   // it was there, and nothing was sent
}

// PublishOption changes how a chart is published.
type PublishOption func(*publication)

type publication struct {
	beforeTag func(ctx context.Context, digest v1.Hash) error
}

// BeforeTag is called with the digest of what was pushed, before it gets its tag: to sign
// it. Where it fails, there is no tag.
func BeforeTag(do func(ctx context.Context, digest v1.Hash) error) PublishOption {
	return func(p *publication) { p.beforeTag = do }
}

// Publish pushes an archive by digest to a repository, HOST/PATH/opennebula, reads it
// back and tags it with the chart's version last. After any failure it may be done again.
// Where the version is there with the same digest, nothing is sent; with another one it is
// registry.ErrTaken, since a published version never changes.
func Publish(ctx context.Context, archive string, to *registry.Repository, options ...PublishOption) (Published, error) {
	p := publication{beforeTag: func(context.Context, v1.Hash) error { return nil }}
	for _, option := range options {
		option(&p)
	}
	staged, err := Stage(ctx, archive)
	if err != nil {
		return Published{}, err
	}
	if name := path.Base(to.Name()); name != staged.Name {
		return Published{}, fmt.Errorf("the repository %s does not end in the chart's name, as Helm wants it: write it as HOST/PATH/%s", to.Name(), staged.Name)
	}
	already, err := isPublished(ctx, staged, to)
	if err == nil && !already {
		err = p.publish(ctx, staged, to)
	}
	if err != nil {
		return Published{}, fmt.Errorf("publish the chart %s %s: %w", staged.Name, staged.Version, err)
	}
	return Published{
		Reference: "oci://" + to.Name() + ":" + staged.Version, Digest: staged.Digest.String(), Size: staged.Size, Already: already,
	}, nil
}

// Lookup finds a version that is published.
func Lookup(ctx context.Context, from *registry.Repository, version string) (Published, error) {
	descriptor, err := from.Get(ctx, version)
	if err != nil {
		return Published{}, err
	}
	archive, err := readArchive(descriptor, from)
	if err != nil {
		return Published{}, err
	}
	return Published{
		Reference: "oci://" + from.Name() + ":" + version, Digest: descriptor.Digest.String(), Size: int64(len(archive)), Already: true,
	}, nil
}

func isPublished(ctx context.Context, staged Staged, to *registry.Repository) (bool, error) {
	held, err := to.Resolve(ctx, staged.Version)
	switch {
	case errors.Is(err, registry.ErrNotFound):
		return false, nil
	case err != nil:
		return false, err
	case held != staged.Digest:
		// Tag says in a sentence that it is taken.
		return false, to.Tag(ctx, staged.Digest, staged.Version)
	}
	return true, nil
}

func (p publication) publish(ctx context.Context, staged Staged, to *registry.Repository) error {
	digest, err := to.Push(ctx, staged.Image)
	if err != nil {
		return err
	}
	if err := ReadBack(ctx, staged, to); err != nil {
		return err
	}
	if err := p.beforeTag(ctx, digest); err != nil {
		return err
	}
	return to.Tag(ctx, digest, staged.Version)
}

// ReadBack fails unless a repository has the archive of a staged chart, byte for byte.
func ReadBack(ctx context.Context, staged Staged, from *registry.Repository) error {
	want, err := archiveOf(staged.Image)
	if err != nil {
		return fmt.Errorf("read the staged chart: %w", err)
	}
	got, err := pullArchive(ctx, from, staged.Digest.String())
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("%s has another archive of %s than was sent: take it away there, and publish again", from.Name(), staged.Digest)
	}
	return nil
}

// pullArchive reads a chart's archive by its tag or digest.
func pullArchive(ctx context.Context, from *registry.Repository, tagOrDigest string) ([]byte, error) {
	descriptor, err := from.Get(ctx, tagOrDigest)
	if err != nil {
		return nil, err
	}
	return readArchive(descriptor, from)
}

func readArchive(descriptor *remote.Descriptor, from *registry.Repository) ([]byte, error) {
	img, err := descriptor.Image()
	if err != nil {
		return nil, fmt.Errorf("%s@%s is no chart: %w", from.Name(), descriptor.Digest, err)
	}
	archive, err := archiveOf(img)
	if err != nil {
		return nil, fmt.Errorf("read the chart %s@%s: %w", from.Name(), descriptor.Digest, from.Explain(err))
	}
	return archive, nil
}

// archiveOf is the archive in what Helm pushes.
func archiveOf(img v1.Image) ([]byte, error) {
	layers, err := img.Layers()
	if err != nil {
		return nil, err
	}
	for _, layer := range layers {
		mediaType, err := layer.MediaType()
		if err != nil {
			return nil, err
		}
		if string(mediaType) == chartLayer {
			return readLayer(layer)
		}
	}
	return nil, errors.New("it holds no chart")
}

func readLayer(layer v1.Layer) ([]byte, error) {
	packed, err := layer.Compressed()
	if err != nil {
		return nil, err
	}
	defer packed.Close()
	content, err := io.ReadAll(io.LimitReader(packed, maxArchive+1))
	if err != nil {
		return nil, err
	}
	if len(content) > maxArchive {
		return nil, fmt.Errorf("its archive has more than %d bytes, and a chart at most that", maxArchive)
	}
	return content, nil
}
