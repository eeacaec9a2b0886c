package image

import (
	"context"
	"fmt"

	"github.com/pablodelarco/opennebula-helm/upstream"
)

// Packages of OpenNebula that no image is without, as image/build has them.
var Packages = []string{"opennebula", "opennebula-tools", "opennebula-fireedge", "opennebula-flow", "opennebula-gate"}

// Platforms lists those, OS/architecture, for which a repository has all that an
// image of a release, X.Y.Z, is made of. Debian's names for them are OCI's, for all
// that OpenNebula is packaged for.
func Platforms(ctx context.Context, repository *upstream.Repository, version string) ([]string, error) {
	architectures, err := repository.Architectures(ctx, version, Packages)
	if err != nil {
		return nil, err
	}
	if len(architectures) == 0 {
		return nil, fmt.Errorf("the repository %s has OpenNebula %s complete for no architecture: choose another release or repository", repository.URL, version)
	}
	platforms := make([]string, len(architectures))
	for i, architecture := range architectures {
		platforms[i] = "linux/" + architecture
	}
	return platforms, nil
}
