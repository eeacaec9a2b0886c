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
	d.refuse("which backup? give one of:", "restore")
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
