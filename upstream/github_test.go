package upstream

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-github/v60/github"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pablodelarco/opennebula-helm/upstream/upstreamtest"
)

// fullHub has all real tags; of 7.0.2 to 7.4.0 there are announcements.
func fullHub(t *testing.T) *upstreamtest.GitHub {
	var tags []upstreamtest.Tag
	for _, tag := range realTags(t) {
		tags = append(tags, upstreamtest.Tag{Name: tag.name, Date: tag.date})
	}
	return upstreamtest.NewGitHub(t, tags,
		upstreamtest.Announcement{Tag: "release-7.4.0", Notes: "# New", Date: day("2026-07-28")},
		upstreamtest.Announcement{Tag: "release-7.3.85", Date: day("2026-07-16"), Prerelease: true},
		upstreamtest.Announcement{Tag: "release-7.2.0", Date: day("2026-04-07")},
		upstreamtest.Announcement{Tag: "release-7.0.2", Date: day("2025-12-09"), Prerelease: true},
		upstreamtest.Announcement{Tag: "release-7.0.1", Notes: "not yet", Draft: true},
	)
}

func day(text string) time.Time {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		panic(err)
	}
	return t
}

func newHub(t *testing.T, server *upstreamtest.GitHub, options ...Option) *GitHub {
	options = append(append([]Option{WithAPI(server.URL)}, impatient...), options...)
	hub, err := NewGitHub(options...)
	require.NoError(t, err)
	return hub
}

func releaseOf(t *testing.T, releases []Release, version string) Release {
	for _, r := range releases {
		if r.Version.String() == version {
			return r
		}
	}
	require.Fail(t, "no release "+version)
	return Release{}
}

func TestReleasesOfGitHub(t *testing.T) {
	server := fullHub(t)
	releases, err := newHub(t, server).Releases(t.Context())
	require.NoError(t, err)
	assert.Len(t, releases, 70)
	assert.Equal(t, "7.4.0", releases[0].Version.String())
	assert.Equal(t, "5.10.0", releases[69].Version.String())
	assert.Len(t, server.Requests(), 2)

	newest := releases[0]
	assert.Equal(t, "release-7.4.0", newest.Tag)
	assert.Equal(t, "# New", newest.Notes)
	assert.Equal(t, "https://github.com/OpenNebula/one/releases/tag/release-7.4.0", newest.URL)
	assert.Equal(t, day("2026-07-28"), newest.Date.UTC())
	assert.Equal(t, Candidate, releaseOf(t, releases, "7.0.2").Channel, "upstream calls it a pre-release")
	assert.Empty(t, releaseOf(t, releases, "7.0.1").Notes, "a draft is not announced")
	assert.True(t, releaseOf(t, releases, "7.0.1").Date.IsZero())
}

func TestAllPagesAreRead(t *testing.T) {
	server := fullHub(t)
	server.PageSize(10)
	releases, err := newHub(t, server).Releases(t.Context())
	require.NoError(t, err)
	assert.Len(t, releases, 70)
	assert.Len(t, server.Requests(), 9+1)
}

func TestTokenGoesToTheAPIOnly(t *testing.T) {
	server, other := fullHub(t), fullHub(t)
	_, err := newHub(t, server).Releases(t.Context())
	require.NoError(t, err)
	_, err = newHub(t, server, WithToken("s3cret")).Releases(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{"", "", "s3cret", "s3cret"}, server.Tokens())

	server.Next(upstreamtest.Redirect(other.URL + "/repos/OpenNebula/one/git/matching-refs/tags/release-"))
	_, err = newHub(t, server, WithToken("s3cret")).Releases(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{""}, other.Tokens())
}

func TestGitHubFails(t *testing.T) {
	now := time.Now()
	for name, test := range map[string]struct {
		answer upstreamtest.Answer
		times  int
		want   string
	}{
		"malformed JSON":        {upstreamtest.Content(`[{"ref":`), 1, "git/matching-refs/tags/release-?page=1&per_page=100 is not GitHub's"},
		"another type":          {upstreamtest.Content(`{"ref":"x"}`), 1, "is not GitHub's"},
		"a page for people":     {upstreamtest.Content(`<html>Please log in`), 1, "is not GitHub's"},
		"nothing":               {upstreamtest.Content(``), 1, "is not GitHub's"},
		"null":                  {upstreamtest.Content(`null`), 1, "is not GitHub's"},
		"no tags":               {upstreamtest.Content(`[]`), 1, "has no tag of a release, release-X.Y.Z"},
		"tags of others":        {upstreamtest.Content(`[{"ref":"refs/tags/release-one"}, null]`), 1, "has no tag of a release"},
		"cut off":               {upstreamtest.CutOff(`[{"ref":`), 2, "cannot be reached: the answer breaks off after 8 bytes"},
		"its failure":           {upstreamtest.Status(503), 2, "answers 503 (cannot be reached): try again later"},
		"a wrong token":         {upstreamtest.Status(401), 1, "the token is wrong or has expired; give another, or none"},
		"a token of too little": {upstreamtest.Status(403), 1, "the token may not read there"},
		"another project":       {upstreamtest.Status(404), 1, "check the API's URL and the project"},
		"what is not asked":     {upstreamtest.Status(418), 1, "answers 418"},
		"used up":               {upstreamtest.RateLimit(now, now.Add(41*time.Minute)), 1, "GitHub allows no more requests until "},
		"too fast, unsaid":      {upstreamtest.Status(429), 1, "(in 1m0s): run it again then"},
		"too fast, long":        {upstreamtest.SecondaryLimit(10 * time.Minute), 1, "(in 10m0s): run it again then"},
	} {
		t.Run(name, func(t *testing.T) {
			server := fullHub(t)
			for range test.times {
				server.Next(test.answer)
			}
			_, err := newHub(t, server, WithToken("s3cret"), WithMaxWait(0)).Releases(t.Context())
			require.ErrorContains(t, err, test.want)
			assert.ErrorContains(t, err, "OpenNebula/one")
			assert.NotContains(t, err.Error(), "s3cret")
			assert.Equal(t, test.times, strings.Count(strings.Join(server.Requests(), " "), "matching-refs"))
		})
	}
}

