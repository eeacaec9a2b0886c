package upstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/go-github/v60/github"
	"github.com/hashicorp/go-retryablehttp"
)

const (
	// OfficialAPI is GitHub's own.
	OfficialAPI = "https://api.github.com/"
	// OfficialProject is where OpenNebula tags what it releases.
	OfficialProject = "OpenNebula/one"

	pageSize = 100 // the most that GitHub gives at once
	// A list that is longer than this many pages does not end.
	maxPages = 100
)

// GitHub reads what OpenNebula has tagged and announced.
type GitHub struct {
	settings
	owner, name string
	client      *github.Client
}

// WithAPI sets the base URL of GitHub's API, for a mirror or a stand-in.
func WithAPI(url string) Option { return func(s *settings) { s.api = url } }

// WithProject sets the project that has the tags, OWNER/NAME.
func WithProject(project string) Option { return func(s *settings) { s.project = project } }

// WithToken sets the token that GitHub is read with. None is needed; with one it allows
// 5,000 requests an hour rather than 60. It goes to the API's own host only.
func WithToken(token string) Option { return func(s *settings) { s.token = token } }

// WithMaxWait sets how long GitHub's rate limits are waited for, in all; 2 minutes by default.
func WithMaxWait(d time.Duration) Option { return func(s *settings) { s.maxWait = d } }

// WithProgress sets what is told, in a sentence, when there is something to wait for.
func WithProgress(tell func(string)) Option { return func(s *settings) { s.progress = tell } }

// NewGitHub describes the project on GitHub; nothing is read yet.
func NewGitHub(options ...Option) (*GitHub, error) {
	g := &GitHub{settings: newSettings(options)}
	var err error
	if g.client, err = g.github(); err != nil {
		return nil, err
	}
	var ok bool
	if g.owner, g.name, ok = strings.Cut(g.project, "/"); !ok || g.owner == "" || g.name == "" || strings.Contains(g.name, "/") {
		return nil, fmt.Errorf("%q is no project on GitHub: write it as %s", g.project, OfficialProject)
	}
	return g, nil
}

// NewGitHubClient is a client for any project: it retries, waits where GitHub says that
// it answers again soon, and sends the token to the API's host only.
func NewGitHubClient(options ...Option) (*github.Client, error) { return newSettings(options).github() }

func (s settings) github() (*github.Client, error) {
	base, err := url.Parse(strings.TrimSuffix(s.api, "/") + "/")
	if err != nil || base.Host == "" {
		return nil, fmt.Errorf("%s is no base URL of GitHub's API: write it as %s", shown(s.api), OfficialAPI)
	}
	retrying := s.client()
	retrying.CheckRetry = retryUnlessLimited
	// Below what follows redirects, so that each is looked at.
	retrying.HTTPClient.Transport = identified{next: retrying.HTTPClient.Transport, host: base.Host, token: s.token}
	client := github.NewClient(&http.Client{Transport: patient{&retryablehttp.RoundTripper{Client: retrying}, s}})
	client.BaseURL = base
	return client, nil
}

// retryUnlessLimited leaves waiting for a rate limit to those who know its rules.
func retryUnlessLimited(ctx context.Context, response *http.Response, err error) (bool, error) {
	if err == nil && response.StatusCode == http.StatusTooManyRequests {
		return false, nil
	}
	return retryablehttp.DefaultRetryPolicy(ctx, response, err)
}

// identified sends the token to one host, and to no other that this one may redirect to.
type identified struct {
	next        http.RoundTripper
	host, token string
}

func (i identified) RoundTrip(request *http.Request) (*http.Response, error) {
	if i.token == "" || request.URL.Host != i.host {
		return i.next.RoundTrip(request)
	}
	request = request.Clone(request.Context())
	request.Header.Set("Authorization", "Bearer "+i.token)
	return i.next.RoundTrip(request)
}

// Releases lists what OpenNebula has tagged and what is a community release by its name,
// stable ones and candidates, newest first. Where GitHub has a release of a tag, its
// date, notes and URL are there, and what it calls a pre-release is a candidate. That
// a tag is there does not say that there are packages.
func (g *GitHub) Releases(ctx context.Context) ([]Release, error) {
	tags, err := g.tags(ctx)
	if err != nil {
		return nil, err
	}
	announced, err := g.announced(ctx)
	if err != nil {
		return nil, err
	}
	var releases []Release
	for _, tag := range tags {
		release, ok := newRelease(tag, announced)
		if ok {
			releases = append(releases, release)
		}
	}
	if len(releases) == 0 {
		return nil, fmt.Errorf("%s has no tag of a release, %sX.Y.Z: is it OpenNebula's, or a mirror of it?", g, tagPrefix)
	}
	slices.SortFunc(releases, func(a, b Release) int { return b.Version.Compare(a.Version) })
	return releases, nil
}

