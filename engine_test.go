package opennebula

import (
	"context"
	"net"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/chart/loader"

	"github.com/pablodelarco/opennebula-helm/e2e/lab/network"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/packages"
	"github.com/pablodelarco/opennebula-helm/upstream"
	"github.com/pablodelarco/opennebula-helm/upstream/upstreamtest"
)

// Where an engine is reachable, the pipeline runs in it. PIPELINE has the module's own
// arguments, such as mirrors ("--mirror http://mirror.example.org --golang …"); with
// --repositories among them, or where OpenNebula's packages are reachable, all of it is
// tried. Otherwise the lab's stand-ins are packed, which run no virtual machine, so there
// is nothing to release.
func TestPipelineRuns(t *testing.T) {
	p := startPipeline(t)
	t.Run("it has its functions", func(t *testing.T) {
		listed := p.run(t, "functions")
		for _, name := range []string{"versions", "build", "chart", "end-to-end", "release", "propose", "check"} {
			assert.Regexp(t, `(?m)^`+name+` `, listed)
		}
	})
	t.Run("it lints", func(t *testing.T) { p.call(t, "lint") })
	t.Run("it builds an image whose roles start", func(t *testing.T) {
		assert.Contains(t, p.call(t, "build", "--version", engineVersion, "verify"), engineVersion)
	})
	t.Run("it packages the chart", func(t *testing.T) {
		archive := filepath.Join(t.TempDir(), "chart.tgz")
		p.call(t, "--output", archive, "build", "--version", engineVersion, "chart")
		packaged, err := loader.Load(archive)
		require.NoError(t, err)
		assert.Equal(t, "opennebula", packaged.Name())
		assert.Equal(t, engineVersion, packaged.AppVersion())
	})
	t.Run("it plans a release", func(t *testing.T) {
		assert.Regexp(t, "build|nothing to do: ", p.call(t, "release", "--version", engineVersion, "--dry-run"))
	})
	t.Run("it releases once", func(t *testing.T) {
		if !p.real {
			t.Skip("the stand-ins run no virtual machine, and are not released")
		}
		p.call(t, "release", "--version", engineVersion)
		assert.Contains(t, p.call(t, "release", "--version", engineVersion), "nothing to do: ")
	})
}

// engineVersion of OpenNebula is what the pipeline is tried with.
const engineVersion = "7.2.0"

// enginePipeline is the module in an engine, and where its pipeline gets packages from.
type enginePipeline struct {
	arguments []string
	real      bool // OpenNebula's own packages
}

func startPipeline(t *testing.T) *enginePipeline {
	if testing.Short() {
		t.Skip("a run of the pipeline takes its time")
	}
	if _, err := exec.LookPath("dagger"); err != nil {
		t.Skip("there is no dagger command")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "dagger", "core", "version").CombinedOutput(); err != nil {
		t.Skipf("no engine is reachable: %s", strings.TrimSpace(string(out)))
	}
	p := &enginePipeline{arguments: strings.Fields(os.Getenv("PIPELINE")), real: true}
	if !strings.Contains(os.Getenv("PIPELINE"), "--repositories") {
		p.findPackages(t)
	}
	return p
}

// findPackages are OpenNebula's own where those are reachable.
func (p *enginePipeline) findPackages(t *testing.T) {
	own, err := network.Towards(network.Elsewhere) // where containers of this machine reach it
	require.NoError(t, err)
	host := own.String()
	source, err := packages.Start(t.Context(), packages.Config{
		Version: engineVersion, Address: net.JoinHostPort(host, "0"), Standin: "e2e/lab/standin", Cache: t.TempDir(), State: t.TempDir(),
	})
	require.NoError(t, err)
	t.Cleanup(source.Stop)
	if p.real = source.Real; p.real {
		return
	}
	released := upstreamtest.NewGitHub(t, []upstreamtest.Tag{{Name: "release-" + engineVersion, Date: time.Now().AddDate(0, 0, -30)}})
	all := strings.TrimSuffix(source.Repository, "/"+engineVersion+"/"+string(upstream.Debian12))
	p.arguments = append(p.arguments,
		"--repositories", all+"/{version}/{distribution}", "--repository-key", source.Key, "--github-api", serveOn(t, host, released.URL)+"/")
}

// serveOn has a server of this machine's loopback answer on an address of it.
func serveOn(t *testing.T, host, server string) string {
	to, err := url.Parse(server)
	require.NoError(t, err)
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	require.NoError(t, err)
	proxy := httptest.NewUnstartedServer(httputil.NewSingleHostReverseProxy(to))
	_ = proxy.Listener.Close()
	proxy.Listener = listener
	proxy.Start()
	t.Cleanup(proxy.Close)
	return proxy.URL
}

func (p *enginePipeline) call(t *testing.T, words ...string) string {
	return p.run(t, append(append([]string{"call"}, p.arguments...), words...)...)
}

// run returns what it printed for programs; what it printed for people says why it failed.
func (p *enginePipeline) run(t *testing.T, words ...string) string {
	var said strings.Builder
	command := exec.CommandContext(t.Context(), "dagger", append([]string{"--progress=plain"}, words...)...)
	command.Stderr = &said
	out, err := command.Output()
	require.NoError(t, err, said.String())
	return string(out)
}
