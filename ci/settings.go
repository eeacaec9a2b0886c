package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/pablodelarco/opennebula-helm/ci/internal/dagger"
	"github.com/pablodelarco/opennebula-helm/signature"
)

// Upstream is where OpenNebula's releases, and Debian's updates, are read.
type Upstream struct {
	// +private
	Repositories string
	// +private
	RepositoryKey string
	// +private
	GithubAPI string
	// +private
	GithubToken *dagger.Secret
	// +private
	DebianSecurity string
}

// Registries is where releases go.
type Registries struct {
	// +private
	Images string
	// +private
	Charts string
	// +private
	PlainHTTP bool
	// +private
	Logins []Login
}

// Login is who a registry knows.
type Login struct {
	// +private
	Host string
	// +private
	User string
	// +private
	Password *dagger.Secret
}

// Signing is by what a release is signed.
type Signing struct {
	// +private
	Key *dagger.Secret
	// +private
	Password *dagger.Secret
	// +private
	TokenURL *dagger.Secret
	// +private
	TokenRequest *dagger.Secret
	// +private
	SigningConfig *dagger.File
	// +private
	TrustedRoot *dagger.File
}

// WithGithub reads GitHub, and proposes releases there, with a token.
func (m *OpennebulaHelm) WithGithub(
	// A token. To propose releases it must be allowed to write contents and pull requests.
	token *dagger.Secret,
) *OpennebulaHelm {
	m.Upstream.GithubToken = token
	return m
}

// WithLogin logs in to a registry. With a login, releases go to everyone.
func (m *OpennebulaHelm) WithLogin(
	// Host of the registry: docker.io or ghcr.io.
	host string,
	// Name of the user.
	user string,
	// Password, or a token.
	password *dagger.Secret,
) *OpennebulaHelm {
	m.Registries.Logins = append(m.Registries.Logins, Login{Host: host, User: user, Password: password})
	return m
}

// WithRegistry has releases go elsewhere than to where everyone gets them from.
func (m *OpennebulaHelm) WithRegistry(
	// Repository of the images, HOST/PATH.
	images string,
	// Repository of the charts, HOST/PATH/opennebula.
	charts string,
	// The registries have no TLS.
	// +optional
	plainHTTP bool,
) *OpennebulaHelm {
	m.Registries.Images, m.Registries.Charts, m.Registries.PlainHTTP = images, charts, plainHTTP
	return m
}

// WithKey signs with a key, as cosign generate-key-pair makes them.
func (m *OpennebulaHelm) WithKey(
	// The private key.
	key *dagger.Secret,
	// Its password, if it has one.
	// +optional
	password *dagger.Secret,
) *OpennebulaHelm {
	m.Signing.Key, m.Signing.Password = key, password
	return m
}

// WithIdentity signs without a key, as the workflow that this runs in: GitHub says who
// that is. A workflow that may write id-token has both in its environment, as
// ACTIONS_ID_TOKEN_REQUEST_URL and ACTIONS_ID_TOKEN_REQUEST_TOKEN.
func (m *OpennebulaHelm) WithIdentity(
	// URL to ask for a token.
	url *dagger.Secret,
	// Token to ask with.
	token *dagger.Secret,
	// The sigstore to sign with, signing_config.json; by default the public one.
	// +optional
	signingConfig *dagger.File,
	// What is trusted of that sigstore, trusted_root.json.
	// +optional
	trustedRoot *dagger.File,
) *OpennebulaHelm {
	m.Signing.TokenURL, m.Signing.TokenRequest = url, token
	m.Signing.SigningConfig, m.Signing.TrustedRoot = signingConfig, trustedRoot
	return m
}

// reveal reads a secret; none is "". What it is for is said where it is empty.
func reveal(ctx context.Context, secret *dagger.Secret, what string) (string, error) {
	if secret == nil {
		return "", nil
	}
	text, err := secret.Plaintext(ctx)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", what, err)
	}
	if text = strings.TrimSpace(text); text == "" {
		return "", fmt.Errorf("%s is empty: set the variable or file that its argument names", what)
	}
	return text, nil
}

// policy and signer of what was given. Without a key, the sigstore must be reachable.
func (s Signing) open(ctx context.Context, identity string) (signature.Policy, *signature.Signer, error) {
	if s.Key != nil {
		return s.openKey(ctx)
	}
	sigstore, err := s.sigstore(ctx)
	if err != nil {
		return signature.Policy{}, nil, err
	}
	policy, err := signature.TrustIdentity(signature.Identity{Issuer: signature.GitHubIssuer, Pattern: identity}, sigstore.Trust)
	if err != nil || s.TokenURL == nil {
		return policy, nil, err
	}
	url, err := reveal(ctx, s.TokenURL, "the URL to ask for an identity")
	if err != nil {
		return policy, nil, err
	}
	token, err := reveal(ctx, s.TokenRequest, "the token to ask for an identity with")
	if err != nil {
		return policy, nil, err
	}
	signer, err := signature.Keyless(sigstore.Services, signature.GitHubToken(url, token), policy)
	return policy, signer, err
}

func (s Signing) openKey(ctx context.Context) (signature.Policy, *signature.Signer, error) {
	content, err := reveal(ctx, s.Key, "the key to sign with")
	if err != nil {
		return signature.Policy{}, nil, err
	}
	password, err := reveal(ctx, s.Password, "the password of the key to sign with")
	if err != nil {
		return signature.Policy{}, nil, err
	}
	key, err := signature.ParseKey([]byte(content), []byte(password))
	if err != nil {
		return signature.Policy{}, nil, err
	}
	signer, err := signature.WithKey(key)
	if err != nil {
		return signature.Policy{}, nil, err
	}
	return signer.Policy(), signer, nil
}

func (s Signing) sigstore(ctx context.Context) (signature.Sigstore, error) {
	if s.TrustedRoot == nil {
		return signature.FetchSigstore(ctx, signature.Mirror{})
	}
	var found signature.Sigstore
	file, err := exported(ctx, s.TrustedRoot, "trusted_root.json")
	if err != nil {
		return found, err
	}
	if found.Trust, err = signature.ReadTrust(file); err != nil || s.SigningConfig == nil {
		return found, err
	}
	if file, err = exported(ctx, s.SigningConfig, "signing_config.json"); err != nil {
		return found, err
	}
	found.Services, err = signature.ReadServices(file)
	return found, err
}
