package test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var backupName = regexp.MustCompile(`opennebula-[a-z.0-9-]+-\d{8}T\d{6}Z`)

// backup while oned runs, and return the backup's name.
func (d *deployment) backup() string {
	d.t.Helper()
	said := d.succeed("backup")
	_, wrote, _ := strings.Cut(said, "wrote ")
	name := backupName.FindString(wrote)
	require.NotEmpty(d.t, name, said)
	return name
}

func TestRestore(t *testing.T) {
	onEach(t, version(), func(t *testing.T, d *deployment) {
		d.succeed("bootstrap")
		oned, agent := d.startOned()
		c := d.fill()
		name := d.backup()
		later, err := d.api("oneadmin", password).CreateTemplate("NAME = later")
		require.NoError(t, err)
		d.stop(oned, agent)

		d.refuse("the database is not empty: give --force", "restore", name)
		said := d.succeed("restore", "--force", name)
		assert.Contains(t, said, "what was there is in /var/lib/one/backups/database/opennebula-before-restore-")
		d.startOned()
		d.requireContent(c)
		_, err = d.api("oneadmin", password).TemplateName(later)
		assert.Error(t, err, "what came after the backup")
	})
}

// All is lost but the backup: another volume, another database.
func TestRestoreAfterDisaster(t *testing.T) {
	onEach(t, version(), func(t *testing.T, d *deployment) {
		d.succeed("bootstrap")
		oned, agent := d.startOned()
		c := d.fill()
		name := d.backup()
		key := d.read(".one/one_key")
		d.stop(oned, agent)
		saved := t.TempDir()
		require.NoError(t, os.CopyFS(saved, os.DirFS(d.path("data", "backups/database", name))))

		d.newVolume("data")
		if d.server != nil {
			d.newDatabase()
		}
		d.newPod()
		d.succeed("bootstrap")
		require.NoError(t, os.MkdirAll(d.path("data", "backups/database"), 0o755))
		require.NoError(t, os.CopyFS(d.path("data", "backups/database", name), os.DirFS(saved)))
		d.give(0)
		d.env["ONE_RESTORE"] = name
		d.succeed("restore")
		d.startOned()
		d.requireContent(c)
		assert.Equal(t, key, d.read(".one/one_key"))
		d.requireServices()
	})
}

// An init container asks for the same backup at each start of its pod.
func TestRestoreOnce(t *testing.T) {
	onEach(t, version(), func(t *testing.T, d *deployment) {
		d.succeed("bootstrap")
		oned, agent := d.startOned()
		c := d.fill()
		name := d.backup()
		d.stop(oned, agent)

		d.env["ONE_RESTORE"], d.env["ONE_RESTORE_ONCE"] = name, "yes"
		d.refuse("the database is not empty: give --force", "restore")
		d.env["ONE_RESTORE_FORCE"] = "yes"
		assert.Contains(t, d.succeed("restore"), "restore: restored /var/lib/one/backups/database/"+name)
		oned, agent = d.startOned()
		later, err := d.api("oneadmin", password).CreateTemplate("NAME = later")
		require.NoError(t, err)
		d.stop(oned, agent)

		d.newPod()
		d.succeed("bootstrap")
		require.NoError(t, os.RemoveAll(d.path("data", "backups/database", name)))
		assert.Contains(t, d.succeed("restore"), name+" is restored already: nothing to do")
		delete(d.env, "ONE_RESTORE_ONCE")
		assert.Contains(t, d.succeed("restore", "--once", "/elsewhere/"+name), name+" is restored already: nothing to do")
		d.refuse("there is no backup /var/lib/one/backups/database/"+name+"; there are: opennebula-before-restore-", "restore")
		d.startOned()
		d.requireContent(c)
		_, err = d.api("oneadmin", password).TemplateName(later)
		assert.NoError(t, err, "what came after the restore")
	})
}

// Killed while it fills the database, it begins again, and asks nobody for force.
func TestRestoreIsKilled(t *testing.T) {
	onEach(t, version(), func(t *testing.T, d *deployment) {
		d.succeed("bootstrap")
		oned, agent := d.startOned()
		c := d.fill()
		name := d.backup()
		d.stop(oned, agent)
		d.sql("DROP TABLE host_pool;") // as if the rest had not come yet
		d.write("data", ".opennebula-frontend/migrating", "/var/lib/one/backups/database/"+name+"\n")
		d.write("data", ".one/one_key", "another")

		agent = d.start("ssh-agent")
		d.refuse("a migration or restore of the database was broken off: run the role migrate", "oned")
		said := d.succeed("restore", name)
		assert.NotContains(t, said, "what was there")
		assert.Contains(t, said, "restored one_key")
		d.start("oned")
		d.requireContent(c)
		assert.True(t, agent.Running())
	})
}

func TestRetention(t *testing.T) {
	d := newDeployment(t, version())
	d.filled()
	d.env["ONE_BACKUP_KEEP"] = "2"
	var names []string
	for range 3 {
		names = append(names, d.backup())
		time.Sleep(time.Second) // which the names tell
	}
	assert.NoDirExists(t, d.path("data", "backups/database", names[0]))
	assert.DirExists(t, d.path("data", "backups/database", names[1]))
	assert.DirExists(t, d.path("data", "backups/database", names[2]))
}

func TestRestoreRefuses(t *testing.T) {
	d := newDeployment(t, version())
	d.succeed("bootstrap")
	d.refuse("the database is empty: there is nothing to back up", "backup")
	d.refuse("which backup? give one of: none", "restore")
	d.refuse("there is no option --twice; there are --force and --once", "restore", "--twice")
	for _, name := range []string{"ONE_RESTORE_FORCE", "ONE_RESTORE_ONCE"} {
		d.env[name] = "maybe"
		d.refuse(name+` is "maybe"; it can be no or yes`, "restore")
		delete(d.env, name)
	}
	oned, agent := d.startOned()
	name := d.backup()
	dump := d.path("data", "backups/database", name, "database.sql.gz")

	d.refuse("there is no backup /var/lib/one/backups/database/nothing; there are: "+name, "restore", "nothing")
	d.stop(oned, agent)
	before := d.dump()
	content, err := os.ReadFile(dump)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(dump, append([]byte("x"), content...), 0o600))
	d.refuse("is damaged: its checksums do not match", "restore", "--force", name)
	require.NoError(t, os.Remove(filepath.Join(filepath.Dir(dump), "manifest")))
	d.refuse("is not a backup: it has no manifest", "restore", "--force", name)
	assert.Equal(t, before, d.dump())

	d.env["ONE_BACKUP_DIR"] = "/usr/backups"
	d.refuse("ONE_BACKUP_DIR must be writable for uid 9869", "backup")
}

func TestBackupOfAnotherKindIsRefused(t *testing.T) {
	d := newDeployment(t, version())
	d.filled()
	name := d.backup()
	d.useServer()
	d.newPod()
	d.succeed("bootstrap")
	d.refuse("is of a database of the kind sqlite, and this one is mysql", "restore", name)
}
