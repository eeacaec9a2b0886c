package pipeline

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/pablodelarco/opennebula-helm/image"
	"github.com/pablodelarco/opennebula-helm/release"
	"github.com/pablodelarco/opennebula-helm/signature"
	"github.com/pablodelarco/opennebula-helm/upstream"
)

// FindUpdates finds the security updates that an image lacks, by what is attested of it.
type FindUpdates func(context.Context, signature.Report) ([]release.Update, error)

// DebianUpdates finds the security updates that an image lacks: it holds the packages
// that are attested of the image against Debian's repository, or a mirror of it, signed
// by one of the keys in a file.
func DebianUpdates(url, keys string) FindUpdates {
	// Read when they are asked for: most of what people ask needs no keys.
	repository := sync.OnceValues(func() (*upstream.Repository, error) {
		keyring, err := os.ReadFile(keys)
		if err != nil {
			return nil, fmt.Errorf("read the keys of Debian's repository: %w: install the package debian-archive-keyring, or give another file", err)
		}
		return image.NewDebianSecurity(cmp.Or(url, image.DebianSecurity), keyring), nil
	})
	return func(ctx context.Context, report signature.Report) ([]release.Update, error) {
		from, err := repository()
		if err != nil {
			return nil, err
		}
		return updates(ctx, report, from)
	}
}

// updates are those of all images in a report.
func updates(ctx context.Context, report signature.Report, repository *upstream.Repository) ([]release.Update, error) {
	var all []release.Update
	for _, of := range append(report.Images, report) {
		for _, attached := range of.Attached {
			if attached.Kind != signature.SBOM {
				continue
			}
			installed, err := image.InstalledBySPDX(attached.Predicate)
			if err != nil {
				return nil, err
			}
			_, architecture, _ := strings.Cut(of.Platform, "/")
			found, err := image.PendingUpdates(ctx, installed, architecture, repository)
			if err != nil {
				return nil, err
			}
			all = append(all, found...)
		}
	}
	return release.Distinct(all), nil
}
