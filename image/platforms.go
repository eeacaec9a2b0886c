package image

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/pablodelarco/opennebula-helm/upstream"
)

// Packages of OpenNebula that no image is without, as image/build has them.
var Packages = []string{"opennebula", "opennebula-tools", "opennebula-fireedge", "opennebula-flow", "opennebula-gate"}

// OptionalPackages are in an image where the release has them, as image/build has them.
var OptionalPackages = []string{"opennebula-guacd", "opennebula-migration", "opennebula-migration-community"}

// Platforms lists those, OS/architecture, for which a repository has all that an
// image of a release, X.Y.Z, is made of. Debian's names for them are OCI's, for all
// that OpenNebula is packaged for.
func Platforms(ctx context.Context, repository *upstream.Repository, version string) ([]string, error) {
	architectures, err := repository.Architectures(ctx, version, Packages)
	if err != nil {
		return nil, err
	}
	if len(architectures) == 0 {
		return nil, fmt.Errorf("the repository %s has OpenNebula %s complete for no architecture: choose another release or repository", repository, version)
	}
	platforms := make([]string, len(architectures))
	for i, architecture := range architectures {
		platforms[i] = "linux/" + architecture
	}
	return platforms, nil
}

// RequirePlatforms fails unless a repository has what an image of a release is made of for
// all platforms asked, OS/architecture.
func RequirePlatforms(ctx context.Context, repository *upstream.Repository, version string, asked []string) error {
	available, err := Platforms(ctx, repository, version)
	if err != nil {
		return err
	}
	for _, platform := range asked {
		if !slices.Contains(available, platform) {
			return fmt.Errorf("the repository %s has no packages of OpenNebula %s for %s: build for %s", repository, version, platform, strings.Join(available, " or "))
		}
	}
	return nil
}
