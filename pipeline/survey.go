package pipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/Masterminds/semver/v3"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"
	helm "helm.sh/helm/v3/pkg/chart"

	"github.com/pablodelarco/opennebula-helm/chart"
	"github.com/pablodelarco/opennebula-helm/image"
	"github.com/pablodelarco/opennebula-helm/release"
	"github.com/pablodelarco/opennebula-helm/signature"
	"github.com/pablodelarco/opennebula-helm/upstream"
)

// Survey reads all that a plan is made from, and no more: of a repository with
// thousands of tags, those of maintained lines and of what was asked for.
func (s *Site) Survey(ctx context.Context, checkout *Checkout, request release.Request) (release.State, error) {
	state, err := s.begin(ctx, checkout)
	if err != nil {
		return state, err
	}
	names := slices.Collect(maps.Keys(state.Tags))
	catalogue, err := s.catalogue(ctx, state.Checkout.Version, request, names)
	if err != nil {
		return state, err
	}
	state.Releases = releasesOf(catalogue, names)
	if state.Base, err = s.Base(ctx); err != nil {
		return state, err
	}
	return state, s.readPublished(ctx, checkout, series(state, request, catalogue.Lines), &state)
}

// SurveyPublished is Survey by someone who knows what there is to release, and the
// base image's digest: only what is published is read, of the releases' lines.
func (s *Site) SurveyPublished(ctx context.Context, checkout *Checkout, releases []release.Release, base string) (release.State, error) {
	state, err := s.begin(ctx, checkout)
	if err != nil {
		return state, err
	}
	state.Releases, state.Base = releases, base
	var lines []upstream.LineStatus
	for _, r := range releases {
		lines = append(lines, upstream.LineStatus{Line: upstream.LineOf(r.Version), Maintained: true})
	}
	return state, s.readPublished(ctx, checkout, series(state, release.Request{}, lines), &state)
}

// begin is a state of which only the checkout is known, and which tags are taken.
func (s *Site) begin(ctx context.Context, checkout *Checkout) (release.State, error) {
	state := release.State{Now: s.Now(), Images: map[string]release.Image{}, Charts: map[string]release.Chart{}}
	var err error
	if state.Checkout, err = checkout.describe(); err != nil {
		return state, err
	}
	names, err := s.Images.TagNames(ctx)
	state.Tags = unread(names)
	return state, err
}

