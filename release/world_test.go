package release

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Masterminds/semver/v3"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var (
	today = time.Date(2026, 5, 1, 2, 0, 0, 0, time.UTC)
	both  = []string{"linux/amd64", "linux/arm64"}
)

func stable(version string) Release {
	return Release{Version: semver.MustParse(version), Channel: Stable, Platforms: both}
}

// image is up to date and complete.
func image(version string) Image {
	return Image{
		Version: version, Revision: "commit", Base: "sha256:base", Created: today.Add(-time.Hour), Platforms: both,
		Evidence: Evidence{Provenance: true, SBOM: true, Signature: true},
	}
}

// settled is a world in which there is nothing to do: a chart for 7.2.0 with its
// image, and the image of an older line.
func settled() State {
	return State{
		Now: today, Base: "sha256:base",
		Releases: []Release{stable("7.0.1"), stable("7.0.2"), stable("7.2.0")},
		Checkout: Checkout{
			Version: "7.2.0", Revision: "head", ImageRevision: "commit", ChartSource: "sha256:source", ChartVersion: "0.1.0", Description: "text",
		},
		Tags:        map[string]string{"7.0.2": "sha256:a", "7.0": "sha256:a", "7.2.0": "sha256:b", "7.2": "sha256:b", "latest": "sha256:b"},
		Images:      map[string]Image{"sha256:a": image("7.0.2"), "sha256:b": image("7.2.0")},
		ChartTags:   map[string]string{"0.3.1": "sha256:c"},
		Charts:      map[string]Chart{"sha256:c": {Version: "0.3.1", AppVersion: "7.2.0", Image: "sha256:b", Source: "sha256:source", Signed: true}},
		Description: "text",
		Proposals:   map[string]Proposal{},
	}
}

// builder stands in for builds. They are reproducible: the same inputs and the same
// packages of the day give the same digest.
type builder struct{ packages int }

func (b builder) digest(s State, step Step) string {
	if step.Kind != Build {
		return ""
	}
	inputs := fmt.Sprint(step.Version, step.Platforms, s.Checkout.ImageRevision, s.Base, b.packages)
	if step.Artifact == TheChart {
		inputs = fmt.Sprint(step.Version, s.Checkout.Version, s.Checkout.ChartSource, step.Image)
	}
	return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(inputs)))
}

// forget is what another run sees of a state: neither what was not pushed, nor
// what this run knows. Digests without a tag are seen where the registry lists them.
func forget(s State, untaggedAreSeen bool) State {
	s = s.clone()
	for digest, img := range s.Images {
		if img.Local || !untaggedAreSeen && !holds(s.Tags, digest) {
			delete(s.Images, digest)
			continue
		}
		img.Progress = Progress{}
		s.Images[digest] = img
	}
	for digest, c := range s.Charts {
		if c.Local || !untaggedAreSeen && !holds(s.ChartTags, digest) {
			delete(s.Charts, digest)
			continue
		}
		c.Progress = Progress{}
		s.Charts[digest] = c
	}
	return s
}

func holds(tags map[string]string, digest string) bool {
	for _, held := range tags {
		if held == digest {
			return true
		}
	}
	return false
}

