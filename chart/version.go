package chart

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/Masterminds/semver/v3"
	helm "helm.sh/helm/v3/pkg/chart"

	"github.com/pablodelarco/opennebula-helm/release"
)

// Level of a change: what an upgrade asks of those who use the chart.
type Level = release.Level

// The levels, from nothing to the most.
const (
	None  = release.None  // nothing to publish
	Patch = release.Patch // nothing to look at: a build of the image, templates, texts
	Minor = release.Minor // something new, or another default
	Major = release.Major // values that worked may not work any more
)

// Change is one difference between two charts.
type Change struct {
	Level Level
	Kind  string // as Artifact Hub has them: added, changed, deprecated or removed
	Text  string // a sentence, without a full stop
}

// Decision is the version that a chart is published under, and why.
type Decision struct {
	Version string // X.Y.Z
	Level   Level  // of the greatest change; None where there is nothing to publish
	Changes []Change
}

// Decide the version of a candidate, a chart as Bind has it, from the chart that was
// published last; nil where none is. The last version is raised by the level of the
// greatest change (see Compare and release.NextChart). The version in the candidate's Chart.yaml is a
// floor: a maintainer who writes a higher one there gets it, also where nothing changed.
// Where nothing changed and nothing was raised, it is the last version.
func Decide(last, candidate *helm.Chart) (Decision, error) {
	floor, err := versionOf(candidate)
	if err != nil {
		return Decision{}, err
	}
	if last == nil {
		return Decision{Version: floor.String(), Level: Minor}, nil
	}
	published, err := versionOf(last)
	if err != nil {
		return Decision{}, err
	}
	changes, err := Compare(last, candidate)
	if err != nil {
		return Decision{}, err
	}
	d := Decision{Level: Greatest(changes), Changes: changes}
	version := release.NextChart(published, d.Level)
	if floor.GreaterThan(version) {
		version = floor
		d.raise(published, floor)
	}
	d.Version = version.String()
	return d, nil
}

// raise takes the level of a version that a maintainer chose.
func (d *Decision) raise(published, floor *semver.Version) {
	for _, level := range []Level{Patch, Minor, Major} {
		if !release.NextChart(published, level).GreaterThan(floor) {
			d.Level = max(d.Level, level)
		}
	}
	d.Level = max(d.Level, Patch)
}

func versionOf(c *helm.Chart) (*semver.Version, error) {
	version, err := semver.StrictNewVersion(c.Metadata.Version)
	if err != nil {
		return nil, fmt.Errorf("the version %q of the chart %s is none: write it as 1.2.3: %w", c.Metadata.Version, c.Name(), err)
	}
	return version, nil
}

// Greatest level of some changes.
func Greatest(changes []Change) Level {
	if len(changes) == 0 {
		return None
	}
	return slices.MaxFunc(changes, func(a, b Change) int { return cmp.Compare(a.Level, b.Level) }).Level
}
