package test

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pablodelarco/opennebula-helm/e2e/lab/container"
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

// What cannot be read may be all that there is: it is not taken for nothing.
func TestRestoreOverDamage(t *testing.T) {
	d := newDeployment(t, version())
	d.succeed("bootstrap")
	oned, agent := d.startOned()
	c := d.fill()
	name := d.backup()
	d.stop(oned, agent)

	d.write("data", "one.db", "no database")
	d.refuse("the database cannot be read: give --force", "restore", name)
	assert.Equal(t, "no database", d.read("one.db"))
	assert.Contains(t, d.succeed("restore", "--force", name), "what was there cannot be read, and is in /var/lib/one/one.db.damaged-")
	d.startOned()
	d.requireContent(c)
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
		d.loseDatabase()
		d.newPod()
		d.succeed("bootstrap")
		assert.Contains(t, d.succeed("restore"), "restore: restored /var/lib/one/backups/database/"+name, "lost again")
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

const folder = "/var/lib/one/backups/database"

// hold runs a script beside the roles, until it says that it is ready.
func (d *deployment) hold(script string) *container.Container {
	d.t.Helper()
	s := d.spec()
	s.Entrypoint = []string{"bash", "-euc", script}
	c, err := d.pod.Start(s)
	require.NoError(d.t, err)
	require.NoError(d.t, eventually(d.t, 20*time.Second, func() error { return logged(c, "ready") }))
	return c
}

// requireEnd: the script went to its end.
func requireEnd(t *testing.T, c *container.Container) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	result, err := c.Wait(ctx)
	require.NoError(t, err)
	require.Zero(t, result.Code, result.Output)
}

func TestTwoBackups(t *testing.T) {
	onEach(t, version(), func(t *testing.T, d *deployment) {
		d.filled()
		d.write("data", "backups/database/.opennebula-manual-killed.partial/database.sql.gz", "half of it")
		d.give(0)
		var running []*container.Container
		for range 2 {
			c, err := d.pod.Start(d.spec("backup"))
			require.NoError(t, err)
			running = append(running, c)
		}
		for _, c := range running {
			requireEnd(t, c)
		}
		kept, err := filepath.Glob(d.path("data", "backups/database/opennebula-manual-*"))
		require.NoError(t, err)
		assert.Len(t, kept, 2)
		partial, err := filepath.Glob(d.path("data", "backups/database/.*.partial"))
		require.NoError(t, err)
		assert.Empty(t, partial)
	})
}

func TestBackupLeavesAnother(t *testing.T) {
	d := newDeployment(t, version())
	d.filled()
	other := d.hold("mkdir -p " + folder + "/.other.partial; exec 9>>" + folder + "/.lock; flock 9; echo ready; sleep 4; rmdir " + folder + "/.other.partial")
	assert.Contains(t, d.succeed("backup"), "another backup is being written to "+folder+": waiting for it")
	requireEnd(t, other)

	other = d.hold("exec 9>>" + folder + "/.lock; flock 9; echo ready; sleep 10")
	d.env["ONE_LOCK_WAIT"] = "1"
	d.refuse("the lock "+folder+"/.lock was not given up within 1 s", "backup")
	other.Stop()
}

const library = "source /usr/local/lib/opennebula-frontend/lib.sh; source /usr/local/lib/opennebula-frontend/database.sh; "

func TestBackupAndMigration(t *testing.T) {
	onEach(t, version(), func(t *testing.T, d *deployment) {
		d.filled()
		migration := d.hold(library + "lock_database; echo ready; sleep 60; :") // bash must not become the sleep
		d.refuse("the database is being migrated or restored: try again", "backup")
		if d.server != nil { // a volume is not what tells it
			j := d.job("secrets")
			j.succeed("configure")
			assert.Contains(t, j.run("backup").Output, "the database is being migrated or restored: try again")
		}
		migration.Stop()

		backup := d.hold(library + "share_database; echo ready; sleep 4")
		assert.Contains(t, d.succeed("migrate"), "another process works on the database as a whole: waiting for it")
		requireEnd(t, backup)

		d.write("data", ".opennebula-frontend/migrating", "/a/backup\n")
		d.refuse("was broken off: run the role migrate, which puts it right, and then this one", "backup")
	})
}

// A job has a volume of its own for backups, and cannot change the front-end's.
func TestBackupByJob(t *testing.T) {
	onEach(t, version(), func(t *testing.T, d *deployment) {
		d.succeed("bootstrap")
		oned, agent := d.startOned()
		c := d.fill()
		d.env["ONE_BACKUP_DIR"] = "/mnt"
		j := d.job("data", "secrets")
		j.succeed("configure")
		said := j.succeed("backup")
		name := backupName.FindString(said)
		key, err := os.ReadFile(j.path("backups/" + name + "/one_key"))
		require.NoError(t, err)
		assert.Equal(t, d.read(".one/one_key"), string(key))
		if d.server != nil {
			j := d.job("secrets")
			j.succeed("configure")
			assert.Contains(t, j.succeed("backup"), "warning: there is no /var/lib/one/.one/one_key")
		}
		d.stop(oned, agent)

		delete(d.env, "ONE_BACKUP_DIR")
		require.NoError(t, os.CopyFS(d.path("data", "backups/database", name), os.DirFS(j.path("backups/"+name))))
		d.give(0)
		d.succeed("restore", "--force", name)
		d.startOned()
		d.requireContent(c)
	})
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
