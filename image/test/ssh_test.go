package test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pablodelarco/opennebula-helm/e2e/lab/container"
)

// login to the front-end by the name that drivers use, as they do: with upstream's
// ssh, the agent's key, and no host key that is not known.
func (d *deployment) login() container.Result {
	d.t.Helper()
	s := d.spec()
	s.Env = append(s.Env, "SSH_AUTH_SOCK=/run/one/ssh-agent.sock")
	s.Entrypoint = []string{"bash", "-euc", "mkdir -p /run/one/ssh-socks; /usr/lib/one/sh/override/ssh -o BatchMode=yes -o StrictHostKeyChecking=yes " + hostname + ` 'echo logged in to "$SSH_CONNECTION"'`}
	return d.runSpec(s)
}

func TestSSHPorts(t *testing.T) {
	d := newDeployment(t, version())
	d.env["ONE_SSHD_PORT"], d.env["ONE_SSH_PORT"] = "2200", "2200"
	d.succeed("bootstrap")
	d.start("ssh-agent")
	d.start("sshd")
	result := d.login()
	require.Zero(t, result.Code, result.Output)
	assert.Regexp(t, `logged in to 127\.0\.0\.1 \d+ 127\.0\.0\.1 2200`, result.Output)

	d.env["ONE_SSHD_PORT"] = "2222"
	assert.Contains(t, d.run("probe", "sshd").Output, "sshd does not listen on port 2222")
	d.env["ONE_SSHD_PORT"] = "22"
	d.refuse(`ONE_SSHD_PORT is "22"; give a whole number, from 1024 to 65535`, "sshd")
}

// The drivers give up on a hypervisor that is gone, unless the administrator has them wait.
func TestSSHPatience(t *testing.T) {
	d := newDeployment(t, version())
	d.succeed("bootstrap")
	patience := func() string {
		s := d.spec()
		s.Entrypoint = []string{"bash", "-euc", "ssh -G hypervisor | grep ^connecttimeout"}
		return d.runSpec(s).Output
	}
	assert.Contains(t, patience(), "connecttimeout 15\n")
	d.write("data", ".ssh/config", "Host *\n  ConnectTimeout 60\n")
	d.give(0)
	assert.Contains(t, patience(), "connecttimeout 60\n")
}

// What the administrator has in the configuration stays, and comes after ours.
func TestSSHPortChanges(t *testing.T) {
	d := newDeployment(t, version())
	const own = "Host hypervisor\n  Port 2022\n"
	d.write("data", ".ssh/config", own)
	d.give(0)
	d.succeed("bootstrap")
	assert.Equal(t, own, d.read(".ssh/config"), "nothing is to add")
	for _, port := range []string{"2200", "30022"} {
		d.env["ONE_SSH_PORT"] = port
		d.succeed("bootstrap")
		assert.Equal(t, "Include /var/lib/one/.ssh/config.frontend\n"+own, d.read(".ssh/config"))
		assert.Equal(t, "Host frontend\n  Port "+port+"\n", d.read(".ssh/config.frontend"))
		d.requireKnown("[frontend]:" + port)
	}
	delete(d.env, "ONE_SSH_PORT")
	d.succeed("bootstrap")
	assert.NoFileExists(t, d.path("data", ".ssh/config.frontend"))
	d.requireKnown("frontend")
}

// requireKnown: the one host key that is known is the front-end's, under this name.
func (d *deployment) requireKnown(name string) {
	d.t.Helper()
	known := d.read(".ssh/known_hosts")
	assert.True(d.t, strings.HasPrefix(known, name+" ssh-ed25519 "), known)
	assert.Equal(d.t, 1, strings.Count(known, "\n"), known)
}
