package test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pablodelarco/opennebula-helm/e2e/frontend"
)

// Releases of which the second has a newer schema.
const (
	older = "7.0.2"
	newer = "7.2.0"
)

// content of a cloud that must outlive whatever is done to it. Images and further
// users are not among what stand-ins have.
type content struct{ host, template, vm, user, image int64 }

const userPassword = "the-user's-own"

func (d *deployment) fill() content {
	d.t.Helper()
	var c content
	var err error
	api := d.api("oneadmin", password)
	c.host, err = api.CreateHost("hypervisor", "dummy", "dummy")
	require.NoError(d.t, err)
	c.template, err = api.CreateTemplate("NAME = \"kept – ü\"\nCPU = 1\nMEMORY = 64\n")
	require.NoError(d.t, err)
	c.vm, err = api.CreateVM("NAME = \"kept\"\nCPU = 0.1\nMEMORY = 64\n")
	require.NoError(d.t, err)
	if !isReal(d.version) {
		return c
	}
	c.user, err = api.CreateUser("somebody", userPassword)
	require.NoError(d.t, err)
	const defaultDatastore = 1
	c.image, err = api.CreateImage("NAME = kept\nTYPE = DATABLOCK\nSIZE = 1\n", defaultDatastore)
	require.NoError(d.t, err)
	require.NoError(d.t, eventually(d.t, time.Minute, func() error { return d.imageReady(c.image) }))
	return c
}

func (d *deployment) imageReady(id int64) error {
	state, err := d.api("oneadmin", password).ImageState(id)
	if err == nil && state != frontend.ImageReady {
		err = fmt.Errorf("the image is in state %d", state)
	}
	return err
}

func (d *deployment) requireContent(c content) {
	d.t.Helper()
	d.requireLogin(password)
	api := d.api("oneadmin", password)
	_, err := api.HostState(c.host)
	require.NoError(d.t, err)
	name, err := api.TemplateName(c.template)
	require.NoError(d.t, err)
	require.Equal(d.t, "kept – ü", name)
	_, err = api.VM(c.vm)
	require.NoError(d.t, err)
	if !isReal(d.version) {
		return
	}
	name, err = d.api("somebody", userPassword).UserName()
	require.NoError(d.t, err)
	require.Equal(d.t, "somebody", name)
	require.NoError(d.t, d.imageReady(c.image))
}

// filled is a deployment with a database of a release, stopped.
func (d *deployment) filled() content {
	d.t.Helper()
	d.succeed("bootstrap")
	oned, agent := d.startOned()
	c := d.fill()
	d.stop(oned, agent)
	return c
}

// change the release that the deployment runs.
func (d *deployment) change(version string) {
	d.t.Helper()
	d.root, d.version = rootOf(d.t, version), version
	d.newPod()
	d.succeed("bootstrap")
}

func TestMigrate(t *testing.T) {
	onEach(t, older, func(t *testing.T, d *deployment) {
		c := d.filled()
		d.change(newer)
		d.start("ssh-agent")
		d.refuse("of an older release than 7.2.0: run the role migrate first", "oned")

		said := d.succeed("migrate")
		assert.Contains(t, said, "migrating schema 7.0.0 to OpenNebula 7.2.0; the backup is /var/lib/one/backups/database/opennebula-before-7.2.0-")
		assert.Contains(t, said, "the database is of schema 7.2.0 now")
		assert.NotContains(t, d.logs(), databasePassword)
		d.start("oned")
		d.requireContent(c)
		assert.Contains(t, d.succeed("migrate"), "nothing to do")
	})
}

// logs of all migrations.
func (d *deployment) logs() string {
	var all strings.Builder
	names, err := filepath.Glob(d.path("data", "backups/database/*.log"))
	require.NoError(d.t, err)
	for _, name := range names {
		content, err := os.ReadFile(name)
		require.NoError(d.t, err)
		all.Write(content)
	}
	return all.String()
}

// A node can go at any moment: the next try begins from the backup.
func TestMigrateIsKilled(t *testing.T) {
	onEach(t, older, func(t *testing.T, d *deployment) {
		c := d.filled()
		d.change(newer)
		d.env["STANDIN_MIGRATION_SECONDS"] = "20" // only stand-ins are slowed down
		migrate, err := d.pod.Start(d.spec("migrate"))
		require.NoError(t, err)
		require.NoError(t, eventually(t, time.Minute, func() error {
			if _, err := os.Stat(d.path("data", ".opennebula-frontend/migrating")); err != nil {
				return fmt.Errorf("the migration has not begun: %w: %s", err, migrate.Log())
			}
			return nil
		}))
		time.Sleep(700 * time.Millisecond) // OpenNebula's own takes a second or two with so little data
		require.NoError(t, migrate.Signal(syscall.SIGKILL))
		_, err = migrate.Wait(t.Context())
		require.NoError(t, err)
		require.FileExists(t, d.path("data", ".opennebula-frontend/migrating"))

		delete(d.env, "STANDIN_MIGRATION_SECONDS")
		d.start("ssh-agent")
		d.refuse("a migration or restore of the database was broken off: run the role migrate", "oned")
		assert.Contains(t, d.succeed("migrate"), "the last migration or restore was broken off: restoring")
		d.start("oned")
		d.requireContent(c)
		d.requireOneMigration()
	})
}

