package scan

import (
	"encoding/json"
	"errors"
	"strings"
)

// grypeReport is what `grype -o json` writes; see grype/presenter/models of
// github.com/anchore/grype.
type grypeReport struct {
	Matches        []grypeMatch
	IgnoredMatches []struct {
		grypeMatch
		AppliedIgnoreRules []grypeRule
	}
	Source *struct {
		Type   string
		Target json.RawMessage
	}
	Distro     struct{ Name, Version string }
	Descriptor struct{ Name, Version string }
}

type grypeMatch struct {
	Vulnerability struct {
		ID, Severity string
		Fix          struct{ Versions []string }
		Advisories   []struct{ ID string }
	}
	RelatedVulnerabilities []struct{ ID string }
	Artifact               struct {
		Name, Version, PURL string
		Locations           []struct{ Path string }
	}
}

// grypeRule is why a match is ignored.
type grypeRule struct {
	Vulnerability, Reason string
	FixState              string `json:"fix-state"`
	VexStatus             string `json:"vex-status"`
	VexJustification      string `json:"vex-justification"`
	Package               *struct{ Name string }
}

func (g grypeReport) report() (Report, error) {
	if g.Distro.Name == "" {
		return Report{}, errors.New("grype found no operating system in what it scanned: a scan that saw nothing proves nothing; scan the image itself")
	}
	// Grype does not list what it looked at. Debian leaves some vulnerabilities
	// unfixed in every image, so that none at all is a scan of nothing.
	if len(g.Matches)+len(g.IgnoredMatches) == 0 {
		return Report{}, errors.New("grype found nothing at all, not even what has no fix: a scan that saw nothing proves nothing; scan the image itself, with an up-to-date database (grype db update)")
	}
	r := Report{Scanner: "grype " + g.Descriptor.Version, System: g.Distro.Name + " " + g.Distro.Version}
	r.Image, r.Digests, r.Config = g.image()
	for _, match := range g.Matches {
		r.Findings = append(r.Findings, match.finding())
	}
	for _, ignored := range g.IgnoredMatches {
		r.Suppressed = append(r.Suppressed, Suppressed{ignored.finding(), why(ignored.AppliedIgnoreRules)})
	}
	return r, nil
}

// image is what was scanned: of an image a description, of all else a path.
func (g grypeReport) image() (name string, digests []string, config string) {
	var image struct {
		UserInput, ManifestDigest, ImageID string
		RepoDigests                        []string
	}
	if g.Source == nil || json.Unmarshal(g.Source.Target, &image) != nil {
		return "", nil, ""
	}
	return image.UserInput, digestsOf(append(image.RepoDigests, image.ManifestDigest)...), image.ImageID
}

func (m grypeMatch) finding() Finding {
	f := Finding{
		ID:       m.Vulnerability.ID,
		Package:  packageOf(m.Artifact.Name, m.Artifact.Version, m.Artifact.PURL),
		FixedIn:  m.Vulnerability.Fix.Versions,
		Severity: rated(m.Vulnerability.Severity),
	}
	for _, related := range m.RelatedVulnerabilities {
		f.alias(related.ID)
	}
	for _, advisory := range m.Vulnerability.Advisories {
		f.alias(advisory.ID)
	}
	if len(m.Artifact.Locations) > 0 {
		f.Location = m.Artifact.Locations[0].Path
	}
	return f
}

func why(rules []grypeRule) string {
	var all []string
	for _, rule := range rules {
		all = append(all, rule.why())
	}
	return strings.Join(all, "; ")
}

func (r grypeRule) why() string {
	switch {
	case r.Reason != "":
		return r.Reason
	case r.VexStatus != "":
		return strings.TrimSuffix(r.VexStatus+": "+r.VexJustification, ": ")
	case r.FixState != "":
		return "ignored where the fix is " + r.FixState
	case r.Package != nil:
		return "ignored in " + r.Package.Name
	default:
		return "ignored by a rule"
	}
}
