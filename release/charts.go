package release

import (
	"fmt"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// Level is the part of a semantic version that a change moves.
type Level int

// The levels, in the words of semver.org.
const (
	None  Level = iota
	Patch       // mended, or built again
	Minor       // added
	Major       // what worked before may not
)

func (l Level) String() string { return [...]string{"none", "patch", "minor", "major"}[l] }

// NextChart is the version after a change. Below 1.0.0 whatever breaks moves the
// minor part, as semver allows: 1.0.0 is a promise that a person makes, in Chart.yaml.
func NextChart(previous *semver.Version, change Level) *semver.Version {
	next := *previous
	switch {
	case change == Patch:
		next = previous.IncPatch()
	case change == Minor || change == Major && previous.Major() == 0:
		next = previous.IncMinor()
	case change == Major:
		next = previous.IncMajor()
	}
	return &next
}

// chart brings the chart up to date with the checkout and the image that it pins.
func (p *planner) chart() error {
	image, ok := p.newest(p.Checkout.Version)
	if !ok || !p.Images[image.digest].isComplete() {
		if p.request.Only == TheChart {
			return fmt.Errorf("the chart needs the image of OpenNebula %s, which is not published with all that proves where it is from: release the image as well", p.Checkout.Version)
		}
		return nil // the image was refused, with its reason
	}
	written, err := semver.StrictNewVersion(p.Checkout.ChartVersion)
	if err != nil || written.Prerelease() != "" || written.Metadata() != "" {
		return fmt.Errorf("the version %q in Chart.yaml is not one that can be released: write it as X.Y.Z, such as 1.2.3", p.Checkout.ChartVersion)
	}
	why, change := p.chartChanges(image)
	last := p.lastChartVersion()
	next := p.nextChart(written, last, change)
	isBumped := last == nil || written.GreaterThan(last)
	switch {
	case len(why) == 0 && !isBumped:
		return nil
	case len(why) == 0:
		why = []string{fmt.Sprintf("Chart.yaml has a new version, %s", written)}
	case isBumped && next.Equal(written):
		why = append(why, "Chart.yaml names this version")
	}
	if made, ok := p.builtChart(image); ok {
		p.publishChart(made)
		return nil
	}
	p.publishChart(p.add(Step{
		Kind: Build, Artifact: TheChart, Version: next.String(), Image: image.digest, Reason: strings.Join(why, ", and "),
	}))
	return nil
}

// nextChart is what a change asks for, or what a maintainer wrote into Chart.yaml, where
// that is higher.
func (p *planner) nextChart(written, last *semver.Version, change Level) *semver.Version {
	if last == nil {
		return written
	}
	if next := NextChart(last, change); !written.GreaterThan(next) {
		return next
	}
	return written
}

// chartChanges says in what the newest chart differs from what it should be, and how
// far that moves its version.
func (p *planner) chartChanges(image heldName) ([]string, Level) {
	published := p.newestChart()
	if published == nil {
		return []string{"no chart is published yet"}, Patch
	}
	var why []string
	change := Patch
	if published.Source != p.Checkout.ChartSource {
		why = append(why, fmt.Sprintf("the chart has changed since %s", published.Version))
		change = max(change, p.Checkout.ChartChange)
	}
	if published.AppVersion != p.Checkout.Version {
		why = append(why, fmt.Sprintf("%s runs OpenNebula %s", published.Version, published.AppVersion))
		change = max(change, distance(published.AppVersion, p.Checkout.Version))
	} else if published.Image != image.digest {
		why = append(why, fmt.Sprintf("%s pins an image before %s", published.Version, image))
	}
	return why, change
}

// distance is the first part in which two versions differ.
func distance(from, to string) Level {
	a, errA := semver.NewVersion(from)
	b, errB := semver.NewVersion(to)
	switch {
	case errA != nil || errB != nil || a.Major() != b.Major():
		return Major
	case a.Minor() != b.Minor():
		return Minor
	}
	return Patch
}

// newestChart is the last that is published, and ours; nil where there is none.
func (p *planner) newestChart() *Chart {
	var newest *Chart
	var last *semver.Version
	for tag, digest := range p.ChartTags {
		c := p.Charts[digest]
		v, ok := parseChartTag(tag)
		if ok && c.Version == tag && (c.Signed || c.Built) && (last == nil || v.GreaterThan(last)) {
			newest, last = &c, v
		}
	}
	return newest
}

// lastChartVersion is the highest that is taken, whoever took it.
func (p *planner) lastChartVersion() *semver.Version {
	var last *semver.Version
	for tag := range p.ChartTags {
		if v, ok := parseChartTag(tag); ok && (last == nil || v.GreaterThan(last)) {
			last = v
		}
	}
	return last
}

// parseChartTag leaves out what nobody gets unless they ask for it by name.
func parseChartTag(tag string) (*semver.Version, bool) {
	v, err := semver.StrictNewVersion(tag)
	return v, err == nil && v.Prerelease() == "" && v.Metadata() == ""
}

// builtChart is the chart as it should be that this run has packaged.
func (p *planner) builtChart(image heldName) (string, bool) {
	for _, digest := range sorted(p.Charts) {
		c := p.Charts[digest]
		isWanted := c.Source == p.Checkout.ChartSource && c.AppVersion == p.Checkout.Version && c.Image == image.digest
		if _, taken := p.ChartTags[c.Version]; c.Built && isWanted && !taken {
			return digest, true
		}
	}
	return "", false
}

// publishChart adds all that a chart lacks to be published. What was tested with its
// image in this run is tested.
func (p *planner) publishChart(digest string) {
	c := p.Charts[digest]
	p.addDue(Step{Artifact: TheChart, Version: c.Version, Digest: digest, Image: c.Image, Tag: c.Version}, []need{
		{Test, !c.Tested && !c.Signed && !p.Images[c.Image].Tested, "nothing is pushed that has not passed with its image"},
		{Push, c.Local, "it is attested and signed before it has a tag"},
		{AttestProvenance, !c.Provenance, "its provenance is not attested"},
		{Sign, !c.Signed, "it is not signed"},
		{ReadBack, !c.ReadBack, "nothing gets a tag that is not there as it was built"},
		{Tag, true, "it is complete"},
	})
}
