package upstream

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pablodelarco/opennebula-helm/upstream/upstreamtest"
)

var parts = []string{"opennebula", "opennebula-tools"}

// upstreams are a GitHub and a mirror as they were in the summer of 2026.
type upstreams struct {
	server *upstreamtest.GitHub
	hub    *GitHub
	mirror *upstreamtest.Mirror
	apt    *Repositories
}

func newUpstreams(t *testing.T) upstreams {
	u := upstreams{server: fullHub(t), mirror: upstreamtest.NewMirror(t)}
	date := day("2026-07-30")
	for _, version := range []string{"7.4.0", "7.2.0", "7.0.2", "7.0.1", "7.0.0"} {
		release := upstreamtest.Release(version, parts, "amd64", "arm64")
		release.Date = date
		for _, distribution := range Distributions() {
			u.mirror.Put("/"+version+"/"+string(distribution), release)
		}
	}
	clock := WithClock(func() time.Time { return day("2026-08-01") })
	u.hub = newHub(t, u.server, clock)
	u.apt = u.open(t, clock)
	return u
}

func (u upstreams) open(t *testing.T, options ...Option) *Repositories {
	apt, err := NewRepositories(u.mirror.URL+"/{version}/{distribution}", u.mirror.Public, append(options, impatient...)...)
	require.NoError(t, err)
	return apt
}

func (u upstreams) read(t *testing.T, options ...CatalogueOption) *Catalogue {
	c, err := ReadCatalogue(t.Context(), u.hub, u.apt, append([]CatalogueOption{WithPackages(parts...)}, options...)...)
	require.NoError(t, err)
	return c
}

func versionsOf(releases []Release) []string {
	var versions []string
	for _, r := range releases {
		versions = append(versions, r.Version.String())
	}
	return versions
}

func TestCatalogue(t *testing.T) {
	u := newUpstreams(t)
	c := u.read(t)
	assert.Len(t, c.Releases, 70)
	assert.Equal(t, []string{"7.4", "7.2"}, maintained(c.Lines))
	assert.Equal(t, []string{"7.4.0", "7.2.0"}, versionsOf(c.Available(Stable)))
	assert.Empty(t, c.Available(Candidate), "all are older than 7.4.0")

	newest, err := c.Find("7.4.0")
	require.NoError(t, err)
	assert.Equal(t, []string{"linux/amd64", "linux/arm64"}, newest.Platforms())
	assert.Equal(t, map[Distribution][]string{Debian12: {"amd64", "arm64"}}, newest.Distributions)

	older, err := c.Find("7.0.0")
	require.NoError(t, err)
	assert.False(t, older.Checked)
	assert.Contains(t, older.Unavailable, "no release of a maintained line")
}

// What a night costs on which nothing has changed.
func TestRequestsOfAQuietNight(t *testing.T) {
	u := newUpstreams(t)
	u.read(t)
	assert.Len(t, u.server.Requests(), 2, "tags and announcements")
	assert.Len(t, u.mirror.Requests(), 2*3, "of two releases InRelease and two architectures")
}

func TestWhatElseIsAskedFor(t *testing.T) {
	u := newUpstreams(t)
	c := u.read(t, WithVersions("7.0.1"), WithLines(Line{6, 10}, Line{7, 3}), WithDistributions(Debian13, Ubuntu2404))
	checked := slices.DeleteFunc(slices.Clone(c.Releases), func(r Release) bool { return !r.Checked })
	assert.Equal(t, []string{"7.4.0", "7.3.85", "7.3.80", "7.2.0", "7.0.1", "6.10.5", "6.10.4", "6.10.3", "6.10.2", "6.10.1", "6.10.0"}, versionsOf(checked))
	assert.Equal(t, []string{"7.4.0", "7.2.0", "7.0.1"}, versionsOf(c.Available(Stable)))
	newest, err := c.Find("7.4.0")
	require.NoError(t, err)
	assert.Len(t, newest.Distributions, 3)
	gone, err := c.Find("6.10.5")
	require.NoError(t, err)
	assert.Equal(t, "OpenNebula 6.10.5 is tagged, and has no apt repository "+u.mirror.URL+"/6.10.5/Debian/12", gone.Unavailable)
}

func TestPolicyOfOnesOwn(t *testing.T) {
	c := newUpstreams(t).read(t, WithPolicy(Policy{Lines: 3}), WithParallel(1))
	assert.Equal(t, []string{"7.4", "7.2", "7.0"}, maintained(c.Lines))
	assert.Equal(t, []string{"7.4.0", "7.2.0", "7.0.1", "7.0.0"}, versionsOf(c.Available(Stable)))
}