// checkStep sees that a step breaks no rule, whatever led to it.
func checkStep(t require.TestingT, s State, step Step) {
	require.NotEmpty(t, step.Reason, step)
	require.NotContains(t, step.Reason, "\n", step)
	require.NotContains(t, step.String(), unbuilt)
	if step.Artifact == TheChart {
		checkChartStep(t, s, step)
		return
	}
	release := releaseOf(s, step.Version)
	img := s.Images[step.Digest]
	switch step.Kind {
	case Build:
		require.True(t, release.isOffered(), "%s is built from packages that are there", step)
		require.Subset(t, release.Platforms, step.Platforms, step)
		require.NotEmpty(t, step.Platforms, step)
	case Push:
		require.True(t, img.Tested, "%s: it has passed", step)
	case AttestProvenance, AttestSBOM, Sign:
		require.False(t, img.Local, "%s: it is there", step)
		require.True(t, img.isOurs(), "%s: what others pushed is never signed", step)
	case Tag:
		require.NotContains(t, s.Tags, step.Tag, "%s: it was free", step)
		name, ok := ParseName(step.Tag)
		require.True(t, ok, step)
		require.Equal(t, img.Version, name.Version.String(), step)
		require.True(t, img.ReadBack, "%s: it was read back", step)
		checkComplete(t, img, step)
	case Float:
		checkComplete(t, img, step)
		require.Equal(t, Stable, release.Channel, step)
		require.False(t, release.Withdrawn, step)
		require.True(t, holdsImmutably(s, step.Digest), "%s: it has an immutable name", step)
		checkForward(t, s, step)
	case Propose:
		require.True(t, release.isOffered(), step)
		require.True(t, release.Version.GreaterThan(semver.MustParse(s.Checkout.Version)), step)
	}
}

func checkComplete(t require.TestingT, img Image, step Step) {
	require.False(t, img.Local, "%s: it is there", step)
	require.True(t, img.isComplete(), "%s: it is signed and attested", step)
}

func checkChartStep(t require.TestingT, s State, step Step) {
	c := s.Charts[step.Digest]
	pinned := s.Images[step.Image]
	require.True(t, pinned.isComplete() && holdsImmutably(s, step.Image), "%s: it pins a published image", step)
	require.Equal(t, s.Checkout.Version, pinned.Version, step)
	switch step.Kind {
	case Push:
		require.True(t, c.Tested || pinned.Tested, "%s: it has passed", step)
	case AttestProvenance, Sign:
		require.True(t, c.Built && !c.Local, step)
	case Tag:
		require.NotContains(t, s.ChartTags, step.Tag, "%s: it was free", step)
		require.True(t, c.Signed && c.Provenance && c.ReadBack && !c.Local, "%s: it is signed, attested and read back", step)
		require.Equal(t, c.Version, step.Tag)
	}
}

// checkForward compares with all immutable names of what a floating tag holds.
func checkForward(t require.TestingT, s State, step Step) {
	highest := func(digest string) *semver.Version {
		v := semver.MustParse("0.0.0")
		if labelled, err := semver.NewVersion(s.Images[digest].Version); err == nil && (step.Tag == "latest" || lineOf(labelled) == step.Tag) {
			v = labelled
		}
		for tag, held := range s.Tags {
			name, ok := ParseName(tag)
			if ok && held == digest && (step.Tag == "latest" || lineOf(name.Version) == step.Tag) && name.Version.GreaterThan(v) {
				v = name.Version
			}
		}
		return v
	}
	from, to := highest(s.Tags[step.Tag]), highest(step.Digest)
	require.False(t, to.LessThan(from), "%s: it held %s", step, from)
	require.NotEqual(t, s.Tags[step.Tag], step.Digest, step)
}

func holdsImmutably(s State, digest string) bool {
	for tag, held := range s.Tags {
		if _, ok := ParseName(tag); ok && held == digest {
			return true
		}
	}
	return false
}

func releaseOf(s State, version string) Release {
	i := slices.IndexFunc(s.Releases, func(r Release) bool { return r.Version.String() == version })
	if i < 0 {
		return Release{}
	}
	return s.Releases[i]
}

// run carries out what is due, and sees each step keep the rules.
func run(t require.TestingT, s State, request Request, b builder) State {
	steps := 0
	current := s
	end, err := Run(context.Background(), s, request, func(_ context.Context, step Step) (string, error) {
		checkStep(t, current, step)
		digest := b.digest(current, step)
		current = current.After(step, digest)
		require.Equal(t, current, current.After(step, digest), "%s can be repeated", step)
		steps++
		require.Less(t, steps, 1000, "it comes to an end")
		return digest, nil
	})
	require.NoError(t, err)
	require.Equal(t, current, end)
	return end
}

var commits = []string{"commit", "commit-0"}