func newRelease(tag *github.Reference, announced map[string]*github.RepositoryRelease) (Release, bool) {
	name := strings.TrimPrefix(tag.GetRef(), "refs/tags/")
	version, channel, ok := Classify(name)
	if !ok {
		return Release{}, false
	}
	release := Release{Version: version, Tag: name, Channel: channel, object: tag.GetObject()}
	if on := announced[name]; on != nil {
		release.Date = cmp.Or(on.GetPublishedAt(), on.GetCreatedAt()).Time
		release.Notes, release.URL = on.GetBody(), on.GetHTMLURL()
		if on.GetPrerelease() {
			release.Channel = Candidate
		}
	}
	return release, true
}

// tags are those that begin as a release's do.
func (g *GitHub) tags(ctx context.Context) ([]*github.Reference, error) {
	return pages(func(page github.ListOptions) ([]*github.Reference, *github.Response, error) {
		options := &github.ReferenceListOptions{Ref: "tags/" + tagPrefix, ListOptions: page}
		found, response, err := g.client.Git.ListMatchingRefs(ctx, g.owner, g.name, options)
		err = noList(found == nil, err)
		return found, response, g.explain("list the tags", response, err)
	})
}

// announced are GitHub's releases by their tag, drafts left out.
func (g *GitHub) announced(ctx context.Context) (map[string]*github.RepositoryRelease, error) {
	all, err := pages(func(page github.ListOptions) ([]*github.RepositoryRelease, *github.Response, error) {
		found, response, err := g.client.Repositories.ListReleases(ctx, g.owner, g.name, &page)
		err = noList(found == nil, err)
		return found, response, g.explain("list the releases", response, err)
	})
	byTag := map[string]*github.RepositoryRelease{}
	for _, release := range all {
		if !release.GetDraft() {
			byTag[release.GetTagName()] = release
		}
	}
	return byTag, err
}

// date is when a tag, or the commit that it names, was made.
func (g *GitHub) date(ctx context.Context, release Release) (time.Time, error) {
	if release.object.GetType() == "tag" {
		tag, response, err := g.client.Git.GetTag(ctx, g.owner, g.name, release.object.GetSHA())
		return tag.GetTagger().GetDate().Time, g.explain("read the tag "+release.Tag, response, err)
	}
	commit, response, err := g.client.Git.GetCommit(ctx, g.owner, g.name, release.object.GetSHA())
	return commit.GetCommitter().GetDate().Time, g.explain("read the commit of "+release.Tag, response, err)
}

// noList makes an error of an answer without a list, which go-github takes for an empty
// one: with no tags at all, everything would seem withdrawn.
func noList(none bool, err error) error {
	if err == nil && none {
		return errors.New("it is no list")
	}
	return err
}

// pages reads a list to its end.
func pages[T any](read func(github.ListOptions) ([]T, *github.Response, error)) ([]T, error) {
	var all []T
	for page := 1; page <= maxPages; {
		found, response, err := read(github.ListOptions{Page: page, PerPage: pageSize})
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
		if response.NextPage <= page {
			return all, nil
		}
		page = response.NextPage
	}
	return nil, fmt.Errorf("GitHub's list does not end after %d pages", maxPages)
}

// explain says of an error what was asked, where, and what to do. No header field, and
// so no token, is part of it.
func (g *GitHub) explain(what string, response *github.Response, err error) error {
	var limited *RateLimited
	var refused *github.ErrorResponse
	var unanswered *url.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &limited):
		return fmt.Errorf("%s of %s: %w", what, g, limited)
	case errors.As(err, &unanswered):
		return fmt.Errorf("%s of %s: %s %w: %w", what, g, shown(unanswered.URL), ErrUnreachable, unanswered.Err)
	case errors.As(err, &refused):
		return fmt.Errorf("%s of %s: %w", what, g, refusedBy(refused))
	case response == nil:
		return fmt.Errorf("%s of %s: %w", what, g, err)
	}
	return fmt.Errorf("%s of %s: the answer of %s is not GitHub's (%w): check the API's URL, or try again later",
		what, g, shown(response.Request.URL.String()), err)
}

func refusedBy(refused *github.ErrorResponse) error {
	at := fmt.Sprintf("%s answers %d", shown(refused.Response.Request.URL.String()), refused.Response.StatusCode)
	switch code := refused.Response.StatusCode; {
	case code == http.StatusUnauthorized:
		return fmt.Errorf("%s: the token is wrong or has expired; give another, or none", at)
	case code == http.StatusForbidden:
		return fmt.Errorf("%s: the token may not read there; give another, or none", at)
	case code == http.StatusNotFound:
		return fmt.Errorf("%s (%w): check the API's URL and the project", at, ErrMissing)
	case code >= http.StatusInternalServerError:
		return fmt.Errorf("%s (%w): try again later", at, ErrUnreachable)
	default:
		return fmt.Errorf("%s: check the API's URL and the project", at)
	}
}

func (g *GitHub) String() string { return g.project }
