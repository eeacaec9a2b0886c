// Package upstream answers what OpenNebula has released: which versions there
// are, in which channel and line, and which of them an apt repository really has.
package upstream

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// firstCandidate is the patch number from which upstream counts betas and
// release candidates of the next version: 7.3.80 leads to 7.4.0.
const firstCandidate = 80

// tagPrefix begins the tags of releases.
const tagPrefix = "release-"

// Channel tells what is meant for everyone from what is to be tried.
type Channel string

// The channels.
const (
	Stable    Channel = "stable"
	Candidate Channel = "candidate" // betas and release candidates
)

var release = regexp.MustCompile(`^\d+\.\d+\.\d+$`)

// ParseVersion reads a version as the community edition has them: X.Y.Z.
func ParseVersion(text string) (*semver.Version, error) {
	if !release.MatchString(text) {
		return nil, fmt.Errorf("%q is not a version of OpenNebula; give a release as X.Y.Z, such as 7.2.0", text)
	}
	return semver.StrictNewVersion(text)
}

// ParseTag reads a tag of upstream's source. It reports false for tags that are
// no community release: four numbers, suffixes, other names.
func ParseTag(tag string) (*semver.Version, bool) {
	text, ok := strings.CutPrefix(tag, tagPrefix)
	if !ok {
		return nil, false
	}
	v, err := ParseVersion(text)
	return v, err == nil
}

// IsCandidate tells betas and release candidates from stable releases.
func IsCandidate(v *semver.Version) bool { return v.Patch() >= firstCandidate }

// ChannelOf a version, by its number.
func ChannelOf(v *semver.Version) Channel {
	if IsCandidate(v) {
		return Candidate
	}
	return Stable
}

// Classify reads a tag of upstream's source: the version and the channel, by their
// name alone. It reports false for what ParseTag does not take. Whether there are
// packages is another question: since 5.12 most maintenance releases (6.10.1 to
// 6.10.5, say) are tagged in public and packaged for customers only.
func Classify(tag string) (*semver.Version, Channel, bool) {
	v, ok := ParseTag(tag)
	if !ok {
		return nil, "", false
	}
	return v, ChannelOf(v), true
}
