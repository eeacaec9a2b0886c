package release

import (
	"strconv"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/pablodelarco/opennebula-helm/upstream"
)

const latest = "latest"

// Name is an immutable tag: X.Y.Z, or X.Y.Z-N for the Nth rebuild.
type Name struct {
	Version *semver.Version
	Rebuild int // 0 for the first build
}

// ParseName reads a tag. It reports false for those that are no immutable names of
// images: floating ones, signatures, what others set.
func ParseName(tag string) (Name, bool) {
	base, rebuild, isRebuild := strings.Cut(tag, "-")
	v, err := upstream.ParseVersion(base)
	if err != nil {
		return Name{}, false
	}
	n := Name{Version: v}
	if isRebuild {
		// A number that anyone could have counted to.
		parsed, err := strconv.ParseInt(rebuild, 10, 32)
		if err != nil {
			return Name{}, false
		}
		n.Rebuild = int(parsed)
	}
	return n, n.String() == tag && n.Rebuild >= 0
}

func (n Name) String() string {
	if n.Rebuild == 0 {
		return n.Version.String()
	}
	return n.Version.String() + "-" + strconv.Itoa(n.Rebuild)
}

// Compare is negative for a name that comes before another, by version and rebuild.
func (n Name) Compare(other Name) int {
	if c := n.Version.Compare(other.Version); c != 0 {
		return c
	}
	return n.Rebuild - other.Rebuild
}

// firstFree is the first name from one on that no tag holds.
func firstFree(name Name, tags map[string]string) Name {
	for {
		if _, taken := tags[name.String()]; !taken {
			return name
		}
		name.Rebuild++
	}
}

// Tags are the names that an image gets in its repository.
type Tags struct {
	Version  string   // X.Y.Z, or X.Y.Z-N for a rebuild; never moved once it is there
	Floating []string // X.Y and latest, where no later version holds them; none for a candidate
}

// All of the tags, the immutable one first.
func (t Tags) All() []string { return append([]string{t.Version}, t.Floating...) }

// NameImage decides the tags of an image of a version, given by digest, from the
// tags that are published and their digests, for a registry of which nothing else is
// known. An image that is published already keeps the name it has.
func NameImage(version *semver.Version, digest string, published map[string]string) Tags {
	own, later, laterInLine := Name{Version: version, Rebuild: -1}, false, false
	for tag, held := range published {
		name, ok := ParseName(tag)
		if !ok {
			continue
		}
		isOwn := name.Version.Equal(version) && held == digest
		if isOwn && name.Rebuild > own.Rebuild {
			own = name
		}
		isLater := name.Version.GreaterThan(version) && !upstream.IsCandidate(name.Version)
		later = later || isLater
		laterInLine = laterInLine || isLater && lineOf(name.Version) == lineOf(version)
	}
	if own.Rebuild < 0 {
		own = firstFree(Name{Version: version}, published)
	}
	tags := Tags{Version: own.String()}
	if upstream.IsCandidate(version) {
		return tags
	}
	if !laterInLine {
		tags.Floating = append(tags.Floating, lineOf(version))
	}
	if !later {
		tags.Floating = append(tags.Floating, latest)
	}
	return tags
}
