package test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestBootstrapOnNewVolume(t *testing.T) {
	onEach(t, version(), func(t *testing.T, d *deployment) {
		said := d.succeed("bootstrap")
		assert.Contains(t, said, "bootstrap: the volume is new")
		d.startOned()
		d.requireLogin(password)
	})
}

func TestBootstrapOnKnownVolume(t *testing.T) {
	onEach(t, version(), func(t *testing.T, d *deployment) {
		d.succeed("bootstrap")
		d.stop(d.startOned())
		services := d.read(".one/sunstone_auth")
		d.newPod()
		said := d.succeed("bootstrap")
		assert.Contains(t, said, "bootstrap: the volume is known")
		oned, _ := d.startOned()
		assert.NotContains(t, oned.Log(), "credentials:", "nothing was to repair")
		assert.Equal(t, services, d.read(".one/sunstone_auth"))
		d.requireLogin(password)
	})
}

// oned itself refuses to start here: the services' credentials are those of another
// database.
func TestEmptyDatabaseWithOldVolume(t *testing.T) {
	onEach(t, version(), func(t *testing.T, d *deployment) {
		d.succeed("bootstrap")
		d.stop(d.startOned())
		services := d.read(".one/sunstone_auth")
		d.loseDatabase()
		d.newPod()
		d.succeed("bootstrap")
		oned, _ := d.startOned()
		assert.Contains(t, oned.Log(), "credentials: the database is empty: removed the credentials of another one")
		assert.NotEqual(t, services, d.read(".one/sunstone_auth"))
		d.requireLogin(password)
		d.requireServices()
	})
}

// A first start that was killed leaves some of the four files.
func TestBrokenOffFirstStart(t *testing.T) {
	onEach(t, version(), func(_ *testing.T, d *deployment) {
		d.succeed("bootstrap")
		d.write("data", ".one/sunstone_auth", "serveradmin:left-over\n")
		d.startOned()
		d.requireLogin(password)
		d.requireServices()
	})
}

func TestOldDatabaseWithEmptyVolume(t *testing.T) {
	onEach(t, version(), func(t *testing.T, d *deployment) {
		d.succeed("bootstrap")
		d.stop(d.startOned())
		database, _ := os.ReadFile(d.path("data", "one.db"))
		d.newVolume("data")
		d.newPod()
		if d.server == nil {
			d.write("data", "one.db", string(database))
		}
		d.succeed("bootstrap")
		oned, _ := d.startOned()
		assert.Contains(t, oned.Log(), "credentials: the services' credentials did not match the database: repaired")
		d.requireLogin(password)
		d.requireServices()
	})
}

// requireServices: OneFlow and OneGate log in to oned as serveradmin.
func (d *deployment) requireServices() {
	d.t.Helper()
	for _, role := range []string{"oneflow", "onegate"} {
		d.start(role)
	}
	assert.Equal(d.t, d.read(".one/oneflow_auth"), d.read(".one/onegate_auth"))
}

func TestChangedPassword(t *testing.T) {
	onEach(t, version(), func(t *testing.T, d *deployment) {
		d.succeed("bootstrap")
		d.stop(d.startOned())
		d.write("secrets", "password", "another&<password>\"'\n")
		d.newPod()
		d.succeed("bootstrap")
		oned, _ := d.startOned()
		assert.Contains(t, oned.Log(), "credentials: changed the password of oneadmin to the one of its Secret")
		assert.NotContains(t, oned.Log(), "another&", "the password itself is in the log")
		d.requireLogin("another&<password>\"'")
		_, err := d.api("oneadmin", password).UserName()
		assert.Error(t, err, "the old password")
	})
}

func TestUserNamespace(t *testing.T) {
	d := newDeployment(t, version())
	d.mapped = true
	d.give(200000)
	d.succeed("bootstrap")
	d.startOned()
	d.requireLogin(password)
	d.start("proxy")
	d.start("exporter")
}

func TestNewKeyReplacesOld(t *testing.T) {
	d := newDeployment(t, version())
	d.succeed("bootstrap")
	file := d.path("data", ".ssh/authorized_keys")
	old := d.read(".ssh/authorized_keys")
	require.NoError(t, os.WriteFile(file, []byte(old+"ssh-ed25519 AAAA the administrator's\n"), 0o600))
	d.write("secrets", "ssh-privatekey", newKey(t))
	d.succeed("bootstrap")
	now := d.read(".ssh/authorized_keys")
	assert.NotContains(t, now, old)
	assert.Contains(t, now, "the administrator's")
}

