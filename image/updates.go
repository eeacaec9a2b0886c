package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/package-url/packageurl-go"
	"pault.ag/go/debian/version"

	"github.com/pablodelarco/opennebula-helm/release"
	"github.com/pablodelarco/opennebula-helm/upstream"
)

const (
	// DebianSuite is the release of Debian that BaseName is.
	DebianSuite = "bookworm"
	// DebianSecurity is where Debian publishes security updates.
	DebianSecurity = "https://deb.debian.org/debian-security"
)

// NewDebianSecurity is the repository of security updates for what images are built
// on, or a mirror of it. Its keys are those of the package debian-archive-keyring.
func NewDebianSecurity(url string, keys []byte, options ...upstream.Option) *upstream.Repository {
	suite := upstream.WithSuite(DebianSuite+"-security", "main")
	return upstream.NewRepository(url, keys, append([]upstream.Option{suite}, options...)...)
}

// PendingUpdates lists those of an image's packages, on one architecture, of which one of
// some repositories has a newer version, by name: the reason for a rebuild. An
// architecture that a repository does not have is an error.
func PendingUpdates(ctx context.Context, installed []Installed, architecture string, repositories ...*upstream.Repository) ([]release.Update, error) {
	var all []release.Update
	for _, repository := range repositories {
		available, err := repository.Packages(ctx, architecture)
		if err != nil {
			return nil, err
		}
		updates, err := newer(installed, available)
		if err != nil {
			return nil, fmt.Errorf("compare an image's packages with those of %s: %w", repository, err)
		}
		all = append(all, updates...)
	}
	return release.Distinct(all), nil
}

// InstalledBySPDX reads the Debian packages that an SPDX document in JSON lists. Scanners
// name each by its package URL.
func InstalledBySPDX(document []byte) ([]Installed, error) {
	var listed struct {
		Packages []struct {
			ExternalRefs []struct{ ReferenceType, ReferenceLocator string }
		}
	}
	if err := json.Unmarshal(document, &listed); err != nil {
		return nil, fmt.Errorf("read an SPDX document: %w", err)
	}
	var installed []Installed
	for _, p := range listed.Packages {
		for _, ref := range p.ExternalRefs {
			purl, err := packageurl.FromString(ref.ReferenceLocator)
			if ref.ReferenceType == "purl" && err == nil && purl.Type == packageurl.TypeDebian {
				installed = append(installed, Installed{purl.Name, purl.Version, purl.Qualifiers.Map()["arch"]})
			}
		}
	}
	if len(installed) == 0 {
		return nil, errors.New("the SPDX document lists no Debian package: a check that saw nothing proves nothing")
	}
	return installed, nil
}

// newer are the packages of which there is a newer version than the one installed.
func newer(installed []Installed, available []upstream.Package) ([]release.Update, error) {
	newest := map[string]version.Version{}
	for _, p := range available {
		v, err := version.Parse(p.Version)
		if err != nil {
			return nil, fmt.Errorf("the version %q of %s is none of Debian's: %w", p.Version, p.Name, err)
		}
		if known, ok := newest[p.Name]; !ok || version.Compare(v, known) > 0 {
			newest[p.Name] = v
		}
	}
	var updates []release.Update
	for _, p := range installed {
		v, err := version.Parse(p.Version)
		if err != nil {
			return nil, fmt.Errorf("the version %q of %s is none of Debian's: %w", p.Version, p.Name, err)
		}
		if there, ok := newest[p.Name]; ok && version.Compare(there, v) > 0 {
			updates = append(updates, release.Update{Package: p.Name, Installed: p.Version, Fixed: there.String()})
		}
	}
	return updates, nil
}
