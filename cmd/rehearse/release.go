package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pablodelarco/opennebula-helm/chart"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/sbom"
	"github.com/pablodelarco/opennebula-helm/image"
	"github.com/pablodelarco/opennebula-helm/pipeline"
	"github.com/pablodelarco/opennebula-helm/registry"
	"github.com/pablodelarco/opennebula-helm/release"
	"github.com/pablodelarco/opennebula-helm/signature"
	"github.com/pablodelarco/opennebula-helm/upstream"
)

// release publishes what the suite has passed as releases are, in repositories of their
// own, and looks at the result as users do. A second release must find nothing to do.
func (r *rehearsal) release(ctx context.Context) (string, error) {
	carrier, err := r.newCarrier()
	if err != nil {
		return "", err
	}
	state, request, err := r.survey(ctx, carrier.Site)
	if err != nil {
		return "", err
	}
	if _, err := carrier.Carry(ctx, state, request); err != nil {
		return "", err
	}
	tags, err := r.verifyImage(ctx, carrier.Site)
	if err != nil {
		return "", err
	}
	charts, err := verifyCharts(ctx, carrier.Site)
	if err != nil {
		return "", err
	}
	released := imageName + ":" + strings.Join(tags, ", ")
	if len(charts) > 0 { // candidates have none
		released += " and the chart " + strings.Join(charts, ", ")
	}
	return released + ", signed and attested; a second release has nothing to do", r.releaseAgain(ctx, carrier.Site)
}

// releaseAgain fails if anything is left to do.
func (r *rehearsal) releaseAgain(ctx context.Context, site *pipeline.Site) error {
	state, request, err := r.survey(ctx, site)
	if err != nil {
		return err
	}
	plan, err := state.Plan(request)
	if err == nil && len(plan.Steps) > 0 {
		err = fmt.Errorf("a second release has more to do: %s: %s", plan.Steps[0], plan.Steps[0].Reason)
	}
	return err
}

// newCarrier signs with a key of this run only.
func (r *rehearsal) newCarrier() (*pipeline.Carrier, error) {
	key, err := signature.GenerateKey()
	if err != nil {
		return nil, err
	}
	signer, err := signature.WithKey(key)
	if err != nil {
		return nil, err
	}
	site := &pipeline.Site{Key: r.source.Key, Trust: signer.Policy(), Now: time.Now}
	// Only its URL is wanted here: the image's build has checked what is in it.
	if site.Repositories, err = upstream.NewRepositories(r.source.Repository, nil); err != nil {
		return nil, err
	}
	at := r.registry.Address() + "/" + defaultPath + "/release/"
	if site.Images, err = registry.Open(at+imageName, plain); err != nil {
		return nil, err
	}
	if site.Charts, err = registry.Open(at+"charts/"+chart.Name, plain); err != nil {
		return nil, err
	}
	return &pipeline.Carrier{
		Site: site, Checkout: r.checkout, Maker: tested{r.image}, Signer: signer, Work: filepath.Join(r.state, "release"),
		Run: signature.Run{Builder: signature.Source + "/cmd/rehearse", Started: time.Now().UTC()}, Log: say,
	}, nil
}

// survey reads what is published. What there is to release is known: what this run has
// built, which the checkout counts as being for.
func (r *rehearsal) survey(ctx context.Context, site *pipeline.Site) (release.State, release.Request, error) {
	version, err := upstream.ParseVersion(r.image.Version)
	if err != nil {
		return release.State{}, release.Request{}, err
	}
	offered := release.Release{Version: version, Channel: release.Stable, Platforms: r.image.Platforms}
	if upstream.IsCandidate(version) {
		offered.Channel = release.Candidate
	}
	state, err := site.SurveyPublished(ctx, r.checkout, []release.Release{offered}, r.base)
	state.Checkout.Version = r.image.Version
	return state, release.Request{Channel: offered.Channel}, err
}

// verifyImage fails unless all tags are there that the image should have, each of what is
// complete, signed and attested. It returns them.
func (r *rehearsal) verifyImage(ctx context.Context, site *pipeline.Site) ([]string, error) {
	version, err := upstream.ParseVersion(r.image.Version)
	if err != nil {
		return nil, err
	}
	tags := release.NameImage(version, "", nil).All()
	for _, tag := range tags {
		report, err := image.VerifyIn(ctx, site.Images, tag)
		if err != nil {
			return nil, err
		}
		if err := verifyAttached(ctx, site, site.Images, report.Digest, signature.Signature, signature.SBOM, signature.Provenance); err != nil {
			return nil, err
		}
	}
	return tags, nil
}

// verifyCharts fails unless all charts that are there are signed. It returns their versions.
func verifyCharts(ctx context.Context, site *pipeline.Site) ([]string, error) {
	versions, err := chart.Versions(ctx, site.Charts)
	if err != nil {
		return nil, err
	}
	for _, version := range versions {
		published, err := chart.ReadVersion(ctx, site.Charts, version)
		if err != nil {
			return nil, err
		}
		if err := verifyAttached(ctx, site, site.Charts, published.Digest, signature.Signature); err != nil {
			return nil, err
		}
	}
	return versions, nil
}

func verifyAttached(ctx context.Context, site *pipeline.Site, repository *registry.Repository, digest string, kinds ...signature.Kind) error {
	hash, err := v1.NewHash(digest)
	if err != nil {
		return err
	}
	_, err = signature.Verify(ctx, repository, hash, site.Trust, kinds...)
	return err
}

// tested makes nothing: it gives the image that the suite has passed.
type tested struct{ image image.Info }

// Build joins that image to an index, as releases do.
func (t tested) Build(ctx context.Context, arguments image.Arguments, platforms []string) (v1.ImageIndex, error) {
	images, err := image.Load(ctx, t.image.Reference, "", plain)
	if err != nil {
		return nil, err
	}
	index, err := image.Join(images...)
	if err != nil {
		return nil, err
	}
	return index, image.Matches(index, arguments, platforms)
}

// Test fails unless what is to be released is what the suite has passed. A chart is
// tested with its image, which comes before it.
func (t tested) Test(_ context.Context, built pipeline.Built) error {
	if built.Index == nil {
		return errors.New("the chart comes without an image that was tested with it: release both")
	}
	manifest, err := built.Index.IndexManifest()
	if err != nil {
		return fmt.Errorf("read the image to be released: %w", err)
	}
	for _, d := range manifest.Manifests {
		if d.Digest.String() != t.image.Digest {
			return fmt.Errorf("the image to be released is %s, and the suite has passed %s", d.Digest, t.image.Digest)
		}
	}
	return nil
}

// SBOM lists what is in an image with the lab's own scanner.
func (t tested) SBOM(ctx context.Context, reference string) ([]byte, error) {
	images, err := image.Load(ctx, reference, "", plain)
	if err != nil {
		return nil, err
	}
	return sbom.Of(images[0])
}