// readPublished reads images of some series, the charts, and what is said of both.
func (s *Site) readPublished(ctx context.Context, checkout *Checkout, wanted [][]release.Name, state *release.State) error {
	isPublished := len(state.Tags) > 0
	group, within := errgroup.WithContext(ctx)
	group.Go(func() error {
		r := reader{site: s, tags: state.Tags, images: state.Images}
		return r.read(within, wanted, floating(wanted, state.Releases))
	})
	group.Go(func() error { return s.readCharts(within, state) })
	group.Go(func() error { return s.readProposals(within, state) })
	if isPublished {
		group.Go(func() error { return s.readDescription(within, checkout, state) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return s.compareCharts(ctx, checkout, state)
}

// catalogue is what upstream has of maintained lines, of what was published, and of
// what was asked for.
func (s *Site) catalogue(ctx context.Context, current string, request release.Request, published []string) (*upstream.Catalogue, error) {
	versions := []string{current}
	if request.Version != "" {
		versions = append(versions, request.Version)
	}
	return upstream.ReadCatalogue(ctx, s.GitHub, s.Repositories,
		upstream.WithPackages(image.Packages...), upstream.WithVersions(append(versions, newestOfLines(published)...)...))
}

// newestOfLines are the last versions that are published, of each line, X.Y.Z.
func newestOfLines(tags []string) []string {
	newest := map[upstream.Line]*semver.Version{}
	for _, tag := range tags {
		name, ok := release.ParseName(tag)
		if line := upstream.LineOf; ok && (newest[line(name.Version)] == nil || name.Version.GreaterThan(newest[line(name.Version)])) {
			newest[line(name.Version)] = name.Version
		}
	}
	var versions []string
	for _, version := range newest {
		versions = append(versions, version.String())
	}
	slices.Sort(versions)
	return versions
}

// releasesOf puts a catalogue in the planner's words. What is published and has no tag
// upstream any more is there as withdrawn.
func releasesOf(catalogue *upstream.Catalogue, published []string) []release.Release {
	ends := map[upstream.Line]upstream.LineStatus{}
	for _, line := range catalogue.Lines {
		ends[line.Line] = line
	}
	var releases []release.Release
	for _, r := range catalogue.Releases {
		releases = append(releases, release.Release{
			Version: r.Version, Channel: release.Channel(r.Channel), Platforms: r.Platforms(), EndOfLife: ends[upstream.LineOf(r.Version)].EndOfLife,
		})
	}
	for _, gone := range catalogue.Withdrawn(newestOfLines(published)...) {
		releases = withdraw(releases, semver.MustParse(gone.Version))
	}
	return releases
}

func withdraw(releases []release.Release, version *semver.Version) []release.Release {
	for i := range releases {
		if releases[i].Version.Equal(version) {
			releases[i].Withdrawn = true
			return releases
		}
	}
	return append(releases, release.Release{Version: version, Channel: release.Stable, Withdrawn: true})
}

func unread(names []string) map[string]string {
	tags := map[string]string{}
	for _, name := range names {
		tags[name] = release.Unread
	}
	return tags
}

// series are the names of which a plan may need the last that is ours: those of each
// line that is maintained, or that the checkout or what was asked for is in; and those
// of these two versions.
func series(state release.State, request release.Request, lines []upstream.LineStatus) [][]release.Name {
	wanted := map[string]bool{state.Checkout.Version: true, request.Version: true}
	for version := range maps.Clone(wanted) {
		if v, err := upstream.ParseVersion(version); err == nil {
			wanted[upstream.LineOf(v).String()] = true
		}
	}
	for _, line := range lines {
		wanted[line.Line.String()] = wanted[line.Line.String()] || line.Maintained
	}
	found := map[string][]release.Name{}
	for tag := range state.Tags {
		name, ok := release.ParseName(tag)
		if !ok {
			continue
		}
		for _, key := range []string{name.Version.String(), upstream.LineOf(name.Version).String()} {
			if wanted[key] {
				found[key] = append(found[key], name)
			}
		}
	}
	return slices.Collect(maps.Values(found))
}

// floating are the tags that move, of the lines in some series, and of withdrawn releases:
// it is to be said where one still leads to these.
func floating(series [][]release.Name, releases []release.Release) []string {
	tags := []string{"latest"}
	for _, names := range series {
		tags = append(tags, upstream.LineOf(names[0].Version).String())
	}
	for _, r := range releases {
		if r.Withdrawn {
			tags = append(tags, upstream.LineOf(r.Version).String())
		}
	}
	slices.Sort(tags)
	return slices.Compact(tags)
}

// reader reads images, each once.
type reader struct {
	site   *Site
	mu     sync.Mutex
	tags   map[string]string
	images map[string]release.Image
}

func (r *reader) read(ctx context.Context, series [][]release.Name, moving []string) error {
	moving = slices.DeleteFunc(moving, func(tag string) bool { return r.tags[tag] == "" })
	group, within := errgroup.WithContext(ctx)
	for _, names := range series {
		group.Go(func() error { return r.readSeries(within, names) })
	}
	group.Go(func() error { return r.readFloating(within, moving) })
	if err := group.Wait(); err != nil {
		return err
	}
	return r.readHeld(ctx, moving)
}

// readSeries reads the newest names until one is ours: what comes before that decides
// nothing.
func (r *reader) readSeries(ctx context.Context, names []release.Name) error {
	slices.SortFunc(names, func(a, b release.Name) int { return b.Compare(a) })
	for _, name := range names {
		ours, err := r.readImage(ctx, name.String())
		if err != nil || ours {
			return err
		}
	}
	return nil
}

func (r *reader) readFloating(ctx context.Context, tags []string) error {
	digests, err := r.site.Images.Digests(ctx, tags)
	r.mu.Lock()
	defer r.mu.Unlock()
	for tag, digest := range digests {
		r.tags[tag] = digest
	}
	return err
}

// readHeld reads what floating tags name and no series has, as an image of a line that
// upstream offers no more: by its label alone it is known to come after others.
func (r *reader) readHeld(ctx context.Context, tags []string) error {
	for _, tag := range tags {
		_, known := r.images[r.tags[tag]]
		if known || r.tags[tag] == release.Unread { // taken away since it was listed
			continue
		}
		if _, err := r.readImage(ctx, tag); err != nil {
			return err
		}
	}
	return nil
}

// readImage tells whether a tag has an image of ours.
func (r *reader) readImage(ctx context.Context, tag string) (bool, error) {
	digest, img, err := r.site.readImage(ctx, tag)
	if err != nil {
		return false, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tags[tag], r.images[digest] = digest, img
	return img.Evidence != release.Evidence{}, nil
}

// readImage reads what is under a tag. What is no front-end, or complete, is an image
// of which nothing is known.
func (s *Site) readImage(ctx context.Context, tag string) (string, release.Image, error) {
	digest, err := s.Images.Resolve(ctx, tag)
	if err != nil {
		return "", release.Image{}, err
	}
	said, err := image.Describe(ctx, s.Images, digest.String())
	if errors.Is(err, image.ErrOther) {
		return digest.String(), release.Image{}, nil
	}
	if err != nil {
		return "", release.Image{}, err
	}
	report, err := signature.Attached(ctx, s.Images, digest, s.Trust)
	if err != nil {
		return "", release.Image{}, err
	}
	img := release.Image{
		Version: said.Version, Revision: said.Revision, Base: said.BaseDigest, Created: said.Created,
		Platforms: said.Platforms, Evidence: evidence(report),
	}
	if s.Updates == nil || !img.SBOM {
		return digest.String(), img, nil
	}
	if img.Pending, err = s.Updates(ctx, report); err != nil {
		return "", release.Image{}, fmt.Errorf("look for updates of %s:%s: %w", s.Images.Name(), tag, err)
	}
	return digest.String(), img, nil
}

func evidence(report signature.Report) release.Evidence {
	return release.Evidence{
		Provenance: report.Has(signature.Provenance), SBOM: report.Has(signature.SBOM), Signature: report.Has(signature.Signature),
	}
}

// readCharts reads the published charts from the highest version on, until one is ours.
func (s *Site) readCharts(ctx context.Context, state *release.State) error {
	versions, err := chart.Versions(ctx, s.Charts)
	if err != nil {
		return err
	}
	state.ChartTags = unread(versions)
	for _, version := range versions {
		published, err := s.readChart(ctx, version)
		if err != nil {
			return err
		}
		state.ChartTags[version] = published.digest
		state.Charts[published.digest] = published.Chart
		if published.Signed {
			return nil
		}
	}
	return nil
}

// readChart reads what a version is, and whether it is ours.
func (s *Site) readChart(ctx context.Context, version string) (c struct {
	release.Chart
	digest string
}, err error) {
	said, err := chart.ReadVersion(ctx, s.Charts, version)
	if err != nil {
		return c, err
	}
	digest, err := v1.NewHash(said.Digest)
	if err != nil {
		return c, fmt.Errorf("read the chart %s of %s: %w", version, s.Charts.Name(), err)
	}
	report, err := signature.Attached(ctx, s.Charts, digest, s.Trust)
	if err != nil {
		return c, err
	}
	c.digest = said.Digest
	c.Chart = release.Chart{
		Version: said.Version, AppVersion: said.AppVersion, Image: said.Image, Source: said.Content, Signed: report.Has(signature.Signature), Provenance: report.Has(signature.Provenance),
	}
	return c, nil
}

// compareCharts finds how far the checkout's chart is from the last that is ours. The
// published one is read only where it is another. The checkout's is bound as it would be
// published, so that what packaging sets is no change; which build of the image that is,
// the planner weighs.
func (s *Site) compareCharts(ctx context.Context, checkout *Checkout, state *release.State) error {
	last, ok := lastChart(*state)
	if !ok || state.Charts[last].Source == state.Checkout.ChartSource {
		return nil
	}
	img := image.Info{Repository: s.Images.Name(), Digest: state.Charts[last].Image, Version: state.Checkout.Version}
	img.Reference = img.Repository + "@" + img.Digest
	bound, err := chart.Bind(checkout.chart(), img)
	if err != nil {
		return err
	}
	changes, err := s.chartChanges(ctx, last, bound)
	if err != nil {
		return err
	}
	state.Checkout.ChartChange = chart.Greatest(changes)
	return nil
}

// chartChanges are those from a published chart, by its digest, to another.
func (s *Site) chartChanges(ctx context.Context, published string, candidate *helm.Chart) ([]chart.Change, error) {
	last, err := chart.Pull(ctx, s.Charts, published)
	if err != nil {
		return nil, err
	}
	return chart.Compare(last, candidate)
}
