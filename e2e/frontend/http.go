package frontend

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Answer of a web service.
type Answer struct {
	Status int
	Type   string // media type, such as text/html
	Body   []byte
}

// Gate asks OneGate as a virtual machine without a token would; path begins with a slash.
func (f *Frontend) Gate(ctx context.Context, path string) (Answer, error) {
	return f.gate(ctx, http.MethodGet, path, "", nil)
}

// ReportReady tells OneGate that a virtual machine is ready, as it would do itself with
// the token of its context. Another token is ErrRefused.
func (f *Frontend) ReportReady(ctx context.Context, vm int64, token string) error {
	header := http.Header{"X-Onegate-Vmid": {strconv.FormatInt(vm, 10)}, "X-Onegate-Token": {token}}
	answer, err := f.gate(ctx, http.MethodPut, "/vm", "READY=YES", header)
	switch {
	case err != nil:
		return err
	case answer.Status == http.StatusUnauthorized:
		return fmt.Errorf("report to OneGate: %w", ErrRefused)
	case answer.Status != http.StatusOK:
		return fmt.Errorf("report to OneGate: status %d: %s", answer.Status, answer.Body)
	}
	return nil
}

func (f *Frontend) gate(ctx context.Context, method, path, body string, header http.Header) (Answer, error) {
	address, err := f.Address(ctx, "gate", "http")
	if err != nil {
		return Answer{}, err
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://"+address+path, strings.NewReader(body))
	if err != nil {
		return Answer{}, fmt.Errorf("ask OneGate: %w", err)
	}
	if header != nil {
		request.Header = header
	}
	return do(client(nil), request)
}

// client follows no redirects: Sunstone redirects what it does not have to its
// login page, and that is no answer.
func client(jar http.CookieJar) *http.Client {
	return &http.Client{
		Timeout: 30 * time.Second, Jar: jar,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func do(client *http.Client, request *http.Request) (Answer, error) {
	response, err := client.Do(request)
	if err != nil {
		return Answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return Answer{}, fmt.Errorf("read the answer of %s: %w", request.URL, err)
	}
	media, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	return Answer{Status: response.StatusCode, Type: media, Body: body}, nil
}

// Sunstone is the web interface under one origin, as one browser sees it.
type Sunstone struct {
	origin string
	client *http.Client
}

// Sunstone through its Service, by a browser that has not logged in.
func (f *Frontend) Sunstone(ctx context.Context) (*Sunstone, error) {
	address, err := f.Address(ctx, "sunstone", "http")
	if err != nil {
		return nil, err
	}
	return NewSunstone("http://"+address, nil)
}

// NewSunstone under an origin, such as https://cloud.example.org.
func NewSunstone(origin string, transport http.RoundTripper) (*Sunstone, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, fmt.Errorf("make a jar for cookies: %w", err)
	}
	s := &Sunstone{origin: origin, client: client(jar)}
	s.client.Transport = transport
	return s, nil
}

// URL of the login page.
func (s *Sunstone) URL() string { return s.origin + "/fireedge/sunstone" }

// Get reads what a URL names, absolute or from the login page.
func (s *Sunstone) Get(ctx context.Context, reference string) (Answer, error) {
	base, err := url.Parse(s.URL())
	if err != nil {
		return Answer{}, fmt.Errorf("%q is not a URL: %w", s.URL(), err)
	}
	u, err := base.Parse(reference)
	if err != nil {
		return Answer{}, fmt.Errorf("%q is not a URL: %w", reference, err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return Answer{}, fmt.Errorf("ask Sunstone: %w", err)
	}
	return do(s.client, request)
}

var (
	scripts = regexp.MustCompile(`<script[^>]*\ssrc=["']([^"']+)["']`)
	modules = regexp.MustCompile(`__REMOTES_MODULE_CONFIG__ = (\{.*?\})\s*</script>`)
)

// Scripts lists what a browser loads for a page: the scripts that it names, and
// the entry of each module in its configuration, where __HOST__ stands for the
// origin.
func (s *Sunstone) Scripts(page []byte) ([]string, error) {
	var found []string
	for _, match := range scripts.FindAllSubmatch(page, -1) {
		found = append(found, string(match[1]))
	}
	match := modules.FindSubmatch(page)
	if match == nil {
		return nil, fmt.Errorf("the page %s configures no modules", s.URL())
	}
	var config map[string]struct {
		Entry string `json:"entry"`
	}
	if err := json.Unmarshal(match[1], &config); err != nil {
		return nil, fmt.Errorf("read the configuration of modules in %s: %w", s.URL(), err)
	}
	for _, module := range config {
		found = append(found, strings.ReplaceAll(module.Entry, "__HOST__", s.origin))
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}

// Login as the login page does. The session is a cookie.
func (s *Sunstone) Login(ctx context.Context, username, password string) error {
	body, err := json.Marshal(map[string]any{"user": username, "token": password})
	if err != nil {
		return fmt.Errorf("log in to Sunstone: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.origin+"/fireedge/api/auth", bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("log in to Sunstone: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := do(s.client, request)
	if err != nil {
		return fmt.Errorf("log in to Sunstone: %w", err)
	}
	switch answer.Status {
	case http.StatusOK:
		return nil
	case http.StatusUnauthorized:
		return fmt.Errorf("log in to Sunstone as %s: %w: %s", username, ErrRefused, answer.Body)
	default:
		return fmt.Errorf("log in to Sunstone as %s: status %d: %s", username, answer.Status, answer.Body)
	}
}

// UserName of the session, as OpenNebula tells it to Sunstone.
func (s *Sunstone) UserName(ctx context.Context) (string, error) {
	answer, err := s.Get(ctx, "/fireedge/api/user/info")
	if err != nil {
		return "", fmt.Errorf("ask Sunstone who is logged in: %w", err)
	}
	if answer.Status != http.StatusOK {
		return "", fmt.Errorf("ask Sunstone who is logged in: status %d: %s", answer.Status, answer.Body)
	}
	var info struct {
		Data struct {
			User struct {
				Name string `json:"NAME"`
			} `json:"USER"`
		} `json:"data"`
	}
	if err := json.Unmarshal(answer.Body, &info); err != nil {
		return "", fmt.Errorf("ask Sunstone who is logged in: %w", err)
	}
	return info.Data.User.Name, nil
}
