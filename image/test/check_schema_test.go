package test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// needed is what check-schema needs of a front-end's volumes.
func (d *deployment) needed() []string {
	if d.server != nil {
		return []string{"secrets"}
	}
	return []string{"data"}
}

func TestCheckSchema(t *testing.T) {
	onEach(t, older, func(t *testing.T, d *deployment) {
		d.succeed("bootstrap")
		j := d.job(d.needed()...) // whose configuration it writes itself
		assert.Contains(t, j.succeed("check-schema"), "there is no database yet")
		d.startOned()
		assert.Contains(t, j.succeed("check-schema"), "the database has the schema of OpenNebula 7.0.2")
		d.root = rootOf(t, newer)
		j.succeed("configure")
		assert.Contains(t, j.succeed("check-schema"), "the database has schema 7.0.0: the role migrate will bring it to OpenNebula 7.2.0")
	})
}

func TestCheckSchemaRefusesNewer(t *testing.T) {
	onEach(t, newer, func(t *testing.T, d *deployment) {
		d.filled()
		d.root = rootOf(t, older)
		j := d.job(d.needed()...)
		j.succeed("configure")
		newest := "opennebula-before-7.2.0-20260202T000000Z"
		d.write("data", "backups/database/opennebula-before-7.2.0-20260101T000000Z/manifest", "schema 6.10.0\n")
		d.write("data", "backups/database/"+newest+"/manifest", "schema 7.0.0\n")
		d.write("data", "backups/database/opennebula-before-restore-20260303T000000Z/manifest", "schema 7.2.0\n")
		d.give(0)
		result := j.run("check-schema")
		assert.Equal(t, 1, result.Code)
		assert.Contains(t, result.Output, "the database has schema 7.2.0, which is newer than OpenNebula 7.0.2: install the newer release again, or restore ")
		if d.server != nil { // without the volume
			assert.Contains(t, result.Output, "or restore a backup of before with the role restore")
			result = d.run("check-schema")
			assert.Equal(t, 1, result.Code)
		}
		assert.Contains(t, result.Output, "or restore the backup "+newest+", of schema 7.0.0, with the role restore")
	})
}

// What could not be asked is no reason against another release.
func TestCheckSchemaPassesWhatItCannotAsk(t *testing.T) {
	d := newDeployment(t, version())
	d.useServer()
	j := d.job("secrets")
	j.succeed("configure")
	d.stop(d.server)
	d.env["ONE_DB_WAIT"] = "2"
	said := j.succeed("check-schema")
	assert.Contains(t, said, "warning: the database did not answer within 2 s")
	assert.Contains(t, said, "the check is left out")

	d.env["ONE_DB_WAIT"] = "long"
	result := j.run("check-schema")
	require.Equal(t, 1, result.Code)
	assert.Contains(t, result.Output, `ONE_DB_WAIT is "long"; give a whole number, 0 or more`)
}

func TestCheckSchemaPassesABrokenDatabase(t *testing.T) {
	d := newDeployment(t, version())
	d.succeed("bootstrap")
	d.write("data", "one.db", "no database")
	assert.Regexp(t, "warning: (onedb|the database) cannot .*; the check is left out", d.succeed("check-schema"))
}
