package image

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What the packages ship, cut down to the forms that the syntax has.
var packaged = map[string]string{
	"oned.conf": `# A comment with an umlaut: ü
LOG = [ SYSTEM = "file", DEBUG_LEVEL = 3 ]
# HOSTNAME = "one-hostname"
#ONEGATE_ENDPOINT = "http://frontend:5030"
DB = [ BACKEND = "sqlite",
       TIMEOUT = 2500 ]
PORT = 2633
VM_MAD = [
    NAME       = "kvm",
    EXECUTABLE = "one_vmm_exec",
    ARGUMENTS  = "-t 15 -r 0 kvm -p" ]
VM_MAD = [ NAME = "lxc", EXECUTABLE = "one_vmm_exec" ]
VM_ADMIN_OPERATIONS  = "migrate, delete,
    backup"
`,
	"monitord.conf":        "NETWORK = [\n    ADDRESS = \"::\",\n    MONITOR_ADDRESS = \"auto\",\n    PORT = 4124\n]\nIM_MAD = [ NAME = \"kvm\", THREADS = 0 ]\n",
	"oneflow-server.conf":  ":one_xmlrpc: http://localhost:2633/RPC2\n:host: 127.0.0.1\n:port: 2474\n",
	"onegate-server.conf":  ":host: 127.0.0.1\n:port: 5030\n",
	"fireedge-server.conf": "host: '0.0.0.0'\nport: 2616\n",
}

// deployment is one call of the configuration tool.
type deployment struct {
	etc, overrides string
	env            []string
}

func newDeployment(t *testing.T, env ...string) deployment {
	if _, err := exec.LookPath("ruby"); err != nil {
		t.Skip("ruby is not there; apt-get install ruby")
	}
	d := deployment{etc: t.TempDir(), overrides: t.TempDir()}
	for name, content := range packaged {
		require.NoError(t, os.WriteFile(filepath.Join(d.etc, name), []byte(content), 0o644))
	}
	d.env = append([]string{
		"PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8", "ONE_ETC=" + d.etc, "ONE_OVERRIDES=" + d.overrides,
		"ONE_HOSTNAME=frontend.example.org",
	}, env...)
	return d
}

func (d deployment) override(t *testing.T, name, content string) {
	require.NoError(t, os.WriteFile(filepath.Join(d.overrides, name), []byte(content), 0o644))
}

// configure returns what the tool says, and whether it succeeded.
func (d deployment) configure() (string, error) {
	cmd := exec.Command("ruby", "rootfs/usr/local/lib/opennebula-frontend/configure.rb")
	cmd.Env = d.env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (d deployment) read(t *testing.T, name string) string {
	content, err := os.ReadFile(filepath.Join(d.etc, name))
	require.NoError(t, err)
	return string(content)
}

func TestConfigureSQLite(t *testing.T) {
	d := newDeployment(t, "ONE_MONITOR_ADDRESS=192.0.2.7", "ONE_ONEGATE_ENDPOINT=http://gate:5030")
	out, err := d.configure()
	require.NoError(t, err, out)

	oned := d.read(t, "oned.conf")
	assert.Contains(t, oned, packaged["oned.conf"], "what is there is left as it was")
	assert.Contains(t, oned, "\nHOSTNAME = \"frontend.example.org\"\n")
	assert.Contains(t, oned, "\nONEGATE_ENDPOINT = \"http://gate:5030\"\n")
	assert.Contains(t, d.read(t, "monitord.conf"), "    MONITOR_ADDRESS = \"192.0.2.7\",\n    PORT = 4124\n")
	assert.Contains(t, d.read(t, "oneflow-server.conf"), ":host: 0.0.0.0\n")
	assert.NoFileExists(t, filepath.Join(d.etc, ".my.cnf"))
}

func TestConfigureMariaDB(t *testing.T) {
	password := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(password, []byte(`a"b\c`+"\n"), 0o600))
	d := newDeployment(t, "ONE_DB_BACKEND=mysql", "ONE_DB_HOST=db", "ONE_DB_USER=one", "ONE_DB_NAME=cloud", "ONE_DB_PASSWORD_FILE="+password)
	out, err := d.configure()
	require.NoError(t, err, out)

	oned := d.read(t, "oned.conf")
	assert.NotContains(t, oned, "sqlite")
	// oned knows \" as an escape, and no other.
	assert.Contains(t, oned, `PASSWD  = "a\"b\c"`)
	assert.Contains(t, oned, "PORT = 2633\n", "what follows is left as it was")
	// The client's files know both.
	assert.Contains(t, d.read(t, ".my.cnf"), `password = "a\"b\\c"`)
	info, err := os.Stat(filepath.Join(d.etc, ".my.cnf"))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode())
}

func TestOverridesAreMerged(t *testing.T) {
	d := newDeployment(t)
	d.override(t, "oned.conf", `# ours
LOG = [ SYSTEM = "file", DEBUG_LEVEL = 5 ]
VM_MAD = [ NAME = "lxc", EXECUTABLE = "other" ]
VM_MAD = [ NAME = "dummy", EXECUTABLE = "one_vmm_dummy" ]
`)
	out, err := d.configure()
	require.NoError(t, err, out)

	oned := d.read(t, "oned.conf")
	assert.Contains(t, oned, "DEBUG_LEVEL = 5")
	assert.NotContains(t, oned, "DEBUG_LEVEL = 3")
	assert.Contains(t, oned, `NAME       = "kvm"`, "a section of another NAME stays")
	assert.NotContains(t, oned, `[ NAME = "lxc", EXECUTABLE = "one_vmm_exec" ]`)
	assert.Contains(t, oned, `[ NAME = "lxc", EXECUTABLE = "other" ]`)
	assert.Contains(t, oned, `[ NAME = "dummy", EXECUTABLE = "one_vmm_dummy" ]`)
}

func TestConfigureRefuses(t *testing.T) {
	unsafe := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(unsafe, []byte(`ends in \`), 0o600))
	mysql := []string{"ONE_DB_BACKEND=mysql", "ONE_DB_HOST=db", "ONE_DB_USER=one", "ONE_DB_NAME=cloud"}
	for name, test := range map[string]struct {
		env      []string
		override string
		want     string
	}{
		"no host name":         {env: []string{"ONE_HOSTNAME="}, want: "ONE_HOSTNAME is not set"},
		"unknown backend":      {env: []string{"ONE_DB_BACKEND=oracle"}, want: `ONE_DB_BACKEND is "oracle"; it can be sqlite or mysql`},
		"no password file":     {env: append(mysql, "ONE_DB_PASSWORD_FILE=/nowhere"), want: "ONE_DB_PASSWORD_FILE cannot be read"},
		"unsafe password":      {env: append(mysql, "ONE_DB_PASSWORD_FILE="+unsafe), want: "oned.conf cannot hold a password"},
		"unknown key":          {override: "PORT = 1\nPROT = 2\n", want: "oned.conf, line 2: PROT is not a key of"},
		"broken syntax":        {override: "\nLOG = [ SYSTEM \"file\" ]\n", want: `oned.conf, line 2: expected "=" after SYSTEM`},
		"section left open":    {override: "LOG = [ SYSTEM = \"file\"\n", want: "oned.conf, line 2: expected a name"},
		"value that is no one": {override: "PORT = ,\n", want: "oned.conf, line 1: expected a value"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDeployment(t, test.env...)
			if test.override != "" {
				d.override(t, "oned.conf", test.override)
			}
			out, err := d.configure()
			require.Error(t, err)
			assert.Contains(t, out, test.want)
			assert.NotContains(t, out, ".rb:", "no stack of calls")
		})
	}
}
