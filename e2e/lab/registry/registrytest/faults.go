// Package registrytest has registries for tests: one in this process and Debian's,
// both behind Faults, which counts requests and breaks the one it is told to.
package registrytest

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
)

// Fault is a way in which a request goes wrong.
type Fault string

// The faults. What has no body to be cut in is cut before or behind it.
const (
	ServerError     Fault = "status 500"                   // the registry does not see the request
	TooManyRequests Fault = "status 429"                   // likewise, with Retry-After
	Unauthorized    Fault = "status 401"                   // likewise
	CutBefore       Fault = "cut before the answer"        // likewise
	CutRequest      Fault = "cut in the request's body"    // the registry gets half of it
	CutAnswer       Fault = "cut in the answer's body"     // applied, and half of the answer sent
	Lost            Fault = "applied, and the answer lost" // nothing of the answer sent
)

// Transient faults are those that pass when the request is sent again.
var Transient = []Fault{ServerError, TooManyRequests, CutBefore, CutRequest, CutAnswer, Lost}

// All faults.
var All = append(slices.Clone(Transient), Unauthorized)

// Request is one that came, whatever became of it.
type Request struct {
	Method string
	Path   string // with the query
	Bytes  int64  // of its body, as far as it was read
}

func (r Request) String() string { return fmt.Sprintf("%s %s (%d bytes)", r.Method, r.Path, r.Bytes) }

// Writes tells whether the request changes what the registry has.
func (r Request) Writes() bool { return r.Method != http.MethodGet && r.Method != http.MethodHead }

// Faults stands before a registry.
type Faults struct {
	registry http.Handler
	address  string

	mu       sync.Mutex
	requests []*Request
	at       int // request that is broken, counted from 1
	fault    Fault
	login    [2]string
	answer   http.HandlerFunc
}

// NewFaults stands before a handler and breaks nothing yet.
func NewFaults(registry http.Handler) *Faults { return &Faults{registry: registry} }

// Address is HOST:PORT, the first part of a reference.
func (f *Faults) Address() string { return f.address }

// Break forgets the requests so far, and breaks the n-th that comes from now on, 1
// being the next; 0 breaks none.
func (f *Faults) Break(n int, fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests, f.at, f.fault = nil, n, fault
}

// Require makes the registry refuse all who do not log in so (HTTP's basic way).
func (f *Faults) Require(user, password string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.login = [2]string{user, password}
}

// Answer gives requests that write to a handler instead of the registry; nil ends that.
func (f *Faults) Answer(writes http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = writes
}

// Requests that came since the last Break.
func (f *Faults) Requests() []Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	requests := make([]Request, len(f.requests))
	for i, r := range f.requests {
		requests[i] = *r
	}
	return requests
}

// Writes are the requests since the last Break that change what the registry has.
func (f *Faults) Writes() []Request {
	return slices.DeleteFunc(f.Requests(), func(r Request) bool { return !r.Writes() })
}

// ServeHTTP answers as the registry does, or breaks.
func (f *Faults) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	fault, handler := f.admit(r)
	switch fault {
	case ServerError:
		http.Error(w, "the registry has a bad day", http.StatusInternalServerError)
	case TooManyRequests:
		w.Header().Set("Retry-After", "0")
		http.Error(w, "slowly, please", http.StatusTooManyRequests)
	case Unauthorized:
		http.Error(w, "not you", http.StatusUnauthorized)
	case CutBefore:
		cut()
	case CutRequest:
		r.Body = io.NopCloser(io.MultiReader(io.LimitReader(r.Body, r.ContentLength/2), broken{}))
		if r.ContentLength > 0 {
			handler.ServeHTTP(httptest.NewRecorder(), r)
		}
		cut()
	case Lost, CutAnswer:
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, r)
		if fault == CutAnswer && r.Method != http.MethodHead {
			sendHalf(w, answer)
		}
		cut()
	default:
		handler.ServeHTTP(w, r)
	}
}

// admit records a request, and tells how to break it and who is to answer.
func (f *Faults) admit(r *http.Request) (Fault, http.Handler) {
	f.mu.Lock()
	defer f.mu.Unlock()
	request := &Request{Method: r.Method, Path: r.URL.RequestURI()}
	f.requests = append(f.requests, request)
	r.Body = &counted{ReadCloser: r.Body, mu: &f.mu, bytes: &request.Bytes}
	handler := f.registry
	if f.answer != nil && request.Writes() {
		handler = f.answer
	}
	if f.login != [2]string{} {
		handler = f.loggedIn(handler, f.login)
	}
	if len(f.requests) == f.at {
		return f.fault, handler
	}
	return "", handler
}

func (f *Faults) loggedIn(next http.Handler, want [2]string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); [2]string{user, password} != want {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// cut ends the connection without another byte.
func cut() { panic(http.ErrAbortHandler) }

// sendHalf announces a whole answer, and sends half of its body.
func sendHalf(w http.ResponseWriter, answer *httptest.ResponseRecorder) {
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Length", fmt.Sprint(answer.Body.Len()))
	if answer.Body.Len() < 2 {
		return
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes()[:answer.Body.Len()/2]) // the client may be gone
	_ = http.NewResponseController(w).Flush()
}

// broken is the end of a body that was longer.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

type counted struct {
	io.ReadCloser
	mu    *sync.Mutex
	bytes *int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	*c.bytes += int64(n)
	return n, err
}

// wholeManifests refuses a manifest that was cut, as a registry must;
// go-containerregistry's would keep the half.
func wholeManifests(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/manifests/") {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				http.Error(w, "the manifest was cut", http.StatusBadRequest)
				return
			}
			r.Body = io.NopCloser(strings.NewReader(string(body)))
		}
		next.ServeHTTP(w, r)
	})
}
