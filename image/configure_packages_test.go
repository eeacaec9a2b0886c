package image

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The formats that take fragments, as the packages of OpenNebula have them.
var formats = []string{
	"oned.conf", "monitord.conf", "schedulers/rank.conf", "schedulers/one_drs.conf", "fireedge-server.conf",
	"fireedge/sunstone/sunstone-server.conf", "oneflow-server.conf", "onegate-server.conf", "onehem-server.conf", "guacd",
}

// A packaged file, merged into itself, says what it said: all of it is known, and
// nothing is taken twice. OPENNEBULA_PACKAGES is a folder of .deb files.
func TestConfigureKnowsThePackages(t *testing.T) {
	folder := os.Getenv("OPENNEBULA_PACKAGES")
	if folder == "" {
		t.Skip("OPENNEBULA_PACKAGES is not set: it names a folder with OpenNebula's .deb packages")
	}
	packages, err := filepath.Glob(filepath.Join(folder, "*.deb"))
	require.NoError(t, err)
	require.NotEmpty(t, packages, "%s has no .deb files", folder)
	unpacked := t.TempDir()
	for _, file := range packages {
		out, err := exec.Command("dpkg-deb", "-x", file, unpacked).CombinedOutput()
		require.NoError(t, err, string(out))
	}

	d := newDeployment(t)
	d.etc = filepath.Join(unpacked, "etc/one")
	d.env = append(d.env, "ONE_ETC="+d.etc)
	before := map[string]string{}
	for _, path := range formats {
		before[path] = d.read(t, path)
		d.override(t, filepath.Base(path), before[path])
	}
	d.accepts(t)
	for _, path := range formats {
		want := before[path]
		if path == "oned.conf" {
			want += "\nHOSTNAME = \"frontend.example.org\"\n"
		}
		assert.Equal(t, want, d.read(t, path), path)
	}
}
