// Package packages gives the lab OpenNebula's packages: a given folder or
// repository, the official one where it can be reached, and otherwise stand-ins.
package packages

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/pablodelarco/opennebula-helm/e2e/lab/standin"
	"github.com/pablodelarco/opennebula-helm/upstream"
	"github.com/pablodelarco/opennebula-helm/upstream/upstreamtest"
)

// Config says which packages are wanted. Without Folder and Repository it is the
// official repository or, where that cannot be reached, stand-ins.
type Config struct {
	Version    string // X.Y.Z
	Folder     string // of .deb files
	Repository string // URL, as in a deb line before "stable opennebula"
	Key        string // URL or file of the key that signs Repository
	Address    string // host:port to serve on, where something is to be served
	Standin    string // source of the package standin in a checkout
	Cache      string // folder kept between runs, for the lab's own signing key
	State      string // folder of this run
}

// Check finds what cannot be meant, without looking anywhere.
func (c Config) Check() error {
	if c.Folder != "" && c.Repository != "" {
		return errors.New("--packages and --repository are two answers to one question: give one of them")
	}
	return nil
}

// Source is where an image's build gets packages from.
type Source struct {
	Kind       string // one word or two for people: "official", "stand-ins", …
	Repository string // URL
	Key        string // URL
	Real       bool   // OpenNebula's own packages, not stand-ins
	server     *server
}

// Stop ends what was served; it is no error if nothing was.
func (s *Source) Stop() {
	if s != nil && s.server != nil {
		s.server.stop()
	}
}

// Start finds the packages, and serves them where no one else does. It fails
// unless they are signed, and of the version wanted.
func Start(ctx context.Context, c Config) (*Source, error) {
	source, err := choose(ctx, c)
	if err != nil {
		return nil, err
	}
	if err := source.check(ctx, c.Version); err != nil {
		source.Stop()
		return nil, err
	}
	return source, nil
}

func choose(ctx context.Context, c Config) (*Source, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	switch {
	case c.Folder != "":
		return serveFolder(ctx, c, &Source{Kind: "the folder " + c.Folder, Real: true}, c.Folder)
	case c.Repository != "":
		return givenRepository(c)
	case officialAnswers(ctx, c.Version):
		return &Source{
			Kind: "the official repository", Real: true,
			Repository: fmt.Sprintf(upstream.OfficialRepository, c.Version), Key: upstream.OfficialKey,
		}, nil
	default:
		return serveStandins(ctx, c)
	}
}

func givenRepository(c Config) (*Source, error) {
	u, err := url.Parse(c.Repository)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("%q is not a repository's URL; write it as %s", c.Repository, fmt.Sprintf(upstream.OfficialRepository, c.Version))
	}
	source := &Source{Kind: "the repository " + c.Repository, Repository: c.Repository, Key: c.Key, Real: true}
	if c.Key == "" {
		source.Key = upstream.OfficialKey
	}
	if u, err := url.Parse(source.Key); err == nil && u.Host != "" {
		return source, nil
	}
	// A builder takes a key by URL only.
	key, err := os.ReadFile(c.Key)
	if err != nil {
		return nil, fmt.Errorf("read the repository's key, --key: %w", err)
	}
	if source.server, err = serve(c.Address, map[string][]byte{"/key.asc": key}, nil); err != nil {
		return nil, err
	}
	source.Key = source.server.url("/key.asc")
	return source, nil
}

// officialAnswers looks once, without patience: a closed network says no at once
// or never.
func officialAnswers(ctx context.Context, version string) bool {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	_, err := upstream.Fetch(ctx, fmt.Sprintf(upstream.OfficialRepository, version)+"/dists/stable/InRelease", upstream.WithRetries(0))
	return !errors.Is(err, upstream.ErrUnreachable)
}

func serveStandins(ctx context.Context, c Config) (*Source, error) {
	folder := filepath.Join(c.State, "standins")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, fmt.Errorf("create the folder for stand-in packages: %w", err)
	}
	if err := standin.Build(ctx, c.Standin, c.Version, folder); err != nil {
		return nil, fmt.Errorf("build stand-in packages: %w", err)
	}
	return serveFolder(ctx, c, &Source{Kind: "stand-ins, which run no virtual machines: the official repository cannot be reached"}, folder)
}

func serveFolder(ctx context.Context, c Config, source *Source, folder string) (*Source, error) {
	key, err := signingKey(filepath.Join(c.Cache, "packages.key"))
	if err != nil {
		return nil, err
	}
	repository, err := index(ctx, folder, filepath.Join(c.State, "repository"), key)
	if err != nil {
		return nil, err
	}
	public, err := upstreamtest.Public(key)
	if err != nil {
		return nil, err
	}
	// The path names the content, so that a builder's cache does not outlive it; and then
	// release and system, as OpenNebula's own does.
	path := "/" + repository.sum + "/" + c.Version + "/Debian/12"
	source.server, err = serve(c.Address, map[string][]byte{"/key.asc": public}, map[string]string{path + "/": repository.folder})
	if err != nil {
		return nil, err
	}
	source.Repository, source.Key = source.server.url(path), source.server.url("/key.asc")
	return source, nil
}

func (s *Source) check(ctx context.Context, version string) error {
	key, err := upstream.FetchKey(ctx, s.Key, upstream.WithRetries(1))
	if err != nil {
		return fmt.Errorf("%w: give another with --key", err)
	}
	err = upstream.NewRepository(s.Repository, key, upstream.WithRetries(1)).Require(ctx, version, runtime.GOARCH)
	if errors.Is(err, upstream.ErrUnreachable) {
		return fmt.Errorf("%w: check the address, or give a folder of packages with --packages", err)
	}
	return err
}