// requireOneMigration: on data that was migrated twice the stand-in shows it.
func (d *deployment) requireOneMigration() {
	if isReal(newer) {
		return
	}
	body := d.sql("SELECT body FROM user_pool WHERE oid = 0;")
	assert.Equal(d.t, 1, strings.Count(body, "<MIGRATED>"), body)
}

func TestMigrateFails(t *testing.T) {
	for _, failure := range []string{"STANDIN_MIGRATION_FAIL", "STANDIN_FSCK_FAIL"} {
		t.Run(failure, func(t *testing.T) {
			if isReal(newer) {
				t.Skip("only stand-ins fail when they are asked to")
			}
			onEach(t, older, func(t *testing.T, d *deployment) {
				c := d.filled()
				before := d.dump()
				d.change(newer)
				d.env[failure] = "1"
				said := d.refuse("the database is as it was, of schema 7.0.0; the log is /var/lib/one/backups/database/opennebula-before-7.2.0-", "migrate")
				assert.Contains(t, said, ".log, the backup ")
				assert.Equal(t, before, d.dump())
				d.refuse("the database is as it was", "migrate")
				kept, err := filepath.Glob(d.path("data", "backups/database/opennebula-before-*"))
				require.NoError(t, err)
				assert.Len(t, kept, 2, "of both tries the last one's backup, and its log")

				delete(d.env, failure)
				d.change(older)
				d.startOned()
				d.requireContent(c)
			})
		})
	}
}

// dump of the database without what changes from one dump to the next.
func (d *deployment) dump() string {
	if d.server == nil {
		s := d.spec()
		s.Entrypoint = []string{"sqlite3", "/var/lib/one/one.db", ".dump"}
		return d.runSpec(s).Output
	}
	s := d.spec()
	s.Entrypoint = []string{"mariadb-dump", "--defaults-extra-file=/etc/one/.my.cnf", "--skip-comments", "--skip-dump-date", "opennebula"}
	return d.runSpec(s).Output
}

func TestMigrateAcceptsFindings(t *testing.T) {
	if isReal(newer) {
		t.Skip("only stand-ins fail when they are asked to")
	}
	d := newDeployment(t, older)
	d.filled()
	d.change(newer)
	d.env["STANDIN_FSCK_FAIL"], d.env["ONE_FSCK"] = "1", "report"
	assert.Contains(t, d.succeed("migrate"), "onedb fsck found errors, which ONE_FSCK=report leaves")
}

func TestNewerSchemaIsRefused(t *testing.T) {
	onEach(t, newer, func(t *testing.T, d *deployment) {
		d.filled()
		before := d.dump()
		d.change(older)
		d.refuse("the database has schema 7.2.0, which is newer than OpenNebula 7.0.2", "migrate")
		d.start("ssh-agent")
		d.refuse("of a newer release than 7.0.2", "oned")
		assert.Equal(t, before, d.dump())
	})
}

func TestTwoMigrations(t *testing.T) {
	onEach(t, older, func(t *testing.T, d *deployment) {
		c := d.filled()
		d.change(newer)
		d.env["STANDIN_MIGRATION_SECONDS"] = "5"
		first, err := d.pod.Start(d.spec("migrate"))
		require.NoError(t, err)
		second, err := d.pod.Start(d.spec("migrate"))
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
		defer cancel()
		one, err := first.Wait(ctx)
		require.NoError(t, err)
		two, err := second.Wait(ctx)
		require.NoError(t, err)
		assert.Zero(t, one.Code, one.Output)
		assert.Zero(t, two.Code, two.Output)
		both := one.Output + two.Output
		assert.Contains(t, both, "waiting for it")
		assert.Equal(t, 1, strings.Count(both, "the database is of schema 7.2.0 now"), both)
		assert.Equal(t, 1, strings.Count(both, "nothing to do"), both)
		d.startOned()
		d.requireContent(c)
		d.requireOneMigration()
	})
}

func TestMigrateWaitsForOned(t *testing.T) {
	d := newDeployment(t, older)
	d.useServer()
	d.succeed("bootstrap")
	d.startOned()
	d.root = rootOf(t, newer)
	d.env["ONE_STOP_WAIT"] = "3"
	d.refuse("oned still uses the database after 3 s: stop it first", "migrate")
	d.requireLogin(password)
}

func TestMigrateOnEmptyDatabase(t *testing.T) {
	onEach(t, newer, func(t *testing.T, d *deployment) {
		d.succeed("bootstrap")
		assert.Contains(t, d.succeed("migrate"), "the database is empty: nothing to do")
	})
}

func TestMigrateRefuses(t *testing.T) {
	d := newDeployment(t, version())
	d.succeed("bootstrap")
	for name, c := range map[string]struct{ name, value, said string }{
		"keep is no number": {"ONE_BACKUP_KEEP", "many", `ONE_BACKUP_KEEP is "many"; give a whole number, 1 or more`},
		"keep is zero":      {"ONE_BACKUP_KEEP", "0", `ONE_BACKUP_KEEP is "0"; give a whole number, 1 or more`},
		"wait is negative":  {"ONE_DB_WAIT", "-1", `ONE_DB_WAIT is "-1"; give a whole number, 0 or more`},
		"fsck":              {"ONE_FSCK", "maybe", `ONE_FSCK is "maybe"; it can be fail or report`},
	} {
		t.Run(name, func(*testing.T) {
			d.env[c.name] = c.value
			defer delete(d.env, c.name)
			d.refuse(c.said, "migrate")
		})
	}
}
