package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/stretchr/testify/require"

	"github.com/pablodelarco/opennebula-helm/chart"
	"github.com/pablodelarco/opennebula-helm/e2e/frontend"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/cluster"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/images"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/network"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/packages"
	labregistry "github.com/pablodelarco/opennebula-helm/e2e/lab/registry"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/standin"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/tools"
	"github.com/pablodelarco/opennebula-helm/registry"
)

// requireLab skips where the lab cannot be, and fails where it could but lacks
// something.
func requireLab(t *testing.T) program {
	if testing.Short() {
		t.Skip("-short leaves the lab out")
	}
	if os.Geteuid() != 0 {
		t.Skip("the lab needs root")
	}
	return newProgram()
}

// requireNothingLeft looks for what a rehearsal may leave on a machine.
func requireNothingLeft(t *testing.T) {
	_, err := net.InterfaceByName("onelab0")
	require.Error(t, err, "the lab's bridge is gone")
	cache, err := cacheFolder()
	require.NoError(t, err)
	require.NoDirExists(t, runFolder(cache))
	require.NoFileExists(t, lockFile)
	cgroups, err := filepath.Glob("/sys/fs/cgroup/*/opennebula-lab")
	require.NoError(t, err)
	require.Empty(t, cgroups)
	processes, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	for _, process := range processes {
		command, _ := os.ReadFile(process) // it may have ended since
		require.NotContains(t, string(command), runFolder(cache), "the lab's processes are gone")
	}
	mounts, err := os.ReadFile("/proc/mounts")
	require.NoError(t, err)
	require.NotContains(t, string(mounts), cache)
}

// The whole way: rehearsed, kept, used, and taken away.
func TestRehearsal(t *testing.T) {
	p := requireLab(t)
	o := p.run(t, "--keep")
	require.Equal(t, 0, o.code, o.stderr)
	require.Contains(t, o.stdout, "tests passed")
	require.Contains(t, o.stdout, "a second release has nothing to do")

	url := regexp.MustCompile(`Sunstone +(http://\S+)`).FindStringSubmatch(o.stdout)
	require.NotNil(t, url)
	response, err := http.Get(url[1])
	require.NoError(t, err)
	response.Body.Close()
	require.Equal(t, http.StatusOK, response.StatusCode, "it keeps running")
	requireRefusal(t, p.run(t), 1, "a rehearsal is running on this machine", "down")

	o = p.run(t, "down")
	require.Equal(t, 0, o.code, o.stderr)
	requireNothingLeft(t)
	require.Equal(t, 0, p.run(t, "down").code, "a second time is no error")
}

// Ctrl-C while a stage is at work.
func TestInterrupt(t *testing.T) {
	p := requireLab(t)
	for _, at := range []string{"packages", "image"} {
		requireRefusal(t, p.runUntil(t, at), 1, "interrupted")
		requireNothingLeft(t)
	}
}

// A reader that goes away, as head does, is an interruption.
func TestBrokenPipe(t *testing.T) {
	requireLab(t)
	read, write, err := os.Pipe()
	require.NoError(t, err)
	cmd := exec.Command(compiled)
	cmd.Stdout = write
	require.NoError(t, cmd.Start())
	write.Close()
	_, err = read.Read(make([]byte, 1)) // it has begun
	require.NoError(t, err)
	read.Close()
	require.Error(t, cmd.Wait())
	require.Equal(t, 1, cmd.ProcessState.ExitCode(), "it ends by itself, not by the signal")
	requireNothingLeft(t)
}

// A registry that is there already gets what is published, and the lab's cluster
// installs it.
func TestGivenRegistry(t *testing.T) {
	p := requireLab(t)
	r, err := labregistry.Start("127.0.0.1:0", t.TempDir())
	require.NoError(t, err)
	defer r.Stop()
	o := p.runUntil(t, "suite", "--registry="+r.Address()+"/team", "--plain-http")
	requireRefusal(t, o, 1, "interrupted")
	requireNothingLeft(t)

	published, err := registry.Open(r.Address() + "/team/opennebula-frontend")
	require.NoError(t, err)
	tags, err := published.Tags(t.Context())
	require.NoError(t, err)
	version, err := chart.AppVersion(chart.Find("../.."))
	require.NoError(t, err)
	require.Contains(t, tags, version)
	require.Contains(t, o.stdout, "oci://"+r.Address()+"/team/charts/opennebula:")
}

