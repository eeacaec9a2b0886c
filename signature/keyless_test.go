package signature

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pablodelarco/opennebula-helm/e2e/lab/registry/registrytest"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/sigstore"
)

const workflow = "pablodelarco/opennebula-helm/.github/workflows/release.yml@refs/heads/main"

var releaser = Identity{Issuer: GitHubIssuer, Subject: "https://github.com/" + workflow}

// instance is a sigstore of the test's own.
type instance struct {
	*sigstore.Instance
	Services
	trust root.TrustedMaterial
}

// newInstance serves one, behind what a test puts before it.
func newInstance(t testing.TB, before ...func(http.Handler) http.Handler) instance {
	stand, err := sigstore.New()
	require.NoError(t, err)
	handler := http.Handler(stand)
	for _, wrap := range before {
		handler = wrap(handler)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	trusted, err := stand.TrustedRoot()
	require.NoError(t, err)
	trust, err := root.NewTrustedRootFromJSON(trusted)
	require.NoError(t, err)
	return instance{stand, Services{Fulcio: server.URL, Rekor: server.URL, Timestamp: server.URL + sigstore.TimestampPath}, trust}
}

// signer is one for an identity, which must be that of the token.
func (i instance) signer(t testing.TB, identity Identity, token string) *Signer {
	policy, err := TrustIdentity(identity, i.trust)
	require.NoError(t, err)
	signer, err := Keyless(i.Services, GivenToken(token), policy, WithRetries(0))
	require.NoError(t, err)
	return signer
}

func TestKeyless(t *testing.T) {
	for name, change := range map[string]func(*Services){
		"with log and timestamps":  func(*Services) {},
		"with the log's time only": func(s *Services) { s.Timestamp = "" },
	} {
		t.Run(name, func(t *testing.T) {
			eachRegistry(t, func(t *testing.T, at *registrytest.Faults) {
				i := newInstance(t)
				change(&i.Services)
				repository, signer := open(t, at), i.signer(t, releaser, sigstore.Token(GitHubIssuer, workflow))
				digest := pushImage(t, repository)
				require.NoError(t, attachAll(t, repository, digest, signer))
				report, err := Verify(t.Context(), repository, digest, signer.Policy(), Signature, SBOM, Provenance)
				require.NoError(t, err)
				require.Len(t, report.Attached, 3)
				for _, a := range report.Attached {
					assert.Equal(t, releaser.Subject, a.Signer)
					assert.WithinDuration(t, time.Now(), a.Time, time.Minute)
				}
				at.Break(0, "")
				require.NoError(t, attachAll(t, repository, digest, signer))
				assert.Empty(t, at.Writes(), "another certificate of the same identity is the same signer")
			})
		})
	}
}

func TestKeylessIsRefused(t *testing.T) {
	token := sigstore.Token(GitHubIssuer, workflow)
	refuse := func(path string, status int, text string) func(http.Handler) http.Handler {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasPrefix(r.URL.Path, path) {
					w.Header().Set("Content-Type", "application/json")
					w.WriteHeader(status)
					_, _ = w.Write([]byte(text + r.Header.Get("Authorization")))
					return
				}
				next.ServeHTTP(w, r)
			})
		}
	}
	for name, test := range map[string]struct {
		before func(http.Handler) http.Handler
		change func(*instance)
		token  string
		want   []string
	}{
		"Fulcio refuses":               {before: refuse("/api/v2/", 403, "not you: "), want: []string{"Fulcio returned 403: not you: Bearer [hidden]"}},
		"Fulcio has a bad day":         {before: refuse("/api/v2/", 503, "later"), want: []string{"it answers 503 Service Unavailable: later"}},
		"Fulcio talks nonsense":        {before: refuse("/api/v2/", 200, "<html>"), want: []string{"invalid character '<'"}},
		"Rekor refuses":                {before: refuse("/api/v1/log", 400, `{"code":400,"message":"too large"}`), want: []string{"[400]", "too large"}},
		"the authority refuses":        {before: refuse("/api/v1/timestamp", 500, "no clock"), want: []string{"it answers 500 Internal Server Error: no clock"}},
		"Rekor is not there":           {change: func(i *instance) { i.Rekor = "http://127.0.0.1:1" }, want: []string{"127.0.0.1:1", "connection refused"}},
		"the token is of another":      {token: sigstore.Token(GitHubIssuer, "mallory/fork/.github/workflows/release.yml@refs/heads/main"), want: []string{"is not published", "mallory/fork", "see that"}},
		"the token has another issuer": {token: sigstore.Token("https://issuer.example.org", workflow), want: []string{"is not published", "issuer.example.org"}},
		"the token is none":            {token: "secret", want: []string{"unable to get subject from identity token"}},
		"there is no token":            {token: " ", want: []string{"the token to sign with is empty"}},
		"a certificate of tomorrow":    {change: func(i *instance) { i.Skew = 24 * time.Hour }, want: []string{"is not published", "integrated time outside certificate validity", "this machine's clock"}},
		"a certificate of yesterday":   {change: func(i *instance) { i.Skew = -24 * time.Hour }, want: []string{"is not published", "integrated time outside certificate validity", "this machine's clock"}},
		"another instance":             {change: func(i *instance) { i.trust = newInstance(t).trust }, want: []string{"is not published", "the trusted root"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := newInstance(t, func(next http.Handler) http.Handler {
				if test.before == nil {
					return next
				}
				return test.before(next)
			})
			if test.change != nil {
				test.change(&i)
			}
			if test.token == "" {
				test.token = token
			}
			at := registrytest.Start(t)
			repository := open(t, at)
			digest := pushImage(t, repository)
			at.Break(0, "")
			err := Sign(t.Context(), repository, digest, i.signer(t, releaser, test.token))
			require.Error(t, err)
			for _, want := range test.want {
				require.ErrorContains(t, err, want)
			}
			if secret := strings.TrimSpace(test.token); secret != "" {
				assert.NotContains(t, err.Error(), secret)
			}
			assert.Empty(t, at.Writes())
		})
	}
}

