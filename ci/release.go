package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pablodelarco/opennebula-helm/ci/internal/dagger"
	"github.com/pablodelarco/opennebula-helm/image"
	"github.com/pablodelarco/opennebula-helm/pipeline"
	"github.com/pablodelarco/opennebula-helm/release"
	"github.com/pablodelarco/opennebula-helm/signature"
)

// Channel of OpenNebula's releases.
type Channel string

const (
	// For everyone.
	Stable Channel = "stable"
	// Betas and candidates, which no tag but their own leads to.
	Candidate Channel = "candidate"
)

// Versions lists what OpenNebula has released, where it is packaged, and what of it is
// published.
// +cache="never"
func (m *OpennebulaHelm) Versions(
	ctx context.Context,
	// Also of lines that are not maintained any more.
	// +optional
	all bool,
) (string, error) {
	s, err := m.published(ctx)
	if err != nil {
		return "", err
	}
	var table strings.Builder
	err = s.WriteVersions(ctx, &table, all)
	return table.String(), err
}

// Changelog says what each published version of the chart brings, as Markdown.
// +cache="never"
func (m *OpennebulaHelm) Changelog(ctx context.Context) (string, error) {
	s, err := m.published(ctx)
	if err != nil {
		return "", err
	}
	return s.Changelog(ctx)
}

// published is where everyone gets releases, or the registries that were named.
func (m *OpennebulaHelm) published(ctx context.Context) (*pipeline.Site, error) {
	config, err := m.config(ctx)
	if err != nil {
		return nil, err
	}
	if given := m.Registries; given.Images != "" {
		config.Images, config.Charts, config.PlainHTTP = given.Images, given.Charts, given.PlainHTTP
	}
	return config.Open(ctx)
}

// Release builds, tests, publishes and signs what is due, and reports it as Markdown.
// Without credentials that goes into a registry of the engine's own, which a second
// release finds again. After a failure the same call goes on where this one ended. Pull
// requests are left to propose.
// +cache="never"
func (m *OpennebulaHelm) Release(
	ctx context.Context,
	// Release of OpenNebula, X.Y.Z; by default what is due.
	// +optional
	version string,
	// Of which releases.
	// +default="stable"
	channel Channel,
	// Platforms to build for; by default all that have packages.
	// +optional
	platforms []ImagePlatform,
	// Build the image again, also if it is up to date.
	// +optional
	force bool,
	// Print the plan alone.
	// +optional
	dryRun bool,
	// URL of the run that this is part of, for the provenance.
	// +optional
	run string,
	// URL of the workflow that this is part of, with @refs/…; by default this module's.
	// +optional
	workflow string,
	// The repository's history, which says what commit a release is of.
	// +defaultPath="/.git"
	history *dagger.Directory,
) (string, error) {
	request := release.Request{Version: version, Channel: release.Channel(channel), Platforms: names(platforms), Force: force}
	due, err := m.survey(ctx, history, request)
	if err != nil {
		return "", err
	}
	publication := due.plan.Publication()
	if dryRun || len(publication.Steps) == 0 {
		return publication.Markdown(), nil
	}
	if workflow == "" {
		workflow = signature.Source + "/ci"
	}
	return m.carry(ctx, due, signature.Run{Builder: workflow, Invocation: run, Started: time.Now().UTC()})
}

// due is what there is to do, and all that says so.
type due struct {
	site     *site
	checkout *pipeline.Checkout
	request  release.Request
	state    release.State
	plan     release.Plan
}

// survey reads what there is, and plans.
func (m *OpennebulaHelm) survey(ctx context.Context, history *dagger.Directory, request release.Request) (due, error) {
	d := due{request: request}
	var err error
	if d.checkout, err = m.checkout(ctx, history); err != nil {
		return d, err
	}
	if d.site, err = m.open(ctx); err != nil {
		return d, err
	}
	if d.state, err = d.site.Survey(ctx, d.checkout, request); err != nil {
		return d, err
	}
	d.plan, err = d.state.Plan(request)
	return d, err
}

