package registry

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pablodelarco/opennebula-helm/e2e/lab/registry/registrytest"
)

// What a registry asks to be waited for is waited for, within reason.
func TestRetryAfter(t *testing.T) {
	for after, waits := range map[string]bool{"1": true, "3600": false} {
		var asked []time.Time
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/v2/" {
				return
			}
			asked = append(asked, time.Now())
			if len(asked) == 1 {
				w.Header().Set("Retry-After", after)
				w.WriteHeader(http.StatusTooManyRequests)
				return
			}
			_, _ = io.WriteString(w, `{"name":"team/thing","tags":[]}`)
		}))
		defer server.Close()
		_, err := open(t, strings.TrimPrefix(server.URL, "http://")+"/team/thing").Tags(t.Context())
		if !waits {
			require.ErrorContains(t, err, "too many requests")
			assert.Len(t, asked, 1)
			continue
		}
		require.NoError(t, err)
		require.Len(t, asked, 2)
		assert.GreaterOrEqual(t, asked[1].Sub(asked[0]), time.Second)
	}
}

// What lasts ends after as many tries as were asked for, also of uploads, whose
// requests are not multiplied.
func TestRetriesEnd(t *testing.T) {
	for method, want := range map[string]int{http.MethodPost: 4, http.MethodPatch: 4, http.MethodPut: 4} {
		at := registrytest.Start(t)
		before := open(t, at.Address()+"/team/before")
		_, err := before.Push(t.Context(), anImage(t))
		require.NoError(t, err)
		tried := map[string]int{}
		var mu sync.Mutex
		at.Answer(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			if r.Method == method {
				tried[method]++
				http.Error(w, "always", http.StatusInternalServerError)
				return
			}
			w.Header().Set("Location", r.URL.Path+"/1")
			w.WriteHeader(map[string]int{http.MethodPost: 202, http.MethodPatch: 202}[r.Method])
		})
		image := anImage(t)
		layers, err := image.Layers()
		require.NoError(t, err)
		r := open(t, at.Address()+"/team/thing")
		_, err = r.Push(t.Context(), image)
		require.ErrorContains(t, err, "the fault is of")
		assert.LessOrEqual(t, tried[method], want*(len(layers)+1), "four for each blob at the most")
		assert.GreaterOrEqual(t, tried[method], want)
	}
}

// guarded is a registry that wants tokens, as Docker Hub and GitHub do: each for the
// scopes that were asked for, and good for a few requests.
type guarded struct {
	registry http.Handler
	mu       sync.Mutex
	granted  map[string][]string // scopes by token
	uses     map[string]int
}

func (g *guarded) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/token" {
		g.grant(w, r)
		return
	}
	want := g.wanted(r)
	if !g.admits(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), want) {
		challenge := fmt.Sprintf(`Bearer realm="http://%s/token",service="test"`, r.Host)
		if want != "" {
			challenge += fmt.Sprintf(`,scope=%q`, want)
		}
		w.Header().Set("WWW-Authenticate", challenge)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	g.registry.ServeHTTP(w, r)
}

func (g *guarded) grant(w http.ResponseWriter, r *http.Request) {
	if user, secret, _ := r.BasicAuth(); user != "somebody" || secret != password {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	token := fmt.Sprintf("token-%d", len(g.granted))
	g.granted[token] = r.URL.Query()["scope"]
	fmt.Fprintf(w, `{"token":%q}`, token)
}

// wanted is the scope that a request needs.
func (g *guarded) wanted(r *http.Request) string {
	parts := strings.Split(r.URL.Path, "/")
	if len(parts) < 5 {
		return ""
	}
	repository := strings.Join(parts[2:4], "/")
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return "repository:" + repository + ":pull"
	}
	return "repository:" + repository + ":push,pull"
}

func (g *guarded) admits(token, want string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	scopes, known := g.granted[token]
	g.uses[token]++
	pushes := strings.TrimSuffix(want, ":pull") + ":push,pull"
	return known && g.uses[token] <= 5 && (want == "" || slices.Contains(scopes, want) || slices.Contains(scopes, pushes))
}

