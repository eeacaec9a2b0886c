package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"github.com/pablodelarco/opennebula-helm/pipeline"
	"github.com/pablodelarco/opennebula-helm/registry"
	"github.com/pablodelarco/opennebula-helm/signature"
)

// settings are the flags that all commands share.
type settings struct {
	config                         pipeline.Config
	trustedKey, trustedRoot        string
	issuer, identity               string
	key, services                  string
	securityRepository, debianKeys string
}

func (s *settings) addTo(f *pflag.FlagSet) {
	s.config = pipeline.Default()
	c := &s.config
	f.StringVar(&c.Images, "images", c.Images, "`repository` of the images, HOST/PATH")
	f.StringVar(&c.Charts, "charts", c.Charts, "`repository` of the charts, HOST/PATH/opennebula")
	f.StringVar(&c.Base, "base", c.Base, "`reference` of the image that ours is built on")
	f.BoolVar(&c.PlainHTTP, "plain-http", false, "the registries have no TLS")
	f.StringVar(&c.Repositories, "repositories", c.Repositories, "`URL` of OpenNebula's apt repositories, with {version} and {distribution}")
	f.StringVar(&c.Key, "repository-key", c.Key, "`URL` of the key that signs them")
	f.StringVar(&c.GitHubAPI, "github-api", "", "`URL` of GitHub's API or a mirror of it (default GitHub's own)")
	f.StringVar(&c.Project, "project", c.Project, "`OWNER/NAME` on GitHub that releases are proposed to")
	f.StringVar(&s.key, "key", "", "`file` of the private key to sign with; its password is COSIGN_PASSWORD (default keyless)")
	f.StringVar(&s.services, "signing-config", "", "`file` of the sigstore to sign with, signing_config.json (default the public one)")
	f.StringVar(&s.trustedKey, "trusted-key", "", "`file` of the public key whose signatures count (default that of --key)")
	f.StringVar(&s.identity, "identity", pipeline.Workflows, "`pattern` of who must have signed, where it was without a key")
	f.StringVar(&s.issuer, "issuer", signature.GitHubIssuer, "`URL` of who vouches for that")
	f.StringVar(&s.trustedRoot, "trusted-root", "", "`file` of what is trusted of a sigstore, trusted_root.json (default the public one's)")
	f.StringVar(&s.securityRepository, "debian-security", "", "`URL` of Debian's repository of security updates (default Debian's own)")
	f.StringVar(&s.debianKeys, "debian-keys", "/usr/share/keyrings/debian-archive-keyring.gpg", "`file` of the keys that sign it")
}

// site is where releases come from and go to.
func (s *settings) site(ctx context.Context) (*pipeline.Site, error) {
	c := s.config
	c.Token, c.Progress = os.Getenv("GITHUB_TOKEN"), say
	c.HubUser, c.HubToken = os.Getenv("DOCKERHUB_USER"), os.Getenv("DOCKERHUB_TOKEN")
	if (c.HubUser == "") != (c.HubToken == "") {
		return nil, errors.New("of DOCKERHUB_USER and DOCKERHUB_TOKEN one is empty: set both, or none to leave the description on Docker Hub as it is")
	}
	user, password, err := s.login()
	if err != nil {
		return nil, err
	}
	c.ImagesLogin = pipeline.Login{User: user, Password: password}
	c.ChartsLogin = c.ImagesLogin
	if c.Trust, err = s.policy(ctx); err != nil {
		return nil, err
	}
	site, err := c.Open(ctx)
	if err != nil {
		return nil, err
	}
	site.Updates = pipeline.DebianUpdates(s.securityRepository, s.debianKeys)
	return site, nil
}

// login is the registry's user and password; "" where docker login has them. Where
// images and charts are in two registries, neither gets what is the other's.
func (s *settings) login() (user, password string, err error) {
	user, password = os.Getenv("REGISTRY_USER"), os.Getenv("REGISTRY_PASSWORD")
	if images, charts := hostOf(s.config.Images), hostOf(s.config.Charts); user != "" && images != charts {
		return "", "", fmt.Errorf("REGISTRY_USER is set, and %s and %s are two registries: unset it, and do docker login for each of them", images, charts)
	}
	if (user == "") != (password == "") {
		return "", "", errors.New("of REGISTRY_USER and REGISTRY_PASSWORD one is empty: set both, or none to use what docker login has written")
	}
	return user, password, nil
}

func hostOf(reference string) string {
	host, _, _ := strings.Cut(reference, "/")
	return host
}

// access is how a reference is read: what is in the registry of our images, as these are.
func (s *settings) access(reference string) []registry.Option {
	options := []registry.Option{registry.WithPlainHTTP(s.config.PlainHTTP), registry.WithProgress(say)}
	user, password, err := s.login()
	if err == nil && user != "" && hostOf(reference) == hostOf(s.config.Images) {
		options = append(options, registry.WithCredentials(user, password))
	}
	return options
}

// policy is whose signatures count.
func (s *settings) policy(ctx context.Context) (signature.Policy, error) {
	if s.trustedKey != "" {
		key, err := signature.ReadPublicKey(s.trustedKey)
		if err != nil {
			return signature.Policy{}, err
		}
		return signature.TrustKey(key)
	}
	if s.key != "" {
		key, err := s.privateKey()
		if err != nil {
			return signature.Policy{}, err
		}
		return signature.TrustKey(key.Public())
	}
	sigstore, err := s.sigstore(ctx)
	if err != nil {
		return signature.Policy{}, err
	}
	return signature.TrustIdentity(signature.Identity{Issuer: s.issuer, Pattern: s.identity}, sigstore.Trust)
}

func (s *settings) privateKey() (*signature.Key, error) {
	return signature.ReadKey(s.key, []byte(os.Getenv("COSIGN_PASSWORD")))
}

// sigstore is the instance of the files given, or the public one.
func (s *settings) sigstore(ctx context.Context) (signature.Sigstore, error) {
	if s.trustedRoot == "" && s.services == "" {
		return signature.FetchSigstore(ctx, signature.Mirror{})
	}
	if s.trustedRoot == "" {
		return signature.Sigstore{}, usageError{errors.New("--signing-config needs --trusted-root, which says what is trusted of that sigstore")}
	}
	var found signature.Sigstore
	var err error
	if found.Trust, err = signature.ReadTrust(s.trustedRoot); err != nil || s.services == "" {
		return found, err
	}
	found.Services, err = signature.ReadServices(s.services)
	return found, err
}

// signer signs by the key given, or keyless as who this process is, whom the policy must
// trust.
func (s *settings) signer(ctx context.Context, policy signature.Policy) (*signature.Signer, error) {
	if s.key != "" {
		key, err := s.privateKey()
		if err != nil {
			return nil, err
		}
		return signature.WithKey(key)
	}
	sigstore, err := s.sigstore(ctx)
	if err != nil {
		return nil, err
	}
	token, err := signature.TokenFromEnvironment()
	if err != nil {
		return nil, fmt.Errorf("sign without a key: %w, or give --key", err)
	}
	return signature.Keyless(sigstore.Services, token, policy)
}
