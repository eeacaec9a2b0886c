package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/pablodelarco/opennebula-helm/ci/internal/dagger"
	"github.com/pablodelarco/opennebula-helm/image"
	"github.com/pablodelarco/opennebula-helm/pipeline"
	"github.com/pablodelarco/opennebula-helm/signature"
)

// site is where a release comes from and goes to, and who signs it; no signer where
// nobody was named.
type site struct {
	*pipeline.Site
	signer *signature.Signer
	trial  *shelf // the registry of the engine's own; nil where the release is everyone's
}

// open finds out where releases go: to everyone with a login, into the registries that
// were named, or else into one of the engine's own, signed with a key of its own.
func (m *OpennebulaHelm) open(ctx context.Context) (*site, error) {
	config, err := m.config(ctx)
	if err != nil {
		return nil, err
	}
	s := &site{}
	if err := m.direct(ctx, s, &config); err != nil {
		return nil, err
	}
	if s.Site, err = config.Open(ctx); err != nil {
		return nil, err
	}
	s.Base = baseDigest
	s.Updates, err = m.updates(ctx)
	return s, err
}

// config is where releases come from, and where everyone gets them.
func (m *OpennebulaHelm) config(ctx context.Context) (pipeline.Config, error) {
	config := pipeline.Default()
	config.Repositories, config.Key, config.GitHubAPI = m.Upstream.Repositories, m.Upstream.RepositoryKey, m.Upstream.GithubAPI
	config.Progress = say
	var err error
	config.Token, err = reveal(ctx, m.Upstream.GithubToken, "the token of GitHub")
	return config, err
}

// direct fills in the registries, and whose signatures count there.
func (m *OpennebulaHelm) direct(ctx context.Context, s *site, config *pipeline.Config) error {
	given := m.Registries
	var err error
	if given.Images == "" && len(given.Logins) == 0 {
		return m.directToTrial(ctx, s, config)
	}
	if given.Images != "" {
		config.Images, config.Charts, config.PlainHTTP = given.Images, given.Charts, given.PlainHTTP
	}
	if config.ImagesLogin, err = given.login(ctx, config.Images); err != nil {
		return err
	}
	if config.ChartsLogin, err = given.login(ctx, config.Charts); err != nil {
		return err
	}
	if config.Images == image.Repository {
		config.HubUser, config.HubToken = config.ImagesLogin.User, config.ImagesLogin.Password
	}
	config.Trust, s.signer, err = m.Signing.open(ctx, pipeline.Workflows)
	return err
}

func (m *OpennebulaHelm) directToTrial(ctx context.Context, s *site, config *pipeline.Config) error {
	var err error
	if s.trial, err = m.trial(ctx); err != nil {
		return err
	}
	config.Images, config.Charts, config.PlainHTTP = s.trial.images(), s.trial.charts(), true
	if m.Signing.Key != nil || m.Signing.TokenURL != nil {
		config.Trust, s.signer, err = m.Signing.open(ctx, pipeline.Workflows)
		return err
	}
	key, err := m.trialKey(ctx)
	if err != nil {
		return err
	}
	if s.signer, err = signature.WithKey(key); err == nil {
		config.Trust = s.signer.Policy()
	}
	return err
}

// trialKey signs what never leaves the engine. It is kept beside that, so that a second
// release knows what the first has signed.
func (m *OpennebulaHelm) trialKey(ctx context.Context) (*signature.Key, error) {
	made, err := signature.GenerateKey()
	if err != nil {
		return nil, err
	}
	content, err := made.Marshal()
	if err != nil {
		return nil, err
	}
	kept, err := tool(m.Golang, golangImage).
		WithMountedCache("/kept", dag.CacheVolume("opennebula-helm-trial-key"), dagger.ContainerWithMountedCacheOpts{Sharing: dagger.CacheSharingModeLocked}).
		WithNewFile("/new", string(content)).
		WithExec([]string{"sh", "-c", "test -s /kept/key || cp /new /kept/key; cat /kept/key"}).Stdout(ctx)
	if err != nil {
		return nil, fmt.Errorf("keep the key of the engine's own registry: %w", plain(err))
	}
	return signature.ParseKey([]byte(kept), nil)
}

// login is that of a repository's registry, or none.
func (r Registries) login(ctx context.Context, repository string) (pipeline.Login, error) {
	login := r.find(repository)
	if login == nil && r.Images == "" {
		return pipeline.Login{}, fmt.Errorf("there is no login for %s: give one by with-login, or give none at all to try the release", hostOf(repository))
	}
	if login == nil {
		return pipeline.Login{}, nil
	}
	if login.User == "" {
		return pipeline.Login{}, fmt.Errorf("the user for %s is empty: name who logs in", login.Host)
	}
	password, err := reveal(ctx, login.Password, "the password for "+login.Host)
	return pipeline.Login{User: login.User, Password: password}, err
}

func (r Registries) find(repository string) *Login {
	for i := range r.Logins {
		if r.Logins[i].Host == hostOf(repository) {
			return &r.Logins[i]
		}
	}
	return nil
}

func hostOf(reference string) string {
	host, _, _ := strings.Cut(reference, "/")
	return host
}

// updates finds Debian's, by the keys that the base image trusts.
func (m *OpennebulaHelm) updates(ctx context.Context) (pipeline.FindUpdates, error) {
	const keys = "/usr/share/keyrings/debian-archive-keyring.gpg"
	file, err := exported(ctx, dag.Container().From(image.BaseName).File(keys), path.Base(keys))
	if err != nil {
		return nil, err
	}
	return pipeline.DebianUpdates(m.Upstream.DebianSecurity, file), nil
}

// requireSigner fails where nobody was named to sign.
func (s *site) requireSigner() error {
	if s.signer == nil {
		return errors.New("nobody signs this release: give a key by with-key, or in a workflow an identity by with-identity")
	}
	return nil
}

// say tells of progress.
func say(format string, args ...any) { fmt.Printf(format+"\n", args...) }
