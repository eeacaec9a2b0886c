package signature

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"
	"github.com/sigstore/rekor/pkg/client"
	"github.com/sigstore/sigstore-go/pkg/sign"
)

// Services are the parts of an instance of sigstore that sign, by URL.
type Services struct {
	Fulcio       string // gives certificates for tokens
	Rekor        string // the log that signatures are written into; "" for none
	RekorVersion uint32 // of its API: 1, or 2, which needs a Timestamp; 1 by default
	Timestamp    string // whole URL of a timestamp authority (RFC 3161); "" for none
}

// Waits between tries of a request.
const (
	firstWait = 200 * time.Millisecond
	lastWait  = 10 * time.Second
)

// Option changes how services are asked.
type Option func(*asking)

type asking struct {
	retries int
	timeout time.Duration
}

// WithRetries sets how often a failing request is tried again; 3 by default.
func WithRetries(n int) Option { return func(a *asking) { a.retries = n } }

// WithTimeout sets how long one request may take; 30 seconds by default.
func WithTimeout(d time.Duration) Option { return func(a *asking) { a.timeout = d } }

func newAsking(options []Option) asking {
	a := asking{retries: 3, timeout: 30 * time.Second}
	for _, option := range options {
		option(&a)
	}
	return a
}

// client retries what fails, within a context, which sigstore's library does not hand on.
func (a asking) client(ctx context.Context) *http.Client {
	c := retryablehttp.NewClient()
	c.Logger = nil
	c.RetryMax = a.retries
	c.RetryWaitMin, c.RetryWaitMax = firstWait, lastWait
	c.HTTPClient.Timeout = a.timeout
	c.ErrorHandler = lastAnswer
	standard := c.StandardClient()
	standard.Transport = within{ctx, standard.Transport}
	return standard
}

// lastAnswer is the error of a service that fails time and again.
func lastAnswer(response *http.Response, err error, _ int) (*http.Response, error) {
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 400))
	if err != nil {
		return nil, fmt.Errorf("it answers %s, and breaks off: %w", response.Status, err)
	}
	return nil, fmt.Errorf("it answers %s: %s", response.Status, bytes.TrimSpace(text))
}

// within gives requests a context.
type within struct {
	ctx context.Context
	to  http.RoundTripper
}

func (w within) RoundTrip(request *http.Request) (*http.Response, error) {
	return w.to.RoundTrip(request.WithContext(w.ctx))
}

// Keyless signs with a certificate that lives for minutes, which Fulcio gives for a
// token, and which must name what the policy lets count. Each statement gets a new
// key, a new token and a new certificate.
func Keyless(services Services, token Token, policy Policy, options ...Option) (*Signer, error) {
	switch {
	case services.Fulcio == "":
		return nil, errors.New("keyless signing needs Fulcio: give its URL, or a key to sign with")
	case services.Rekor == "" && services.Timestamp == "":
		return nil, errors.New("keyless signing needs a log or a timestamp authority, which say when it was: give the URL of Rekor")
	case services.RekorVersion > 2:
		return nil, fmt.Errorf("there is no version %d of Rekor's API: give 1 or 2", services.RekorVersion)
	case services.RekorVersion == 2 && services.Timestamp == "":
		return nil, errors.New("version 2 of Rekor tells no time, so that it needs a timestamp authority: give its URL")
	}
	a := newAsking(options)
	return &Signer{policy: policy, prepare: func(ctx context.Context) (sign.Keypair, sign.BundleOptions, []string, error) {
		text, err := token(ctx)
		if err == nil && strings.TrimSpace(text) == "" {
			err = errors.New("the token to sign with is empty: give one, or sign with a key")
		}
		if err != nil {
			return nil, sign.BundleOptions{}, nil, err
		}
		pair, err := sign.NewEphemeralKeypair(nil)
		if err != nil {
			return nil, sign.BundleOptions{}, nil, fmt.Errorf("generate a key: %w", err)
		}
		bundle, err := services.options(ctx, a, text)
		return pair, bundle, []string{text}, err
	}}, nil
}

func (s Services) options(ctx context.Context, a asking, token string) (sign.BundleOptions, error) {
	transport := a.client(ctx).Transport
	options := sign.BundleOptions{
		CertificateProvider: sign.NewFulcio(&sign.FulcioOptions{
			BaseURL: s.Fulcio, Timeout: -1, Transport: transport,
		}),
		CertificateProviderOptions: &sign.CertificateProviderOptions{IDToken: token},
	}
	if s.Timestamp != "" {
		options.TimestampAuthorities = append(options.TimestampAuthorities, sign.NewTimestampAuthority(&sign.TimestampAuthorityOptions{
			URL: s.Timestamp, Timeout: -1, Transport: transport,
		}))
	}
	if s.Rekor == "" {
		return options, nil
	}
	rekor, err := client.GetRekorClient(s.Rekor, client.WithRetryCount(uint(a.retries)), client.WithRetryWaitMin(firstWait), client.WithRetryWaitMax(lastWait))
	if err != nil {
		return options, fmt.Errorf("the URL of Rekor, %q: %w", s.Rekor, err)
	}
	options.TransparencyLogs = append(options.TransparencyLogs, sign.NewRekor(&sign.RekorOptions{
		BaseURL: s.Rekor, Version: s.RekorVersion, Timeout: a.timeout, Client: rekor.Entries,
	}))
	return options, nil
}
