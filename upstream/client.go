package upstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// maxAnswer bounds what is read of one answer, in bytes. An index of all packages is
// below a megabyte, a page of a hundred release notes below two; anything far larger
// is neither.
const maxAnswer = 64 << 20

var (
	// ErrUnreachable is a server that did not answer at all, or only with its own failure.
	ErrUnreachable = errors.New("cannot be reached")
	// ErrMissing is a file that a server says it does not have.
	ErrMissing = errors.New("not there")
)

// Option changes how repositories and GitHub are read.
type Option func(*settings)

type settings struct {
	retries   int
	retryWait time.Duration
	timeout   time.Duration
	now       func() time.Time
	// A repository's:
	suite, component string
	// GitHub's:
	api      string
	project  string
	token    string
	maxWait  time.Duration
	progress func(string)
}

func newSettings(options []Option) settings {
	s := settings{
		retries: 3, retryWait: time.Second, timeout: 30 * time.Second, now: time.Now,
		suite: "stable", component: "opennebula",
		api: OfficialAPI, project: OfficialProject, maxWait: 2 * time.Minute, progress: func(string) {},
	}
	for _, option := range options {
		option(&s)
	}
	return s
}

// WithRetries sets how often a failing request is tried again; 3 by default.
func WithRetries(n int) Option { return func(s *settings) { s.retries = n } }

// WithRetryWait sets how long the first retry waits, a second by default; each further
// one waits twice as long, up to thirty times the first.
func WithRetryWait(d time.Duration) Option { return func(s *settings) { s.retryWait = d } }

// WithTimeout sets how long one answer may take, to its last byte; 30 s by default.
func WithTimeout(d time.Duration) Option { return func(s *settings) { s.timeout = d } }

// WithSuite sets the suite and the component of a repository, such as bookworm-security
// and main; stable and opennebula by default.
func WithSuite(suite, component string) Option {
	return func(s *settings) { s.suite, s.component = suite, component }
}

// WithClock sets what tells the time, by which signatures and indexes expire.
func WithClock(now func() time.Time) Option { return func(s *settings) { s.now = now } }

// client tries again what fails by chance: no connection, an answer that breaks off, and
// a server's own failures. What a server says last is handed on as it is.
func (s settings) client() *retryablehttp.Client {
	client := s.retrying()
	client.HTTPClient.Timeout = s.timeout
	client.HTTPClient.Transport = whole{client.HTTPClient.Transport}
	return client
}

// downloads is for what is too large to keep; how long it takes is the context's.
func (s settings) downloads() *http.Client {
	client, transport := s.retrying(), http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = s.timeout
	client.HTTPClient.Transport = transport
	return client.StandardClient()
}

func (s settings) retrying() *retryablehttp.Client {
	client := retryablehttp.NewClient()
	client.Logger = nil
	client.RetryMax = s.retries
	client.RetryWaitMin, client.RetryWaitMax = s.retryWait, 30*s.retryWait
	client.Backoff = boundedBackoff
	client.ErrorHandler = handOn
	return client
}

// handOn returns the last answer, or else the last error.
func handOn(response *http.Response, err error, _ int) (*http.Response, error) {
	if err != nil && response != nil {
		response.Body.Close()
		response = nil
	}
	return response, err
}

// boundedBackoff keeps a server from naming a time for the next try that no one waits for.
func boundedBackoff(least, most time.Duration, attempt int, response *http.Response) time.Duration {
	return min(retryablehttp.DefaultBackoff(least, most, attempt, response), most)
}

// whole reads each answer to its end, so that one that breaks off is tried again as is
// one that never came.
type whole struct{ next http.RoundTripper }

func (w whole) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := w.next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("the answer breaks off after %d bytes: %w", len(content), err)
	}
	if len(content) > maxAnswer {
		return nil, fmt.Errorf("the answer is larger than %d MB", maxAnswer>>20)
	}
	response.Body = io.NopCloser(bytes.NewReader(content))
	return response, nil
}

// Fetch reads a small file by URL. A server that does not answer is ErrUnreachable, a
// file that it does not have is ErrMissing.
func Fetch(ctx context.Context, url string, options ...Option) ([]byte, error) {
	return fetch(ctx, newSettings(options).client().StandardClient(), url)
}

// FetchKey reads the key that signs repositories. OpenNebula's own must be the one
// that is known.
func FetchKey(ctx context.Context, url string, options ...Option) ([]byte, error) {
	armored, err := Fetch(ctx, url, options...)
	if err != nil {
		return nil, fmt.Errorf("read the key of the repositories: %w", err)
	}
	if url == OfficialKey {
		return armored, CheckKey(armored, OfficialFingerprint)
	}
	return armored, nil
}

func fetch(ctx context.Context, client *http.Client, url string) ([]byte, error) {
	body, err := openURL(ctx, client, url)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	content, err := io.ReadAll(body)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", shown(url), err)
	}
	return content, nil
}

func openURL(ctx context.Context, client *http.Client, url string) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("%q is not a URL: %w", shown(url), cause(err))
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("%s %w: %w", shown(url), ErrUnreachable, cause(err))
	}
	if err := refusal(response); err != nil {
		response.Body.Close()
		return nil, err
	}
	return response.Body, nil
}

// refusal is the error in a status, if it is one.
func refusal(response *http.Response) error {
	at := fmt.Sprintf("%s answers %s", shown(response.Request.URL.String()), response.Status)
	switch code := response.StatusCode; {
	case code == http.StatusOK:
		return nil
	case code == http.StatusNotFound || code == http.StatusGone:
		return fmt.Errorf("%s (%w): it is not an apt repository in OpenNebula's layout, or not a signed one", at, ErrMissing)
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return fmt.Errorf("%s: check the user and password in its URL, and who may read there", at)
	case code >= http.StatusInternalServerError || code == http.StatusTooManyRequests:
		return fmt.Errorf("%s (%w): try again later", at, ErrUnreachable)
	default:
		return fmt.Errorf("%s: it is not an apt repository in OpenNebula's layout", at)
	}
}

// shown is a URL as it may be printed: without a password.
func shown(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "the URL given"
	}
	if u.User == nil {
		return text
	}
	return u.Redacted()
}

// cause leaves out of a client's error what the message around it says.
func cause(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}
