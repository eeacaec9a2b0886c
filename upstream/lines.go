package upstream

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"
)

// Line is a minor version with its maintenance releases, X.Y.
type Line struct{ Major, Minor uint64 }

// LineOf a version is the line that its number names. A candidate's is not the line
// that it leads to.
func LineOf(v *semver.Version) Line { return Line{v.Major(), v.Minor()} }

// ParseLine reads X.Y.
func ParseLine(text string) (Line, error) {
	v, err := semver.StrictNewVersion(text + ".0")
	if err != nil || strings.Count(text, ".") != 1 || v.Prerelease() != "" || v.Metadata() != "" {
		return Line{}, fmt.Errorf("%q is not a line of OpenNebula's versions; give it as X.Y, such as 7.2", text)
	}
	return LineOf(v), nil
}

func (l Line) String() string { return fmt.Sprintf("%d.%d", l.Major, l.Minor) }

// Compare orders lines: below 0 when l is the older one.
func (l Line) Compare(other Line) int {
	return cmp.Or(cmp.Compare(l.Major, other.Major), cmp.Compare(l.Minor, other.Minor))
}

// Policy says for how long a line is maintained: as long as it is one of the newest
// Lines, and Months more from the day on which a newer one took its place.
type Policy struct {
	Lines  int
	Months int
}

// DefaultPolicy is what OpenNebula does for its Community Edition, rounded up: one
// line, and a quarter of a year in which to leave the one before.
//
// OpenNebula names no date for the Community Edition; its policy
// (https://github.com/OpenNebula/one/wiki/Release-Policy) gives terms to customers
// only, and its schedule (…/wiki/Release-Schedule) marks most maintenance releases
// "EE". What it did is in its tags: each line from 5.12 to 6.8 got its last public
// patch, X.Y.Z.N, within four weeks of its successor (5.12.0.4 after 6.0.0, 6.0.0.3
// after 6.2.0, … 6.8.0.1 after 6.10.0), and nothing that was for everyone later.
func DefaultPolicy() Policy { return Policy{Lines: 1, Months: 3} }

// LineStatus is what is known of a line at some time.
type LineStatus struct {
	Line       Line
	Released   time.Time       // X.Y.0
	Newest     *semver.Version // of its stable releases
	EndOfLife  time.Time       // none when nothing has taken its place
	Maintained bool
}

// Status of each line at some time, newest first. A line begins with its stable X.Y.0;
// releases without one (5.11.8, tagged by mistake) are of no line, nor is what is
// dated later than that time. A line whose successors have no date counts as ended,
// when it is not one of the newest.
func (p Policy) Status(releases []Release, at time.Time) []LineStatus {
	lines := begun(releases, at)
	for i := range lines {
		if i < p.Lines {
			lines[i].Maintained = true
			continue
		}
		successor := lines[i-p.Lines].Released
		if successor.IsZero() {
			continue
		}
		lines[i].EndOfLife = successor.AddDate(0, p.Months, 0)
		lines[i].Maintained = at.Before(lines[i].EndOfLife)
	}
	return lines
}

// begun are the lines that there are at some time, newest first.
func begun(releases []Release, at time.Time) []LineStatus {
	byLine := map[Line]*LineStatus{}
	for _, r := range releases {
		if r.Channel == Stable && r.Version.Patch() == 0 && !r.Date.After(at) {
			byLine[LineOf(r.Version)] = &LineStatus{Line: LineOf(r.Version), Released: r.Date, Newest: r.Version}
		}
	}
	for _, r := range releases {
		line := byLine[LineOf(r.Version)]
		if line != nil && r.Channel == Stable && !r.Date.After(at) && r.Version.GreaterThan(line.Newest) {
			line.Newest = r.Version
		}
	}
	lines := make([]LineStatus, 0, len(byLine))
	for _, line := range byLine {
		lines = append(lines, *line)
	}
	slices.SortFunc(lines, func(a, b LineStatus) int { return b.Line.Compare(a.Line) })
	return lines
}
