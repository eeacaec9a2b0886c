package pipeline

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pablodelarco/opennebula-helm/chart"
	"github.com/pablodelarco/opennebula-helm/image"
	"github.com/pablodelarco/opennebula-helm/registry"
	"github.com/pablodelarco/opennebula-helm/release"
	"github.com/pablodelarco/opennebula-helm/signature"
	"github.com/pablodelarco/opennebula-helm/upstream"
)

// Maker makes and tests what is released, as only its caller can.
type Maker interface {
	// Build makes an image for each platform, OS/architecture, and joins them.
	Build(ctx context.Context, arguments image.Arguments, platforms []string) (v1.ImageIndex, error)
	// Test fails unless what was built works. Nothing is pushed before that.
	Test(ctx context.Context, built Built) error
	// SBOM lists what is in one image, for one platform, that was pushed: an SPDX document
	// as JSON. The reference is HOST/PATH@sha256:….
	SBOM(ctx context.Context, reference string) ([]byte, error)
}

// Built is what a Test is about: an image, or a chart bound to one that is published.
type Built struct {
	Version string        // OpenNebula's; of a chart, its own
	Index   v1.ImageIndex // nil of a chart
	Archive string        // path of the chart's .tgz; "" of an image
	Image   string        // digest of the published image that the chart is bound to
}

// Carrier carries out what is planned.
type Carrier struct {
	Site     *Site
	Checkout *Checkout
	Maker    Maker
	Signer   *signature.Signer
	Run      signature.Run // that this one is, for the provenance
	Work     string        // a folder for what is made
	Log      func(format string, args ...any)
	Carried  []Carried // what this carrier has carried out, in order

	indexes map[string]v1.ImageIndex // what this run has built, by digest
	charts  map[string]packaged
}

// packaged is a chart that this run has made, with the digest of the image it is bound to.
type packaged struct {
	chart.Staged
	image string
}

// Carry plans and carries out one step after another until there is nothing to publish;
// proposals are left to CarryProposals. It returns the state that it came to, also with an
// error, after which the same call again goes on.
func (c *Carrier) Carry(ctx context.Context, state release.State, request release.Request) (release.State, error) {
	c.indexes, c.charts = map[string]v1.ImageIndex{}, map[string]packaged{}
	return release.Run(ctx, state, request, func(ctx context.Context, step release.Step) (string, error) {
		c.Log("%s: %s", step, step.Reason)
		start := time.Now()
		digest, err := c.carry(ctx, state, step)
		if err == nil {
			c.Carried = append(c.Carried, Carried{step, time.Since(start)})
		}
		return digest, err
	})
}

func (c *Carrier) carry(ctx context.Context, state release.State, step release.Step) (string, error) {
	if step.Artifact == release.TheChart {
		return c.carryChart(ctx, state, step)
	}
	return c.carryImage(ctx, state, step)
}

func (c *Carrier) carryImage(ctx context.Context, state release.State, step release.Step) (string, error) {
	switch step.Kind {
	case release.Build:
		return c.buildImage(ctx, state, step)
	case release.Describe:
		return "", c.describe(ctx)
	}
	digest, err := v1.NewHash(step.Digest)
	if err != nil {
		return "", err
	}
	switch step.Kind {
	case release.Test:
		return "", c.Maker.Test(ctx, Built{Version: step.Version, Index: c.indexes[step.Digest]})
	case release.Push:
		_, err = c.Site.Images.Push(ctx, c.indexes[step.Digest])
	case release.AttestProvenance:
		err = c.attestProvenance(ctx, digest)
	case release.AttestSBOM:
		err = c.attestSBOM(ctx, digest)
	case release.Sign:
		err = signature.Sign(ctx, c.Site.Images, digest, c.Signer)
	case release.ReadBack:
		err = c.readBack(ctx, digest)
	case release.Tag:
		err = c.Site.Images.Tag(ctx, digest, step.Tag)
	case release.Float:
		err = c.Site.Images.Move(ctx, digest, step.Tag)
	}
	return "", err
}

