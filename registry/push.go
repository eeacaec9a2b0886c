package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"golang.org/x/sync/errgroup"
)

// Content is a v1.Image or a v1.ImageIndex.
type Content interface {
	partial.Describable
	RawManifest() ([]byte, error)
}

// Push sends an image, or an index with all that it lists, by digest and without a
// tag, and reads it back. Blobs go first and an index last, so that what is there is
// whole. What is there already is not sent; blobs that lie in another repository of
// the same registry are mounted from there. A manifest with a subject is listed among
// what refers to it.
func (r *Repository) Push(ctx context.Context, content Content) (v1.Hash, error) {
	digest, err := content.Digest()
	if err != nil {
		return v1.Hash{}, fmt.Errorf("read what is to be sent to %s: %w", r.name, err)
	}
	p := parcel{}
	if err := p.add(content); err != nil {
		return v1.Hash{}, r.failed(err, "read what is to be sent to %s", r.name)
	}
	options, err := r.writing(ctx, p.sources()...)
	if err != nil {
		return v1.Hash{}, r.failed(err, "push to %s", r.name)
	}
	pusher, err := remote.NewPusher(options...)
	if err != nil {
		return v1.Hash{}, fmt.Errorf("push to %s: %w", r.name, err)
	}
	if err := r.sendBlobs(ctx, pusher, p.blobs); err != nil {
		return v1.Hash{}, err
	}
	for _, manifest := range p.manifests {
		if err := r.sendManifest(ctx, pusher, manifest); err != nil {
			return v1.Hash{}, err
		}
	}
	return digest, nil
}

// Copy sends what another repository has by a tag or digest, as Push does.
func (r *Repository) Copy(ctx context.Context, from *Repository, tagOrDigest string) (v1.Hash, error) {
	descriptor, err := from.Get(ctx, tagOrDigest)
	if err != nil {
		return v1.Hash{}, err
	}
	content, err := contentOf(descriptor)
	if err != nil {
		return v1.Hash{}, from.failed(err, "read %s of %s", tagOrDigest, from.name)
	}
	return r.Push(ctx, content)
}

func contentOf(descriptor *remote.Descriptor) (Content, error) {
	if descriptor.MediaType.IsIndex() {
		return descriptor.ImageIndex()
	}
	return descriptor.Image()
}

// parcel is all that makes an image or index up, each thing once, and parts before
// what lists them.
type parcel struct {
	blobs     []v1.Layer
	manifests []Content
	seen      map[v1.Hash]bool
}

func (p *parcel) add(content Content) error {
	if have, err := p.have(content); have || err != nil {
		return err
	}
	var err error
	switch content := content.(type) {
	case v1.ImageIndex:
		err = p.addIndex(content)
	case v1.Image:
		err = p.addImage(content)
	default:
		err = fmt.Errorf("%T is neither an image nor an index", content)
	}
	p.manifests = append(p.manifests, content)
	return err
}

func (p *parcel) have(what interface{ Digest() (v1.Hash, error) }) (bool, error) {
	digest, err := what.Digest()
	if err != nil || p.seen[digest] {
		return true, err
	}
	if p.seen == nil {
		p.seen = map[v1.Hash]bool{}
	}
	p.seen[digest] = true
	return false, nil
}

func (p *parcel) addIndex(index v1.ImageIndex) error {
	children, err := partial.Manifests(index)
	if err != nil {
		return err
	}
	for _, child := range children {
		content, ok := child.(Content)
		if !ok {
			return fmt.Errorf("an index lists a %T, which is neither an image nor an index", child)
		}
		if err := p.add(content); err != nil {
			return err
		}
	}
	return nil
}

func (p *parcel) addImage(image v1.Image) error {
	blobs, err := image.Layers()
	if err != nil {
		return err
	}
	config, err := partial.ConfigLayer(image)
	if err != nil {
		return err
	}
	for _, blob := range append(slices.Clone(blobs), config) {
		have, err := p.have(blob)
		if err != nil {
			return err
		}
		if !have {
			p.blobs = append(p.blobs, blob)
		}
	}
	return nil
}

// sources are the repositories that blobs may be mounted from.
func (p *parcel) sources() []name.Repository {
	var sources []name.Repository
	for _, blob := range p.blobs {
		if mountable, ok := blob.(*remote.MountableLayer); ok {
			sources = append(sources, mountable.Reference.Context())
		}
	}
	return sources
}

// sendBlobs sends a few at once. After a failure none is begun, but what is under way
// is sent to its end, so that the next run need not send it again.
func (r *Repository) sendBlobs(ctx context.Context, pusher *remote.Pusher, blobs []v1.Layer) error {
	var group errgroup.Group
	var failed atomic.Bool
	group.SetLimit(jobs)
	for _, blob := range blobs {
		group.Go(func() error {
			if failed.Load() {
				return nil
			}
			err := r.sendBlob(ctx, pusher, blob)
			if err != nil {
				failed.Store(true)
			}
			return err
		})
	}
	return group.Wait()
}