func TestCandidatesOfTheNextLine(t *testing.T) {
	u := newUpstreams(t)
	u.server.Set([]upstreamtest.Tag{
		{Name: "release-7.4.0", Date: day("2026-07-26")}, {Name: "release-7.2.0", Date: day("2026-04-03")},
		{Name: "release-7.3.85", Date: day("2026-07-16")}, {Name: "release-7.5.80", Date: day("2026-07-31")},
	})
	u.mirror.Put("/7.5.80/Debian/12", upstreamtest.Repository{
		Indexes: upstreamtest.Release("7.5.80", parts, "amd64").Indexes, Date: day("2026-07-31"),
	})
	c := u.read(t)
	assert.Equal(t, []string{"7.5.80"}, versionsOf(c.Available(Candidate)))
	assert.Equal(t, []string{"linux/amd64"}, c.Available(Candidate)[0].Platforms())
}

// A line that is only tagged takes no other's place, and one before may still matter.
func TestLinesThatAreOnlyTagged(t *testing.T) {
	u := newUpstreams(t)
	u.mirror.Remove("/7.4.0")
	u.mirror.Remove("/7.2.0")
	c := u.read(t)
	assert.Equal(t, []string{"7.0"}, maintained(c.Lines))
	assert.Equal(t, []string{"7.0.1", "7.0.0"}, versionsOf(c.Available(Stable)))
}

// The first release of a line may be withdrawn, and the line go on.
func TestLineWhoseFirstReleaseIsWithdrawn(t *testing.T) {
	u := newUpstreams(t)
	u.mirror.Remove("/7.0.0")
	c := u.read(t, WithLines(Line{7, 0}))
	assert.Equal(t, []string{"7.4.0", "7.2.0", "7.0.1"}, versionsOf(c.Available(Stable)))
	r, err := c.Find("7.0.1")
	require.NoError(t, err)
	line, ok := c.LineOf(r)
	require.True(t, ok)
	assert.Equal(t, "2026-07-07", line.EndOfLife.Format(time.DateOnly), "a quarter after 7.2.0 was announced")
	_, ok = c.LineOf(releaseOf(t, c.Releases, "7.3.80"))
	assert.False(t, ok)
}

// A tag is not yet a release.
func TestTaggedAndNotPackaged(t *testing.T) {
	for name, test := range map[string]struct {
		change func(upstreams)
		want   string
	}{
		"no repository": {func(u upstreams) { u.mirror.Remove("/7.4.0/Debian/12") }, "has no apt repository"},
		"another release's packages": {func(u upstreams) {
			u.mirror.Put("/7.4.0/Debian/12", upstreamtest.Repository{Indexes: upstreamtest.Release("7.3.85", parts, "amd64").Indexes, Date: day("2026-07-30")})
		}, "has its opennebula, opennebula-tools for no architecture"},
		"one package is missing": {func(u upstreams) {
			u.mirror.Put("/7.4.0/Debian/12", upstreamtest.Repository{Indexes: upstreamtest.Release("7.4.0", parts[:1], "amd64").Indexes, Date: day("2026-07-30")})
		}, "has its opennebula, opennebula-tools for no architecture"},
	} {
		t.Run(name, func(t *testing.T) {
			u := newUpstreams(t)
			test.change(u)
			c := u.read(t)
			assert.Equal(t, []string{"7.2.0"}, versionsOf(c.Available(Stable)))
			assert.Equal(t, []string{"7.2"}, maintained(c.Lines))
			assert.True(t, c.Lines[0].EndOfLife.IsZero(), "what is only tagged ends no line")
			r, err := c.Find("7.4.0")
			require.NoError(t, err)
			assert.True(t, r.Checked)
			assert.Contains(t, r.Unavailable, test.want)
		})
	}
}

func TestOneArchitectureIsMissing(t *testing.T) {
	u := newUpstreams(t)
	release := upstreamtest.Release("7.4.0", parts, "amd64")
	release.Indexes["arm64"], release.Date = upstreamtest.Package("opennebula", "7.4.0-1", "arm64"), day("2026-07-30")
	u.mirror.Put("/7.4.0/Debian/12", release)
	assert.Equal(t, []string{"linux/amd64"}, u.read(t).Available(Stable)[0].Platforms())
}

