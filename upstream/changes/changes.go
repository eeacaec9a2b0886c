// Package changes says what differs between the packages of two releases of
// OpenNebula, for the person who approves an update: packages, what they depend on,
// configuration, services, and the database's schema.
package changes

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"pault.ag/go/debian/dependency"

	"github.com/pablodelarco/opennebula-helm/upstream"
)

// Changes are what differs between two releases.
type Changes struct {
	From, To string // X.Y.Z

	Bump         []PackageChange    // of installed packages that have the release's own version
	Packages     []PackageChange    // all other changes of installed packages
	Others       []PackageChange    // of packages that are not installed, without bumps
	Dependencies []DependencyChange // of installed packages
	Settings     []FileChange       // /etc, and the settings of the drivers
	Units        []FileChange       // services, timers and folders of systemd
	Conffiles    Conffiles
	Schema       Schema
	Notes        Notes // upstream's; for the caller to set

	// Unknown says in a sentence why nothing but the notes is known; it is empty when the
	// packages of both were compared.
	Unknown string
}

// PackageChange is a package added, removed, or of another version.
type PackageChange struct {
	Name     string
	From, To string // Debian's version; empty where the release has no such package
}

// DependencyChange is a dependency added, removed, or of other versions.
type DependencyChange struct {
	Package    string // that depends
	Recommends bool   // it does not need it
	From, To   string // as "nodejs (>= 18)"; empty where the release has no such dependency
}

// Conffiles are paths that dpkg keeps as an administrator left them.
type Conffiles struct {
	Kept, Added, Removed []string
}

// Compare reads the packages of two releases. Those named, and what they depend on
// among OpenNebula's, are the ones that are installed; of the rest only names and
// versions are compared. It fails if a package cannot be read, or is not what its
// source's index says.
func Compare(ctx context.Context, from, to Release, installed []string) (*Changes, error) {
	before, err := from.read(ctx, installed)
	if err != nil {
		return nil, fmt.Errorf("read the packages of OpenNebula %s: %w", from.Version, err)
	}
	after, err := to.read(ctx, installed)
	if err != nil {
		return nil, fmt.Errorf("read the packages of OpenNebula %s: %w", to.Version, err)
	}
	c := &Changes{From: from.Version, To: to.Version}
	c.comparePackages(before, after)
	c.Dependencies = compareDependencies(before, after)
	c.Settings = compareFiles(before.files, after.files, isSetting)
	c.Units = compareFiles(before.files, after.files, isUnit)
	c.Conffiles = compareConffiles(before.conffiles, after.conffiles)
	c.Schema = compareSchemas(before, after)
	return c, nil
}

// Empty tells that nothing differs, or is known to.
func (c *Changes) Empty() bool {
	return len(c.Bump)+len(c.Packages)+len(c.Others)+len(c.Dependencies)+len(c.Settings)+len(c.Units)+
		len(c.Conffiles.Added)+len(c.Conffiles.Removed) == 0 && !c.Schema.changes()
}

// union lists the keys of two maps in order.
func union[V any](a, b map[string]V) []string {
	all := map[string]bool{}
	for key := range a {
		all[key] = true
	}
	for key := range b {
		all[key] = true
	}
	return slices.Sorted(maps.Keys(all))
}

func (c *Changes) comparePackages(before, after *held) {
	for _, name := range union(before.packages, after.packages) {
		p := PackageChange{Name: name, From: before.packages[name].Version, To: after.packages[name].Version}
		bump := isBump(p, before.version, after.version)
		switch inImage := before.installed[name] != nil || after.installed[name] != nil; {
		case p.From == p.To:
		case inImage && bump:
			c.Bump = append(c.Bump, p)
		case inImage:
			c.Packages = append(c.Packages, p)
		case !bump:
			c.Others = append(c.Others, p)
		}
	}
}

// isBump tells that a package has the version of its release in both: 7.0.2-1 and
// 7.2.0-1, also 7.0.2-1 and 7.2.0-2.
func isBump(p PackageChange, from, to string) bool {
	return from != to && upstream.IsRelease(p.From, from) && upstream.IsRelease(p.To, to)
}

func compareDependencies(before, after *held) []DependencyChange {
	var found []DependencyChange
	for _, name := range union(before.installed, after.installed) {
		a, b := before.installed[name], after.installed[name]
		if a == nil || b == nil {
			continue // the package is new or gone, and what it needs with it
		}
		from, to := before.dependencies(a), after.dependencies(b)
		for _, key := range union(from, to) {
			if from[key] != to[key] {
				found = append(found, DependencyChange{Package: name, Recommends: strings.HasPrefix(key, recommends),
					From: plain(from[key], before.version), To: plain(to[key], after.version)})
			}
		}
	}
	slices.SortStableFunc(found, func(a, b DependencyChange) int {
		return cmp.Or(cmp.Compare(a.Package, b.Package), cmp.Compare(a.kind(), b.kind()))
	})
	return found
}

// kind orders what is added, removed and changed.
func (d DependencyChange) kind() int {
	switch {
	case d.From == "":
		return 0
	case d.To == "":
		return 1
	default:
		return 2
	}
}

// ownVersion stands for the release's own version in dependencies, so that these are
// the same in all releases.
const ownVersion = "\x00"

// dependencies are the relations of a package by what they are to: each key has all
// that is said of the same packages.
func (h *held) dependencies(c *contents) map[string]string {
	found := map[string]string{}
	for _, field := range fields {
		strength := depends
		if field == recommends {
			strength = recommends
		}
		for _, r := range c.about.relations[field] {
			key := strength + " " + namesOf(r)
			found[key] = joined(found[key], h.relation(r))
		}
	}
	return found
}

func joined(a, b string) string {
	if a == "" {
		return b
	}
	return a + ", " + b
}

func namesOf(r dependency.Relation) string {
	var names []string
	for _, p := range r.Possibilities {
		names = append(names, p.Name)
	}
	return strings.Join(names, " | ")
}

// relation is the text of a relation, the release's own version in it replaced.
func (h *held) relation(r dependency.Relation) string {
	var texts []string
	for _, p := range r.Possibilities {
		if p.Version != nil && upstream.IsRelease(p.Version.Number, h.version) && h.packages[p.Name].Name != "" {
			of := *p.Version
			of.Number, p.Version = ownVersion, &of
		}
		texts = append(texts, p.String())
	}
	return strings.Join(texts, " | ")
}

func plain(text, version string) string { return strings.ReplaceAll(text, ownVersion, version) }

func compareConffiles(before, after map[string]bool) Conffiles {
	var c Conffiles
	for _, path := range union(before, after) {
		switch {
		case !before[path]:
			c.Added = append(c.Added, path)
		case !after[path]:
			c.Removed = append(c.Removed, path)
		default:
			c.Kept = append(c.Kept, path)
		}
	}
	return c
}