// drawState draws a world with many lines, half-published images, things that others
// pushed, and tags that mean nothing.
func drawState(t *rapid.T) State {
	s := State{
		Now: today, Base: draw(t, "base", "sha256:base", "sha256:base-0"),
		Tags: map[string]string{}, Images: map[string]Image{}, ChartTags: map[string]string{}, Charts: map[string]Chart{},
		Proposals: map[string]Proposal{}, Description: draw(t, "description", "", "text"),
	}
	for _, line := range []string{"6.10", "7.0", "7.2", "7.4", "7.10"} {
		end := rapid.SampledFrom([]time.Time{{}, today.AddDate(-1, 0, 0), today.AddDate(1, 0, 0)}).Draw(t, "end of "+line)
		for _, patch := range rapid.SliceOfNDistinct(rapid.SampledFrom([]int{0, 1, 2, 3, 80, 81}), 0, 4, rapid.ID).Draw(t, "patches of "+line) {
			s.Releases = append(s.Releases, drawRelease(t, fmt.Sprintf("%s.%d", line, patch), end))
		}
	}
	if len(s.Releases) == 0 {
		s.Releases = []Release{stable("7.2.0")}
	}
	for _, r := range s.Releases {
		drawImages(t, s, r.Version.String())
	}
	drawOthers(t, s)
	s.Checkout = drawCheckout(t, s)
	drawCharts(t, s)
	for _, version := range rapid.SliceOfN(drawVersion(s), 0, 2).Draw(t, "proposals") {
		s.Proposals[version] = Proposal{Revision: draw(t, "made on", "head", "head-0"), Refused: rapid.Bool().Draw(t, "refused")}
	}
	return s
}

func draw(t *rapid.T, label string, values ...string) string {
	return rapid.SampledFrom(values).Draw(t, label)
}

// rarely is true once in a while.
func rarely(t *rapid.T, label string) bool { return rapid.IntRange(0, 7).Draw(t, label) == 7 }

func drawVersion(s State) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string { return rapid.SampledFrom(s.Releases).Draw(t, "release").Version.String() })
}

func drawPlatforms(t *rapid.T) []string {
	return rapid.SampledFrom([][]string{both, both[:1], both}).Draw(t, "platforms")
}

func drawRelease(t *rapid.T, version string, end time.Time) Release {
	r := Release{Version: semver.MustParse(version), Channel: Stable, Platforms: drawPlatforms(t), EndOfLife: end, Withdrawn: rarely(t, "withdrawn")}
	if r.Version.Patch() >= 80 {
		r.Channel = Candidate
	}
	if rarely(t, "without packages") {
		r.Platforms = nil
	}
	return r
}

func drawImage(t *rapid.T, version string) Image {
	img := image(version)
	img.Revision = draw(t, "revision", commits...)
	img.Base = draw(t, "base", "sha256:base", "sha256:base-0")
	img.Platforms = drawPlatforms(t)
	if rarely(t, "half published") {
		img.Evidence = Evidence{Provenance: rapid.Bool().Draw(t, "provenance"), SBOM: rapid.Bool().Draw(t, "SBOM")}
	}
	if rarely(t, "pending") {
		img.Pending = []Update{{"openssl", "1", "2"}}
	}
	if rarely(t, "by others") {
		img.Evidence = Evidence{}
	}
	return img
}

// drawImages are a release's, under its names or, for once, under none.
func drawImages(t *rapid.T, s State, version string) {
	for n := range rapid.IntRange(0, 3).Draw(t, "images of "+version) {
		digest := fmt.Sprintf("sha256:%s-%d", version, n)
		s.Images[digest] = drawImage(t, version)
		switch {
		case rarely(t, "no tag"):
		case n == 0:
			s.Tags[version] = digest
		default:
			s.Tags[fmt.Sprintf("%s-%d", version, n)] = digest
		}
	}
}

