package image

import (
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Matches fails unless an index of Join was built by arguments, for platforms,
// OS/architecture.
func Matches(index v1.ImageIndex, arguments Arguments, platforms []string) error {
	manifest, err := index.IndexManifest()
	if err != nil {
		return fmt.Errorf("read the index: %w", err)
	}
	for _, wanted := range []struct{ name, value string }{
		{VersionLabel, arguments.Version}, {RevisionLabel, arguments.Revision}, {BaseDigestLabel, arguments.BaseDigest},
	} {
		if found := manifest.Annotations[wanted.name]; found != wanted.value {
			return fmt.Errorf("the image's label %s is %q, and %q is to be released: build it from this commit, on today's base image", wanted.name, found, wanted.value)
		}
	}
	var have []string
	for _, d := range manifest.Manifests {
		have = append(have, d.Platform.OS+"/"+d.Platform.Architecture)
	}
	slices.Sort(have)
	if wanted := slices.Sorted(slices.Values(platforms)); !slices.Equal(have, wanted) {
		return fmt.Errorf("the image is for %s, and is to be released for %s: give an image for each", strings.Join(have, " and "), strings.Join(wanted, " and "))
	}
	return nil
}