// A cluster that is there already, here the lab's, is left as it was.
func TestGivenCluster(t *testing.T) {
	p := requireLab(t)
	kubeconfig, place := startCluster(t)
	values := filepath.Join(t.TempDir(), "values.yaml")
	require.NoError(t, os.WriteFile(values, []byte("mariadb: {enabled: false} # the database is SQLite\n"), 0o644))

	o := p.run(t, "--kubeconfig="+kubeconfig, "--registry="+place+"/team", "--plain-http", "--values="+values)
	require.Equal(t, 0, o.code, o.stderr)
	require.Contains(t, o.stdout, "tests passed")
	require.NotContains(t, o.stdout, "signed", "nothing is released where others look")
	// Creating it anew shows that nothing was left; having it is then a refusal.
	require.NoError(t, frontend.CreateNamespace(t.Context(), kubeconfig, releaseName))
	requireRefusal(t, p.run(t, "--kubeconfig="+kubeconfig, "--registry="+place+"/team", "--plain-http", "--values="+values),
		1, "has a namespace opennebula already", "remove it")
}

// startCluster starts what a user may have already: a cluster, and a registry that
// it pulls from.
func startCluster(t *testing.T) (kubeconfig, registryAddress string) {
	ctx, state := t.Context(), t.TempDir()
	cache, err := cacheFolder()
	require.NoError(t, err)
	programs := tools.Builder{Source: "../../e2e/lab/tools", Cache: filepath.Join(cache, "programs"), Log: t.Logf}
	folder := func(m tools.Module) string {
		f, err := programs.Build(ctx, m)
		require.NoError(t, err)
		return f
	}
	wire, err := network.New("10.98.1.0/24")
	require.NoError(t, err)
	require.NoError(t, wire.Start(ctx))
	t.Cleanup(func() { wire.Stop(context.Background()) })
	r, err := labregistry.Start(wire.Address(1).String()+":0", filepath.Join(state, "registry"))
	require.NoError(t, err)
	t.Cleanup(r.Stop)
	pause, err := images.PushPause(ctx, r.Address(), filepath.Join(folder(tools.Pause()), "pause"))
	require.NoError(t, err)
	c, err := cluster.Start(ctx, cluster.Config{
		Kubernetes: folder(tools.Kubernetes()), CoreDNS: folder(tools.CoreDNS()), Pause: folder(tools.Pause()),
		State: state, Network: wire, Registry: r.Address(), PauseImage: pause,
	})
	require.NoError(t, err)
	t.Cleanup(c.Stop)
	return c.Kubeconfig(), r.Address()
}

func TestKilled(t *testing.T) {
	p := requireLab(t)
	cmd := exec.Command(compiled)
	out := &watcher{want: "other images", met: func() { _ = cmd.Process.Kill() }}
	cmd.Stdout = out
	require.Error(t, cmd.Run())
	require.Equal(t, syscall.SIGKILL, cmd.ProcessState.Sys().(syscall.WaitStatus).Signal(), out.String())

	require.Equal(t, 0, p.run(t, "down").code)
	requireNothingLeft(t)
}

