package test

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pablodelarco/opennebula-helm/e2e/lab/container"
)

// job is another pod beside the front-end's: /etc/one and /tmp are its own. Of the
// front-end's volumes it has those that are named, and cannot change them.
type job struct {
	*deployment
	folder string
	shared []string
}

func (d *deployment) job(shared ...string) *job {
	d.t.Helper()
	j := &job{d, d.t.TempDir(), shared}
	require.NoError(d.t, os.Chmod(j.folder, 0o755))
	for _, name := range []string{"etc", "tmp", "backups"} {
		require.NoError(d.t, os.Mkdir(j.path(name), 0o770))
		require.NoError(d.t, os.Chown(j.path(name), oneadmin, oneadmin))
	}
	return j
}

// path of a file of its own volumes, on this machine.
func (j *job) path(name string) string { return j.folder + "/" + name }

func (j *job) run(args ...string) container.Result {
	j.t.Helper()
	s := j.spec(args...)
	s.Mounts = []container.Mount{
		{Source: j.deployment.path("config"), Destination: volumes["config"], ReadOnly: true},
		{Source: j.path("etc"), Destination: volumes["etc"]},
		{Source: j.path("tmp"), Destination: volumes["tmp"]},
		{Source: j.path("backups"), Destination: "/mnt"},
	}
	for _, name := range j.shared {
		s.Mounts = append(s.Mounts, container.Mount{Source: j.deployment.path(name), Destination: volumes[name], ReadOnly: true})
	}
	return j.runSpec(s)
}

func (j *job) succeed(args ...string) string {
	j.t.Helper()
	result := j.run(args...)
	require.Zero(j.t, result.Code, "%s said: %s", args, result.Output)
	return result.Output
}

func TestConfigure(t *testing.T) {
	onEach(t, version(), func(t *testing.T, d *deployment) {
		d.write("config", "oned.conf", "PORT = 2633\n")
		d.succeed("bootstrap")
		j := d.job("secrets")
		delete(d.env, "ONEADMIN_PASSWORD_FILE") // what bootstrap alone needs
		delete(d.env, "ONE_SSH_DIR")
		assert.Contains(t, j.succeed("configure"), "configure: /etc/one is written for OpenNebula "+version())
		said, err := exec.Command("diff", "--recursive", d.path("etc"), j.path("etc")).CombinedOutput()
		require.NoError(t, err, "what bootstrap wrote, and what configure wrote: %s", said)
		j.succeed("configure") // a second time
	})
}

func TestConfigureRefuses(t *testing.T) {
	d := newDeployment(t, version())
	j := d.job()
	d.env["ONE_HOSTNAME"] = "front end"
	result := j.run("configure")
	assert.NotZero(t, result.Code)
	assert.Contains(t, result.Output, `configure: ONE_HOSTNAME is "front end"; it must be a host name`)
	assert.NoFileExists(t, j.path("etc/.bootstrapped"))

	require.NoError(t, os.Chown(j.path("etc"), 0, 0))
	result = j.run("configure")
	assert.NotZero(t, result.Code)
	assert.Contains(t, result.Output, "configure: /etc/one is not writable for uid 9869")
}
