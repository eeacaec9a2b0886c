package image

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What the packages ship, cut down to the forms that each syntax has.
var packaged = map[string]string{
	"oned.conf": `# A comment with an umlaut: ü
LOG = [ SYSTEM = "file", DEBUG_LEVEL = 3 ]
# HOSTNAME = "one-hostname"
#ONEGATE_ENDPOINT = "http://frontend:5030"
DB = [ BACKEND = "sqlite",
       TIMEOUT = 2500 ]
# For a server:
# DB = [ BACKEND = "mysql",
#        SERVER  = "localhost",
#        PORT = 0, USER = "oneadmin", PASSWD = "oneadmin", DB_NAME = "opennebula",
#        CONNECTIONS = 25, COMPARE_BINARY = "no" ]
PORT = 2633
VNC_PORTS = [
    START    = 5900,
    RESERVED = "32768:65536"
    # RESERVED = "6800, 6801"
]
# RAFT_LEADER_HOOK = [
#     COMMAND = "raft/vip.sh",
#     ARGUMENTS = "leader interface [interface ...]"
# ]
#    INDENTED = prose
DEFAULT_COST = [ CPU_COST = 0 ]
SHOWBACK_ONLY_RUNNING = "no"
VM_MAD = [
    NAME       = "kvm",
    EXECUTABLE = "one_vmm_exec",
    ARGUMENTS  = "-t 15 -r 0 kvm -p",
    KEEP_SNAPSHOTS = "yes" ]
VM_MAD = [ NAME = "lxc", EXECUTABLE = "one_vmm_exec" ]
TM_MAD = [ EXECUTABLE = "one_tm", ARGUMENTS = "-t 15 -d dummy" ]
VM_RESTRICTED_ATTR = "CONTEXT/FILES"
VM_RESTRICTED_ATTR = "NIC/MAC"
VM_ADMIN_OPERATIONS  = "migrate, delete,
    backup"
`,
	"monitord.conf":           "NETWORK = [\n    ADDRESS = \"::\",\n    MONITOR_ADDRESS = \"auto\",\n    PORT = 4124\n]\nIM_MAD = [ NAME = \"kvm\", THREADS = 0 ]\nLOG = [ system = \"FILE\" ]\n",
	"schedulers/rank.conf":    "MAX_HOST = 1\nDEFAULT_SCHED = [\n   POLICY = 1\n]\n",
	"schedulers/one_drs.conf": "PLACE:\n  POLICY: \"BALANCE\"\n  WEIGHTS:\n    CPU: 1\n\nPREDICTIVE: 0\n\nDIFFERENT_VNETS: YES",
	"oneflow-server.conf": `# Where oned is
:one_xmlrpc: http://localhost:2633/RPC2
:host: 127.0.0.1 # the loopback
:port: 2474
#:vn_name_template: '$ROLE_NAME(service_$SERVICE_ID)'
# :prose: of several words
:shutdown_action: 'terminate'
:log:
  :level: 2
  :system: 'file'

# The end
`,
	"onegate-server.conf": `:host: 127.0.0.1
:port: 5030
#:ssl_server: https://gate.example.org/
:permissions:
  :vm:
    :show: true
    :update: true
  :vnet:
    :show_by_id: true
:restricted_attrs:
  - SCHED_REQUIREMENTS
  - SERVICE_ID
# Nothing is restricted
:restricted_actions:
  #- deploy
`,
	"onehem-server.conf":   ":debug_level: 2\n:concurrency: 10\n",
	"fireedge-server.conf": "host: '0.0.0.0'\nport: 2616\ncors: true\napi_timeout: 120_000\nguacd:\n  port: 4822\n  host: 'localhost'\n# auth_redirect: '/'\n",
	"fireedge/sunstone/sunstone-server.conf": `currency: EUR
#proxy: ""
leases:
  terminate:
    edit: false
    execute_after_weeks: 2
supported_fs:
    - ext4
    - xfs
langs:
  # bg: 'Bulgarian'
  en: 'English'
fullViewMode: 'false'`,
	"fireedge/sunstone/views/admin/vm-tab.yaml": "resource_name: VM\n",
	"auth/ldap_auth.conf":                       "server 1:\n    :host: localhost\n",
	"guacd":                                     `OPTS="-b 0.0.0.0"`,
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
		write(t, filepath.Join(d.etc, name), content)
	}
	d.env = append([]string{
		"PATH=" + os.Getenv("PATH"), "LANG=C", "ONE_ETC=" + d.etc, "ONE_OVERRIDES=" + d.overrides,
		"ONE_HOSTNAME=frontend.example.org",
	}, env...)
	return d
}

