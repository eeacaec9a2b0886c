package upstream

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/hashicorp/go-retryablehttp"
)

const (
	// OfficialRepository has one apt repository for each release and distribution.
	OfficialRepository = "https://downloads.opennebula.io/repo/%s/Debian/12"
	// OfficialKey signs them all.
	OfficialKey = "https://downloads.opennebula.io/repo/repo2.key"

	suite     = "stable"
	component = "opennebula"
	// An index of all packages is below a megabyte; anything far larger is none.
	maxIndex = 64 << 20
)

// ErrUnreachable is a repository that did not answer at all.
var ErrUnreachable = errors.New("cannot be reached")

// Repository is an apt repository in OpenNebula's layout, with one suite and one
// component.
type Repository struct {
	URL    string
	Key    []byte // that signs it, armored
	client *http.Client
}

// Option changes how a repository is read.
type Option func(*retryablehttp.Client)

// WithRetries sets how often a failing request is tried again; 3 by default.
func WithRetries(n int) Option { return func(c *retryablehttp.Client) { c.RetryMax = n } }

// NewRepository describes a repository; nothing is read yet.
func NewRepository(url string, key []byte, options ...Option) *Repository {
	return &Repository{URL: strings.TrimSuffix(url, "/"), Key: key, client: newClient(options...)}
}

func newClient(options ...Option) *http.Client {
	client := retryablehttp.NewClient()
	client.Logger = nil
	client.RetryMax = 3
	client.HTTPClient.Timeout = 30 * time.Second
	for _, option := range options {
		option(client)
	}
	return client.StandardClient()
}

// Fetch reads a small file by URL. What does not answer is ErrUnreachable.
func Fetch(ctx context.Context, url string, options ...Option) ([]byte, error) {
	return fetch(ctx, newClient(options...), url)
}

// Versions of a package that the repository has for an architecture (amd64,
// arm64), in the repository's order. The index counts only when its checksum
// stands in an InRelease that the key has signed.
func (r *Repository) Versions(ctx context.Context, name, architecture string) ([]string, error) {
	release, err := r.release(ctx)
	if err != nil {
		return nil, err
	}
	versions, err := r.packages(ctx, release, architecture)
	return versions[name], err
}

// Architectures lists those, in Debian's words (amd64, arm64) and in order, for
// which the repository has all of the packages named at one release, X.Y.Z.
func (r *Repository) Architectures(ctx context.Context, version string, names []string) ([]string, error) {
	release, err := r.release(ctx)
	if err != nil {
		return nil, err
	}
	var complete []string
	for _, architecture := range architectures(release) {
		versions, err := r.packages(ctx, release, architecture)
		if err != nil {
			return nil, err
		}
		lacks := func(name string) bool {
			return !slices.ContainsFunc(versions[name], func(v string) bool { return IsRelease(v, version) })
		}
		if !slices.ContainsFunc(names, lacks) {
			complete = append(complete, architecture)
		}
	}
	return complete, nil
}

// architectures are those of which the text of a release has an index.
func architectures(release []byte) []string {
	var found []string
	for _, match := range indexName.FindAllSubmatch(release, -1) {
		found = append(found, string(match[1]))
	}
	slices.Sort(found)
	return slices.Compact(found)
}

var indexName = regexp.MustCompile(` ` + component + `/binary-([a-z0-9]+)/Packages\n`)

// packages are the versions of each package of an architecture.
func (r *Repository) packages(ctx context.Context, release []byte, architecture string) (map[string][]string, error) {
	index, err := r.index(ctx, release, architecture)
	if err != nil {
		return nil, err
	}
	versions := map[string][]string{}
	// A stanza of an index has the form of a mail's header.
	for stanzas := textproto.NewReader(bufio.NewReader(bytes.NewReader(index))); ; {
		stanza, err := stanzas.ReadMIMEHeader()
		if name := stanza.Get("Package"); name != "" {
			versions[name] = append(versions[name], stanza.Get("Version"))
		}
		if errors.Is(err, io.EOF) {
			return versions, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read the index of packages of %s: %w", r.URL, err)
		}
	}
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
		return fmt.Errorf("the repository %s has no package opennebula for %s: choose another repository", r.URL, architecture)
	}
	return fmt.Errorf("the repository %s has no opennebula %s for %s; it has %s: choose one of these",
		r.URL, version, architecture, strings.Join(versions, ", "))
}

// IsRelease tells whether a package's version, X.Y.Z or X.Y.Z-N, belongs to a
// release X.Y.Z.
func IsRelease(packaged, version string) bool {
	base, _, _ := strings.Cut(packaged, "-")
	return base == version
}

func (r *Repository) index(ctx context.Context, release []byte, architecture string) ([]byte, error) {
	name := component + "/binary-" + architecture + "/Packages"
	want, ok := checksum(release, name)
	if !ok {
		return nil, fmt.Errorf("the repository %s has no packages for %s: choose another repository", r.URL, architecture)
	}
	index, err := fetch(ctx, r.client, r.dist(name))
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(index); hex.EncodeToString(sum[:]) != want {
		return nil, fmt.Errorf("%s is not what InRelease says: the repository is being changed or was tampered with; try again later", r.dist(name))
	}
	return index, nil
}

func (r *Repository) dist(file string) string { return r.URL + "/dists/" + suite + "/" + file }

// release returns the text of InRelease, its signature verified.
func (r *Repository) release(ctx context.Context) ([]byte, error) {
	keys, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(r.Key))
	if err != nil {
		return nil, fmt.Errorf("the key for %s is not an armored OpenPGP key: %w", r.URL, err)
	}
	signed, err := fetch(ctx, r.client, r.dist("InRelease"))
	if err != nil {
		return nil, err
	}
	block, _ := clearsign.Decode(signed)
	if block == nil {
		return nil, fmt.Errorf("the repository %s is not signed: its InRelease holds no signature; only a signed one is used", r.URL)
	}
	if _, err := block.VerifySignature(keys, nil); err != nil {
		return nil, fmt.Errorf("the repository %s is not signed by the key given (%w): give the key that signs it", r.URL, err)
	}
	return block.Plaintext, nil
}

// checksum finds a file's SHA256 in the text of a release.
func checksum(release []byte, file string) (string, bool) {
	_, sums, _ := strings.Cut(string(release), "\nSHA256:")
	for _, line := range strings.Split(strings.TrimPrefix(sums, "\n"), "\n") {
		if !strings.HasPrefix(line, " ") {
			return "", false
		}
		if fields := strings.Fields(line); len(fields) == 3 && fields[2] == file {
			return fields[0], true
		}
	}
	return "", false
}

func fetch(ctx context.Context, client *http.Client, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("%q is not a URL: %w", url, err)
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("%s %w: %w", url, ErrUnreachable, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s: it is not an apt repository in OpenNebula's layout, or not a signed one", url, response.Status)
	}
	content, err := io.ReadAll(io.LimitReader(response.Body, maxIndex))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", url, err)
	}
	return content, nil
}
