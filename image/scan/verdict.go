package scan

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/package-url/packageurl-go"
)

// Excused is a finding and why it does not count.
type Excused struct {
	Finding
	Excuse
}

// StaleExcuse is an excuse that must go.
type StaleExcuse struct {
	Excuse
	Why string
}

// Verdict on an image, which may be scanned for several platforms. Each finding is in
// one of its lists, the gravest first; in several where the reports differ on it.
type Verdict struct {
	Reports  []Report
	Blocking []Finding // have a fix, are grave enough, and nothing excuses them
	Excused  []Excused
	Minor    []Finding // have a fix, and are below the threshold
	Unfixed  []Finding // have no fix
	// Suppressed were left out by a scanner, by rules of its own or in its settings.
	Suppressed []Suppressed
	// StaleExcuses are expired, or match nothing.
	StaleExcuses []StaleExcuse
}

// Passed tells whether the image may be released.
func (v Verdict) Passed() bool { return len(v.Blocking)+len(v.StaleExcuses) == 0 }

// Option changes what Judge is strict about.
type Option func(*judge)

// WithThreshold lets vulnerabilities below a severity pass; by default none does.
// What nobody has rated is never below.
func WithThreshold(least Severity) Option { return func(j *judge) { j.threshold = least } }

// judge is one judgement.
type judge struct {
	now       time.Time
	threshold Severity
	image     string
	excuses   []Excuse
	used      map[int]bool // excuses, by index
	verdict   Verdict
}

// Judge weighs the reports on one image, called image, such as opennebula-frontend, in
// its registry: one for each of its platforms. The image passes when all that has a fix
// is excused, and each excuse is needed and still counts at the time given.
func Judge(image string, reports []Report, excuses []Excuse, now time.Time, options ...Option) (Verdict, error) {
	if len(reports) == 0 {
		return Verdict{}, errors.New("there is no scan to judge: scan the image first")
	}
	j := &judge{now: now, image: image, excuses: excuses, used: map[int]bool{}, verdict: Verdict{Reports: reports}}
	for _, option := range options {
		option(j)
	}
	seen := map[string]bool{}
	for _, report := range reports {
		products := j.products(report)
		for _, finding := range report.Findings {
			excuse := j.excuseFor(products, finding)
			// An excuse may be for one platform's image alone, and so may a fix; and of two
			// scanners one may know of a fix first.
			key := fmt.Sprint(finding.key(), excuse != nil, len(finding.FixedIn) > 0, j.isMinor(finding))
			if !seen[key] {
				seen[key] = true
				j.file(finding, excuse)
			}
		}
		j.verdict.Suppressed = append(j.verdict.Suppressed, report.Suppressed...)
	}
	j.findStale()
	j.sort()
	return j.verdict, nil
}

// products are the package URLs that a report's image goes by.
func (j *judge) products(report Report) []string {
	purl := packageurl.NewPackageURL(packageurl.TypeOCI, "", j.image, "", nil, "")
	products := []string{purl.ToString()}
	for _, digest := range report.Digests {
		purl.Version = digest
		products = append(products, purl.ToString())
	}
	return products
}

// excuseFor finds an excuse that still counts; nil where there is none. All that match
// are in use, so that two which overlap are not stale.
func (j *judge) excuseFor(products []string, f Finding) *Excuse {
	var found *Excuse
	for i, excuse := range j.excuses {
		if !slices.ContainsFunc(products, func(p string) bool { return excuse.covers(p, f) }) {
			continue
		}
		j.used[i] = true
		if j.counts(excuse) && found == nil {
			found = &j.excuses[i]
		}
	}
	return found
}

func (j *judge) counts(e Excuse) bool { return j.now.Before(e.Expires) }

func (j *judge) file(f Finding, excuse *Excuse) {
	v := &j.verdict
	switch {
	case excuse != nil:
		v.Excused = append(v.Excused, Excused{f, *excuse})
	case len(f.FixedIn) == 0:
		v.Unfixed = append(v.Unfixed, f)
	case j.isMinor(f):
		v.Minor = append(v.Minor, f)
	default:
		v.Blocking = append(v.Blocking, f)
	}
}

func (j *judge) isMinor(f Finding) bool { return f.Severity != Unknown && f.Severity < j.threshold }

func (j *judge) findStale() {
	for i, excuse := range j.excuses {
		switch {
		case !j.used[i]:
			j.stale(excuse, "matches nothing that was found")
		case !j.counts(excuse):
			j.stale(excuse, "expired after "+excuse.LastDay())
		}
	}
}

func (j *judge) stale(e Excuse, why string) {
	j.verdict.StaleExcuses = append(j.verdict.StaleExcuses, StaleExcuse{e, why})
}

func (j *judge) sort() {
	v := &j.verdict
	for _, list := range [][]Finding{v.Blocking, v.Minor, v.Unfixed} {
		slices.SortFunc(list, byWeight)
	}
	slices.SortFunc(v.Excused, func(a, b Excused) int { return byWeight(a.Finding, b.Finding) })
	slices.SortFunc(v.Suppressed, func(a, b Suppressed) int { return byWeight(a.Finding, b.Finding) })
}
