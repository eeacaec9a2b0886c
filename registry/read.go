package registry

import (
	"context"
	"errors"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"golang.org/x/sync/errgroup"
)

// Get reads a manifest by its tag or digest. Its Image or ImageIndex has the rest,
// which is read when it is asked for, within the same context. What is not there is
// ErrNotFound.
func (r *Repository) Get(ctx context.Context, tagOrDigest string) (*remote.Descriptor, error) {
	ref, err := r.at(tagOrDigest)
	if err != nil {
		return nil, err
	}
	options, err := r.reading(ctx)
	if err != nil {
		return nil, r.failed(err, "read %s", ref)
	}
	descriptor, err := remote.Get(ref, options...)
	return descriptor, r.failed(err, "read %s", ref)
}

// Resolve finds the digest that a tag stands for; ErrNotFound where there is no such
// tag.
func (r *Repository) Resolve(ctx context.Context, tagOrDigest string) (v1.Hash, error) {
	ref, err := r.at(tagOrDigest)
	if err != nil {
		return v1.Hash{}, err
	}
	options, err := r.reading(ctx)
	if err != nil {
		return v1.Hash{}, r.failed(err, "look up %s", ref)
	}
	head, err := remote.Head(ref, options...)
	if err != nil {
		return v1.Hash{}, r.failed(err, "look up %s", ref)
	}
	return head.Digest, nil
}

// BlobSize asks for a blob's size in bytes without reading it.
func (r *Repository) BlobSize(ctx context.Context, digest v1.Hash) (int64, error) {
	options, err := r.reading(ctx)
	if err != nil {
		return 0, r.failed(err, "look up the blob %s", digest)
	}
	size, err := sizeOf(remote.Layer(r.name.Digest(digest.String()), options...))
	return size, r.failed(err, "look up the blob %s", digest)
}

func sizeOf(blob v1.Layer, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return blob.Size() // a HEAD request
}

// TagNames lists the tags, without their digests; none where there is no such
// repository yet. Registries tell who has no login that a new one is denied, and some
// tell it as well who logs in to read.
func (r *Repository) TagNames(ctx context.Context) ([]string, error) {
	names, err := r.listTags(ctx)
	if errors.Is(err, ErrDenied) && !r.settings.secrets.none() {
		if err := r.logInToWrite(ctx); err != nil {
			return nil, err
		}
		names, err = r.listTags(ctx)
	}
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	return names, err
}

func (r *Repository) listTags(ctx context.Context) ([]string, error) {
	options, err := r.reading(ctx)
	if err != nil {
		return nil, r.failed(err, "list the tags of %s", r.name)
	}
	names, err := r.listPages(ctx, options)
	return names, r.failed(err, "list the tags of %s", r.name)
}

// listPages reads page after page. One that has nothing new and names a next one is a
// circle.
func (r *Repository) listPages(ctx context.Context, options []remote.Option) ([]string, error) {
	puller, err := remote.NewPuller(options...)
	if err != nil {
		return nil, err
	}
	pages, err := puller.Lister(ctx, r.name)
	if err != nil {
		return nil, err
	}
	var names []string
	seen := map[string]bool{}
	for pages.HasNext() {
		page, err := pages.Next(ctx)
		if err != nil {
			return nil, err
		}
		before := len(names)
		for _, name := range page.Tags {
			if !seen[name] {
				seen[name] = true
				names = append(names, name)
			}
		}
		if len(names) == before && pages.HasNext() {
			return nil, errors.New("its pages go on without anything new")
		}
	}
	return names, nil
}

// Digests finds what tags stand for, with a request for each, a few at once. A tag
// that is not there is left out.
func (r *Repository) Digests(ctx context.Context, tags []string) (map[string]string, error) {
	digests := map[string]string{}
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(jobs)
	for _, tag := range tags {
		group.Go(func() error {
			digest, err := r.Resolve(ctx, tag)
			if errors.Is(err, ErrNotFound) {
				return nil // taken away since it was listed
			}
			mu.Lock()
			defer mu.Unlock()
			digests[tag] = digest.String()
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return digests, nil
}

// Tags lists all tags with their digests, sha256:…; none where there is no such
// repository yet.
func (r *Repository) Tags(ctx context.Context) (map[string]string, error) {
	names, err := r.TagNames(ctx)
	if err != nil {
		return nil, err
	}
	return r.Digests(ctx, names)
}

// Referrers lists the manifests whose subject is a digest: signatures, attestations.
// Where the registry has no API for it, they are read from the tag that stands in for
// it. An artifact type other than "" leaves out all others.
func (r *Repository) Referrers(ctx context.Context, subject v1.Hash, artifactType string) ([]v1.Descriptor, error) {
	options, err := r.reading(ctx)
	if err != nil {
		return nil, r.failed(err, "list what refers to %s@%s", r.name, subject)
	}
	if artifactType != "" {
		options = append(options, remote.WithFilter("artifactType", artifactType))
	}
	index, err := remote.Referrers(r.name.Digest(subject.String()), options...)
	if err != nil {
		return nil, r.failed(err, "list what refers to %s@%s", r.name, subject)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, r.failed(err, "list what refers to %s@%s", r.name, subject)
	}
	return manifest.Manifests, nil
}
