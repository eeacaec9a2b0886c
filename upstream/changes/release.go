package changes

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"pault.ag/go/debian/version"

	"github.com/pablodelarco/opennebula-helm/upstream"
)

// mainPackage is in every release, at exactly the release's version.
const mainPackage = "opennebula"

// Release is a version of OpenNebula, and where its packages are.
type Release struct {
	Version string // X.Y.Z
	Source  Source
}

// held is what a release has: all its packages by name, and the contents of those
// that are installed.
type held struct {
	version   string
	packages  map[string]upstream.Package
	installed map[string]*contents
	files     map[string]file // of all installed
	conffiles map[string]bool // paths
}

// read a release. Installed are the packages named, as far as the release has them,
// and what they depend on, as far as the release has it.
func (r Release) read(ctx context.Context, names []string) (*held, error) {
	if _, err := upstream.ParseVersion(r.Version); err != nil {
		return nil, err
	}
	all, err := r.Source.Packages(ctx)
	if err != nil {
		return nil, err
	}
	h := &held{version: r.Version, installed: map[string]*contents{}, files: map[string]file{}, conffiles: map[string]bool{}}
	if h.packages, err = choose(all, r.Version); err != nil {
		return nil, err
	}
	for next := slices.Clone(names); len(next) > 0; next = next[1:] {
		p, there := h.packages[next[0]]
		if !there || h.installed[p.Name] != nil {
			continue
		}
		c, err := readPackage(ctx, r.Source, p)
		if err != nil {
			return nil, err
		}
		h.add(p.Name, c)
		next = append(next, c.about.needs(h.packages)...)
	}
	return h, nil
}

func (h *held) add(name string, c *contents) {
	h.installed[name] = c
	maps.Copy(h.files, c.files)
	for _, path := range c.conffiles {
		h.conffiles[path] = true
	}
}

func readPackage(ctx context.Context, s Source, p upstream.Package) (*contents, error) {
	opened, err := open(ctx, s, p)
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	c, err := readDeb(opened)
	if err != nil {
		return nil, fmt.Errorf("the package %s is not a readable .deb file: %w", p.Filename, err)
	}
	if c.about.name != p.Name || c.about.version != p.Version {
		return nil, fmt.Errorf("the package %s says that it is %s %s, and the index that it is %s %s", p.Filename,
			c.about.name, c.about.version, p.Name, p.Version)
	}
	return c, nil
}

// choose takes for each name the package that apt would install for a release, as
// image/build has it: the one of the release's version, or else the highest that is
// not of another release.
func choose(all []upstream.Package, release string) (map[string]upstream.Package, error) {
	chosen, others := map[string]upstream.Package{}, releases(all)
	switch {
	case len(others) == 0:
		return nil, fmt.Errorf("there is no package %s: choose another repository or folder", mainPackage)
	case !slices.Contains(others, release):
		return nil, fmt.Errorf("there is no package %s %s, but %s: choose one of these, or another repository or folder",
			mainPackage, release, strings.Join(others, ", "))
	}
	for _, p := range all {
		of, _, _ := strings.Cut(p.Version, "-")
		if of != release && slices.Contains(others, of) {
			continue
		}
		takes, err := better(p, chosen[p.Name], release)
		if err != nil {
			return nil, err
		}
		if takes {
			chosen[p.Name] = p
		}
	}
	return chosen, nil
}

// releases are those whose main package is there.
func releases(all []upstream.Package) []string {
	var found []string
	for _, p := range all {
		if of, _, _ := strings.Cut(p.Version, "-"); p.Name == mainPackage && !slices.Contains(found, of) {
			found = append(found, of)
		}
	}
	return found
}

// better tells whether of two packages of one name the first is to be taken; the other
// may be none.
func better(p, other upstream.Package, release string) (bool, error) {
	v, err := version.Parse(p.Version)
	if err != nil {
		return false, fmt.Errorf("the package %s has the version %q, which is none of Debian's: %w", p.Name, p.Version, err)
	}
	if other.Name == "" {
		return true, nil
	}
	if exact := upstream.IsRelease(p.Version, release); exact != upstream.IsRelease(other.Version, release) {
		return exact, nil
	}
	w, err := version.Parse(other.Version)
	return version.Compare(v, w) > 0, err
}