func TestKeylessEndsWithItsContext(t *testing.T) {
	hang := make(chan struct{})
	defer close(hang)
	i := newInstance(t, func(http.Handler) http.Handler {
		return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang })
	})
	repository := open(t, registrytest.Start(t))
	digest := pushImage(t, repository)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, Sign(ctx, repository, digest, i.signer(t, releaser, sigstore.Token(GitHubIssuer, workflow))), context.DeadlineExceeded)
}

func TestKeylessSurvivesAPassingFailure(t *testing.T) {
	seen := map[string]bool{}
	i := newInstance(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !seen[r.URL.Path] {
				seen[r.URL.Path] = true
				http.Error(w, "not yet", http.StatusServiceUnavailable)
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	policy, err := TrustIdentity(releaser, i.trust)
	require.NoError(t, err)
	signer, err := Keyless(i.Services, GivenToken(sigstore.Token(GitHubIssuer, workflow)), policy, WithRetries(1))
	require.NoError(t, err)
	repository := open(t, registrytest.Start(t))
	require.NoError(t, Sign(t.Context(), repository, pushImage(t, repository), signer))
	assert.Len(t, seen, 3, "each service has failed once")
}

func TestKeylessNeeds(t *testing.T) {
	for _, test := range []struct {
		services Services
		want     string
	}{
		{Services{Rekor: "https://rekor"}, "give its URL, or a key to sign with"},
		{Services{Fulcio: "https://fulcio"}, "give the URL of Rekor"},
		{Services{Fulcio: "https://fulcio", Rekor: "https://rekor", RekorVersion: 3}, "there is no version 3"},
		{Services{Fulcio: "https://fulcio", Rekor: "https://rekor", RekorVersion: 2}, "needs a timestamp authority"},
	} {
		_, err := Keyless(test.services, GivenToken(""), Policy{})
		assert.ErrorContains(t, err, test.want)
	}
}

func TestIdentityIsRefused(t *testing.T) {
	trust := newInstance(t).trust
	for _, test := range []struct {
		identity Identity
		want     string
	}{
		{Identity{Subject: "https://x"}, "without an issuer is anyone's"},
		{Identity{Issuer: GitHubIssuer}, "either the subject"},
		{Identity{Issuer: GitHubIssuer, Subject: "x", Pattern: "x"}, "either the subject"},
		{Identity{Issuer: GitHubIssuer, Pattern: "("}, "the pattern of the identity"},
	} {
		_, err := TrustIdentity(test.identity, trust)
		assert.ErrorContains(t, err, test.want)
	}
	_, err := TrustIdentity(releaser, &root.BaseTrustedMaterial{})
	assert.ErrorContains(t, err, "names no certificate authority")
}

func TestPatternOfAnIdentityIsAnchored(t *testing.T) {
	i := newInstance(t)
	repository := open(t, registrytest.Start(t))
	digest := pushImage(t, repository)
	require.NoError(t, Sign(t.Context(), repository, digest, i.signer(t, releaser, sigstore.Token(GitHubIssuer, workflow))))
	for pattern, counts := range map[string]bool{
		`https://github\.com/pablodelarco/opennebula-helm/.*`: true,
		`github\.com/pablodelarco`:                            false,
		`https://github\.com/mallory/.*|x`:                    false,
	} {
		policy, err := TrustIdentity(Identity{Issuer: GitHubIssuer, Pattern: pattern}, i.trust)
		require.NoError(t, err)
		_, err = Verify(t.Context(), repository, digest, policy, Signature)
		assert.Equal(t, counts, err == nil, "%s: %v", pattern, err)
	}
}

func TestTokens(t *testing.T) {
	for _, name := range []string{tokenVariable, githubURLVariable, githubTokenVariable} {
		t.Setenv(name, "")
	}
	_, err := TokenFromEnvironment()
	require.ErrorContains(t, err, "give the job the permission `id-token: write`")

	var status int
	var body string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "sigstore", r.URL.Query().Get("audience"))
		assert.Equal(t, "1", r.URL.Query().Get("api-version"))
		assert.Equal(t, "bearer s3cret", r.Header.Get("Authorization"))
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	defer server.Close()
	t.Setenv(githubURLVariable, server.URL+"/token?api-version=1")
	t.Setenv(githubTokenVariable, "s3cret")
	token, err := TokenFromEnvironment(WithRetries(0))
	require.NoError(t, err)
	for _, test := range []struct {
		status     int
		body, want string
	}{
		{200, `{"value": "a.b.c"}`, ""},
		{403, `{}`, "answers 403 Forbidden: give the job the permission"},
		{200, `{}`, "answers without a token"},
		{200, `<html>s3cret`, "answers without a token"},
	} {
		status, body = test.status, test.body
		got, err := token(t.Context())
		if test.want == "" {
			require.NoError(t, err)
			assert.Equal(t, "a.b.c", got)
			continue
		}
		require.ErrorContains(t, err, test.want)
		assert.NotContains(t, err.Error(), "s3cret")
	}

	t.Setenv(tokenVariable, "given")
	token, err = TokenFromEnvironment()
	require.NoError(t, err)
	got, err := token(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "given", got)
}

func TestTrustAndServicesAreRead(t *testing.T) {
	stand, err := sigstore.New()
	require.NoError(t, err)
	trusted, err := stand.TrustedRoot()
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "file.json")
	require.NoError(t, os.WriteFile(file, trusted, 0o600))
	trust, err := ReadTrust(file)
	require.NoError(t, err)
	assert.Len(t, trust.RekorLogs(), 1)
	_, err = ReadServices(file)
	require.ErrorContains(t, err, "read the services of "+file)

	require.NoError(t, os.WriteFile(file, []byte(signingConfig), 0o600))
	services, err := ReadServices(file)
	require.NoError(t, err)
	assert.Equal(t, Services{"https://fulcio.example.org", "https://log2.example.org", 2, "https://time.example.org/api/v1/timestamp"}, services)
	_, err = ReadTrust(file)
	require.ErrorContains(t, err, "read the trusted root "+file)
}

