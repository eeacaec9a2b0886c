package upstream

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// Repository is one suite and component of an apt repository; OpenNebula's, unless
// WithSuite says otherwise. What it has is read once.
type Repository struct {
	URL string
	Key []byte // those that may sign it, armored or as apt's keyrings are

	settings
	client  *http.Client
	reading sync.Mutex
	release *inRelease
	indexes map[string][]Package // by architecture
}

// NewRepository describes a repository; nothing is read yet.
func NewRepository(url string, key []byte, options ...Option) *Repository {
	s := newSettings(options)
	return &Repository{
		URL: strings.TrimSuffix(url, "/"), Key: key, settings: s,
		client: s.client().StandardClient(), indexes: map[string][]Package{},
	}
}

// String is the repository's URL without a password.
func (r *Repository) String() string { return shown(r.URL) }

// Packages of the repository for an architecture (amd64, arm64), in its order, with
// those that are for all. The index counts only when its size and checksum stand in
// an InRelease that the key has signed. A repository that does not exist is ErrMissing,
// one that does not answer is ErrUnreachable; an architecture that it does not have is
// an error that names those that it has.
func (r *Repository) Packages(ctx context.Context, architecture string) ([]Package, error) {
	r.reading.Lock()
	defer r.reading.Unlock()
	if err := r.readRelease(ctx); err != nil {
		return nil, err
	}
	if found, ok := r.indexes[architecture]; ok {
		return found, nil
	}
	packages, err := r.readIndex(ctx, architecture)
	if err != nil {
		return nil, err
	}
	r.indexes[architecture] = packages
	return packages, nil
}

// Versions of a package that the repository has for an architecture (amd64, arm64), in
// the repository's order. Errors are those of Packages.
func (r *Repository) Versions(ctx context.Context, name, architecture string) ([]string, error) {
	packages, err := r.Packages(ctx, architecture)
	if err != nil {
		return nil, err
	}
	var versions []string
	for _, p := range packages {
		if p.Name == name {
			versions = append(versions, p.Version)
		}
	}
	return versions, nil
}

// Architectures lists those, in Debian's words (amd64, arm64) and in order, for
// which the repository has all of the packages named at one release, X.Y.Z. Errors
// are those of Packages.
func (r *Repository) Architectures(ctx context.Context, version string, names []string) ([]string, error) {
	all, err := r.listed(ctx)
	if err != nil {
		return nil, err
	}
	var complete []string
	for _, architecture := range all {
		packages, err := r.Packages(ctx, architecture)
		if err != nil {
			return nil, err
		}
		lacks := func(name string) bool {
			return !slices.ContainsFunc(packages, func(p Package) bool { return p.Name == name && IsRelease(p.Version, version) })
		}
		if !slices.ContainsFunc(names, lacks) {
			complete = append(complete, architecture)
		}
	}
	return complete, nil
}

// listed are the architectures of which the repository has an index.
func (r *Repository) listed(ctx context.Context) ([]string, error) {
	r.reading.Lock()
	defer r.reading.Unlock()
	if err := r.readRelease(ctx); err != nil {
		return nil, err
	}
	return r.release.architectures(r.component), nil
}

// Require fails unless the repository has a release, X.Y.Z, for an architecture.
func (r *Repository) Require(ctx context.Context, version, architecture string) error {
	versions, err := r.Versions(ctx, "opennebula", architecture)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(versions, func(v string) bool { return IsRelease(v, version) }) {
		return nil
	}
	if len(versions) == 0 {
		return fmt.Errorf("the repository %s has no package opennebula for %s: choose another repository", r, architecture)
	}
	return fmt.Errorf("the repository %s has no opennebula %s for %s; it has %s: choose one of these",
		r, version, architecture, strings.Join(versions, ", "))
}

// IsRelease tells whether a package's version, X.Y.Z or X.Y.Z-N, belongs to a
// release X.Y.Z.
func IsRelease(packaged, version string) bool {
	base, _, _ := strings.Cut(packaged, "-")
	return base == version
}

// Open reads a package's file, the .deb, as long as the context allows. What is read is
// to be held against the package's Size and SHA256, which are signed.
func (r *Repository) Open(ctx context.Context, p Package) (io.ReadCloser, error) {
	if !filepath.IsLocal(p.Filename) {
		return nil, fmt.Errorf("the repository %s says that %s %s is at %q, which is no path in it: choose another repository", r, p.Name, p.Version, p.Filename)
	}
	return openURL(ctx, r.downloads(), r.URL+"/"+p.Filename)
}

// readRelease reads InRelease, if it is not read yet.
func (r *Repository) readRelease(ctx context.Context) error {
	if r.release != nil {
		return nil
	}
	keys, err := readKeys(r.Key)
	if err != nil {
		return fmt.Errorf("the key for %s is not an armored OpenPGP key, nor a keyring: %w", r, err)
	}
	signed, err := fetch(ctx, r.client, r.dist("InRelease"))
	if err != nil {
		return err
	}
	r.release, err = verifyInRelease(signed, keys, r.String(), r.now())
	return err
}

// readIndex reads the smallest index of an architecture that the repository really
// has: an InRelease may list one that is not served.
func (r *Repository) readIndex(ctx context.Context, architecture string) ([]Package, error) {
	name := r.component + "/binary-" + architecture + "/Packages"
	unserved := fmt.Errorf("the repository %s has no packages for %s, but for %s: choose one of these, or another repository",
		r, architecture, oneOf(r.release.architectures(r.component)))
	for _, compression := range compressions {
		want, ok := r.release.files[name+compression.ending]
		if !ok {
			continue
		}
		url := r.dist(name + compression.ending)
		file, err := fetch(ctx, r.client, url)
		if errors.Is(err, ErrMissing) {
			unserved = err
			continue
		}
		if err != nil {
			return nil, err
		}
		return parseIndex(file, want, shown(url), compression.expand)
	}
	return nil, unserved
}

func (r *Repository) dist(file string) string { return r.URL + "/dists/" + r.suite + "/" + file }

// oneOf lists what can be chosen from.
func oneOf(names []string) string {
	if len(names) == 0 {
		return "nothing"
	}
	return strings.Join(names, ", ")
}

// parseIndex reads a file that must be what InRelease lists.
func parseIndex(file []byte, want listed, url string, expand expander) ([]Package, error) {
	if size := int64(len(file)); size < want.size {
		return nil, fmt.Errorf("%s is truncated: it has %d bytes of the %d that InRelease says; try again later, or use another mirror", url, size, want.size)
	}
	sum := sha256.Sum256(file)
	if int64(len(file)) > want.size || hex.EncodeToString(sum[:]) != want.sha256 {
		return nil, fmt.Errorf("%s is not what InRelease says: the repository is being changed or was tampered with; try again later", url)
	}
	text, err := expanded(file, expand)
	if err != nil {
		return nil, fmt.Errorf("expand %s: %w", url, err)
	}
	packages, err := parsePackages(text)
	if err != nil {
		return nil, fmt.Errorf("read the index of packages %s: %w", url, err)
	}
	return packages, nil
}
