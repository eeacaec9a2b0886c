package test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pablodelarco/opennebula-helm/e2e/frontend"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/container"
)

// services stay; each is asked by its probe. Those before oned are what it needs.
var services = []string{"ssh-agent", "sshd", "oned", "fireedge", "oneflow", "onegate", "guacd", "proxy", "exporter"}

// without a probe
var quiet = []string{"onehem", "timers"}

// cloud is a whole front-end, running.
func (d *deployment) cloud() map[string]*container.Container {
	d.t.Helper()
	d.succeed("bootstrap")
	running := map[string]*container.Container{}
	for _, role := range services {
		running[role] = d.start(role)
	}
	for _, role := range quiet {
		running[role] = d.startQuiet(role)
	}
	return running
}

func TestRolesAfterKill(t *testing.T) {
	d := newDeployment(t, version())
	running := d.cloud()
	c := d.fill()
	for _, role := range append(services, quiet...) {
		t.Run(role, func(t *testing.T) {
			killMain(t, running[role])
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			result, err := running[role].Wait(ctx)
			require.NoError(t, err)
			assert.Equal(t, 128+int(syscall.SIGKILL), result.Code, "the role's own exit code")
			running[role] = d.startAgain(role)
			d.requireContent(c)
		})
	}
}

func (d *deployment) startAgain(role string) *container.Container {
	if slices.Contains(quiet, role) {
		return d.startQuiet(role)
	}
	return d.start(role)
}

// startQuiet starts a role without a probe: it must at least not end at once.
func (d *deployment) startQuiet(role string) *container.Container {
	d.t.Helper()
	c, err := d.pod.Start(d.spec(role))
	require.NoError(d.t, err)
	time.Sleep(3 * time.Second)
	require.True(d.t, c.Running(), c.Log())
	return c
}

// killMain kills the role's own process, the first after the one that reaps.
func killMain(t *testing.T, c *container.Container) {
	t.Helper()
	processes, err := c.Processes()
	require.NoError(t, err)
	require.Greater(t, len(processes), 1)
	require.Contains(t, processes[0].Command, "tini")
	require.NoError(t, syscall.Kill(processes[1].PID, syscall.SIGKILL))
}

func TestRolesStopCleanly(t *testing.T) {
	d := newDeployment(t, version())
	running := d.cloud()
	c := d.fill()
	for _, role := range []string{"exporter", "proxy", "timers", "onehem", "guacd", "onegate", "oneflow", "fireedge", "oned", "sshd", "ssh-agent"} {
		t.Run(role, func(t *testing.T) {
			require.NoError(t, running[role].Signal(syscall.SIGTERM))
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			_, err := running[role].Wait(ctx)
			require.NoError(t, err, "a node waits no longer")
		})
	}
	d.newPod()
	d.succeed("bootstrap")
	d.startOned()
	d.requireContent(c)
}

// Children whose parents have gone must not stay as zombies.
func TestOrphansAreReaped(t *testing.T) {
	d := newDeployment(t, version())
	d.succeed("bootstrap")
	agent := d.start("ssh-agent")
	_, err := agent.Exec(t.Context(), "sh", "-c", "sh -c 'sleep 1 & exit' &")
	require.NoError(t, err)
	time.Sleep(3 * time.Second)
	processes, err := agent.Processes()
	require.NoError(t, err)
	for _, p := range processes {
		assert.NotEmpty(t, p.Command, "a zombie, process %d", p.PID)
	}
}

// What everybody on the node can read must not hold a secret.
func TestSecretsStayHidden(t *testing.T) {
	d := newDeployment(t, version())
	d.useServer()
	for role, c := range d.cloud() {
		processes, err := c.Processes()
		require.NoError(t, err)
		for _, p := range processes {
			requireNoSecret(t, role+"'s arguments", p.Command)
			requireNoSecret(t, role+"'s environment", environment(p.PID))
		}
		requireNoSecret(t, role+"'s log", c.Log())
	}
}

func requireNoSecret(t *testing.T, where, text string) {
	t.Helper()
	for _, secret := range []string{password, databasePassword} {
		assert.NotContains(t, text, secret, "%s", where)
	}
}

func TestTimers(t *testing.T) {
	d := newDeployment(t, version())
	running := d.cloud()
	require.NoError(t, eventually(t, time.Minute, func() error { return logged(running["timers"], "showback") }))
	d.succeed("ssh-socks-cleaner")
	d.succeed("showback")
	long := strings.Repeat("a line\n", 100_000)
	d.write("log", "long.log", strings.Repeat(long, 100)) // 67 MiB
	d.write("log", "short.log", long)
	require.NoError(t, eventually(t, time.Minute, func() error { return logged(running["timers"], "/var/log/one/long.log was cut") }))
	assert.FileExists(t, d.path("log", "long.log.1"))
	assert.FileExists(t, d.path("log", "short.log"))
	assert.NoFileExists(t, d.path("log", "short.log.1"))

	d.env["ONE_SHOWBACK_HOURS"] = "daily"
	d.refuse(`ONE_SHOWBACK_HOURS is "daily"; give a whole number, 0 or more`, "timers")
	delete(d.env, "ONE_SHOWBACK_HOURS")
	d.env["ONE_LOG_MIB"] = "0"
	d.refuse(`ONE_LOG_MIB is "0"; give a whole number, 1 or more`, "timers")
}

func TestProbeUsage(t *testing.T) {
	d := newDeployment(t, version())
	result := d.run("probe", "everything")
	assert.Equal(t, 2, result.Code)
	assert.True(t, strings.HasPrefix(result.Output, "usage: opennebula-frontend probe"), result.Output)
	for _, role := range services {
		assert.NotZero(t, d.run("probe", role).Code, "nothing runs: %s", role)
	}
}

// oned logs in to a host by SSH, with the agent's key, and copies the drivers there.
// The host is the front-end itself, and its virtual machines a driver's fancy.
func TestHostIsMonitored(t *testing.T) {
	d := newDeployment(t, version())
	d.useDummies()
	d.cloud()
	host := d.createHost(hostname)
	require.NoError(t, eventually(t, time.Minute, func() error { return d.monitored(host) }))
}

func (d *deployment) monitored(host int64) error {
	state, err := d.api("oneadmin", password).HostState(host)
	if err == nil && state != frontend.HostMonitored {
		err = fmt.Errorf("the host is in state %d", state)
	}
	return err
}
