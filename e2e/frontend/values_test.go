package frontend

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// A setting that is not in the file it is for is refused, so the stand-ins must have those
// that releases of the suite are installed with.
func TestStandInsHaveTheSettings(t *testing.T) {
	if _, err := exec.LookPath("ruby"); err != nil {
		t.Skip("ruby is not there; apt-get install ruby")
	}
	etc, overrides := t.TempDir(), t.TempDir()
	require.NoError(t, os.CopyFS(etc, os.DirFS("../lab/standin/tree/opennebula/etc/one")))
	for name, fragment := range Values()["config"].(map[string]any) {
		require.NoError(t, os.WriteFile(filepath.Join(overrides, name), []byte(fragment.(string)), 0o644))
	}
	configure := exec.CommandContext(t.Context(), "ruby", "../../image/rootfs/usr/local/lib/opennebula-frontend/configure.rb")
	configure.Env = append(os.Environ(), "ONE_ETC="+etc, "ONE_OVERRIDES="+overrides, "ONE_HOSTNAME=frontend.example.org")
	said, err := configure.CombinedOutput()
	require.NoError(t, err, string(said))
}
