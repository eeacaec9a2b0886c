package image

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// upgradeRemotes brings the drivers of a volume to those of an image.
func upgradeRemotes(t *testing.T, packaged, home string) string {
	t.Helper()
	cmd := exec.Command("ruby", "rootfs/usr/local/lib/opennebula-frontend/remotes.rb")
	cmd.Env = append(os.Environ(), "LANG=C.UTF-8", "ONE_PACKAGED="+packaged, "ONE_HOME="+home)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	return string(out)
}

// Drivers look into folders that are packaged empty, and some are links.
func TestRemotesKeepFoldersAndLinks(t *testing.T) {
	if _, err := exec.LookPath("ruby"); err != nil {
		t.Skip("ruby is not there; apt-get install ruby")
	}
	packaged, home := t.TempDir(), t.TempDir()
	write(t, filepath.Join(packaged, "version"), "7.2.0\n")
	write(t, filepath.Join(packaged, "remotes/old/probe"), "a\n")
	require.NoError(t, os.MkdirAll(filepath.Join(packaged, "remotes/probes.d/empty"), 0o755))
	require.NoError(t, os.Symlink("old/probe", filepath.Join(packaged, "remotes/link")))
	upgradeRemotes(t, packaged, home)
	assert.DirExists(t, filepath.Join(home, "remotes/probes.d/empty"))
	target, err := os.Readlink(filepath.Join(home, "remotes/link"))
	require.NoError(t, err)
	assert.Equal(t, "old/probe", target)

	write(t, filepath.Join(packaged, "version"), "7.4.0\n")
	require.NoError(t, os.RemoveAll(filepath.Join(packaged, "remotes/old")))
	require.NoError(t, os.RemoveAll(filepath.Join(packaged, "remotes/probes.d")))
	write(t, filepath.Join(home, "remotes/probes.d/mine"), "the administrator's\n")
	assert.Contains(t, upgradeRemotes(t, packaged, home), "remotes: drivers of OpenNebula 7.4.0: 1 removed")
	assert.NoDirExists(t, filepath.Join(home, "remotes/old"))
	assert.NoDirExists(t, filepath.Join(home, "remotes/probes.d/empty"))
	assert.FileExists(t, filepath.Join(home, "remotes/probes.d/mine"))
}
