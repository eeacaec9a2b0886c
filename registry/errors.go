package registry

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"syscall"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// What an Error can be, for errors.Is.
var (
	ErrNotFound = errors.New("not there")
	ErrDenied   = errors.New("denied")                     // no login, a wrong one, or one without the right
	ErrTaken    = errors.New("the tag has another digest") // of Tag
)

// Error is what a registry, or the way to it, refused. Its text has no credentials,
// and the error that it was made from is not within it, which may have some.
type Error struct {
	text string
	kind error
}

func (e *Error) Error() string { return e.text }

// Unwrap returns one of this package's errors, the context's, or nil.
func (e *Error) Unwrap() error { return e.kind }

// failed makes a sentence of an error: what was tried, what was answered, and the
// mend where one is known. Errors that are sentences already stay.
func (r *Repository) failed(err error, format string, args ...any) error {
	var already *Error
	if err == nil || errors.As(err, &already) {
		return err
	}
	mend, kind := r.diagnose(err)
	text := fmt.Sprintf(format, args...) + ": " + brief(detail(err))
	if mend != "" {
		text += ": " + mend
	}
	return &Error{text: r.settings.secrets.hide(text), kind: kind}
}

// Explain makes a sentence without credentials of an error that came from the
// registry while an image of Get was read. Other errors stay as they are.
func (r *Repository) Explain(err error) error {
	var answer *transport.Error
	var request *url.Error
	if errors.As(err, &answer) || errors.As(err, &request) {
		return r.failed(err, "read from %s", r.name)
	}
	return err
}

// diagnose finds the mend, "" where none is known, and what the error is of this
// package's.
func (r *Repository) diagnose(err error) (mend string, kind error) {
	host := r.name.RegistryStr()
	var answer *transport.Error
	var unknown *net.DNSError
	var request *url.Error
	switch {
	case errors.Is(err, context.Canceled):
		return "", context.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		return "", context.DeadlineExceeded
	case isCertificate(err):
		return "the certificate of " + host + " is not trusted here: correct it, or install the authority that signed it", nil
	case errors.As(err, &answer):
		return r.diagnoseAnswer(answer)
	case speaksPlainHTTP(err):
		return host + " speaks HTTP without TLS: ask for plain HTTP if that is meant", nil
	case errors.As(err, &unknown):
		return "the host " + unknown.Name + " is not known: correct the name", nil
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens at " + host + ": correct the name, or start it", nil
	case errors.As(err, &request):
		return "look whether " + host + " can be reached, and do the same again; what was sent stays", nil
	default:
		return "", nil
	}
}

func (r *Repository) diagnoseAnswer(answer *transport.Error) (mend string, kind error) {
	host, anonymous := r.name.RegistryStr(), r.settings.secrets.none()
	switch status := answer.StatusCode; {
	case status == http.StatusNotFound:
		return "", ErrNotFound
	case status == http.StatusRequestEntityTooLarge, status == http.StatusInsufficientStorage,
		strings.Contains(strings.ToLower(answer.Error()), "quota"):
		return host + " has no room for it: have the quota raised, or old images taken away", nil
	case (status == http.StatusUnauthorized || status == http.StatusForbidden) && anonymous:
		return host + " allows this to nobody without a login: give credentials, or run docker login " + host, ErrDenied
	case status == http.StatusUnauthorized:
		return host + " does not take these credentials: renew the password or token", ErrDenied
	case status == http.StatusForbidden:
		return "these credentials do not have the right to do this in " + r.name.Name() + ": use others, or have the right granted", ErrDenied
	case status == http.StatusMethodNotAllowed:
		return host + " is read-only: push elsewhere, or have writing allowed", nil
	case status == http.StatusTooManyRequests:
		return host + " has had too many requests: do the same again later; what was sent stays", nil
	case status >= 500:
		return "the fault is of " + host + ": do the same again later; what was sent stays", nil
	default:
		return "", nil
	}
}

// detail is what was answered, without the URL that was asked.
func detail(err error) string {
	var answer *transport.Error
	if errors.As(err, &answer) && !isCertificate(err) {
		without := *answer
		without.Request = nil
		return without.Error()
	}
	var asked *url.Error
	if errors.As(err, &asked) {
		return asked.Err.Error()
	}
	return err.Error()
}

// brief cuts pages that were answered in place of a sentence.
func brief(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > 400 {
		return string(runes[:400]) + "…"
	}
	return text
}

// secrets are the credentials in use, so that they can be kept out of errors.
type secrets struct {
	mu    sync.Mutex
	known []string
}

func (s *secrets) learn(ctx context.Context, auth authn.Authenticator) error {
	config, err := authn.Authorization(ctx, auth)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add(config.Password, config.Auth, config.IdentityToken, config.RegistryToken)
	if config.Password != "" {
		s.add(
			base64.StdEncoding.EncodeToString([]byte(config.Username+":"+config.Password)),
			url.QueryEscape(config.Password), url.PathEscape(config.Password),
		)
	}
	return nil
}

func (s *secrets) add(values ...string) {
	for _, value := range values {
		if value != "" {
			s.known = append(s.known, value)
		}
	}
}

func (s *secrets) none() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.known) == 0
}

// Tokens that a registry gave are not known here, but can be told by their place.
var tokenInText = regexp.MustCompile(`(?i)\b(bearer|basic|"?(?:access_|refresh_)?token"?\s*[:=])\s*"?[A-Za-z0-9+/=._~-]{8,}"?`)

func (s *secrets) hide(text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, value := range s.known {
		text = strings.ReplaceAll(text, value, "…")
	}
	return tokenInText.ReplaceAllString(text, "$1 …")
}
