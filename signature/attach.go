// Package signature signs images and charts in registries, attests what is in them and
// how they were made, and verifies both. What it writes is as cosign writes it: a
// sigstore bundle, in an artifact that refers to the digest it is about.
package signature

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/pablodelarco/opennebula-helm/registry"
)

// Sign signs a digest in a repository; of an index, each image in it first, as
// `cosign sign --recursive` does. What the signer has signed already stays as it is.
func Sign(ctx context.Context, repository *registry.Repository, digest v1.Hash, signer *Signer) error {
	subject, err := repository.Get(ctx, digest.String())
	if err != nil {
		return err
	}
	images, err := imagesIn(subject)
	if err != nil {
		return fmt.Errorf("read %s@%s: %w", repository.Name(), digest, err)
	}
	for _, image := range images {
		if err := Sign(ctx, repository, image.Digest, signer); err != nil {
			return err
		}
	}
	return attach(ctx, repository, subject, attestation{kind: Signature}, signer)
}

// Attest states something about a digest in a repository. Where the signer has made
// a statement of this kind already, it stays as it is, whatever it says: a release
// has one of each. The predicate is a JSON object.
func Attest(ctx context.Context, repository *registry.Repository, digest v1.Hash, kind Kind, predicate json.RawMessage, signer *Signer) error {
	subject, err := repository.Get(ctx, digest.String())
	if err != nil {
		return err
	}
	if len(predicate) == 0 {
		return fmt.Errorf("there is nothing to attest of %s@%s: the %s is empty", repository.Name(), digest, kind)
	}
	return attach(ctx, repository, subject, attestation{kind, repository.Name(), predicate}, signer)
}

// attestation is what is said of a subject. Signatures name none, as cosign's do not.
type attestation struct {
	kind      Kind
	name      string
	predicate json.RawMessage
}

func attach(ctx context.Context, repository *registry.Repository, subject *remote.Descriptor, a attestation, signer *Signer) error {
	there, err := readAttached(ctx, repository, subject.Digest, signer.policy)
	if err != nil || there.own(a.kind) {
		return err
	}
	statement, err := newStatement(a.kind, a.name, subject.Digest, a.predicate)
	if err != nil {
		return err
	}
	bundle, err := signer.bundle(ctx, statement, subject.Digest)
	if err != nil {
		return err
	}
	if len(bundle) > maxBundle {
		return fmt.Errorf("the %s of %s@%s has %d bytes, and cosign takes %d: make it shorter", a.kind, repository.Name(), subject.Digest, len(bundle), maxBundle)
	}
	image, err := newArtifact(bundle, a.kind, subject.Descriptor)
	if err != nil {
		return err
	}
	if _, err := repository.Push(ctx, image); err != nil {
		return fmt.Errorf("attach the %s to %s@%s: %w", a.kind, repository.Name(), subject.Digest, err)
	}
	return nil
}

// imagesIn are the images of an index, with their platforms; none of an image.
func imagesIn(subject *remote.Descriptor) ([]v1.Descriptor, error) {
	if !subject.MediaType.IsIndex() {
		return nil, nil
	}
	index, err := v1.ParseIndexManifest(strings.NewReader(string(subject.Manifest)))
	if err != nil {
		return nil, err
	}
	return index.Manifests, nil
}