// arguments are those of a build of today.
func (c *Carrier) arguments(state release.State, version string) (image.Arguments, error) {
	v, err := upstream.ParseVersion(version)
	return image.Arguments{
		Version: version, Repository: c.Site.Repositories.Of(v, upstream.Debian12).URL, Key: c.Site.Key, BaseDigest: state.Base,
		Revision: c.Checkout.Image.Hash, Created: c.Checkout.Image.At, Debian: debianState(state, version),
	}, err
}

// debianState is a word for the updates that images of a version wait for: they are what
// a builder's cache would leave out. Of a version that has none, it is the day.
func debianState(state release.State, version string) string {
	var pending []release.Update
	isKnown := false
	for _, img := range state.Images {
		if img.Version == version {
			isKnown = true
			pending = append(pending, img.Pending...)
		}
	}
	if !isKnown {
		return state.Now.UTC().Format(time.DateOnly)
	}
	if len(pending) == 0 {
		return ""
	}
	return fmt.Sprintf("%x", sha256.Sum256(fmt.Append(nil, release.Distinct(pending))))
}

func (c *Carrier) buildImage(ctx context.Context, state release.State, step release.Step) (string, error) {
	arguments, err := c.arguments(state, step.Version)
	if err != nil {
		return "", err
	}
	index, err := c.Maker.Build(ctx, arguments, step.Platforms)
	if err != nil {
		return "", err
	}
	digest, err := index.Digest()
	if err != nil {
		return "", fmt.Errorf("read the image that was built: %w", err)
	}
	c.indexes[digest.String()] = index
	return digest.String(), nil
}

// attestProvenance says of what an image was made, as its labels have it: they are what
// there is of one that an earlier run has built.
func (c *Carrier) attestProvenance(ctx context.Context, digest v1.Hash) error {
	said, err := image.Describe(ctx, c.Site.Images, digest.String())
	if err != nil {
		return err
	}
	v, err := upstream.ParseVersion(said.Version)
	if err != nil {
		return err
	}
	arguments := image.Arguments{
		Version: said.Version, Repository: c.Site.Repositories.Of(v, upstream.Debian12).URL, Key: c.Site.Key,
		BaseDigest: said.BaseDigest, Revision: said.Revision, Created: said.Created,
	}
	predicate, err := signature.OfImage(arguments, said.Platforms, "", c.Run).Predicate()
	if err != nil {
		return err
	}
	return signature.Attest(ctx, c.Site.Images, digest, signature.Provenance, predicate, c.Signer)
}

// attestSBOM says of each image in an index what is in it.
func (c *Carrier) attestSBOM(ctx context.Context, digest v1.Hash) error {
	report, err := image.VerifyIn(ctx, c.Site.Images, digest.String())
	if err != nil {
		return err
	}
	for _, platform := range report.Platforms {
		of, err := v1.NewHash(platform.Digest)
		if err != nil {
			return err
		}
		document, err := c.Maker.SBOM(ctx, c.Site.Images.Name()+"@"+platform.Digest)
		if err != nil {
			return fmt.Errorf("list what is in the image for %s: %w", platform.Platform, err)
		}
		predicate, err := signature.SPDX(document, of)
		if err != nil {
			return err
		}
		if err := signature.Attest(ctx, c.Site.Images, of, signature.SBOM, predicate, c.Signer); err != nil {
			return err
		}
	}
	return nil
}

// readBack fails unless the registry has a whole image with all that proves where it is
// from.
func (c *Carrier) readBack(ctx context.Context, digest v1.Hash) error {
	if _, err := image.VerifyIn(ctx, c.Site.Images, digest.String()); err != nil {
		return err
	}
	_, err := signature.Verify(ctx, c.Site.Images, digest, c.Site.Trust, signature.Signature, signature.SBOM, signature.Provenance)
	return err
}

