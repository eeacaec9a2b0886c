package signature

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/pablodelarco/opennebula-helm/registry"
)

// maxBundle is the largest bundle that is read, in bytes; cosign's limit.
const maxBundle = 128 << 20

// Report is what is attached to a digest.
type Report struct {
	Digest   v1.Hash
	Platform string       // of an image in an index, OS/architecture
	Attached []Attachment // that count, in the registry's order
	Refused  []Refusal    // what else claims to be a bundle
	Images   []Report     // of an index
}

// Attachment is a statement that counts.
type Attachment struct {
	Manifest v1.Hash // of the artifact that holds it
	Statement
}

// Refusal is a bundle that does not count.
type Refusal struct {
	Manifest v1.Hash
	Reason   error
}

// Has tells whether all is there that a release needs of a kind: of an index, a
// signature of it and each of its images, an SPDX document of it or each of them,
// and the provenance of the whole.
func (r Report) Has(kind Kind) bool {
	images := !slices.ContainsFunc(r.Images, func(i Report) bool { return !i.Has(kind) })
	switch {
	case len(r.Images) == 0:
		return r.own(kind)
	case kind == Signature:
		return r.own(kind) && images
	case kind == SBOM:
		return r.own(kind) || images
	default:
		return r.own(kind)
	}
}

func (r Report) own(kind Kind) bool {
	return slices.ContainsFunc(r.Attached, func(a Attachment) bool { return a.Kind == kind })
}

// Attached reads what is attached to a digest, and to each image where it is an
// index's, and tells what counts by a policy. What cannot be read now is an error; what
// can and is no valid bundle is in the report.
func Attached(ctx context.Context, repository *registry.Repository, digest v1.Hash, policy Policy) (Report, error) {
	subject, err := repository.Get(ctx, digest.String())
	if err != nil {
		return Report{}, err
	}
	report, err := readAttached(ctx, repository, digest, policy)
	if err != nil {
		return Report{}, err
	}
	images, err := imagesIn(subject)
	if err != nil {
		return Report{}, fmt.Errorf("read %s@%s: %w", repository.Name(), digest, err)
	}
	for _, image := range images {
		of, err := readAttached(ctx, repository, image.Digest, policy)
		if err != nil {
			return Report{}, err
		}
		if image.Platform != nil {
			of.Platform = image.Platform.OS + "/" + image.Platform.Architecture
		}
		report.Images = append(report.Images, of)
	}
	return report, nil
}

// Verify fails unless all of some kinds are attached to a digest and count by a
// policy, as Report.Has has it.
func Verify(ctx context.Context, repository *registry.Repository, digest v1.Hash, policy Policy, kinds ...Kind) (Report, error) {
	report, err := Attached(ctx, repository, digest, policy)
	if err != nil {
		return Report{}, err
	}
	for _, kind := range kinds {
		if !report.Has(kind) {
			return report, fmt.Errorf("%s@%s has no %s by %s%s: do not use it, or publish it again", repository.Name(), digest, kind, policy.whose, report.why(kind))
		}
	}
	return report, nil
}

// why names what lacks a kind, and what was refused there.
func (r Report) why(kind Kind) string {
	lacking := r
	if i := slices.IndexFunc(r.Images, func(i Report) bool { return !i.Has(kind) }); r.own(kind) && i >= 0 {
		lacking = r.Images[i]
	}
	var b strings.Builder
	if lacking.Platform != "" {
		fmt.Fprintf(&b, " for %s", lacking.Platform)
	}
	for _, refusal := range lacking.Refused {
		fmt.Fprintf(&b, "; %s does not count: %v", refusal.Manifest, refusal.Reason)
	}
	return b.String()
}

// readAttached reads what refers to one digest.
func readAttached(ctx context.Context, repository *registry.Repository, digest v1.Hash, policy Policy) (Report, error) {
	report := Report{Digest: digest}
	referrers, err := repository.Referrers(ctx, digest, "")
	if err != nil {
		return report, err
	}
	for _, referrer := range referrers {
		if !mayBeBundle(referrer.ArtifactType) {
			continue
		}
		content, err := readBundle(ctx, repository, referrer.Digest)
		var refused refusal
		switch {
		case errors.Is(err, errOther):
			continue
		case errors.As(err, &refused):
			report.Refused = append(report.Refused, Refusal{referrer.Digest, refused})
			continue
		case err != nil:
			return report, err
		}
		statement, err := policy.verify(content, digest)
		if err != nil {
			report.Refused = append(report.Refused, Refusal{referrer.Digest, err})
			continue
		}
		report.Attached = append(report.Attached, Attachment{referrer.Digest, statement})
	}
	return report, nil
}

// mayBeBundle rules out what is of another type. Lists of registries that do not know
// artifacts have the configuration's type, or none.
func mayBeBundle(artifactType string) bool {
	return artifactType == "" || artifactType == emptyType || strings.HasPrefix(artifactType, bundleTypes)
}

// refusal is a reason that will be the same next time.
type refusal string

func (r refusal) Error() string { return string(r) }

// errOther is an artifact that does not claim to be a bundle.
var errOther = errors.New("no bundle")

// readBundle reads the bundle that an artifact holds.
func readBundle(ctx context.Context, repository *registry.Repository, manifest v1.Hash) ([]byte, error) {
	descriptor, err := repository.Get(ctx, manifest.String())
	if errors.Is(err, registry.ErrNotFound) {
		return nil, refusal("it is listed, and not there")
	}
	if err != nil {
		return nil, err
	}
	bundle, err := bundleOf(descriptor)
	if err != nil {
		return nil, err
	}
	content, err := readAll(descriptor, bundle)
	var answer *transport.Error
	if errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound {
		return nil, refusal("its bundle is not there")
	}
	if err != nil {
		return nil, fmt.Errorf("read the bundle %s of %s@%s: %w", bundle, repository.Name(), manifest, err)
	}
	return content, nil
}

// bundleOf is the digest of the bundle that a manifest names.
func bundleOf(descriptor *remote.Descriptor) (v1.Hash, error) {
	manifest, err := v1.ParseManifest(strings.NewReader(string(descriptor.Manifest)))
	switch {
	case err != nil || descriptor.MediaType.IsIndex():
		return v1.Hash{}, errOther
	case len(manifest.Layers) == 0 || !strings.HasPrefix(string(manifest.Layers[0].MediaType), bundleTypes):
		return v1.Hash{}, errOther
	case len(manifest.Layers) > 1:
		return v1.Hash{}, refusal(fmt.Sprintf("it has %d layers, and a bundle is one", len(manifest.Layers)))
	case manifest.Layers[0].Size > maxBundle:
		return v1.Hash{}, refusal(fmt.Sprintf("it has %d bytes, and %d is the most that is read", manifest.Layers[0].Size, maxBundle))
	default:
		return manifest.Layers[0].Digest, nil
	}
}

// readAll fails where the content is not that of the digest.
func readAll(descriptor *remote.Descriptor, bundle v1.Hash) ([]byte, error) {
	image, err := descriptor.Image()
	if err != nil {
		return nil, refusal(fmt.Sprintf("it is no image: %v", err))
	}
	layer, err := image.LayerByDigest(bundle)
	if err != nil {
		return nil, err
	}
	content, err := layer.Compressed()
	if err != nil {
		return nil, err
	}
	defer content.Close()
	return io.ReadAll(io.LimitReader(content, maxBundle+1))
}