// sendBlob sends a blob unless it is there, and has the size of what was sent
// confirmed. Its digest is the registry's to check, which takes no other content.
func (r *Repository) sendBlob(ctx context.Context, pusher *remote.Pusher, blob v1.Layer) error {
	digest, err := blob.Digest()
	if err != nil {
		return err
	}
	size, err := blob.Size()
	if err != nil {
		return r.failed(err, "read the size of the blob %s", digest)
	}
	watched, read := watch(blob)
	if err := pusher.Upload(ctx, r.name, watched); err != nil {
		return r.failed(err, "send the blob %s (%d bytes) to %s", digest, size, r.name)
	}
	if !read.Load() {
		r.settings.progress("%s is there: blob %s, %d bytes", r.name, digest, size)
		return nil
	}
	stored, err := r.BlobSize(ctx, digest)
	if err != nil {
		return err
	}
	if stored != size {
		return fmt.Errorf("%s has %d bytes of the blob %s, which has %d: take it away there, and push again", r.name, stored, digest, size)
	}
	r.settings.progress("%s was sent: blob %s, %d bytes", r.name, digest, size)
	return nil
}

// watch returns a blob that tells whether it was read, and so sent.
func watch(blob v1.Layer) (v1.Layer, *atomic.Bool) {
	w := &watchedBlob{Layer: blob}
	if mountable, ok := blob.(*remote.MountableLayer); ok {
		w.Layer = mountable.Layer
		return &remote.MountableLayer{Layer: w, Reference: mountable.Reference}, &w.read
	}
	return w, &w.read
}

type watchedBlob struct {
	v1.Layer
	read atomic.Bool
}

func (w *watchedBlob) Compressed() (io.ReadCloser, error) {
	w.read.Store(true)
	return w.Layer.Compressed()
}

// sendManifest puts a manifest where it is not there, and reads it back.
func (r *Repository) sendManifest(ctx context.Context, pusher *remote.Pusher, manifest Content) error {
	digest, err := manifest.Digest()
	if err != nil {
		return err
	}
	err = r.readBack(ctx, manifest, digest)
	// Some registries say that reading is denied where there is nothing.
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrDenied) {
		if err := pusher.Put(ctx, r.name.Digest(digest.String()), manifest); err != nil {
			return r.failed(err, "send the manifest %s to %s", digest, r.name)
		}
		r.settings.progress("%s was sent: manifest %s", r.name, digest)
		err = r.readBack(ctx, manifest, digest)
	} else if err == nil {
		r.settings.progress("%s is there: manifest %s", r.name, digest)
	}
	if err != nil {
		return err
	}
	return r.ensureListed(ctx, pusher, manifest, digest)
}

func (r *Repository) readBack(ctx context.Context, manifest Content, digest v1.Hash) error {
	want, err := manifest.RawManifest()
	if err != nil {
		return err
	}
	got, err := r.Get(ctx, digest.String())
	if err != nil {
		return err
	}
	if !bytes.Equal(got.Manifest, want) {
		return fmt.Errorf("%s has something else as %s: take it away there, and push again", r.name, digest)
	}
	return nil
}

// ensureListed has a manifest with a subject listed as its referrer. A run before
// may have ended between the two, and where a tag stands in for the API, another
// writer may have overwritten the list.
func (r *Repository) ensureListed(ctx context.Context, pusher *remote.Pusher, manifest Content, digest v1.Hash) error {
	subject, err := subjectOf(manifest)
	if subject == nil || err != nil {
		return err
	}
	for tries := 0; ; tries++ {
		listed, err := r.Referrers(ctx, subject.Digest, "")
		if err != nil {
			return err
		}
		if slices.ContainsFunc(listed, func(d v1.Descriptor) bool { return d.Digest == digest }) {
			return nil
		}
		if tries == 3 {
			return fmt.Errorf("%s does not list %s among what refers to %s: push again when nobody else writes there", r.name, digest, subject.Digest)
		}
		if err := pusher.Put(ctx, r.name.Digest(digest.String()), manifest); err != nil {
			return r.failed(err, "list %s among what refers to %s in %s", digest, subject.Digest, r.name)
		}
	}
}

func subjectOf(manifest Content) (*v1.Descriptor, error) {
	raw, err := manifest.RawManifest()
	if err != nil {
		return nil, err
	}
	var of struct {
		Subject *v1.Descriptor `json:"subject"`
	}
	if err := json.Unmarshal(raw, &of); err != nil {
		return nil, fmt.Errorf("read a manifest's subject: %w", err)
	}
	return of.Subject, nil
}
