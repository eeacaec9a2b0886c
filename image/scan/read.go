package scan

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/package-url/packageurl-go"
)

// ReadFile reads a scanner's report from a file; see Read.
func ReadFile(file string) (Report, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return Report{}, fmt.Errorf("read the scan: %w", err)
	}
	report, err := Read(content)
	if err != nil {
		return Report{}, fmt.Errorf("read the scan %s: %w", file, err)
	}
	return report, nil
}

// Read reads the JSON report of Grype or Trivy, whichever it is. It fails for other
// formats, and for a scan that saw nothing, which proves nothing.
func Read(content []byte) (Report, error) {
	var form struct {
		Descriptor    *struct{ Name string }
		SchemaVersion int
		Runs          json.RawMessage
		BOMFormat     string
	}
	if err := json.Unmarshal(content, &form); err != nil {
		return Report{}, fmt.Errorf("it is not JSON (%w): give the report that grype -o json or trivy image --format json writes", err)
	}
	switch {
	case form.Descriptor != nil && form.Descriptor.Name == "grype":
		return read[grypeReport](content)
	case form.SchemaVersion != 0:
		return read[trivyReport](content)
	case form.Runs != nil:
		return Report{}, errors.New("it is SARIF, which has versions and fixes only as prose: let the scanner write its own JSON")
	case form.BOMFormat != "":
		return Report{}, errors.New("it is CycloneDX, which does not say which version has the fix: let the scanner write its own JSON")
	default:
		return Report{}, errors.New("it is no scanner's report that is known here: give the report that grype -o json or trivy image --format json writes")
	}
}

// A format is a scanner's own form of a report.
type format interface {
	report() (Report, error)
}

func read[F format](content []byte) (Report, error) {
	var f F
	if err := json.Unmarshal(content, &f); err != nil {
		return Report{}, fmt.Errorf("it has not the form of its scanner's reports: %w", err)
	}
	report, err := f.report()
	if err != nil {
		return Report{}, err
	}
	for i, finding := range report.Findings {
		if finding.ID == "" || finding.Package.Name == "" || finding.Package.Version == "" {
			return Report{}, fmt.Errorf("its vulnerability %d lacks a name, a package or a version: scan again", i+1)
		}
	}
	return report, nil
}

// packageOf completes a package with what its package URL says of it. A package
// without one gets one that names no ecosystem, so that an excuse can name it.
func packageOf(name, version, purl string) Package {
	p := Package{Name: name, Version: version, PURL: purl}
	parsed, err := packageurl.FromString(purl)
	if err != nil {
		parsed = *packageurl.NewPackageURL(packageurl.TypeGeneric, "", name, version, nil, "")
		p.PURL = parsed.ToString()
	}
	p.Type = parsed.Type
	return p
}

// digestsOf are the digests in a list of references, repository@sha256:….
func digestsOf(references ...string) []string {
	var digests []string
	for _, reference := range references {
		_, digest, found := strings.Cut("@"+reference, "@sha256:")
		if found && !slices.Contains(digests, "sha256:"+digest) {
			digests = append(digests, "sha256:"+digest)
		}
	}
	return digests
}
