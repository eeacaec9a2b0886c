package test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// packaged reads a driver as the image of a release ships it.
func packaged(t *testing.T, version, name string) string {
	t.Helper()
	content, err := os.ReadFile(rootOf(t, version).Path("usr/share/opennebula-frontend/remotes/" + name))
	require.NoError(t, err)
	return string(content)
}

const (
	changes = "vmm/kvm/deploy" // differs between the two releases
	stays   = "vmm/kvm/reboot" // is the same in both
	own     = "hooks/mine"

	changedDrivers = ".opennebula-frontend/drivers-changed" // until the hosts have them
)

func TestRemotesAreUpgraded(t *testing.T) {
	if isReal(older) {
		t.Skip("it tells the stand-ins' files from one another")
	}
	d := newDeployment(t, older)
	d.succeed("bootstrap")
	require.Equal(t, packaged(t, older, changes), d.read("remotes/"+changes))
	assert.NoFileExists(t, d.path("data", changedDrivers), "there is no host yet that could have others")
	d.change(newer)
	assert.FileExists(t, d.path("data", changedDrivers))
	assert.Equal(t, packaged(t, newer, changes), d.read("remotes/"+changes))
	assert.NoFileExists(t, d.path("data", "remotes/vmm/kvm/poll"), "a driver that the release has no more")
	assert.FileExists(t, d.path("data", "remotes/im/kvm-probes.d/host/system/memory_encryption.sh"), "a new one")
	info, err := os.Stat(d.path("data", "remotes/"+changes))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o755), info.Mode().Perm())
	assert.NoDirExists(t, d.path("data", "remotes.packaged-"+newer))
}

func TestOwnRemotesAreKept(t *testing.T) {
	if isReal(older) {
		t.Skip("it tells the stand-ins' files from one another")
	}
	d := newDeployment(t, older)
	d.succeed("bootstrap")
	for _, name := range []string{changes, stays, own} {
		d.write("data", "remotes/"+name, "the administrator's\n")
	}
	require.NoError(t, os.Remove(d.path("data", "remotes/etc/datastore/datastore.conf")))
	d.root = rootOf(t, newer)
	d.newPod()
	d.give(0)
	said := d.succeed("bootstrap")
	assert.Contains(t, said, "remotes: kept 1 of your own where the packaged file changed, too ("+changes+"); compare with /var/lib/one/remotes.packaged-7.2.0")
	for _, name := range []string{changes, stays, own} {
		assert.Equal(t, "the administrator's\n", d.read("remotes/"+name), name)
	}
	assert.Equal(t, packaged(t, newer, changes), d.read("remotes.packaged-7.2.0/"+changes))
	assert.NoFileExists(t, d.path("data", "remotes/etc/datastore/datastore.conf"), "one that the administrator removed")
	assert.NotContains(t, d.succeed("bootstrap"), "remotes:", "a second time there is nothing to do")
}

// Drivers that an upgrade changed are brought to the hosts, of which the front-end itself
// is the one that answers here.
func TestDriversReachHosts(t *testing.T) {
	d := newDeployment(t, version())
	d.env["ONE_SSHD_PORT"], d.env["ONE_SSH_PORT"] = "2200", "2200"
	d.useDummies()
	running := d.cloud()
	d.createHost(hostname)
	d.write("data", changedDrivers, "")
	require.NoError(t, eventually(t, time.Minute, func() error {
		return logged(running["timers"], "all hosts have the drivers of OpenNebula "+version())
	}))
	assert.NoFileExists(t, d.path("data", changedDrivers))
	assert.FileExists(t, d.path("vartmp", "one", stays))

	d.createHost("nowhere.invalid")
	d.write("data", changedDrivers, "")
	d.refuse("not all hosts have the drivers of OpenNebula "+version(), "sync-hosts")
	assert.NoFileExists(t, d.path("data", changedDrivers), "no host is tried again and again")
}

// createHost that is of the dummy drivers, and reached by SSH all the same.
func (d *deployment) createHost(name string) int64 {
	d.t.Helper()
	host, err := d.api("oneadmin", password).CreateHost(name, "dummy", "dummy")
	require.NoError(d.t, err)
	return host
}

// A volume of an installation that was not this image's, such as a machine's.
func TestUnknownRemotesAreSetAside(t *testing.T) {
	d := newDeployment(t, version())
	d.write("data", "remotes/"+own, "the administrator's\n")
	d.give(0)
	said := d.succeed("bootstrap")
	aside := "remotes.before-" + version()
	assert.Contains(t, said, "moved to /var/lib/one/"+aside)
	assert.Equal(t, "the administrator's\n", d.read(filepath.Join(aside, own)))
	assert.FileExists(t, d.path("data", "remotes/scheduler/rank/place"))

	// Broken off before the record was written.
	require.NoError(t, os.Remove(d.path("data", ".opennebula-frontend/remotes")))
	assert.Contains(t, d.succeed("bootstrap"), "moved to /var/lib/one/"+aside+"-2")
	assert.Equal(t, "the administrator's\n", d.read(filepath.Join(aside, own)))
}

// Killed in the middle, it is done again from where it began.
func TestRemotesAfterBrokenUpgrade(t *testing.T) {
	d := newDeployment(t, older)
	d.succeed("bootstrap")
	record := d.read(".opennebula-frontend/remotes")
	d.change(newer)
	d.write("data", ".opennebula-frontend/remotes", record)
	said := d.succeed("bootstrap")
	assert.Contains(t, said, "remotes: drivers of OpenNebula 7.2.0: nothing to change")
}
