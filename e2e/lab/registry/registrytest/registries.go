package registrytest

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/pablodelarco/opennebula-helm/e2e/lab/process"
)

// Start serves go-containerregistry's registry, in memory and without the referrers
// API unless options say otherwise, until the test ends.
func Start(t testing.TB, options ...registry.Option) *Faults {
	quiet := registry.Logger(log.New(io.Discard, "", 0))
	return serve(t, pagedTags(wholeManifests(registry.New(append([]registry.Option{quiet}, options...)...))))
}

// Distribution is Debian's docker-registry as a process of its own.
type Distribution struct {
	*Faults        // before it; its Address is the one to be used
	Dir     string // where it keeps blobs and manifests, as docker/registry/v2/…
	Direct  string // HOST:PORT past Faults, for benchmarks
}

// StartDistribution runs Debian's docker-registry (distribution 2.8, without the
// referrers API) until the test ends. It skips the test where that is not installed.
func StartDistribution(t testing.TB) *Distribution {
	program, err := exec.LookPath("docker-registry")
	if err != nil {
		t.Skip("docker-registry is not there; apt-get install docker-registry")
	}
	d := &Distribution{Dir: t.TempDir(), Direct: freeAddress(t)}
	config := filepath.Join(t.TempDir(), "config.yml")
	content := fmt.Sprintf(distributionConfig, d.Dir, d.Direct)
	if err := os.WriteFile(config, []byte(content), 0o600); err != nil {
		t.Fatal("write the registry's configuration: ", err)
	}
	running, err := process.Start(filepath.Dir(config), "docker-registry", exec.Command(program, "serve", config))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { running.Stop(5 * time.Second) })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := running.Ready(ctx, d.answers); err != nil {
		t.Fatal(err)
	}
	d.Faults = serve(t, d.proxy())
	return d
}

// The keys that are not in it have defaults that serve a test well.
const distributionConfig = `version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage:
  filesystem: {rootdirectory: %q}
  maintenance: {uploadpurging: {enabled: false}}
http: {addr: %q}
`

func (d *Distribution) answers(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+d.Direct+"/v2/", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	return response.Body.Close()
}

// proxy keeps the Host that was asked for: where uploads go on is named by it.
func (d *Distribution) proxy() http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: d.Direct})
			r.Out.Host = r.In.Host
		},
		ErrorLog: log.New(io.Discard, "", 0),
	}
}

func serve(t testing.TB, handler http.Handler) *Faults {
	faults := NewFaults(handler)
	server := httptest.NewServer(faults)
	t.Cleanup(server.Close)
	faults.address = strings.TrimPrefix(server.URL, "http://")
	return faults
}

// freeAddress is free now; who takes it in between makes the test fail.
func freeAddress(t testing.TB) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal("find a free port: ", err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal("free a port: ", err)
	}
	return listener.Addr().String()
}
