package scan

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// trivySchema is the version of Trivy's reports that has been the one since 2021.
const trivySchema = 2

// trivyReport is what `trivy image --format json` writes; see pkg/types of
// github.com/aquasecurity/trivy.
type trivyReport struct {
	SchemaVersion int
	Trivy         struct{ Version string }
	ArtifactName  string
	Metadata      struct {
		OS          *struct{ Family, Name string }
		RepoDigests []string
		ImageID     string
	}
	Results []trivyResult
}

type trivyResult struct {
	Target, Class    string
	Packages         []struct{}
	Vulnerabilities  []trivyVulnerability
	ModifiedFindings []struct {
		Type, Status, Statement, Source string
		Finding                         trivyVulnerability
	} `json:"ExperimentalModifiedFindings"`
}

type trivyVulnerability struct {
	VulnerabilityID                string
	VendorIDs                      []string
	PkgName, PkgPath               string
	PkgIdentifier                  struct{ PURL string }
	InstalledVersion, FixedVersion string
	Severity                       string
}

func (t trivyReport) report() (Report, error) {
	if t.SchemaVersion != trivySchema {
		return Report{}, fmt.Errorf("it has Trivy's schema %d, and %d is the one that is known here", t.SchemaVersion, trivySchema)
	}
	system := func(r trivyResult) bool { return r.Class == "os-pkgs" && len(r.Packages)+len(r.Vulnerabilities) > 0 }
	if t.Metadata.OS == nil || !slices.ContainsFunc(t.Results, system) {
		return Report{}, errors.New("trivy found no packages of an operating system in what it scanned: a scan that saw nothing proves nothing; scan the image itself, with --list-all-pkgs")
	}
	r := Report{
		Scanner: strings.TrimSpace("trivy " + t.Trivy.Version), Image: t.ArtifactName,
		Digests: digestsOf(t.Metadata.RepoDigests...), Config: t.Metadata.ImageID, System: t.Metadata.OS.Family + " " + t.Metadata.OS.Name,
	}
	for _, result := range t.Results {
		for _, v := range result.Vulnerabilities {
			r.Findings = append(r.Findings, v.finding())
		}
		for _, m := range result.ModifiedFindings {
			if m.Type == "vulnerability" {
				why := strings.Join(slices.DeleteFunc([]string{m.Status, m.Statement, m.Source}, empty), ": ")
				r.Suppressed = append(r.Suppressed, Suppressed{m.Finding.finding(), why})
			}
		}
	}
	return r, nil
}

func (v trivyVulnerability) finding() Finding {
	f := Finding{
		ID:       v.VulnerabilityID,
		Package:  packageOf(v.PkgName, v.InstalledVersion, v.PkgIdentifier.PURL),
		Severity: rated(v.Severity),
		Location: v.PkgPath,
	}
	if v.FixedVersion != "" {
		f.FixedIn = strings.Split(v.FixedVersion, ", ")
	}
	for _, id := range v.VendorIDs {
		f.alias(id)
	}
	return f
}

func empty(s string) bool { return s == "" }