const signingConfig = `{
  "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
  "caUrls": [{"url": "https://fulcio.example.org", "majorApiVersion": 1, "validFor": {"start": "2022-04-14T21:38:40Z"}, "operator": "example.org"}],
  "rekorTlogUrls": [
    {"url": "https://log1.example.org", "majorApiVersion": 1, "validFor": {"start": "2021-01-12T11:53:27Z"}, "operator": "example.org"},
    {"url": "https://log2.example.org", "majorApiVersion": 2, "validFor": {"start": "2025-01-12T11:53:27Z"}, "operator": "example.org"}
  ],
  "tsaUrls": [{"url": "https://time.example.org/api/v1/timestamp", "majorApiVersion": 1, "validFor": {"start": "2025-07-04T00:00:00Z"}, "operator": "example.org"}],
  "rekorTlogConfig": {"selector": "ANY"}, "tsaConfig": {"selector": "ANY"}
}`

func TestSigstoreIsFetched(t *testing.T) {
	stand, err := sigstore.New()
	require.NoError(t, err)
	services, err := stand.SigningConfig("https://sigstore.example.org")
	require.NoError(t, err)
	mirror, anchor, err := stand.Mirror(services)
	require.NoError(t, err)
	server := httptest.NewServer(mirror)
	defer server.Close()
	from := Mirror{URL: server.URL, Root: anchor, Cache: t.TempDir()}
	found, err := FetchSigstore(t.Context(), from, WithRetries(0))
	require.NoError(t, err)
	assert.Equal(t, Services{
		Fulcio: "https://sigstore.example.org", Rekor: "https://sigstore.example.org", RekorVersion: 1,
		Timestamp: "https://sigstore.example.org" + sigstore.TimestampPath,
	}, found.Services)
	_, err = TrustIdentity(releaser, found.Trust)
	require.NoError(t, err)

	_, err = FetchSigstore(t.Context(), Mirror{URL: server.URL, Cache: t.TempDir()}, WithRetries(0))
	require.ErrorContains(t, err, "learn of sigstore from "+server.URL, "the public instance's root has not signed it")
	_, err = FetchSigstore(t.Context(), Mirror{URL: "http://127.0.0.1:1", Root: anchor, Cache: t.TempDir()}, WithRetries(0))
	require.ErrorContains(t, err, "give the trusted root and the services as files and URLs")
}