func TestGitHubIsUnreachable(t *testing.T) {
	hub, err := NewGitHub(append(impatient, WithAPI(nobody))...)
	require.NoError(t, err)
	_, err = hub.Releases(t.Context())
	assert.ErrorIs(t, err, ErrUnreachable)
	assert.ErrorContains(t, err, nobody)
}

func TestWhatGitHubFailsAtByChanceIsTriedAgain(t *testing.T) {
	server := fullHub(t)
	server.Next(upstreamtest.Status(502), upstreamtest.CutOff(`[`))
	releases, err := newHub(t, server, WithRetries(2)).Releases(t.Context())
	require.NoError(t, err)
	assert.Len(t, releases, 70)
}

// A limit that ends soon is waited for, by the server's clock, and that is said.
func TestRateLimitThatEndsSoon(t *testing.T) {
	hour := time.Now().Add(-time.Hour) // of a server whose clock is wrong, or ours
	for name, answer := range map[string]upstreamtest.Answer{
		"used up":  upstreamtest.RateLimit(hour, hour),
		"too fast": upstreamtest.SecondaryLimit(time.Second),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := fullHub(t)
			server.Next(answer)
			var told []string
			hub := newHub(t, server, WithMaxWait(10*time.Second), WithProgress(func(s string) { told = append(told, s) }))
			releases, err := hub.Releases(t.Context())
			require.NoError(t, err)
			assert.Len(t, releases, 70)
			assert.Equal(t, []string{"GitHub allows no more requests for 1s: waiting"}, told)
		})
	}
}

// What is sent is sent whole, also after a refusal.
func TestRateLimitKeepsTheBody(t *testing.T) {
	var bodies []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		bodies = append(bodies, strings.TrimSpace(string(body)))
		if len(bodies) == 1 {
			upstreamtest.SecondaryLimit(time.Second)(w)
			return
		}
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write([]byte(`{"number": 1}`))
	}))
	t.Cleanup(server.Close)
	client, err := NewGitHubClient(append(impatient, WithAPI(server.URL), WithMaxWait(10*time.Second))...)
	require.NoError(t, err)
	title := "Release OpenNebula 7.4.0"
	pull, _, err := client.PullRequests.Create(t.Context(), "me", "it", &github.NewPullRequest{Title: &title})
	require.NoError(t, err)
	assert.Equal(t, 1, pull.GetNumber())
	require.Len(t, bodies, 2)
	assert.Contains(t, bodies[0], title)
	assert.Equal(t, bodies[0], bodies[1])
}

func TestRateLimitSaysWhenItEndsAndWhatHelps(t *testing.T) {
	now := time.Date(2026, 10, 5, 12, 0, 0, 0, time.UTC)
	server := fullHub(t)
	clock := WithClock(func() time.Time { return now })
	server.Next(upstreamtest.RateLimit(now, now.Add(41*time.Minute)))
	_, err := newHub(t, server, clock).Releases(t.Context())
	var limited *RateLimited
	require.ErrorAs(t, err, &limited)
	assert.ErrorContains(t, err, "list the tags of OpenNebula/one: GitHub allows no more requests until 2026-10-05T12:41:01Z (in 41m1s): run it again then, or give a token, with which it allows more")

	server.Next(upstreamtest.RateLimit(now, now.Add(41*time.Minute)))
	_, err = newHub(t, server, clock, WithToken("s3cret")).Releases(t.Context())
	assert.NotContains(t, err.Error(), "give a token")
}

// Waits add up to the bound: a server that always says "in a second" is left.
func TestWaitingIsBounded(t *testing.T) {
	server := fullHub(t)
	for range 9 {
		server.Next(upstreamtest.SecondaryLimit(0))
	}
	_, err := newHub(t, server, WithMaxWait(time.Second)).Releases(t.Context())
	var limited *RateLimited
	require.ErrorAs(t, err, &limited)
	assert.Len(t, server.Requests(), 2)
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	server := fullHub(t)
	server.Next(upstreamtest.SecondaryLimit(time.Minute))
	ctx, cancel := context.WithCancel(t.Context())
	hub := newHub(t, server, WithProgress(func(string) { cancel() }))
	_, err := hub.Releases(ctx)
	assert.ErrorIs(t, err, context.Canceled)
}

func TestListThatDoesNotEnd(t *testing.T) {
	server := fullHub(t)
	server.PageSize(1)
	var tags []upstreamtest.Tag
	for i := range maxPages + 1 {
		tags = append(tags, upstreamtest.Tag{Name: fmt.Sprintf("release-9.0.%d", i)})
	}
	server.Set(tags)
	_, err := newHub(t, server).Releases(t.Context())
	assert.ErrorContains(t, err, "does not end after 100 pages")
}

func TestWrongGitHub(t *testing.T) {
	for _, api := range []string{"", "api.github.com", "http://me:hunter2@%zz"} {
		_, err := NewGitHub(WithAPI(api))
		require.ErrorContains(t, err, "is no base URL of GitHub's API: write it as https://api.github.com/")
		assert.False(t, strings.Contains(err.Error(), "hunter2"))
	}
	for _, project := range []string{"", "one", "/one", "OpenNebula/", "a/b/c"} {
		_, err := NewGitHub(WithProject(project))
		assert.ErrorContains(t, err, "is no project on GitHub: write it as OpenNebula/one", project)
	}
}
