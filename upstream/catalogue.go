package upstream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"
	"github.com/google/go-github/v60/github"
	"golang.org/x/sync/errgroup"
)

// Release is one community release of OpenNebula, by the name of its tag.
type Release struct {
	Version *semver.Version // X.Y.Z
	Tag     string          // release-X.Y.Z
	Channel Channel
	Date    time.Time // announced or, of the lines that matter, tagged; none if not known
	Notes   string    // Markdown; none where nothing was announced
	URL     string    // of the notes

	// Checked tells whether the apt repository was asked.
	Checked bool
	// Distributions have the architectures for which there are all packages, in
	// Debian's words (amd64, arm64). Of those that were not asked for, none.
	Distributions map[Distribution][]string
	// Unavailable says in a sentence why no image can be made of it; it is empty when one
	// can.
	Unavailable string

	object *github.GitObject // that the tag names
}

// Platforms are those, OS/architecture, for which an image can be made.
func (r Release) Platforms() []string {
	var platforms []string
	for _, architecture := range r.Distributions[Debian12] {
		platforms = append(platforms, "linux/"+architecture)
	}
	return platforms
}

// Catalogue is what OpenNebula has released at some time.
type Catalogue struct {
	At       time.Time
	Releases []Release    // newest first, of both channels
	Lines    []LineStatus // newest first, without those that are only tagged
}

// CatalogueOption changes what is read into a catalogue.
type CatalogueOption func(*selection)

type selection struct {
	policy        Policy
	versions      []string
	lines         []Line
	distributions []Distribution
	packages      []string
	parallel      int
}

// WithPolicy sets which lines are maintained; DefaultPolicy otherwise.
func WithPolicy(p Policy) CatalogueOption { return func(s *selection) { s.policy = p } }

// WithVersions has the apt repository asked for these too, X.Y.Z: those that are wanted,
// and those that were published earlier and may have been withdrawn.
func WithVersions(versions ...string) CatalogueOption {
	return func(s *selection) { s.versions = append(s.versions, versions...) }
}

// WithLines has the apt repository asked for all releases of these lines, too.
func WithLines(lines ...Line) CatalogueOption {
	return func(s *selection) { s.lines = append(s.lines, lines...) }
}

// WithDistributions sets for which distributions the packages are looked up. That is
// Debian 12 alone by default, which images are built on; it is asked for in any case.
func WithDistributions(distributions ...Distribution) CatalogueOption {
	return func(s *selection) { s.distributions = append([]Distribution{Debian12}, distributions...) }
}

// WithPackages sets which packages an image is made of, opennebula alone by default: an
// architecture without one of them does not count.
func WithPackages(names ...string) CatalogueOption {
	return func(s *selection) { s.packages = names }
}

// WithParallel sets how many releases are looked up at once; 4 by default.
func WithParallel(n int) CatalogueOption { return func(s *selection) { s.parallel = n } }

// ReadCatalogue joins what is on GitHub with what the apt repositories really have. They
// are asked for the stable releases of maintained lines, for candidates newer than any
// stable release, and for what the options name. What cannot be found out is an error,
// ErrUnreachable or RateLimited among them, and so are repositories that have nothing at
// all: no release is called unavailable by it.
func ReadCatalogue(ctx context.Context, hub *GitHub, repositories *Repositories, options ...CatalogueOption) (*Catalogue, error) {
	s := selection{policy: DefaultPolicy(), distributions: []Distribution{Debian12}, packages: []string{"opennebula"}, parallel: 4}
	for _, option := range options {
		option(&s)
	}
	releases, err := hub.Releases(ctx)
	if err != nil {
		return nil, err
	}
	c := &Catalogue{At: hub.now(), Releases: releases}
	// What turns out to have no packages makes no line, and another one may matter then.
	for more := true; more; {
		if err := c.dateLines(ctx, hub, s.policy); err != nil {
			return nil, err
		}
		c.Lines = s.policy.Status(c.offered(), c.At)
		if more, err = c.look(ctx, repositories, s); err != nil {
			return nil, err
		}
	}
	if err := c.checkAny(); err != nil {
		return nil, err
	}
	c.excuseTheRest()
	return c, nil
}