func (c *Carrier) carryChart(ctx context.Context, state release.State, step release.Step) (string, error) {
	if step.Kind == release.Build {
		return c.buildChart(ctx, state, step)
	}
	digest, err := v1.NewHash(step.Digest)
	if err != nil {
		return "", err
	}
	made, isBuilt := c.charts[step.Digest]
	switch step.Kind {
	case release.Test:
		err = c.Maker.Test(ctx, Built{Version: step.Version, Archive: made.Archive, Image: made.image})
	case release.Push:
		_, err = c.Site.Charts.Push(ctx, made.Image)
	case release.AttestProvenance:
		err = c.attestChart(ctx, digest, step)
	case release.Sign:
		err = signature.Sign(ctx, c.Site.Charts, digest, c.Signer)
	case release.ReadBack:
		_, err = signature.Verify(ctx, c.Site.Charts, digest, c.Site.Trust, signature.Signature, signature.Provenance)
		if err == nil && isBuilt {
			err = chart.ReadBack(ctx, made.Staged, c.Site.Charts)
		}
	case release.Tag:
		err = c.tagChart(ctx, digest, step.Tag)
	default:
		err = errors.New("charts have no such step")
	}
	return "", err
}

// attestChart says of which commit and which image a chart was made.
func (c *Carrier) attestChart(ctx context.Context, digest v1.Hash, step release.Step) error {
	build := signature.OfChart(step.Version, c.Checkout.Head.Hash, c.Site.Images.Name()+"@"+step.Image, c.Run)
	predicate, err := build.Predicate()
	if err != nil {
		return err
	}
	return signature.Attest(ctx, c.Site.Charts, digest, signature.Provenance, predicate, c.Signer)
}

// tagChart also tells Artifact Hub who publishes there.
func (c *Carrier) tagChart(ctx context.Context, digest v1.Hash, version string) error {
	if _, err := chart.PublishMetadata(ctx, c.Checkout.Folder, c.Site.Charts); err != nil {
		return err
	}
	return c.Site.Charts.Tag(ctx, digest, version)
}

// buildChart packages the checkout's chart, bound to a published image.
func (c *Carrier) buildChart(ctx context.Context, state release.State, step release.Step) (string, error) {
	info, err := image.InspectIn(ctx, c.Site.Images, step.Image)
	if err != nil {
		return "", err
	}
	decision := chart.Decision{Version: step.Version}
	options := []chart.PackageOption{chart.At(c.Checkout.Head.At)}
	if last, ok := lastChart(state); ok {
		bound, err := chart.Bind(c.Checkout.chart(), info)
		if err != nil {
			return "", err
		}
		if decision.Changes, err = c.Site.chartChanges(ctx, last, bound); err != nil {
			return "", err
		}
		pending, err := c.pendingOf(ctx, state, state.Charts[last].Image)
		if err != nil {
			return "", err
		}
		if len(pending) > 0 {
			options = append(options, chart.WithSecurityUpdates())
		}
	}
	archive, err := chart.Package(c.Checkout.chart(), c.Work, info, append(options, chart.As(decision))...)
	if err != nil {
		return "", err
	}
	staged, err := chart.Stage(ctx, archive)
	if err != nil {
		return "", err
	}
	c.charts[staged.Digest.String()] = packaged{staged, step.Image}
	return staged.Digest.String(), nil
}

// pendingOf are the updates that an image waits for. A survey knows the newest images: an
// earlier run may have published one after that which the last chart runs.
func (c *Carrier) pendingOf(ctx context.Context, state release.State, digest string) ([]release.Update, error) {
	if img, known := state.Images[digest]; known {
		return img.Pending, nil
	}
	_, img, err := c.Site.readImage(ctx, digest)
	if errors.Is(err, registry.ErrNotFound) {
		return nil, nil
	}
	return img.Pending, err
}

// lastChart is the digest of the published chart that is ours; a survey reads one.
func lastChart(state release.State) (string, bool) {
	for digest, published := range state.Charts {
		if published.Signed {
			return digest, true
		}
	}
	return "", false
}
