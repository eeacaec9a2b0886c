// Package hub keeps the description of a repository on Docker Hub as the project has
// it. Docker Hub documents the login; that the description is read and changed at
// /v2/repositories/NAMESPACE/NAME/ is what its own tools do.
package hub

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/hashicorp/go-retryablehttp"
)

const (
	// URL is Docker Hub's API.
	URL = "https://hub.docker.com"

	// What Docker Hub takes, in bytes.
	maxShort = 100
	maxFull  = 25_000
	// An answer holds a description and little else.
	maxAnswer = 1 << 20
)

// Description is what Docker Hub shows of a repository.
type Description struct {
	Short string `json:"description"`      // one line of 100 bytes at most, which searches show
	Full  string `json:"full_description"` // Markdown, 25,000 bytes at most
}

// Client changes descriptions with the rights of one user.
type Client struct {
	user, token string
	settings    settings
	http        *http.Client
}

type settings struct {
	url     string
	retries int
	wait    time.Duration
}

// Option changes how Docker Hub is accessed.
type Option func(*settings)

// WithURL asks another server than Docker Hub.
func WithURL(url string) Option {
	return func(s *settings) { s.url = strings.TrimSuffix(url, "/") }
}

// WithRetries sets how often what failed in passing is tried again, and how long to
// wait before the first time, which doubles each time; 4 times after 1 s by default.
func WithRetries(n int, wait time.Duration) Option {
	return func(s *settings) { s.retries, s.wait = n, wait }
}

// NewClient takes a user's name and a personal access token, which must be allowed to
// read, write and delete: Docker Hub asks for all three to change a description.
func NewClient(user, token string, options ...Option) *Client {
	s := settings{url: URL, retries: 4, wait: time.Second}
	for _, option := range options {
		option(&s)
	}
	client := retryablehttp.NewClient()
	client.Logger = nil
	client.RetryMax, client.RetryWaitMin = s.retries, s.wait
	client.ErrorHandler = retryablehttp.PassthroughErrorHandler
	client.HTTPClient.Timeout = time.Minute
	retrying := client.StandardClient()
	// A redirected change would become a request that changes nothing.
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	client.HTTPClient.CheckRedirect, retrying.CheckRedirect = stay, stay
	return &Client{user: user, token: token, settings: s, http: retrying}
}

// Describe gives a repository, docker.io/NAMESPACE/NAME, its description, and tells
// whether it had another before. Where it has that one already, nothing is sent.
func (c *Client) Describe(ctx context.Context, repository string, want Description) (changed bool, err error) {
	path, err := pathOf(repository)
	if err != nil {
		return false, err
	}
	if err := want.check(); err != nil {
		return false, fmt.Errorf("describe %s on Docker Hub: %w", repository, err)
	}
	s, err := c.login(ctx)
	if err != nil {
		return false, fmt.Errorf("log in to Docker Hub: %w", err)
	}
	var has Description
	if err := s.ask(ctx, http.MethodGet, path, nil, &has); err != nil {
		return false, fmt.Errorf("read the description of %s on Docker Hub: %w", repository, err)
	}
	if has.is(want) {
		return false, nil
	}
	if err := s.ask(ctx, http.MethodPatch, path, want, &has); err != nil {
		return false, fmt.Errorf("describe %s on Docker Hub: %w", repository, err)
	}
	if !has.is(want) {
		return false, fmt.Errorf("describe %s on Docker Hub: it said yes, and has another description still: look at it there, and do it again", repository)
	}
	return true, nil
}

// Read returns what a repository has, as anyone can see it: no login is needed.
func (c *Client) Read(ctx context.Context, repository string) (Description, error) {
	path, err := pathOf(repository)
	if err != nil {
		return Description{}, err
	}
	var has Description
	if err := (session{Client: c}).ask(ctx, http.MethodGet, path, nil, &has); err != nil {
		return Description{}, fmt.Errorf("read the description of %s on Docker Hub: %w", repository, err)
	}
	return has, nil
}

func pathOf(repository string) (string, error) {
	repo, err := name.NewRepository(repository)
	if err != nil {
		return "", fmt.Errorf("%q is not a repository; write it as docker.io/NAMESPACE/NAME: %w", repository, err)
	}
	if repo.RegistryStr() != name.DefaultRegistry {
		return "", fmt.Errorf("%s is not on Docker Hub, which alone has descriptions: write it as docker.io/NAMESPACE/NAME", repository)
	}
	return "/v2/repositories/" + repo.RepositoryStr() + "/", nil
}

// Text is all of it, but for the space at the ends and the kind of its lines' ends, which
// Docker Hub may keep or not.
func (d Description) Text() string {
	plain := func(s string) string { return strings.TrimSpace(strings.ReplaceAll(s, "\r\n", "\n")) }
	return plain(d.Short) + "\n\n" + plain(d.Full)
}

func (d Description) check() error {
	switch {
	case d.Short == "" || d.Full == "":
		return fmt.Errorf("the short description has %d bytes, and the full one %d: neither may be empty", len(d.Short), len(d.Full))
	case strings.ContainsAny(d.Short, "\r\n"):
		return fmt.Errorf("the short description has several lines: write one")
	case len(d.Short) > maxShort:
		return fmt.Errorf("the short description has %d bytes: shorten it to %d", len(d.Short), maxShort)
	case len(d.Full) > maxFull:
		return fmt.Errorf("the full description has %d bytes: shorten it to %d, and link to the rest", len(d.Full), maxFull)
	case !utf8.ValidString(d.Short) || !utf8.ValidString(d.Full):
		return fmt.Errorf("the description is not in UTF-8: convert it")
	default:
		return nil
	}
}

func (d Description) is(want Description) bool { return d.Text() == want.Text() }

// session is a client that is logged in.
type session struct {
	*Client
	access string // token that is good for some minutes
}

func (c *Client) login(ctx context.Context) (session, error) {
	if c.user == "" || c.token == "" {
		return session{}, fmt.Errorf("no user or no token was given: make a personal access token there, and give both")
	}
	var granted struct {
		Access string `json:"access_token"`
	}
	s := session{Client: c}
	err := s.ask(ctx, http.MethodPost, "/v2/auth/token", map[string]string{"identifier": c.user, "secret": c.token}, &granted)
	if err == nil && granted.Access == "" {
		err = fmt.Errorf("%s answered without a token: look whether that is Docker Hub", c.settings.url)
	}
	s.access = granted.Access
	return s, err
}

// ask sends and reads JSON.
func (s session) ask(ctx context.Context, method, path string, body, answer any) error {
	request, err := s.request(ctx, method, path, body)
	if err != nil {
		return err
	}
	response, err := s.http.Do(request)
	if err != nil {
		return fmt.Errorf("%s: look whether it can be reached: %s", s.settings.url, s.hide(reason(err)))
	}
	defer response.Body.Close()
	content, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read the answer of %s: %w", s.settings.url, err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s%s", s.hide(said(response, content)), mend(method, response.StatusCode))
	}
	if err := json.Unmarshal(content, answer); err != nil {
		return fmt.Errorf("%s answered what is not the JSON of Docker Hub: look whether that is Docker Hub", s.settings.url)
	}
	return nil
}

func (s session) request(ctx context.Context, method, path string, body any) (*http.Request, error) {
	var content io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, s.settings.url+path, content)
	if err != nil {
		return nil, fmt.Errorf("%q is not a URL: %w", s.settings.url, err)
	}
	request.Header.Set("Content-Type", "application/json")
	if s.access != "" {
		request.Header.Set("Authorization", "Bearer "+s.access)
	}
	return request, nil
}