func TestUnknownVersionNamesTheNearest(t *testing.T) {
	c := newUpstreams(t).read(t)
	for version, want := range map[string]string{
		"7.3.0": "OpenNebula has no release 7.3.0; the nearest are 7.2.0 and 7.4.0: choose one of these",
		"8.0.0": "the nearest are 7.4.0:",
		"1.0.0": "the nearest are 7.2.0:",
		"7.2":   "give a release as X.Y.Z",
	} {
		_, err := c.Find(version)
		assert.ErrorContains(t, err, want, version)
	}
}

func TestWithdrawn(t *testing.T) {
	u := newUpstreams(t)
	published := []string{"7.4.0", "7.2.0", "7.0.2", "7.0.1", "7.0.9"}
	assert.Equal(t, []Withdrawal{{"7.0.9", "OpenNebula's tag release-7.0.9 is gone"}},
		u.read(t, WithVersions(published...)).Withdrawn(published...))

	u.mirror.Remove("/7.0.1/")
	u.mirror.Remove("/7.2.0/")
	u.apt = u.open(t)
	withdrawn := u.read(t, WithVersions(published...)).Withdrawn(published...)
	require.Len(t, withdrawn, 3)
	assert.Equal(t, "7.2.0", withdrawn[0].Version)
	assert.Contains(t, withdrawn[0].Reason, "has no apt repository")
	assert.Equal(t, "7.0.1", withdrawn[1].Version)
}

func TestWithdrawnIsNotKnownOfWhatWasNotAskedFor(t *testing.T) {
	u := newUpstreams(t)
	u.mirror.Remove("/7.0.1/")
	assert.Empty(t, u.read(t).Withdrawn("7.0.1"))
	assert.Len(t, u.read(t, WithVersions("7.0.1")).Withdrawn("7.0.1"), 1)
}

// What cannot be found out is an error, and no release seems withdrawn by it.
func TestCatalogueFails(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*testing.T, *upstreams)
		want   string
	}{
		"GitHub fails": {func(_ *testing.T, u *upstreams) { u.server.Next(upstreamtest.Status(500), upstreamtest.Status(500)) }, "list the tags"},
		"no date is given": {func(_ *testing.T, u *upstreams) {
			list := func(tag string) upstreamtest.Answer {
				return upstreamtest.Content(`[{"ref":"refs/tags/` + tag + `","object":{"sha":"1"}}]`)
			}
			u.server.Next(list("release-7.2.0"), upstreamtest.Content("[]"), upstreamtest.Content("{}"))
		}, "GitHub has no date for release-7.2.0"},
		"the apt repository fails": {func(_ *testing.T, u *upstreams) {
			for range 8 {
				u.mirror.Next(upstreamtest.Status(503))
			}
		}, "look for OpenNebula 7."},
		"the apt repository is forged": {func(_ *testing.T, u *upstreams) {
			u.mirror.Write("/7.2.0/Debian/12"+inReleasePath, []byte("Suite: stable"))
		}, "look for OpenNebula 7.2.0 for Debian/12: the repository"},
		"nothing is there": {func(_ *testing.T, u *upstreams) { u.mirror.Remove("/7.") },
			"no release of OpenNebula has packages; of the newest: OpenNebula 7.4.0 is tagged, and has no apt repository "},
		"the apt repository is away": {func(t *testing.T, u *upstreams) {
			apt, err := NewRepositories(nobody, u.mirror.Public, impatient...)
			require.NoError(t, err)
			u.apt = apt
		}, "cannot be reached"},
	} {
		t.Run(name, func(t *testing.T) {
			u := newUpstreams(t)
			test.change(t, &u)
			_, err := ReadCatalogue(t.Context(), u.hub, u.apt)
			assert.ErrorContains(t, err, test.want)
		})
	}
}

// Where nothing is announced, tags and their commits have the dates.
func TestDatesOfTags(t *testing.T) {
	u := newUpstreams(t)
	u.server.Set([]upstreamtest.Tag{
		{Name: "release-7.4.0", Date: day("2026-07-26"), Annotated: true}, {Name: "release-7.2.0", Date: day("2026-04-03")},
		{Name: "release-7.0.0", Date: day("2025-07-01")}, {Name: "release-6.10.0", Date: day("2024-08-26")}, {Name: "release-6.8.0", Date: day("2023-10-13")},
	})
	c := u.read(t)
	assert.Equal(t, []string{"7.4", "7.2"}, maintained(c.Lines))
	assert.Equal(t, day("2026-07-26"), c.Releases[0].Date.UTC())
	asked := slices.DeleteFunc(u.server.Requests(), func(r string) bool {
		return !strings.Contains(r, "/git/commits/") && !strings.Contains(r, "/git/tags/")
	})
	assert.Len(t, asked, 2, "7.4.0 and 7.2.0 tell that 7.0 has ended")
}
