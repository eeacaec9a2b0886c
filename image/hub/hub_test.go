package hub

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	repository = "docker.io/pablodelarco/opennebula-frontend"
	hubPath    = "/v2/repositories/pablodelarco/opennebula-frontend/"
	user       = "pablodelarco"
	token      = "dckr_pat_+secret/="
)

// standin is a Docker Hub with one repository.
type standin struct {
	mu       sync.Mutex
	has      Description
	requests []string
	broken   map[string]http.HandlerFunc // by method and path
}

func (s *standin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := r.Method + " " + r.URL.Path
	s.requests = append(s.requests, asked)
	if broken := s.broken[asked]; broken != nil {
		broken(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	switch {
	case asked == "POST /v2/auth/token":
		var login map[string]string
		if json.Unmarshal(body, &login) != nil || login["identifier"] != user || login["secret"] != token {
			answer(w, http.StatusUnauthorized, `{"detail":"incorrect authentication credentials for `+login["secret"]+`"}`)
			return
		}
		answer(w, http.StatusOK, `{"access_token":"short-lived"}`)
	case r.URL.Path != hubPath:
		answer(w, http.StatusNotFound, `{"message":"object not found"}`)
	case r.Header.Get("Authorization") != "Bearer short-lived":
		answer(w, http.StatusUnauthorized, `{"message":"unauthorized"}`)
	case r.Method == http.MethodPatch && json.Unmarshal(body, &s.has) != nil:
		answer(w, http.StatusBadRequest, `{"message":"no JSON"}`)
	default:
		_ = json.NewEncoder(w).Encode(s.has)
	}
}

func answer(w http.ResponseWriter, status int, body string) {
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

func answers(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { answer(w, status, body) }
}

func start(t *testing.T) (*standin, string) {
	s := &standin{broken: map[string]http.HandlerFunc{}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return s, server.URL
}

var wanted = Description{Short: "OpenNebula's front-end", Full: "# The image\n\nÄ text.\n"}

func TestDescribe(t *testing.T) {
	hub, url := start(t)
	hub.has = Description{"old", "old"}
	c := NewClient(user, token, WithURL(url+"/"), WithRetries(0, 0))
	changed, err := c.Describe(t.Context(), repository, wanted)
	require.NoError(t, err)
	assert.True(t, changed)
	assert.Equal(t, wanted, hub.has)
	assert.Equal(t, []string{"POST /v2/auth/token", "GET " + hubPath, "PATCH " + hubPath}, hub.requests)

	hub.requests = nil
	hub.has.Full = strings.ReplaceAll(strings.TrimSpace(hub.has.Full), "\n", "\r\n")
	changed, err = c.Describe(t.Context(), repository, wanted)
	require.NoError(t, err)
	assert.False(t, changed, "nothing differs")
	assert.Equal(t, []string{"POST /v2/auth/token", "GET " + hubPath}, hub.requests)
}

func TestDescribeTriesAgain(t *testing.T) {
	for _, request := range []string{"POST /v2/auth/token", "GET " + hubPath, "PATCH " + hubPath} {
		hub, url := start(t)
		hub.broken[request] = func(w http.ResponseWriter, _ *http.Request) {
			delete(hub.broken, request)
			answer(w, http.StatusServiceUnavailable, "")
		}
		changed, err := NewClient(user, token, WithURL(url), WithRetries(1, time.Millisecond)).Describe(t.Context(), repository, wanted)
		require.NoError(t, err, request)
		assert.True(t, changed)
		assert.Equal(t, wanted.Full, hub.has.Full)
	}
}

func TestDescribeSaysWhatIsWrong(t *testing.T) {
	login, read, change := "POST /v2/auth/token", "GET "+hubPath, "PATCH "+hubPath
	for name, test := range map[string]struct {
		request string
		broken  http.HandlerFunc
		want    []string
	}{
		"another token":        {login, answers(401, `{"detail":"wrong: `+token+`"}`), []string{"log in to Docker Hub: 401 Unauthorized (wrong: …)", "make a new one"}},
		"no token":             {login, answers(200, `{}`), []string{"answered without a token"}},
		"no Docker Hub":        {login, answers(200, `<html>`), []string{"look whether that is Docker Hub"}},
		"no repository":        {read, answers(404, `{"message":"object not found"}`), []string{"read the description of " + repository, "404 Not Found (object not found): there is no such repository"}},
		"a small token":        {change, answers(403, `{"message":"insufficient scope","errinfo":{}}`), []string{"403 Forbidden (insufficient scope): the token may not change this: make one that may read, write and delete"}},
		"another token's echo": {change, answers(400, `{"message":"Bearer short-lived is odd"}`), []string{"400 Bad Request (Bearer … is odd)"}},
		"limits":               {read, answers(429, ``), []string{"429 Too Many Requests: there were too many requests: do it again later"}},
		"a bad day":            {read, answers(500, ``), []string{"the fault is Docker Hub's"}},
		"a redirection": {change, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusMovedPermanently)
		}, []string{"301 Moved Permanently: it has moved"}},
		"an empty yes": {change, answers(200, `{}`), []string{"it said yes, and has another description still"}},
	} {
		t.Run(name, func(t *testing.T) {
			hub, url := start(t)
			hub.broken[test.request] = test.broken
			_, err := NewClient(user, token, WithURL(url), WithRetries(0, 0)).Describe(t.Context(), repository, wanted)
			require.Error(t, err)
			for _, want := range test.want {
				assert.ErrorContains(t, err, want)
			}
			assert.NotContains(t, err.Error(), token)
			assert.NotContains(t, err.Error(), "short-lived")
		})
	}
}

func TestDescribeRefuses(t *testing.T) {
	hub, url := start(t)
	c := NewClient(user, token, WithURL(url), WithRetries(0, 0))
	for name, test := range map[string]struct {
		repository string
		with       Description
		want       string
	}{
		"another registry": {"ghcr.io/a/b", wanted, "ghcr.io/a/b is not on Docker Hub"},
		"no repository":    {"Not One", wanted, `"Not One" is not a repository; write it as docker.io/NAMESPACE/NAME`},
		"a long one":       {repository, Description{"a", strings.Repeat("ä", 12_501)}, "the full description has 25002 bytes: shorten it to 25000"},
		"a long short one": {repository, Description{strings.Repeat("ä", 51), "a"}, "the short description has 102 bytes: shorten it to 100"},
		"several lines":    {repository, Description{"a\nb", "a"}, "several lines"},
		"nothing":          {repository, Description{}, "neither may be empty"},
		"no UTF-8":         {repository, Description{"a", "\xff"}, "not in UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.Describe(t.Context(), test.repository, test.with)
			require.ErrorContains(t, err, test.want)
			assert.Empty(t, hub.requests)
		})
	}
	_, err := NewClient(user, "", WithURL(url)).Describe(t.Context(), repository, wanted)
	require.ErrorContains(t, err, "no user or no token was given")
	_, err = NewClient(user, token, WithURL("http://127.0.0.1:1"), WithRetries(0, 0)).Describe(t.Context(), repository, wanted)
	require.ErrorContains(t, err, "http://127.0.0.1:1: look whether it can be reached")
}

// What is published is the image's own page.
func TestReadmeFits(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	full, err := Absolute(string(readme), Source{"https://github.com/pablodelarco/opennebula-helm", strings.Repeat("a", 40), "image/README.md"})
	require.NoError(t, err)
	require.NoError(t, Description{Short: "short", Full: full}.check())
}

func TestAbsolute(t *testing.T) {
	source := Source{"https://github.com/o/r", "v1", "image/README.md"}
	at := "https://github.com/o/r/blob/v1/"
	for name, test := range map[string]struct{ markdown, want string }{
		"a neighbour":      {"[a](test/x.md)", "[a](" + at + "image/test/x.md)"},
		"above":            {"see [a](../chart/README.md#values) there", "see [a](" + at + "chart/README.md#values) there"},
		"a folder":         {"[a](../e2e/)", "[a](" + at + "e2e)"},
		"from the root":    {"[a](/chart)", "[a](" + at + "chart)"},
		"with a title":     {`[a](x.md "title")`, `[a](` + at + `image/x.md "title")`},
		"in brackets":      {"[a](<x.md>)", "[a](<" + at + "image/x.md>)"},
		"an image":         {"![a](logo.png)", "![a](https://github.com/o/r/raw/v1/image/logo.png)"},
		"an image as link": {"[![a](logo.png)](x.md)", "[![a](https://github.com/o/r/raw/v1/image/logo.png)](" + at + "image/x.md)"},
		"a definition":     {"[a][b]\n\n[b]: x.md\n", "[a][b]\n\n[b]: " + at + "image/x.md\n"},
		"in a table":       {"| a |\n| --- |\n| [a](x.md) |\n", "| a |\n| --- |\n| [a](" + at + "image/x.md) |\n"},
		"within the page":  {"[a](#roles)", "[a](#roles)"},
		"elsewhere":        {"[a](https://example.org/x.md) <https://example.org>", "[a](https://example.org/x.md) <https://example.org>"},
		"mail":             {"[a](mailto:a@example.org)", "[a](mailto:a@example.org)"},
		"in code":          {"`[a](x.md)` [a](x.md)", "`[a](x.md)` [a](" + at + "image/x.md)"},
		"in a block":       {"```\n[a](x.md)\n```\n[a](x.md)\n", "```\n[a](x.md)\n```\n[a](" + at + "image/x.md)\n"},
		"no link":          {"a](x.md) and [a] (x.md)", "a](x.md) and [a] (x.md)"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Absolute(test.markdown, source)
			require.NoError(t, err)
			assert.Equal(t, test.want, got)
		})
	}
	_, err := Absolute("[a](../../other/x.md)", source)
	require.ErrorContains(t, err, "image/README.md links to ../../other/x.md, which is outside of the repository: correct the link")
}

// What looks like a link is changed, and is then one that swallows the mark of code.
func TestAbsoluteRefusesWhatItCannotTellApart(t *testing.T) {
	const tangled = "[a](.H/x.md) `[b](y)`\n\n](y)`\n!!\nc[](d)\ng.`[b](y) f\n"
	_, err := Absolute(tangled, Source{"https://github.com/o/r", "v1", "image/README.md"})
	require.ErrorContains(t, err, "image/README.md links to d in a way that cannot be told from the text around it: write it as [text](d)")
}

func FuzzAbsolute(f *testing.F) {
	f.Add("[a](.H/x.md) `[b](y)`\n\n](y)`\n!!\nc[](d)\x10\ng.`[b](y) f\n\ng./x[e]: f\n")
	f.Add("[a](../x.md) `[b](y)`\n\n![c](d.png)\n\n[e]: f\n")
	f.Fuzz(func(t *testing.T, markdown string) {
		got, err := Absolute(markdown, Source{"https://github.com/o/r", "v1", "image/README.md"})
		if err != nil {
			return
		}
		again, err := Absolute(got, Source{"https://github.com/o/r", "v1", "image/README.md"})
		require.NoError(t, err)
		require.Equal(t, got, again, "what is absolute stays")
	})
}
