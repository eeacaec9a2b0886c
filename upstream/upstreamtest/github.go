package upstreamtest

import (
	"crypto/sha1" //nolint:gosec // as git names its objects
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Tag is one of a project's.
type Tag struct {
	Name      string
	Date      time.Time
	Annotated bool // an object of its own, not only a name of a commit
}

// Announcement is a release on GitHub.
type Announcement struct {
	Tag               string
	Notes             string
	Date              time.Time
	Prerelease, Draft bool
}

// GitHub stands in for the API of one project, OpenNebula/one.
type GitHub struct {
	script
	URL string // of the API

	content       sync.Mutex
	pageSize      int
	tags          []Tag
	announcements []Announcement
	tokens        []string
}

// NewGitHub serves until the test ends. A page has 100 entries at the most.
func NewGitHub(t testing.TB, tags []Tag, announcements ...Announcement) *GitHub {
	g := &GitHub{pageSize: 100, tags: tags, announcements: announcements}
	mux := http.NewServeMux()
	const project = "GET /repos/OpenNebula/one"
	mux.HandleFunc(project+"/git/matching-refs/{prefix...}", g.refs)
	mux.HandleFunc(project+"/releases", g.releases)
	mux.HandleFunc(project+"/git/commits/{sha}", g.commit)
	mux.HandleFunc(project+"/git/tags/{sha}", g.tag)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		_, _ = fmt.Fprint(w, `{"message":"Not Found"}`)
	})
	server := httptest.NewServer(g.around(g.noteTokens(mux)))
	t.Cleanup(server.Close)
	g.URL = server.URL
	return g
}

// PageSize limits what one page has, even where more is asked for.
func (g *GitHub) PageSize(n int) { g.change(func() { g.pageSize = n }) }

// Set replaces what there is.
func (g *GitHub) Set(tags []Tag, announcements ...Announcement) {
	g.change(func() { g.tags, g.announcements = tags, announcements })
}

// Tokens are what requests were authorized with, one for each; "" for none.
func (g *GitHub) Tokens() (tokens []string) {
	g.change(func() { tokens = append(tokens, g.tokens...) })
	return tokens
}

func (g *GitHub) change(what func()) {
	g.content.Lock()
	defer g.content.Unlock()
	what()
}

func (g *GitHub) noteTokens(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.change(func() { g.tokens = append(g.tokens, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")) })
		next.ServeHTTP(w, r)
	})
}

func (g *GitHub) refs(w http.ResponseWriter, r *http.Request) {
	var found []any
	g.change(func() {
		for _, tag := range g.tags {
			if strings.HasPrefix("tags/"+tag.Name, r.PathValue("prefix")) {
				found = append(found, map[string]any{"ref": "refs/tags/" + tag.Name, "object": map[string]string{"type": tag.kind(), "sha": tag.sha()}})
			}
		}
	})
	g.page(w, r, found)
}

func (t Tag) kind() string {
	if t.Annotated {
		return "tag"
	}
	return "commit"
}

func (t Tag) sha() string {
	sum := sha1.Sum([]byte(t.Name)) //nolint:gosec // as git names its objects
	return hex.EncodeToString(sum[:])
}

func (g *GitHub) releases(w http.ResponseWriter, r *http.Request) {
	var found []any
	g.change(func() {
		for _, a := range g.announcements {
			found = append(found, map[string]any{
				"tag_name": a.Tag, "body": a.Notes, "prerelease": a.Prerelease, "draft": a.Draft,
				"created_at": a.Date, "published_at": a.Date,
				"html_url": "https://github.com/OpenNebula/one/releases/tag/" + a.Tag,
			})
		}
	})
	g.page(w, r, found)
}

func (g *GitHub) commit(w http.ResponseWriter, r *http.Request) {
	g.object(w, r, func(t Tag) any { return map[string]any{"committer": map[string]any{"date": t.Date}} })
}

func (g *GitHub) tag(w http.ResponseWriter, r *http.Request) {
	g.object(w, r, func(t Tag) any { return map[string]any{"tagger": map[string]any{"date": t.Date}} })
}

func (g *GitHub) object(w http.ResponseWriter, r *http.Request, answer func(Tag) any) {
	g.content.Lock()
	defer g.content.Unlock()
	for _, tag := range g.tags {
		if tag.sha() == r.PathValue("sha") {
			_ = json.NewEncoder(w).Encode(answer(tag))
			return
		}
	}
	w.WriteHeader(http.StatusNotFound)
}

// page answers with a part of a list, and links to the next as GitHub does.
func (g *GitHub) page(w http.ResponseWriter, r *http.Request, all []any) {
	number, size := max(1, intOf(r, "page")), g.pageSize
	if asked := intOf(r, "per_page"); asked > 0 {
		size = min(size, asked)
	}
	first := min((number-1)*size, len(all))
	last := min(first+size, len(all))
	if last < len(all) {
		next := *r.URL
		query := next.Query()
		query.Set("page", strconv.Itoa(number+1))
		next.RawQuery = query.Encode()
		w.Header().Set("Link", fmt.Sprintf(`<%s%s>; rel="next"`, g.URL, next.RequestURI()))
	}
	_ = json.NewEncoder(w).Encode(append([]any{}, all[first:last]...))
}

func intOf(r *http.Request, name string) int {
	n, _ := strconv.Atoi(r.URL.Query().Get(name))
	return n
}