// checkAny fails when nothing that was looked for has packages: more likely than that
// all was withdrawn is that this is not where they are.
func (c *Catalogue) checkAny() error {
	missed := ""
	for _, r := range c.Releases {
		if r.Checked && r.Unavailable == "" {
			return nil
		}
		if r.Checked && missed == "" {
			missed = r.Unavailable
		}
	}
	if missed == "" {
		return nil // no line is maintained, and nothing was asked for
	}
	return fmt.Errorf("no release of OpenNebula has packages; of the newest: %s: check the URL of the repositories", missed)
}

// offered are the releases without those of lines that are only tagged, as far as it is known.
func (c *Catalogue) offered() []Release {
	checked, packaged := map[Line]bool{}, map[Line]bool{}
	for _, r := range c.Releases {
		if r.Channel == Stable && r.Checked {
			checked[LineOf(r.Version)] = true
			packaged[LineOf(r.Version)] = packaged[LineOf(r.Version)] || r.Unavailable == ""
		}
	}
	return slices.DeleteFunc(slices.Clone(c.Releases), func(r Release) bool {
		line := LineOf(r.Version)
		return checked[line] && !packaged[line]
	})
}

// dateLines finds the dates by which a policy tells maintained lines from others, where
// nothing was announced: from the newest line on, until one has ended.
func (c *Catalogue) dateLines(ctx context.Context, hub *GitHub, policy Policy) error {
	for {
		lines := policy.Status(c.offered(), c.At)
		undated := slices.IndexFunc(lines, func(l LineStatus) bool { return l.Released.IsZero() })
		ended := slices.IndexFunc(lines, func(l LineStatus) bool { return !l.Maintained && !l.EndOfLife.IsZero() })
		if undated < 0 || (ended >= 0 && ended <= undated) {
			return nil
		}
		first := c.find(semver.New(lines[undated].Line.Major, lines[undated].Line.Minor, 0, "", ""))
		var err error
		if first.Date, err = hub.date(ctx, *first); err != nil {
			return err
		}
		if first.Date.IsZero() {
			return fmt.Errorf("GitHub has no date for %s: its answer is not complete; try again later", first.Tag)
		}
	}
}

// look asks the apt repositories for the releases that matter and were not asked for
// yet. It tells whether there were any.
func (c *Catalogue) look(ctx context.Context, repositories *Repositories, s selection) (bool, error) {
	wanted, found := c.wanted(s), false
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(s.parallel)
	for i := range c.Releases {
		if r := &c.Releases[i]; wanted(*r) && !r.Checked {
			found = true
			group.Go(func() error { return r.look(ctx, repositories, s) })
		}
	}
	return found, group.Wait()
}

// wanted tells which releases matter.
func (c *Catalogue) wanted(s selection) func(Release) bool {
	lines := slices.Clone(s.lines)
	for _, line := range c.Lines {
		if line.Maintained {
			lines = append(lines, line.Line)
		}
	}
	return func(r Release) bool {
		switch {
		case slices.Contains(s.versions, r.Version.String()) || slices.Contains(lines, LineOf(r.Version)):
			return true
		case r.Channel == Candidate:
			return len(c.Lines) == 0 || r.Version.GreaterThan(c.Lines[0].Newest)
		}
		return false
	}
}

// excuseTheRest says of the releases that do not matter why nothing is known of them.
func (c *Catalogue) excuseTheRest() {
	for i := range c.Releases {
		if r := &c.Releases[i]; !r.Checked {
			r.Unavailable = fmt.Sprintf("OpenNebula %s was not looked for in the apt repository, since it is no release of a maintained line", r.Version)
		}
	}
}

