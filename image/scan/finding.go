// Package scan judges what a scanner found in an image: a vulnerability that has a
// fix blocks a release, unless a written excuse in image/vex says why not. Which
// scanner made the findings does not matter to it.
package scan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Severity of a vulnerability. The zero value is one that nobody has rated.
type Severity int

// The severities, in order.
const (
	Unknown Severity = iota
	Negligible
	Low
	Medium
	High
	Critical
)

var severities = []string{"unknown", "negligible", "low", "medium", "high", "critical"}

// String is the severity in lower case.
func (s Severity) String() string { return severities[s] }

// ParseSeverity reads a severity in any case.
func ParseSeverity(text string) (Severity, error) {
	i := slices.Index(severities, strings.ToLower(text))
	if i < 0 {
		return Unknown, fmt.Errorf("%q is not a severity; it is one of %s", text, strings.Join(severities, ", "))
	}
	return Severity(i), nil
}

// rated is the severity that a scanner names; what it names otherwise is Unknown.
func rated(text string) Severity {
	s, _ := ParseSeverity(text)
	return s
}

// Package is what a finding is about.
type Package struct {
	Name    string
	Version string // as installed
	Type    string // as a package URL has it: deb, gem, npm, golang, …
	PURL    string // package URL, with the version
}

// Finding is one vulnerability in one package of an image.
type Finding struct {
	ID       string   // CVE-…, GHSA-… or what else the scanner calls it
	Aliases  []string // other names: of the same vulnerability, or of advisories on it
	Package  Package
	FixedIn  []string // versions, as the scanner writes them; none where there is no fix
	Severity Severity
	Location string // file in the image; "" where the scanner names none
}

// names are all that a finding is known by.
func (f Finding) names() []string { return append([]string{f.ID}, f.Aliases...) }

func (f *Finding) alias(id string) {
	if id != "" && !slices.Contains(f.names(), id) {
		f.Aliases = append(f.Aliases, id)
	}
}

// key tells findings apart: the same package at two places, or for two platforms, is
// found once.
func (f Finding) key() string {
	return strings.Join([]string{f.ID, f.Package.Type, f.Package.Name, f.Package.Version}, " ")
}

// byWeight puts the gravest first, then goes by package and name.
func byWeight(a, b Finding) int {
	return cmp.Or(cmp.Compare(b.Severity, a.Severity), cmp.Compare(a.key(), b.key()))
}

// Suppressed is a finding that the scanner left out by itself.
type Suppressed struct {
	Finding
	Why string // in the scanner's words
}

// Report is what one scan of one image says.
type Report struct {
	Scanner    string   // name and version
	Image      string   // as the scanner calls it
	Digests    []string // that the scanner knows it by, sha256:…; may be none
	Config     string   // digest of the image's configuration, sha256:…; "" where it is not told
	System     string   // name and version, as debian 12
	Findings   []Finding
	Suppressed []Suppressed
}