// drawOthers are floating tags, wherever they may be, and what others set.
func drawOthers(t *rapid.T, s State) {
	digests := append(sorted(s.Images), "sha256:unknown")
	for _, tag := range []string{"latest", "6.10", "7.0", "7.2", "7.4", "7.10"} {
		if rapid.Bool().Draw(t, tag+" is there") {
			s.Tags[tag] = rapid.SampledFrom(digests).Draw(t, tag)
		}
	}
	for _, tag := range []string{"main", "7", "sha256-00.sig", "7.2.0-rc1", "07.2.0", "7.2.0-20260101", "7.4.0-2", "7.2.0-0", "v7.2.0"} {
		if rarely(t, tag) {
			s.Tags[tag] = rapid.SampledFrom(digests).Draw(t, tag)
		}
	}
}

func drawCheckout(t *rapid.T, s State) Checkout {
	return Checkout{
		Version: drawVersion(s).Draw(t, "checkout"), Revision: draw(t, "head", "head", "head-0"), ImageRevision: draw(t, "commit", commits...),
		ChartSource: draw(t, "source", "sha256:source", "sha256:source-0"), ChartVersion: draw(t, "written", "0.1.0", "0.3.0", "1.0.0"),
		ChartChange: rapid.SampledFrom([]Level{None, Patch, Minor, Major}).Draw(t, "change"), Description: draw(t, "description", "", "text"),
	}
}

func drawCharts(t *rapid.T, s State) {
	images := append(sorted(s.Images), "sha256:unknown")
	for _, tag := range []string{"0.1.0", "0.2.0", "0.3.0", "0.3.1", "1.0.0-rc.1", "garbage"} {
		if !rapid.Bool().Draw(t, "chart "+tag) {
			continue
		}
		digest := "sha256:chart-" + tag
		s.Charts[digest] = Chart{
			Version: tag, AppVersion: drawVersion(s).Draw(t, "runs"), Image: rapid.SampledFrom(images).Draw(t, "pins"),
			Source: draw(t, "source", "sha256:source", "sha256:source-0"), Signed: !rarely(t, "unsigned"),
		}
		if !rarely(t, "no tag") {
			s.ChartTags[tag] = digest
		}
	}
}

func drawRequest(t *rapid.T, s State) Request {
	request := Request{
		Channel: rapid.SampledFrom([]Channel{"", Stable, Candidate}).Draw(t, "channel"),
		Force:   rarely(t, "force"),
		Only:    rapid.SampledFrom([]Artifact{"", "", TheImage, TheChart}).Draw(t, "only"),
	}
	if rapid.Bool().Draw(t, "by version") {
		request.Version = drawVersion(s).Draw(t, "asked")
	}
	if rarely(t, "by platform") {
		request.Platforms = drawPlatforms(t)
	}
	return request
}

// change is something that happens between two runs, or during one.
func change(t *rapid.T, s State, b *builder) State {
	s = s.clone()
	s.Releases = slices.Clone(s.Releases)
	switch i := rapid.IntRange(0, 7).Draw(t, "change"); i {
	case 0:
		s.Base += "+"
	case 1:
		b.packages++
		for digest, img := range s.Images {
			img.Pending = []Update{{"openssl", "1", "2"}}
			s.Images[digest] = img
		}
	case 2:
		last := slices.MaxFunc(s.Releases, func(a, b Release) int { return a.Version.Compare(b.Version) })
		next := last.Version.IncMinor()
		s.Releases = append(s.Releases, drawRelease(t, next.String(), time.Time{}))
	case 3:
		r := &s.Releases[rapid.IntRange(0, len(s.Releases)-1).Draw(t, "which")]
		r.Withdrawn = true
	case 4:
		s.Checkout = drawCheckout(t, s)
	case 5:
		s.Now = s.Now.AddDate(0, 8, 0)
	case 6:
		s.Checkout.ChartSource += "+"
		s.Checkout.ChartChange = Minor
	default:
		s.Checkout.ImageRevision += "+"
	}
	return s
}

func sentence(t *testing.T, text string) {
	t.Helper()
	require.NotEmpty(t, text)
	require.NotContains(t, text, "\n")
	require.False(t, strings.HasSuffix(text, "."), text)
}
