package test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/pablodelarco/opennebula-helm/e2e/frontend"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/container"
)

const (
	oneadmin = 9869
	hostname = "frontend"
	password = "a-first-password"
)

// deployment is the volumes and settings of one front-end: what a pod of the chart
// has. Each of its roles runs under the chart's restrictions.
type deployment struct {
	t       *testing.T
	pod     *container.Pod
	root    *container.Root
	version string
	folder  string
	env     map[string]string
	server  *container.Container // of the database; nil with SQLite
	signer  *authority           // of the server's certificate; nil where it has no TLS
	mapped  bool                 // its containers run in a user namespace
}

// volumes of the pod, and where they are mounted.
var volumes = map[string]string{
	"data": "/var/lib/one", "run": "/run/one", "lock": "/run/lock/one", "etc": "/etc/one",
	"log": "/var/log/one", "tmp": "/tmp", "vartmp": "/var/tmp",
	"config": "/etc/opennebula", "cloud": "/etc/opennebula-cloud", "secrets": "/run/secrets/one",
}

// newDeployment is a front-end on SQLite with new volumes.
func newDeployment(t *testing.T, version string) *deployment {
	t.Helper()
	root := rootOf(t, version)
	d := &deployment{t: t, root: root, version: version, folder: t.TempDir(), env: map[string]string{
		"ONE_HOSTNAME":           hostname,
		"ONEADMIN_PASSWORD_FILE": "/run/secrets/one/password",
		"ONE_SSH_DIR":            "/run/secrets/one",
	}}
	for _, folder := range []string{d.folder, filepath.Dir(d.folder), shared.state} {
		require.NoError(t, os.Chmod(folder, 0o755)) // mapped users pass through it
	}
	for name := range volumes {
		d.newVolume(name)
	}
	d.write("secrets", "password", password+"\n")
	d.write("secrets", "ssh-privatekey", newKey(t))
	d.write("secrets", "ssh-host-key", newKey(t))
	require.NoError(t, os.WriteFile(filepath.Join(d.folder, "hosts"), []byte("127.0.0.1 localhost "+hostname+" "+podName(t)+"\n"), 0o644))
	pod, err := container.NewPod(podName(t), filepath.Join(d.folder, "containers"))
	require.NoError(t, err)
	d.pod = pod
	t.Cleanup(func() {
		pod.Stop()
		d.keepLogs()
	})
	return d
}

// podName is unique among the tests that run at a time.
func podName(t *testing.T) string {
	return strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(t.Name()))
}

// newVolume makes a volume, empty and oneadmin's, in place of what was there.
func (d *deployment) newVolume(name string) {
	d.t.Helper()
	path := d.path(name)
	require.NoError(d.t, os.RemoveAll(path))
	require.NoError(d.t, os.Mkdir(path, 0o770))
	require.NoError(d.t, os.Chown(path, oneadmin, oneadmin))
}

// newPod forgets what does not outlive a pod.
func (d *deployment) newPod() {
	for _, name := range []string{"run", "lock", "etc", "log", "tmp", "vartmp"} {
		d.newVolume(name)
	}
}

// useDummies lets oned have hosts of its dummy drivers.
func (d *deployment) useDummies() {
	d.t.Helper()
	for name, fragment := range frontend.Values()["config"].(map[string]any) {
		d.write("config", name, fragment.(string))
	}
}

// path of a volume, or of a file in it, on this machine.
func (d *deployment) path(volume string, elements ...string) string {
	return filepath.Join(append([]string{d.folder, volume}, elements...)...)
}

func (d *deployment) write(volume, name, content string) {
	d.t.Helper()
	path := d.path(volume, name)
	require.NoError(d.t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(d.t, os.WriteFile(path, []byte(content), 0o640))
	require.NoError(d.t, os.Chown(path, oneadmin, oneadmin))
}

// read a file of /var/lib/one.
func (d *deployment) read(name string) string {
	d.t.Helper()
	content, err := os.ReadFile(d.path("data", name))
	require.NoError(d.t, err)
	return string(content)
}

// give hands all volumes to another owner, by the distance from oneadmin.
func (d *deployment) give(distance int) {
	for name := range volumes {
		require.NoError(d.t, filepath.WalkDir(d.path(name), func(path string, _ fs.DirEntry, err error) error {
			return errors.Join(err, os.Lchown(path, distance+oneadmin, distance+oneadmin))
		}))
	}
}

// spec of a container of the image; args are the role and its arguments.
func (d *deployment) spec(args ...string) container.Spec {
	s := container.Spec{Root: d.root, Args: args, Mapped: d.mapped}
	for name, value := range d.env {
		s.Env = append(s.Env, name+"="+value)
	}
	for name, destination := range volumes {
		s.Mounts = append(s.Mounts, container.Mount{Source: d.path(name), Destination: destination, ReadOnly: name == "config" || name == "cloud" || name == "secrets"})
	}
	s.Mounts = append(s.Mounts, container.Mount{Source: filepath.Join(d.folder, "hosts"), Destination: "/etc/hosts", ReadOnly: true})
	return s
}

// run a role to its end.
func (d *deployment) run(args ...string) container.Result {
	d.t.Helper()
	return d.runSpec(d.spec(args...))
}

func (d *deployment) runSpec(s container.Spec) container.Result {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), 5*time.Minute)
	defer cancel()
	result, err := d.pod.Run(ctx, s)
	require.NoError(d.t, err)
	return result
}

