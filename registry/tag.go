package registry

import (
	"context"
	"errors"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Holds tells whether a tag has a digest already, for those who are about to give it
// that one. One that has another is ErrTaken.
func (r *Repository) Holds(ctx context.Context, digest v1.Hash, tag string) (bool, error) {
	held, err := r.resolveToWrite(ctx, tag)
	switch {
	case errors.Is(err, ErrNotFound):
		return false, nil
	case err != nil:
		return false, err
	case held != digest:
		return false, &Error{
			text: fmt.Sprintf("%s:%s exists as %s and is never moved, so that it cannot become %s: publish under a name of its own", r.name, tag, held, digest),
			kind: ErrTaken,
		}
	default:
		return true, nil
	}
}

// resolveToWrite logs in for writing first: some registries tell who may only read
// that a new repository is denied, and who may write that it is not there.
func (r *Repository) resolveToWrite(ctx context.Context, tag string) (v1.Hash, error) {
	if err := r.logInToWrite(ctx); err != nil {
		return v1.Hash{}, err
	}
	return r.Resolve(ctx, tag)
}

// logInToWrite has all that is read from then on read with the login for writing.
func (r *Repository) logInToWrite(ctx context.Context) error {
	_, err := r.writing(ctx)
	return r.failed(err, "log in to write to %s", r.name)
}

// Tag names what is there by digest. A tag that has another digest is ErrTaken and
// stays as it is. Registries offer no way to make that certain: of two who tag at
// once, one finds out by reading back, as this does.
func (r *Repository) Tag(ctx context.Context, digest v1.Hash, tag string) error {
	held, err := r.Holds(ctx, digest, tag)
	if err != nil {
		return err
	}
	if held {
		r.settings.progress("%s is there: tag %s", r.name, tag)
		return nil
	}
	return r.put(ctx, digest, tag)
}

// Move gives a tag to what is there by digest, whatever had it before.
func (r *Repository) Move(ctx context.Context, digest v1.Hash, tag string) error {
	held, err := r.resolveToWrite(ctx, tag)
	if err == nil && held == digest {
		r.settings.progress("%s is there: tag %s", r.name, tag)
		return nil
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	return r.put(ctx, digest, tag)
}

func (r *Repository) put(ctx context.Context, digest v1.Hash, tag string) error {
	descriptor, err := r.Get(ctx, digest.String())
	if err != nil {
		return err
	}
	options, err := r.writing(ctx)
	if err != nil {
		return r.failed(err, "tag %s as %s in %s", digest, tag, r.name)
	}
	if err := remote.Put(r.name.Tag(tag), descriptor, options...); err != nil {
		return r.failed(err, "tag %s as %s in %s", digest, tag, r.name)
	}
	got, err := r.Resolve(ctx, tag)
	if err != nil {
		return err
	}
	if got != digest {
		return fmt.Errorf("%s:%s was made %s and reads back as %s: somebody else writes there; see who, and tag again", r.name, tag, digest, got)
	}
	r.settings.progress("%s was tagged: %s is %s", r.name, tag, digest)
	return nil
}