// What is read-only on purpose, or no business of ours, is none of its errors.
func TestBootstrapLeavesWhatIsOthers(t *testing.T) {
	d := newDeployment(t, version())
	d.succeed("bootstrap")
	d.write("data", ".ssh/id_backup", "a key of the administrator's")
	d.write("data", "datastores/kept", "read-only")
	require.NoError(t, os.Chmod(d.path("data", "datastores/kept"), 0o400))
	require.NoError(t, os.Chmod(d.path("data", ".ssh/id_backup"), 0o400))
	require.NoError(t, os.Mkdir(d.path("data", ".snapshot"), 0o700)) // root's
	d.newPod()
	d.succeed("bootstrap")
	assert.Equal(t, "a key of the administrator's", d.read(".ssh/id_backup"))
}

func TestBootstrapRefuses(t *testing.T) {
	cases := map[string]struct {
		given func(d *deployment)
		said  string
	}{
		"no hostname":     {func(d *deployment) { delete(d.env, "ONE_HOSTNAME") }, "ONE_HOSTNAME is not set: it gives the name by which"},
		"empty hostname":  {func(d *deployment) { d.env["ONE_HOSTNAME"] = "" }, "ONE_HOSTNAME is not set"},
		"SSH port":        {func(d *deployment) { d.env["ONE_SSH_PORT"] = "70000" }, `ONE_SSH_PORT is "70000"; give a whole number, from 1 to 65535`},
		"no password":     {func(d *deployment) { delete(d.env, "ONEADMIN_PASSWORD_FILE") }, "ONEADMIN_PASSWORD_FILE is not set"},
		"missing file":    {func(d *deployment) { d.env["ONEADMIN_PASSWORD_FILE"] = "/nowhere" }, "/nowhere is missing: it holds oneadmin's password"},
		"a folder":        {func(d *deployment) { d.env["ONEADMIN_PASSWORD_FILE"] = "/tmp" }, "/tmp cannot be read by uid 9869"},
		"empty password":  {func(d *deployment) { d.write("secrets", "password", "") }, "password is empty"},
		"only line break": {func(d *deployment) { d.write("secrets", "password", "\n") }, "password is empty"},
		"two lines":       {func(d *deployment) { d.write("secrets", "password", "a\nb\n") }, "has a space or a line break in it"},
		"not readable":    {func(d *deployment) { d.takeAway("secrets/password") }, "password cannot be read by uid 9869"},
		"no SSH folder":   {func(d *deployment) { delete(d.env, "ONE_SSH_DIR") }, "ONE_SSH_DIR is not set"},
		"no SSH key":      {func(d *deployment) { d.remove("secrets/ssh-privatekey") }, "ssh-privatekey is missing: it holds oneadmin's SSH key"},
		"broken SSH key":  {func(d *deployment) { d.write("secrets", "ssh-privatekey", "no key") }, "ssh-privatekey is not a private key without a passphrase"},
		"broken host key": {func(d *deployment) { d.write("secrets", "ssh-host-key", "no key") }, "ssh-host-key is not a private key without a passphrase"},
		"wrong owner":     {func(d *deployment) { d.takeAway("data") }, "/var/lib/one is not writable for uid 9869"},
		"wrong file":      {func(d *deployment) { d.write("data", "one.db", ""); d.takeAway("data/one.db") }, "/var/lib/one/one.db belongs to 0:0 and uid 9869 cannot use it: change the owner of the whole volume with chown -R 9869:9869"},
		"wrong fragment":  {func(d *deployment) { d.write("config", "oned.conf", "NO_SUCH_KEY = 1\n") }, "/etc/opennebula/oned.conf, line 1: NO_SUCH_KEY is not a key of"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			d := newDeployment(t, version())
			c.given(d)
			said := d.refuse(c.said, "bootstrap")
			assert.NotContains(t, said, password)
			assert.NoFileExists(t, d.path("etc", ".bootstrapped"))
		})
	}
}

// takeAway gives a file or folder to root alone.
func (d *deployment) takeAway(name string) {
	require.NoError(d.t, os.Chown(filepath.Join(d.folder, name), 0, 0))
	require.NoError(d.t, os.Chmod(filepath.Join(d.folder, name), 0o700))
}

func (d *deployment) remove(name string) {
	require.NoError(d.t, os.Remove(filepath.Join(d.folder, name)))
}

func TestRolesNeedBootstrap(t *testing.T) {
	d := newDeployment(t, version())
	for _, role := range []string{"oned", "fireedge", "oneflow", "onegate", "onehem", "sshd", "ssh-agent", "guacd", "migrate", "restore", "timers", "showback", "sync-hosts"} {
		d.refuse("run the role bootstrap first", role)
	}
}

func TestUnknownRole(t *testing.T) {
	d := newDeployment(t, version())
	said := d.refuse(`there is no role "scheduler"`, "scheduler")
	assert.Contains(t, said, "oned")
}