// carry carries out what is due, and reports it.
func (m *OpennebulaHelm) carry(ctx context.Context, d due, run signature.Run) (string, error) {
	if err := d.site.requireSigner(); err != nil {
		return "", err
	}
	work, err := os.MkdirTemp("", "release-")
	if err != nil {
		return "", fmt.Errorf("make a folder for the release: %w", err)
	}
	carrier := &pipeline.Carrier{
		Site: d.site.Site, Checkout: d.checkout, Maker: &maker{m, d.site, d.checkout, map[string]*Image{}}, Signer: d.site.signer, Run: run, Work: work, Log: say,
	}
	done, err := carrier.Carry(ctx, d.state, d.request)
	if err != nil {
		return "", fmt.Errorf("%w; what is published so far stays, and the same call goes on from there", err)
	}
	report, err := carrier.Report(d.state, done, d.request)
	if err != nil {
		return "", err
	}
	return d.site.heading() + report.Markdown(), nil
}

// heading says where the release has gone.
func (s *site) heading() string {
	if s.trial == nil {
		return "## Released\n\n"
	}
	return "## Tried\n\nWithout credentials all went into a registry of the engine's own, as it would have gone to everyone's.\n\n"
}

// Propose keeps the pull requests for new releases, and the one for the changelog.
// +cache="never"
func (m *OpennebulaHelm) Propose(
	ctx context.Context,
	// The repository's history.
	// +defaultPath="/.git"
	history *dagger.Directory,
) (string, error) {
	if m.Upstream.GithubToken == nil {
		return "", errors.New("there is no token to propose with: give one by with-github")
	}
	due, err := m.survey(ctx, history, release.Request{})
	if err != nil {
		return "", err
	}
	carrier := &pipeline.Carrier{Site: due.site.Site, Checkout: due.checkout, Log: say}
	if err := carrier.CarryProposals(ctx, due.plan); err != nil {
		return "", err
	}
	// Nothing is published where releases are tried.
	if carrier.Site, err = m.published(ctx); err != nil {
		return "", err
	}
	if err := carrier.CarryChangelog(ctx); err != nil {
		return "", err
	}
	return due.plan.Proposals().Markdown(), nil
}

// maker makes and tests in the engine what is released.
type maker struct {
	module   *OpennebulaHelm
	site     *site
	checkout *pipeline.Checkout
	built    map[string]*Image // by OpenNebula's version
}

var _ pipeline.Maker = (*maker)(nil)

// Build makes the image for all platforms at once.
func (k *maker) Build(ctx context.Context, arguments image.Arguments, platforms []string) (v1.ImageIndex, error) {
	wanted := make([]ImagePlatform, len(platforms))
	for i, platform := range platforms {
		wanted[i] = ImagePlatform(platform)
	}
	built, err := k.module.build(ctx, arguments, wanted)
	if err != nil {
		return nil, err
	}
	index, err := built.index(ctx)
	if err != nil {
		return nil, err
	}
	k.built[arguments.Version] = built
	return index, image.Matches(index, arguments, platforms)
}

// Test verifies and scans an image, starts each of its roles on each platform, and runs the
// suite on it with the checkout's chart.
func (k *maker) Test(ctx context.Context, built pipeline.Built) (err error) {
	at, err := k.module.staging(ctx)
	if err != nil {
		return err
	}
	// The next test needs an empty one, and the engine would give it this one.
	defer func() {
		if _, stopErr := at.service.Stop(ctx, dagger.ServiceStopOpts{Kill: true}); stopErr != nil && err == nil {
			err = fmt.Errorf("stop the registry: %w", stopErr)
		}
	}()
	var info image.Info
	if built.Index != nil {
		info, err = at.add(ctx, built.Index)
	} else {
		info, err = at.copy(ctx, k.site.Images, built.Image)
	}
	if err != nil {
		return err
	}
	staged, err := at.read(ctx, info)
	if err != nil {
		return err
	}
	said, err := k.module.scan(ctx, staged)
	if err != nil {
		return err
	}
	fmt.Print(said)
	if built.Index != nil {
		if err := k.tryRoles(ctx, built.Version); err != nil {
			return err
		}
	}
	return k.module.tryOnCluster(ctx, staged, k.checkout.Folder)
}

// tryRoles starts them on platforms that the suite does not run on, too.
func (k *maker) tryRoles(ctx context.Context, version string) error {
	built := k.built[version]
	for n := range built.Platforms {
		if err := built.tryRoles(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// SBOM has Syft list what is in a pushed image.
func (k *maker) SBOM(ctx context.Context, reference string) ([]byte, error) {
	document, err := k.module.sbom(ctx, k.site.trial, reference, k.module.Registries.find(reference))
	return []byte(document), err
}
