// Package release plans a release from what upstream offers and what is already
// published. It decides, and does no I/O of its own.
package release

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// Tags are the names that an image gets in its repository.
type Tags struct {
	Version  string   // X.Y.Z, or X.Y.Z-N for a rebuild; never moved once it is there
	Floating []string // X.Y and latest, where no later version holds them
}

// All of the tags, the immutable one first.
func (t Tags) All() []string { return append([]string{t.Version}, t.Floating...) }

// NameImage decides the tags of an image of a version, given by digest, from the
// tags that are published and their digests. An image that is published already
// keeps the name it has.
func NameImage(version *semver.Version, digest string, published map[string]string) Tags {
	tags := Tags{Version: immutable(version.String(), digest, published)}
	line := fmt.Sprintf("%d.%d", version.Major(), version.Minor())
	if !laterIn(published, version, func(v *semver.Version) bool { return v.Major() == version.Major() && v.Minor() == version.Minor() }) {
		tags.Floating = append(tags.Floating, line)
	}
	if !laterIn(published, version, func(*semver.Version) bool { return true }) {
		tags.Floating = append(tags.Floating, "latest")
	}
	return tags
}

// immutable finds the first name of X.Y.Z, X.Y.Z-1, X.Y.Z-2, … that is free or
// holds the digest already.
func immutable(version, digest string, published map[string]string) string {
	tag := version
	for n := 1; ; n++ {
		if held, ok := published[tag]; !ok || held == digest {
			return tag
		}
		tag = version + "-" + strconv.Itoa(n)
	}
}

// laterIn tells whether a version that comes after another is published in a line.
func laterIn(published map[string]string, version *semver.Version, line func(*semver.Version) bool) bool {
	for tag := range published {
		base, _, _ := strings.Cut(tag, "-")
		v, err := semver.StrictNewVersion(base)
		if err == nil && line(v) && v.GreaterThan(version) {
			return true
		}
	}
	return false
}
