// Package registry sends images, charts and signatures to an OCI registry so that a
// failure anywhere can be followed by doing the same again: by digest, never what is
// there already, and tagged last.
package registry

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Repository is one repository of a registry. It may be used by several goroutines.
type Repository struct {
	name     name.Repository
	settings settings

	mu       sync.Mutex
	sessions map[string]http.RoundTripper // that are logged in, by scopes
}

type settings struct {
	plain     bool
	keychain  authn.Keychain
	transport http.RoundTripper
	retries   int
	wait      time.Duration
	progress  func(format string, args ...any)
	secrets   *secrets
}

// Option changes how a repository is accessed.
type Option func(*settings)

// WithPlainHTTP allows HTTP without TLS, which is tried where TLS is not answered. On
// the loopback and in private networks that is so anyway.
func WithPlainHTTP(plain bool) Option { return func(s *settings) { s.plain = plain } }

// WithCredentials logs in with a user's name and password or token, in place of what
// Docker's configuration has.
func WithCredentials(user, password string) Option {
	return WithKeychain(keychain{&authn.Basic{Username: user, Password: password}})
}

// WithKeychain takes credentials from a keychain; by default it is Docker's
// configuration, as docker login writes it.
func WithKeychain(keychain authn.Keychain) Option {
	return func(s *settings) { s.keychain = keychain }
}

// WithTransport takes the place of the HTTP transport below retries and login.
func WithTransport(transport http.RoundTripper) Option {
	return func(s *settings) { s.transport = transport }
}

// WithRetries sets how often what failed in passing is tried again, and how long to
// wait before the first time, which doubles each time; 4 times after 1 s by default.
func WithRetries(n int, wait time.Duration) Option {
	return func(s *settings) { s.retries, s.wait = n, wait }
}

// WithProgress is told, in a line each, what is sent and what is there already.
func WithProgress(progress func(format string, args ...any)) Option {
	return func(s *settings) { s.progress = progress }
}

// keychain has the same credentials for all.
type keychain struct{ authn.Authenticator }

func (k keychain) Resolve(authn.Resource) (authn.Authenticator, error) { return k.Authenticator, nil }

// Open describes a repository, HOST/PATH; nothing is read yet.
func Open(repository string, options ...Option) (*Repository, error) {
	s := settings{
		keychain: authn.DefaultKeychain, transport: impatient(),
		retries: 4, wait: time.Second, progress: func(string, ...any) {}, secrets: &secrets{},
	}
	for _, option := range options {
		option(&s)
	}
	var strictness []name.Option
	if s.plain {
		strictness = append(strictness, name.Insecure)
	}
	repo, err := name.NewRepository(repository, strictness...)
	if err != nil {
		return nil, fmt.Errorf("%q is not a repository; write it as HOST/PATH, such as ghcr.io/pablodelarco/charts/opennebula: %w", repository, err)
	}
	s.transport = retrying(s.transport, s.retries, s.wait)
	return &Repository{name: repo, settings: s, sessions: map[string]http.RoundTripper{}}, nil
}

// At opens the repository of a reference, HOST/PATH:TAG or HOST/PATH@sha256:…, and
// returns the tag or digest beside it.
func At(reference string, options ...Option) (r *Repository, tagOrDigest string, err error) {
	ref, err := name.ParseReference(reference)
	if err != nil {
		return nil, "", fmt.Errorf("%q is not a reference; write it as HOST/PATH:TAG or HOST/PATH@sha256:…: %w", reference, err)
	}
	r, err = Open(ref.Context().Name(), options...)
	return r, ref.Identifier(), err
}

// Name is HOST/PATH, with Docker Hub's host written out as everyone writes it, docker.io.
func (r *Repository) Name() string {
	if r.name.RegistryStr() == name.DefaultRegistry {
		return "docker.io/" + r.name.RepositoryStr()
	}
	return r.name.Name()
}

// at is a reference in the repository, by tag or digest.
func (r *Repository) at(tagOrDigest string) (name.Reference, error) {
	if _, err := v1.NewHash(tagOrDigest); err == nil {
		return r.name.Digest(tagOrDigest), nil
	}
	tag, err := name.NewTag(r.name.Name() + ":" + tagOrDigest)
	if err != nil {
		return nil, fmt.Errorf("%q is neither a tag nor a digest: %w", tagOrDigest, err)
	}
	return r.name.Tag(tag.TagStr()), nil // with the strictness of the repository
}

// access are the options for a request: it is logged in once for each set of scopes,
// and the login is kept.
func (r *Repository) access(ctx context.Context, scopes ...string) ([]remote.Option, error) {
	session, err := r.login(ctx, scopes)
	if err != nil {
		return nil, err
	}
	return []remote.Option{
		remote.WithContext(ctx),
		remote.WithTransport(session),
		remote.WithJobs(jobs),
		remote.WithRetryPredicate(uploadPasses),
		remote.WithRetryBackoff(remote.Backoff{Duration: r.settings.wait, Factor: 2, Jitter: 0.1, Steps: r.settings.retries + 1}),
	}, nil
}

func (r *Repository) login(ctx context.Context, scopes []string) (http.RoundTripper, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := strings.Join(scopes, " ")
	if session, ok := r.sessions[key]; ok {
		return session, nil
	}
	auth, err := authn.Resolve(ctx, r.settings.keychain, r.name)
	if err != nil {
		return nil, fmt.Errorf("read the credentials for %s: %w", r.name.RegistryStr(), err)
	}
	if err := r.settings.secrets.learn(ctx, auth); err != nil {
		return nil, fmt.Errorf("read the credentials for %s: %w", r.name.RegistryStr(), err)
	}
	session, err := transport.NewWithContext(ctx, r.name.Registry, auth, r.settings.transport, scopes)
	if err != nil {
		return nil, err
	}
	r.sessions[key] = session
	return session, nil
}

// reading is done with the login for writing where there is one.
func (r *Repository) reading(ctx context.Context) ([]remote.Option, error) {
	r.mu.Lock()
	_, writes := r.sessions[r.name.Scope(transport.PushScope)]
	r.mu.Unlock()
	if writes {
		return r.writing(ctx)
	}
	return r.access(ctx, r.name.Scope(transport.PullScope))
}

// writing also reads from other repositories of the same registry, so that what they
// have need not be sent.
func (r *Repository) writing(ctx context.Context, from ...name.Repository) ([]remote.Option, error) {
	scopes := []string{r.name.Scope(transport.PushScope)}
	for _, other := range from {
		if other.RegistryStr() == r.name.RegistryStr() && other.RepositoryStr() != r.name.RepositoryStr() {
			scopes = append(scopes, other.Scope(transport.PullScope))
		}
	}
	slices.Sort(scopes[1:])
	return r.access(ctx, slices.Compact(scopes)...)
}
