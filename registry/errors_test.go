package registry

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pablodelarco/opennebula-helm/e2e/lab/registry/registrytest"
)

const password = "dckr_pat_+secret/="

// refuses answers all that writes with an error of a registry.
func refuses(status int, code, message string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"errors":[{"code":%q,"message":%q}]}`, code, message)
	}
}

func TestRefusalsAreSentences(t *testing.T) {
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		login  bool
		kind   error
		want   []string
	}{
		"no login":      {refuses(401, "UNAUTHORIZED", "authentication required"), false, ErrDenied, []string{"UNAUTHORIZED: authentication required: ", "allows this to nobody without a login: give credentials, or run docker login "}},
		"a wrong login": {refuses(401, "UNAUTHORIZED", "no"), true, ErrDenied, []string{"does not take these credentials: renew the password or token"}},
		"no right":      {refuses(403, "DENIED", "requested access is denied"), true, ErrDenied, []string{"requested access is denied: these credentials do not have the right to do this in "}},
		"read-only":     {refuses(405, "UNSUPPORTED", "The operation is unsupported."), false, nil, []string{"is read-only: push elsewhere"}},
		"a quota":       {refuses(403, "DENIED", "storage Quota exceeded"), true, nil, []string{"has no room for it: have the quota raised"}},
		"too large":     {refuses(413, "SIZE_INVALID", "too large"), false, nil, []string{"has no room for it"}},
		"no room":       {refuses(507, "UNKNOWN", "disk full"), false, nil, []string{"has no room for it"}},
		"too many":      {refuses(429, "TOOMANYREQUESTS", "slowly"), false, nil, []string{"has had too many requests: do the same again later"}},
		"a fault":       {refuses(502, "UNKNOWN", "bad gateway"), false, nil, []string{"the fault is of 127.0.0.1"}},
		"a page": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprint(w, "<html>\n"+strings.Repeat("down ", 1000))
		}, false, nil, []string{"503 Service Unavailable: <html> down down", "…: the fault is of"}},
	} {
		t.Run(name, func(t *testing.T) {
			at := registrytest.Start(t)
			var options []Option
			if test.login {
				options = append(options, WithCredentials("somebody", password))
			}
			at.Answer(test.answer)
			_, err := open(t, at.Address()+"/team/thing", options...).Push(t.Context(), anImage(t))
			require.Error(t, err)
			assert.Equal(t, 1, strings.Count(err.Error()+"\n", "\n"), "it is a line: %s", err)
			assert.Less(t, len(err.Error()), 900)
			if test.kind != nil {
				require.ErrorIs(t, err, test.kind)
			}
			for _, want := range test.want {
				assert.ErrorContains(t, err, want)
			}
		})
	}
}

func TestWrongCredentialsAreNeverPrinted(t *testing.T) {
	basic := base64.StdEncoding.EncodeToString([]byte("somebody:" + password))
	at := registrytest.Start(t)
	at.Require("somebody", "another")
	var said []string
	r := open(t, at.Address()+"/team/thing", WithCredentials("somebody", password),
		WithProgress(func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }))
	_, refused := r.Push(t.Context(), anImage(t))
	require.ErrorIs(t, refused, ErrDenied)
	assert.ErrorContains(t, refused, "does not take these credentials")

	// A registry, or a proxy before it, may repeat what it was sent.
	at.Require("somebody", password)
	at.Answer(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, "%s does not suit, %s neither; token=abcdefghijkl", r.Header.Get("Authorization"), password)
	})
	_, repeated := r.Push(t.Context(), anImage(t))
	require.ErrorContains(t, repeated, "does not suit")
	for _, err := range []error{refused, repeated} {
		for ; err != nil; err = errors.Unwrap(err) {
			for _, text := range append(said, err.Error(), fmt.Sprintf("%+v %#v", err, err)) {
				assert.NotContains(t, text, password)
				assert.NotContains(t, text, basic)
				assert.NotContains(t, text, "abcdefghijkl")
			}
		}
	}
}

// elsewhere is a transport that takes all hosts for one address.
func elsewhere(address string) http.RoundTripper {
	return &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}}
}

func TestWaysThatDoNotLead(t *testing.T) {
	plain := registrytest.Start(t)
	encrypted := httptest.NewUnstartedServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	encrypted.Config.ErrorLog = log.New(io.Discard, "", 0)
	encrypted.StartTLS()
	t.Cleanup(encrypted.Close)
	for name, test := range map[string]struct {
		repository string
		options    []Option
		want       string
	}{
		"an unknown host": {"registry.example.org/a/b", []Option{WithTransport(roundTripper(func(*http.Request) (*http.Response, error) {
			return nil, &net.DNSError{Err: "no such host", Name: "registry.example.org", IsNotFound: true}
		}))}, "no such host: the host registry.example.org is not known: correct the name"},
		"an untrusted certificate":      {encrypted.Listener.Addr().String() + "/a/b", nil, "is not trusted here: correct it, or install the authority"},
		"an untrusted one, by its name": {"registry.example.org/a/b", []Option{WithTransport(elsewhere(encrypted.Listener.Addr().String()))}, "the certificate of registry.example.org is not trusted here"},
		"a server without TLS":          {"registry.example.org/a/b", []Option{WithTransport(elsewhere(plain.Address()))}, "registry.example.org speaks HTTP without TLS: ask for plain HTTP"},
		"nothing":                       {"127.0.0.1:1/a/b", nil, "nothing listens at 127.0.0.1:1: correct the name, or start it"},
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			_, err := open(t, test.repository, append(test.options, WithRetries(3, time.Minute))...).Tags(t.Context())
			require.ErrorContains(t, err, "list the tags of "+test.repository+": ")
			assert.ErrorContains(t, err, test.want)
			assert.Less(t, time.Since(began), 30*time.Second, "what lasts is not tried again")
		})
	}
	_, err := open(t, "registry.example.org/a/b", WithPlainHTTP(true), WithTransport(elsewhere(plain.Address()))).Tags(t.Context())
	require.NoError(t, err)
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := open(t, registrytest.Start(t).Address()+"/team/thing").Push(ctx, anImage(t))
	require.ErrorIs(t, err, context.Canceled)
}

func TestBadNames(t *testing.T) {
	_, err := Open("Not A Repository")
	require.ErrorContains(t, err, `"Not A Repository" is not a repository; write it as HOST/PATH`)
	_, _, err = At("Not:a:reference")
	require.ErrorContains(t, err, `"Not:a:reference" is not a reference`)
	r := open(t, registrytest.Start(t).Address()+"/team/thing")
	_, err = r.Get(t.Context(), "not a tag")
	require.ErrorContains(t, err, `"not a tag" is neither a tag nor a digest`)
	_, err = r.Resolve(t.Context(), "missing")
	require.ErrorIs(t, err, ErrNotFound)
}
