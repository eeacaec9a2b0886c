package registry

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/hashicorp/go-retryablehttp"
)

const (
	// jobs is how many requests are under way at once.
	jobs = 4
	// ahead is how much of an answer is read before it counts as received.
	ahead = 4 << 20
	// silence is how long an answer may take to begin. A registry that keeps blobs
	// elsewhere may copy a large one before it answers.
	silence = 5 * time.Minute
	// patience is the longest wait that a registry may ask for.
	patience = 2 * time.Minute
)

// impatient is the library's transport, but for a registry that takes a request and
// never answers.
func impatient() http.RoundTripper {
	base, ok := remote.DefaultTransport.(*http.Transport)
	if !ok {
		return remote.DefaultTransport
	}
	base = base.Clone()
	base.ResponseHeaderTimeout = silence
	return base
}

// retrying sends requests again that failed in passing. What an upload sends is left
// out: it is begun anew as a whole, since nobody knows how far it came.
func retrying(base http.RoundTripper, retries int, wait time.Duration) http.RoundTripper {
	client := retryablehttp.NewClient()
	client.Logger = nil
	client.RetryMax, client.RetryWaitMin, client.RetryWaitMax = retries, wait, patience
	client.CheckRetry = policy()
	client.ErrorHandler = retryablehttp.PassthroughErrorHandler
	client.HTTPClient = &http.Client{
		Transport:     base,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	again := &retryablehttp.RoundTripper{Client: client}
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		if err := rewind(r); err != nil {
			return nil, err
		}
		if sendsBlob(r.Method, r.URL.Path) {
			return base.RoundTrip(r)
		}
		return again.RoundTrip(r)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// rewind begins the body anew: a login that ran out has the request sent twice.
func rewind(r *http.Request) error {
	if r.GetBody == nil || r.Body == nil {
		return nil
	}
	_ = r.Body.Close() // it was read, or is not needed
	body, err := r.GetBody()
	r.Body = body
	return err
}

func sendsBlob(method, path string) bool {
	return method == http.MethodPatch || method == http.MethodPut && !strings.Contains(path, "/manifests/")
}

// policy tells which requests are sent again. Where nothing listens and never did, the
// name is wrong, and waiting would not help.
func policy() retryablehttp.CheckRetry {
	var answered atomic.Bool
	return func(ctx context.Context, response *http.Response, err error) (bool, error) {
		if errors.Is(err, syscall.ECONNREFUSED) && !answered.Load() {
			return false, nil
		}
		if err == nil {
			answered.Store(true)
		}
		return passes(ctx, response, err)
	}
}

// passes tells whether a request is worth sending again.
func passes(ctx context.Context, response *http.Response, err error) (bool, error) {
	switch {
	case ctx.Err() != nil:
		return false, ctx.Err()
	case err != nil:
		return !lasting(err), nil
	case response.StatusCode == http.StatusTooManyRequests, response.StatusCode == http.StatusServiceUnavailable:
		return waitAsked(response) <= patience, nil
	case response.StatusCode >= 500:
		return response.StatusCode != http.StatusNotImplemented && response.StatusCode != http.StatusInsufficientStorage, nil
	case response.Request.Method == http.MethodGet:
		return !readAhead(response), nil
	default:
		return false, nil
	}
}

func waitAsked(response *http.Response) time.Duration {
	after := response.Header.Get("Retry-After")
	if seconds, err := strconv.Atoi(after); err == nil {
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(after)
	if err != nil {
		return 0
	}
	return time.Until(at)
}

// readAhead reads an answer, or the first part of a long one, and tells whether it
// came whole. What came stays to be read, with the error behind it.
func readAhead(response *http.Response) bool {
	var got bytes.Buffer
	_, err := io.CopyN(&got, response.Body, ahead)
	var rest io.Reader = response.Body
	switch {
	case errors.Is(err, io.EOF):
		err, rest = nil, bytes.NewReader(nil)
	case err != nil:
		rest = failing{err}
	}
	response.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(&got, rest), response.Body}
	return err == nil
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// lasting errors are the same next time.
func lasting(err error) bool {
	var unknown *net.DNSError
	if errors.As(err, &unknown) && unknown.IsNotFound {
		return true
	}
	return isCertificate(err) || speaksPlainHTTP(err)
}

func isCertificate(err error) bool {
	var verification *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var hostname x509.HostnameError
	return errors.As(err, &verification) || errors.As(err, &authority) || errors.As(err, &hostname)
}

func speaksPlainHTTP(err error) bool {
	var record tls.RecordHeaderError
	return errors.As(err, &record) || strings.Contains(err.Error(), "server gave HTTP response to HTTPS client")
}

// uploadPasses tells whether an upload is to be begun anew. All other requests have
// been sent again below, as often as is allowed.
func uploadPasses(err error) bool {
	var answer *transport.Error
	if errors.As(err, &answer) {
		return answer.Request != nil && sendsBlob(answer.Request.Method, answer.Request.URL.Path) && uploadLost(answer)
	}
	var failed *url.Error
	if !errors.As(err, &failed) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	return sendsBlob(strings.ToUpper(failed.Op), failed.URL) && !lasting(err)
}

// uploadLost tells whether a registry gave an upload up which a new one may make good.
func uploadLost(answer *transport.Error) bool {
	switch answer.StatusCode {
	case http.StatusNotFound, http.StatusRequestTimeout, http.StatusRequestedRangeNotSatisfiable, http.StatusTooManyRequests:
		return true
	case http.StatusNotImplemented, http.StatusInsufficientStorage:
		return false
	case http.StatusBadRequest:
		return answer.Temporary()
	default:
		return answer.StatusCode >= 500
	}
}