// look asks the apt repositories for one release.
func (r *Release) look(ctx context.Context, repositories *Repositories, s selection) error {
	r.Checked, r.Distributions = true, map[Distribution][]string{}
	for _, distribution := range s.distributions {
		repository := repositories.Of(r.Version, distribution)
		architectures, err := repository.Architectures(ctx, r.Version.String(), s.packages)
		missing := errors.Is(err, ErrMissing)
		if err != nil && !missing {
			return fmt.Errorf("look for OpenNebula %s for %s: %w", r.Version, distribution, err)
		}
		if len(architectures) > 0 {
			r.Distributions[distribution] = architectures
			continue
		}
		if distribution == Debian12 {
			r.Unavailable = unavailable(*r, repository, s.packages, missing)
		}
	}
	return nil
}

func unavailable(r Release, repository *Repository, packages []string, missing bool) string {
	if missing {
		return fmt.Sprintf("OpenNebula %s is tagged, and has no apt repository %s", r.Version, repository)
	}
	return fmt.Sprintf("OpenNebula %s is tagged, and the apt repository %s has its %s for no architecture",
		r.Version, repository, strings.Join(packages, ", "))
}

// Available are the releases of a channel that an image can be made of, newest first.
func (c *Catalogue) Available(channel Channel) []Release {
	var available []Release
	for _, r := range c.Releases {
		if r.Channel == channel && r.Unavailable == "" {
			available = append(available, r)
		}
	}
	return available
}

// LineOf returns what is known of a release's line. It reports false for a release that
// is of none, as candidates are.
func (c *Catalogue) LineOf(r Release) (LineStatus, bool) {
	i := slices.IndexFunc(c.Lines, func(l LineStatus) bool { return r.Channel == Stable && l.Line == LineOf(r.Version) })
	if i < 0 {
		return LineStatus{}, false
	}
	return c.Lines[i], true
}

// Find returns a release by its version, X.Y.Z. The error for one that there is not
// names the nearest. One that is found may be unavailable.
func (c *Catalogue) Find(version string) (Release, error) {
	v, err := ParseVersion(version)
	if err != nil {
		return Release{}, err
	}
	if found := c.find(v); found != nil {
		return *found, nil
	}
	return Release{}, fmt.Errorf("OpenNebula has no release %s; the nearest are %s: choose one of these", version, c.nearest(v))
}

func (c *Catalogue) find(v *semver.Version) *Release {
	for i := range c.Releases {
		if c.Releases[i].Version.Equal(v) {
			return &c.Releases[i]
		}
	}
	return nil
}

// nearest are the releases before and after a version, of those that can be had or,
// failing these, of all.
func (c *Catalogue) nearest(v *semver.Version) string {
	candidates := append(c.Available(Stable), c.Available(Candidate)...)
	if len(candidates) == 0 {
		candidates = c.Releases
	}
	var before, after *semver.Version
	for _, r := range candidates {
		switch {
		case r.Version.LessThan(v) && (before == nil || r.Version.GreaterThan(before)):
			before = r.Version
		case r.Version.GreaterThan(v) && (after == nil || r.Version.LessThan(after)):
			after = r.Version
		}
	}
	var names []string
	for _, near := range []*semver.Version{before, after} {
		if near != nil {
			names = append(names, near.String())
		}
	}
	return strings.Join(names, " and ")
}

// Withdrawal is a version that was published and that upstream does not offer any more.
type Withdrawal struct {
	Version string
	Reason  string // a sentence
}

// Withdrawn are those of the versions published earlier, X.Y.Z, whose tag or packages
// are gone. They must have been named by WithVersions, or be of a maintained line: of
// others it is not known.
func (c *Catalogue) Withdrawn(published ...string) []Withdrawal {
	var withdrawn []Withdrawal
	for _, version := range published {
		r, err := c.Find(version)
		switch {
		case err != nil:
			withdrawn = append(withdrawn, Withdrawal{version, fmt.Sprintf("OpenNebula's tag %s%s is gone", tagPrefix, version)})
		case r.Checked && r.Unavailable != "":
			withdrawn = append(withdrawn, Withdrawal{version, r.Unavailable})
		}
	}
	return withdrawn
}