// withDatabase is the environment of a deployment with a database on a server.
func withDatabase(t *testing.T, password string, env ...string) []string {
	file := filepath.Join(t.TempDir(), "password")
	write(t, file, password)
	return append([]string{
		"ONE_DB_BACKEND=mysql", "ONE_DB_HOST=db", "ONE_DB_USER=one", "ONE_DB_NAME=cloud",
		"ONE_DB_PASSWORD_FILE=" + file,
	}, env...)
}

func write(t *testing.T, file, content string) {
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
	require.NoError(t, os.WriteFile(file, []byte(content), 0o644))
}

func (d deployment) override(t *testing.T, name, content string) {
	write(t, filepath.Join(d.overrides, name), content)
}

// configure returns what the tool says, and whether it succeeded.
func (d deployment) configure() (string, error) {
	cmd := exec.Command("ruby", "-w", "rootfs/usr/local/lib/opennebula-frontend/configure.rb")
	cmd.Env = d.env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (d deployment) accepts(t *testing.T) {
	t.Helper()
	out, err := d.configure()
	require.NoError(t, err, out)
	assert.Empty(t, out)
}

// refuses checks that the tool says so, in one sentence, and leaves all as it was.
// In want, OVERRIDES and ETC stand for the folders.
func (d deployment) refuses(t *testing.T, want string) {
	t.Helper()
	before := fingerprint(t, d.etc)
	out, err := d.configure()
	require.Error(t, err, "it must be refused")
	want = strings.NewReplacer("OVERRIDES", d.overrides, "ETC", d.etc).Replace(want)
	assert.Contains(t, out, "configure: ")
	assert.Contains(t, out, want)
	assert.Equal(t, 1, strings.Count(out, "\n"), "one sentence, no stack of calls: %s", out)
	assert.Equal(t, before, fingerprint(t, d.etc), "nothing is changed")
}

// fingerprint has each file of a folder with its content.
func fingerprint(t *testing.T, folder string) map[string]string {
	found := map[string]string{}
	require.NoError(t, filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		found[path] = fmt.Sprintf("%x", sha256.Sum256(content))
		return err
	}))
	return found
}

func (d deployment) read(t *testing.T, name string) string {
	content, err := os.ReadFile(filepath.Join(d.etc, name))
	require.NoError(t, err)
	return string(content)
}

func TestConfigureSQLite(t *testing.T) {
	d := newDeployment(t, "ONE_MONITOR_ADDRESS=192.0.2.7", "ONE_MONITOR_PORT=30124", "ONE_ONEGATE_ENDPOINT=http://gate:5030")
	d.accepts(t)

	oned := d.read(t, "oned.conf")
	assert.Contains(t, oned, packaged["oned.conf"], "what is there is left as it was")
	assert.Contains(t, oned, "\nHOSTNAME = \"frontend.example.org\"\n")
	assert.Contains(t, oned, "\nONEGATE_ENDPOINT = \"http://gate:5030\"\n")
	assert.Contains(t, d.read(t, "monitord.conf"), "    MONITOR_ADDRESS = \"192.0.2.7\",\n    PORT = 30124\n")
	assert.Contains(t, d.read(t, "oneflow-server.conf"), ":host: 0.0.0.0 # the loopback\n")
	assert.Contains(t, d.read(t, "onegate-server.conf"), ":host: 0.0.0.0\n")
	for _, name := range []string{"fireedge-server.conf", "fireedge/sunstone/sunstone-server.conf", "schedulers/rank.conf", "schedulers/one_drs.conf"} {
		assert.Equal(t, packaged[name], d.read(t, name), name)
	}
	assert.Equal(t, `OPTS="-b 127.0.0.1"`, d.read(t, "guacd"))
	assert.NoFileExists(t, filepath.Join(d.etc, ".my.cnf"))
}