// succeed runs a role that must end well, and returns what it said.
func (d *deployment) succeed(args ...string) string {
	d.t.Helper()
	result := d.run(args...)
	require.Zero(d.t, result.Code, "%s said: %s", args, result.Output)
	return result.Output
}

// refuse runs a role that must fail, and say so.
func (d *deployment) refuse(said string, args ...string) string {
	d.t.Helper()
	result := d.run(args...)
	require.NotZero(d.t, result.Code, "%s was to fail; it said: %s", args, result.Output)
	require.Contains(d.t, result.Output, said)
	return result.Output
}

// start a role that stays, and wait until its probe is content.
func (d *deployment) start(role string) *container.Container {
	d.t.Helper()
	c, err := d.pod.Start(d.spec(role))
	require.NoError(d.t, err)
	d.waitFor(c, role)
	return c
}

func (d *deployment) waitFor(c *container.Container, role string) {
	d.t.Helper()
	require.NoError(d.t, eventually(d.t, 2*time.Minute, func() error {
		if !c.Running() {
			require.Fail(d.t, role+" ended", c.Log())
		}
		return d.probe(c, role)
	}))
}

func (d *deployment) probe(c *container.Container, role string) error {
	result, err := d.ask(c, "probe", role)
	if err == nil && result.Code != 0 {
		err = fmt.Errorf("%s is not ready: %s; it said: %s", role, result.Output, c.Log())
	}
	return err
}

// ask runs a role in a running container, or beside it: runc cannot enter a user
// namespace whose network is the pod's.
func (d *deployment) ask(c *container.Container, args ...string) (container.Result, error) {
	if d.mapped {
		return d.pod.Run(d.t.Context(), d.spec(args...))
	}
	return c.Exec(d.t.Context(), append([]string{"opennebula-frontend"}, args...)...)
}

// startOned starts what oned needs, and oned.
func (d *deployment) startOned() (oned, agent *container.Container) {
	d.t.Helper()
	agent = d.start("ssh-agent")
	return d.start("oned"), agent
}

// stop a role as a node does.
func (d *deployment) stop(containers ...*container.Container) {
	d.t.Helper()
	for _, c := range containers {
		require.NoError(d.t, c.Signal(syscall.SIGTERM))
		ctx, cancel := context.WithTimeout(d.t.Context(), 20*time.Second)
		_, err := c.Wait(ctx)
		cancel()
		require.NoError(d.t, err)
	}
}

// api of the running oned.
func (d *deployment) api(username, password string) *frontend.API {
	d.t.Helper()
	transport := &http.Transport{DialContext: d.pod.Dial, DisableKeepAlives: true, ResponseHeaderTimeout: time.Minute}
	api, err := frontend.NewAPI("127.0.0.1:2633", username, password, transport)
	require.NoError(d.t, err)
	return api
}

// requireLogin: oneadmin has this password.
func (d *deployment) requireLogin(password string) {
	d.t.Helper()
	name, err := d.api("oneadmin", password).UserName()
	require.NoError(d.t, err)
	require.Equal(d.t, "oneadmin", name)
}

// sql runs a statement on the deployment's database, by the image's own tool.
func (d *deployment) sql(statement string) string {
	d.t.Helper()
	d.write("tmp", "statement.sql", statement)
	s := d.spec()
	s.Entrypoint = []string{"sh", "-c", "/usr/local/lib/opennebula-frontend/sql </tmp/statement.sql"}
	result := d.runSpec(s)
	require.Zero(d.t, result.Code, result.Output)
	return strings.TrimSpace(result.Output)
}

// keepLogs of a failed test where KEEP_LOGS says.
func (d *deployment) keepLogs() {
	folder := os.Getenv("KEEP_LOGS")
	if !d.t.Failed() || folder == "" {
		return
	}
	folder = filepath.Join(folder, podName(d.t))
	assert.NoError(d.t, os.RemoveAll(folder))
	for _, name := range []string{"containers", "log"} {
		assert.NoError(d.t, os.CopyFS(filepath.Join(folder, name), os.DirFS(d.path(name))))
	}
}

func eventually(t *testing.T, limit time.Duration, ask func() error) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	return frontend.Eventually(ctx, ask)
}

func newKey(t *testing.T) string {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	block, err := ssh.MarshalPrivateKey(private, "")
	require.NoError(t, err)
	return string(pem.EncodeToMemory(block))
}

// environment of a process of this machine; of one that has ended it is empty.
func environment(pid int) string {
	content, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	return string(content)
}

// logged: a container has said this.
func logged(c *container.Container, text string) error {
	if !strings.Contains(c.Log(), text) {
		return fmt.Errorf("%q is not in what it said: %s", text, c.Log())
	}
	return nil
}