func TestBadPackages(t *testing.T) {
	p := requireLab(t)
	standins := t.TempDir()
	require.NoError(t, standin.Build(t.Context(), "../../e2e/lab/standin", "7.2.0", standins))
	empty := t.TempDir()
	signed, err := packages.Start(t.Context(), packages.Config{
		Version: "7.2.0", Folder: standins, Address: "127.0.0.1:0", Cache: t.TempDir(), State: t.TempDir(),
	})
	require.NoError(t, err)
	defer signed.Stop()

	for name, test := range map[string]struct {
		args  []string
		words []string
	}{
		"a version that is not there":        {[]string{"--packages=" + standins, "--version=7.9.9"}, []string{"has no opennebula 7.9.9", "7.2.0-1"}},
		"no packages":                        {[]string{"--packages=" + empty}, []string{empty, "holds no .deb files"}},
		"no repository's URL":                {[]string{"--repository=somewhere"}, []string{`"somewhere" is not a repository's URL`}},
		"an unreachable repository":          {[]string{"--repository=http://127.0.0.1:1", "--key=" + newKeyFile(t)}, []string{"http://127.0.0.1:1", "cannot be reached", "check the address"}},
		"an unsigned repository":             {[]string{"--repository=" + unsigned(t), "--key=" + newKeyFile(t)}, []string{"is not signed"}},
		"a repository signed by another key": {[]string{"--repository=" + signed.Repository, "--key=" + newKeyFile(t)}, []string{"is not signed by the key given", "give the key that signs it"}},
		"a key that cannot be read":          {[]string{"--repository=" + unsigned(t), "--key=/nowhere.asc"}, []string{"/nowhere.asc"}},
		"a port in use":                      {[]string{"--registry-port=" + usedPort(t)}, []string{"is in use", "--registry-port"}},
		"another port in use":                {[]string{"--packages-port=" + usedPort(t)}, []string{"is in use", "--packages-port"}},
		"a network in use":                   {[]string{"--network=127.0.0.0/24"}, []string{"127.0.0.0/24 is in use", "--network"}},
		"an image that is not there":         {[]string{"--image=127.0.0.1:1/team/image@sha256:" + strings.Repeat("0", 64)}, []string{"read 127.0.0.1:1/team/image", "correct the name"}},
	} {
		t.Run(name, func(t *testing.T) {
			// Else a browser would be missing first, on a machine that has only run stand-ins.
			args := append([]string{"--without-hypervisor"}, test.args...)
			requireRefusal(t, p.run(t, args...), 1, test.words...)
			requireNothingLeft(t)
		})
	}
}

func TestFullDisk(t *testing.T) {
	p := requireLab(t)
	small := t.TempDir()
	require.NoError(t, syscall.Mount("tmpfs", small, "tmpfs", 0, "size=16m"))
	t.Cleanup(func() { _ = syscall.Unmount(small, 0) })
	p.env = append(p.env, "XDG_CACHE_HOME="+small)
	requireRefusal(t, p.run(t), 1, small, "GB free", "free some space")
	requireNothingLeft(t)
}

func TestWithoutRoot(t *testing.T) {
	requireLab(t)
	// This checkout may lie where only root looks; one beside the command does not.
	checkout := filepath.Dir(compiled)
	require.NoError(t, os.CopyFS(filepath.Join(checkout, "chart"), os.DirFS("../../chart")))
	module, err := os.ReadFile("../../go.mod")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(checkout, "go.mod"), module, 0o644))

	cmd := exec.Command(compiled)
	cmd.Dir = checkout
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	require.Equal(t, 1, cmd.ProcessState.ExitCode())
	require.Contains(t, string(out), "run it as root")
}

// newKeyFile is a key that signs nothing.
func newKeyFile(t *testing.T) string {
	key, err := openpgp.NewEntity("stranger", "", "", nil)
	require.NoError(t, err)
	file, err := os.Create(filepath.Join(t.TempDir(), "key.asc"))
	require.NoError(t, err)
	defer file.Close()
	w, err := armor.Encode(file, openpgp.PublicKeyType, nil)
	require.NoError(t, err)
	require.NoError(t, key.Serialize(w))
	require.NoError(t, w.Close())
	return file.Name()
}

// unsigned serves something that calls itself InRelease.
func unsigned(t *testing.T) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("Suite: stable\n"))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// usedPort is a port on which this test listens, on every address.
func usedPort(t *testing.T) string {
	listener, err := net.Listen("tcp", ":0")
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })
	_, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	return port
}