func TestConfigureMariaDB(t *testing.T) {
	d := newDeployment(t, withDatabase(t, `a"b\c`+"\n", "ONE_DB_CONNECTIONS=40")...)
	d.accepts(t)

	oned := d.read(t, "oned.conf")
	assert.NotContains(t, oned, "sqlite")
	assert.Contains(t, oned, `DB = [ BACKEND = "mysql",
       TIMEOUT = 2500,
    SERVER = "db",
    PORT = 3306,
    USER = "one",
    PASSWD = "a\"b\c",
    DB_NAME = "cloud",
    CONNECTIONS = 40 ]
# For a server:`, "oned knows \\\" as an escape, and no other")
	// The client's files know both.
	assert.Equal(t, `[client]
host = "db"
port = 3306
user = "one"
password = "a\"b\\c"
skip-ssl
[mysql]
database = "cloud"
[onedb]
server = "db"
`, d.read(t, ".my.cnf"))
	for name, mode := range map[string]os.FileMode{".my.cnf": 0o600, "oned.conf": 0o640} {
		info, err := os.Stat(filepath.Join(d.etc, name))
		require.NoError(t, err)
		assert.Equal(t, mode, info.Mode(), name)
	}
}

func TestConfigureTLS(t *testing.T) {
	authorities := filepath.Join("testdata", "authority.pem")
	for name, test := range map[string]struct {
		env                   []string
		server, client, onedb string
	}{
		"off":        {[]string{"ONE_DB_TLS=off"}, "db", "skip-ssl", "db"},
		"unverified": {[]string{"ONE_DB_TLS=unverified"}, "host=db;ssl-enforce=1", "ssl", "host%3Ddb%3Bssl-enforce%3D1"},
		"verified":   {[]string{"ONE_DB_TLS=verified"}, "host=db;ssl-verify-server-cert=1", "ssl-verify-server-cert=1", "host%3Ddb%3Bssl-verify-server-cert%3D1"},
		"authorities": {
			[]string{"ONE_DB_TLS=verified", "ONE_DB_TLS_CA_FILE=" + authorities},
			"host=db;ssl-verify-server-cert=1;ssl-ca=/etc/one/database-ca.pem",
			"ssl-verify-server-cert=1\nssl-ca=/etc/one/database-ca.pem",
			"host%3Ddb%3Bssl-verify-server-cert%3D1%3Bssl-ca%3D%2Fetc%2Fone%2Fdatabase-ca.pem",
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDeployment(t, withDatabase(t, "secret", test.env...)...)
			d.accepts(t)
			assert.Contains(t, d.read(t, "oned.conf"), `SERVER = "`+test.server+`"`)
			client := d.read(t, ".my.cnf")
			assert.Contains(t, client, "\nhost = \"db\"\n")
			assert.Contains(t, client, "\n"+test.client+"\n[mysql]\n")
			assert.Contains(t, client, "[onedb]\nserver = \""+test.onedb+"\"\n")
		})
	}
	content, err := os.ReadFile(authorities)
	require.NoError(t, err)
	d := newDeployment(t, withDatabase(t, "secret", "ONE_DB_TLS=verified", "ONE_DB_TLS_CA_FILE="+authorities)...)
	d.accepts(t)
	assert.Equal(t, string(content), d.read(t, "database-ca.pem"))
}

func TestConfigureAgainChangesNothing(t *testing.T) {
	d := newDeployment(t, withDatabase(t, "secret")...)
	d.override(t, "oned.conf", "VM_RESTRICTED_ATTR = \"PCI\"\nLOG = [ DEBUG_LEVEL = 5 ]\n")
	d.accepts(t)
	before := fingerprint(t, d.etc)
	d.accepts(t)
	assert.Equal(t, before, fingerprint(t, d.etc))
}

func TestConfigureWithoutOverridesAndFormats(t *testing.T) {
	d := newDeployment(t)
	require.NoError(t, os.Remove(d.overrides))
	for _, name := range []string{"guacd", "onehem-server.conf", "fireedge-server.conf", "schedulers/rank.conf"} {
		require.NoError(t, os.Remove(filepath.Join(d.etc, name)))
	}
	d.accepts(t)
	assert.NoFileExists(t, filepath.Join(d.etc, "guacd"))

	require.NoError(t, os.Remove(filepath.Join(d.etc, "oned.conf")))
	d.refuses(t, "ETC/oned.conf is missing: the image must have it")
}

func TestConfigureCannotWrite(t *testing.T) {
	d := newDeployment(t)
	require.NoError(t, os.Mkdir(filepath.Join(d.etc, ".oneflow-server.conf.new"), 0o755))
	d.refuses(t, "ETC cannot be written: ")
	assert.NoFileExists(t, filepath.Join(d.etc, ".oned.conf.new"), "what was begun is taken back")
}
