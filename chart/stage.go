package chart

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	memory "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	helmregistry "helm.sh/helm/v3/pkg/registry"
	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/pablodelarco/opennebula-helm/registry"
)

// Staged is a chart as Helm pushes it, before it is in any registry.
type Staged struct {
	Image   v1.Image
	Archive string  // path of the .tgz
	Digest  v1.Hash // of its manifest
	Name    string
	Version string
	Size    int64 // of the archive, in bytes
}

// stagingHost is none: what is sent there stays in this process.
const stagingHost = "staging.invalid"

// Stage has Helm push an archive into a registry in memory, and takes out what it made.
// Helm gives its tag to a chart while it pushes it; so what is staged can be pushed by
// digest, signed, and tagged last. The time of the manifest is that of the archive's
// files, so that one archive has one digest.
func Stage(ctx context.Context, archive string) (Staged, error) {
	packed, err := os.ReadFile(archive)
	if err != nil {
		return Staged{}, fmt.Errorf("read the chart's archive: %w", err)
	}
	c, at, err := unpack(packed)
	if err != nil {
		return Staged{}, fmt.Errorf("read the chart %s: %w", archive, err)
	}
	staging := inMemory{memory.New(memory.Logger(log.New(io.Discard, "", 0)))}
	client, err := helmregistry.NewClient(
		// With an authorizer of its own, Helm looks for no credentials.
		helmregistry.ClientOptAuthorizer(auth.Client{Client: &http.Client{Transport: staging}}),
		helmregistry.ClientOptPlainHTTP(),
	)
	if err != nil {
		return Staged{}, fmt.Errorf("make a registry client: %w", err)
	}
	reference := stagingHost + "/" + c.Name() + ":" + c.Metadata.Version
	if _, err := client.Push(packed, reference, helmregistry.PushOptCreationTime(at.Format(time.RFC3339))); err != nil {
		return Staged{}, fmt.Errorf("make a manifest for the chart %s: %w", archive, err)
	}
	img, err := takeOut(ctx, c.Name(), c.Metadata.Version, staging)
	if err != nil {
		return Staged{}, fmt.Errorf("read the manifest of the chart %s: %w", archive, err)
	}
	staged := Staged{Image: img, Archive: archive, Name: c.Name(), Version: c.Metadata.Version, Size: int64(len(packed))}
	staged.Digest, err = img.Digest()
	return staged, err
}

func takeOut(ctx context.Context, name, version string, staging http.RoundTripper) (v1.Image, error) {
	r, err := registry.Open(stagingHost+"/"+name,
		registry.WithTransport(staging), registry.WithPlainHTTP(true), registry.WithKeychain(authn.NewMultiKeychain()))
	if err != nil {
		return nil, err
	}
	var descriptor *remote.Descriptor
	if descriptor, err = r.Get(ctx, version); err != nil {
		return nil, err
	}
	return descriptor.Image()
}

// inMemory gives requests to a handler in this process.
type inMemory struct{ handler http.Handler }

func (m inMemory) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r = r.Clone(r.Context())
		r.Body = http.NoBody
	}
	a := &answer{header: http.Header{}}
	m.handler.ServeHTTP(a, r)
	if err := r.Body.Close(); err != nil {
		return nil, err
	}
	a.WriteHeader(http.StatusOK)
	return &http.Response{
		Status: http.StatusText(a.status), StatusCode: a.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: a.header, Body: io.NopCloser(&a.body), ContentLength: a.length(r.Method), Request: r,
	}, nil
}

// answer is written by a handler.
type answer struct {
	status int
	header http.Header
	body   bytes.Buffer
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(p)
}

// length of the body; -1 where it is not known, as for HEAD.
func (a *answer) length(method string) int64 {
	var length int64
	if _, err := fmt.Sscan(a.header.Get("Content-Length"), &length); err == nil {
		return length
	}
	if method == http.MethodHead {
		return -1
	}
	return int64(a.body.Len())
}