func TestTokensRunOut(t *testing.T) {
	g := &guarded{granted: map[string][]string{}, uses: map[string]int{}}
	plain := registrytest.Start(t)
	g.registry = plain
	server := httptest.NewServer(g)
	defer server.Close()
	address := strings.TrimPrefix(server.URL, "http://")

	r := open(t, address+"/team/thing", WithCredentials("somebody", password))
	digest, err := r.Push(t.Context(), anIndex(t))
	require.NoError(t, err)
	require.NoError(t, r.Tag(t.Context(), digest, "1.0.0"))
	tags, err := r.Tags(t.Context())
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"1.0.0": digest.String()}, tags)
	assert.Greater(t, len(g.granted), 2, "tokens did run out")

	copied, err := open(t, address+"/team/copy", WithCredentials("somebody", password)).Copy(t.Context(), r, "1.0.0")
	require.NoError(t, err)
	assert.Equal(t, digest, copied)

	_, err = open(t, address+"/team/thing", WithCredentials("somebody", "wrong")).Tags(t.Context())
	require.ErrorIs(t, err, ErrDenied)
	assert.ErrorContains(t, err, "does not take these credentials")
}

// Some registries say of a repository that is not there yet that it is not there to who
// may write, and that it is denied to everyone else.
func TestTagsOfNewRepository(t *testing.T) {
	const scope = "repository:team/thing:push,pull"
	g := &guarded{granted: map[string][]string{}, uses: map[string]int{}}
	g.registry = registrytest.Start(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		if strings.HasSuffix(r.URL.Path, "/tags/list") && g.admits(token, "") && !g.admits(token, scope) {
			http.Error(w, `{"errors":[{"code":"DENIED"}]}`, http.StatusForbidden)
			return
		}
		g.ServeHTTP(w, r)
	}))
	defer server.Close()
	address := strings.TrimPrefix(server.URL, "http://") + "/team/thing"

	names, err := open(t, address, WithCredentials("somebody", password)).TagNames(t.Context())
	require.NoError(t, err)
	assert.Empty(t, names)
	_, err = open(t, address).TagNames(t.Context())
	require.ErrorIs(t, err, ErrDenied, "nobody can tell whether it is there")
}

func TestTagsInACircle(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", `</v2/team/thing/tags/list?last=a>; rel="next"`)
		_, _ = io.WriteString(w, `{"name":"team/thing","tags":["a"]}`)
	}))
	defer server.Close()
	_, err := open(t, strings.TrimPrefix(server.URL, "http://")+"/team/thing").TagNames(t.Context())
	require.ErrorContains(t, err, "its pages go on without anything new")
}

// answering is a transport that has one answer for all but the greeting.
func answering(header http.Header, body []byte) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		answer := httptest.NewRecorder()
		if r.URL.Path != "/v2/" {
			for name, values := range header {
				answer.Header()[name] = values
			}
			_, _ = answer.Write(body)
		}
		response := answer.Result()
		response.Request = r
		return response, nil
	})
}

func FuzzTagList(f *testing.F) {
	f.Add("", []byte(`{"name":"a/b","tags":["1","2"]}`))
	f.Add(`</v2/a/b/tags/list?n=1&last=1>; rel="next"`, []byte(`{"name":"a/b","tags":["1"]}`))
	f.Add(`<http://elsewhere/>`, []byte(`{"tags":null}`))
	f.Add(`<`, []byte(`{"tags":[1]}`))
	f.Fuzz(func(t *testing.T, link string, body []byte) {
		header := http.Header{"Link": {link}}
		r, err := Open("registry.example.org/a/b", WithRetries(0, 0), WithTransport(answering(header, body)))
		require.NoError(t, err)
		names, err := r.TagNames(t.Context())
		if err != nil {
			require.Contains(t, err.Error(), "list the tags of registry.example.org/a/b: ")
			return
		}
		seen := map[string]bool{}
		for _, name := range names {
			require.False(t, seen[name], "each is listed once")
			seen[name] = true
		}
	})
}

func FuzzManifest(f *testing.F) {
	f.Add("application/vnd.oci.image.index.v1+json", []byte(`{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:`+strings.Repeat("0", 64)+`","size":3}]}`))
	f.Add("application/vnd.oci.image.manifest.v1+json", []byte(`{"schemaVersion":2,"config":{"mediaType":"a","digest":"sha256:12","size":-1},"layers":null,"subject":{}}`))
	f.Add("text/html", []byte(`<html>`))
	f.Fuzz(func(t *testing.T, mediaType string, body []byte) {
		header := http.Header{"Content-Type": {mediaType}}
		r, err := Open("registry.example.org/a/b", WithRetries(0, 0), WithTransport(answering(header, body)))
		require.NoError(t, err)
		_, err = r.Copy(t.Context(), r, "1.0.0")
		if err == nil {
			return
		}
		require.NotEmpty(t, err.Error())
		_, err = r.Referrers(t.Context(), v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("0", 64)}, "")
		_ = err // it must end, and not panic
	})
}
