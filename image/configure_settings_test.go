package image

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestConfigureRefusesSettings(t *testing.T) {
	folder := t.TempDir()
	file := func(name, content string) string {
		write(t, filepath.Join(folder, name), content)
		return "ONE_DB_PASSWORD_FILE=" + filepath.Join(folder, name)
	}
	for name, test := range map[string]struct {
		env  []string // for sqlite
		db   []string // or on top of a complete database's
		want string
	}{
		"no host name":           {env: []string{"ONE_HOSTNAME="}, want: "ONE_HOSTNAME is not set: drivers and hypervisors reach"},
		"host name with a port":  {env: []string{"ONE_HOSTNAME=frontend:22"}, want: `ONE_HOSTNAME is "frontend:22"; it must be a host name or an IPv4 address`},
		"host name with a space": {env: []string{"ONE_HOSTNAME=front end"}, want: `ONE_HOSTNAME is "front end"; it must`},
		"host name with a line":  {env: []string{"ONE_HOSTNAME=frontend\nb"}, want: `ONE_HOSTNAME is "frontend\nb"; it must`},
		"host name of a dash":    {env: []string{"ONE_HOSTNAME=-frontend"}, want: `ONE_HOSTNAME is "-frontend"; it must`},
		"host name too long":     {env: []string{"ONE_HOSTNAME=" + strings.Repeat("a", 64)}, want: `; it must be a host name`},
		"no such address":        {env: []string{"ONE_HOSTNAME=300.0.0.1"}, want: `ONE_HOSTNAME is "300.0.0.1"; it must`},
		"IPv6 as host name":      {env: []string{"ONE_HOSTNAME=2001:db8::1"}, want: `ONE_HOSTNAME is "2001:db8::1"; it must`},
		"monitor address":        {env: []string{"ONE_MONITOR_ADDRESS=10.0.0.0/8"}, want: `ONE_MONITOR_ADDRESS is "10.0.0.0/8"; it must be auto, or a host name or address`},
		"monitor port":           {env: []string{"ONE_MONITOR_PORT=0"}, want: `ONE_MONITOR_PORT is "0"; it must be a number from 1 to 65535`},
		"endpoint without http":  {env: []string{"ONE_ONEGATE_ENDPOINT=gate:5030"}, want: `ONE_ONEGATE_ENDPOINT is "gate:5030"; it must be a URL`},
		"endpoint without host":  {env: []string{"ONE_ONEGATE_ENDPOINT=http:///x"}, want: `ONE_ONEGATE_ENDPOINT is "http:///x"; it must be a URL`},
		"endpoint with a quote":  {env: []string{`ONE_ONEGATE_ENDPOINT=http://a"b`}, want: `ONE_ONEGATE_ENDPOINT is "http://a\"b"; it must be a URL`},
		"unknown backend":        {env: []string{"ONE_DB_BACKEND=mariadb"}, want: `ONE_DB_BACKEND is "mariadb"; it can be sqlite, or mysql for MySQL and MariaDB`},
		"server for sqlite":      {env: []string{"ONE_DB_HOST=db"}, want: "ONE_DB_HOST is set, but ONE_DB_BACKEND is sqlite, which has no server: set ONE_DB_BACKEND to mysql, or unset ONE_DB_HOST"},
		"connections for sqlite": {env: []string{"ONE_DB_CONNECTIONS=5"}, want: "ONE_DB_CONNECTIONS is set, but ONE_DB_BACKEND is sqlite"},
		"no server":              {db: []string{"ONE_DB_HOST="}, want: "ONE_DB_HOST is not set: ONE_DB_BACKEND is mysql, which needs it"},
		"no user":                {db: []string{"ONE_DB_USER="}, want: "ONE_DB_USER is not set"},
		"no database":            {db: []string{"ONE_DB_NAME="}, want: "ONE_DB_NAME is not set"},
		"server with a port":     {db: []string{"ONE_DB_HOST=db:3306"}, want: `ONE_DB_HOST is "db:3306"; it must be a host name or an address; the port is ONE_DB_PORT`},
		"database with a dash":   {db: []string{"ONE_DB_NAME=my-cloud"}, want: `ONE_DB_NAME is "my-cloud"; it must be of letters, digits and _`},
		"port of a service link": {db: []string{"ONE_DB_PORT=tcp://10.0.0.1:3306"}, want: `ONE_DB_PORT is "tcp://10.0.0.1:3306"; it must be a number from 1 to 65535`},
		"port too high":          {db: []string{"ONE_DB_PORT=65536"}, want: `ONE_DB_PORT is "65536"; it must be a number from 1 to 65535`},
		"no connections":         {db: []string{"ONE_DB_CONNECTIONS=0"}, want: `ONE_DB_CONNECTIONS is "0"; it must be a number from 1 to 10000`},
		"TLS for sqlite":         {env: []string{"ONE_DB_TLS=verified"}, want: "ONE_DB_TLS is set, but ONE_DB_BACKEND is sqlite"},
		"unknown TLS":            {db: []string{"ONE_DB_TLS=yes"}, want: `ONE_DB_TLS is "yes"; it can be off, unverified or verified`},
		"authorities for none":   {db: []string{"ONE_DB_TLS_CA_FILE=/usr"}, want: "ONE_DB_TLS_CA_FILE is set, but ONE_DB_TLS is off: set it to verified, or unset ONE_DB_TLS_CA_FILE"},
		"authorities missing":    {db: []string{"ONE_DB_TLS=verified", "ONE_DB_TLS_CA_FILE=/nowhere"}, want: "ONE_DB_TLS_CA_FILE, /nowhere, cannot be read: No such file or directory"},
		"no authorities":         {db: []string{"ONE_DB_TLS=verified", "ONE_DB_TLS_CA_FILE=/etc/passwd"}, want: "ONE_DB_TLS_CA_FILE, /etc/passwd, holds no certificate in PEM"},
		"user of oned's escape":  {db: []string{`ONE_DB_USER=a\"b`}, want: `ONE_DB_USER is not possible in oned.conf: it has a control character, \" or ]]>, or ends in \`},
		"no password file":       {db: []string{"ONE_DB_PASSWORD_FILE="}, want: "ONE_DB_PASSWORD_FILE is not set"},
		"password file missing":  {db: []string{"ONE_DB_PASSWORD_FILE=/nowhere"}, want: "ONE_DB_PASSWORD_FILE, /nowhere, cannot be read: No such file or directory"},
		"password file a folder": {db: []string{"ONE_DB_PASSWORD_FILE=/usr"}, want: "ONE_DB_PASSWORD_FILE, /usr, is a folder; it must be a file"},
		"password file empty":    {db: []string{file("empty", "\n")}, want: "is empty: it must hold the password"},
		"password with a space":  {db: []string{file("space", "a b\n")}, want: "has a space in it: OpenNebula's own tools cannot log in"},
		"password of two lines":  {db: []string{file("two", "a\nb\n")}, want: "has several lines: it must hold the password and nothing else"},
		"password not a text":    {db: []string{file("bytes", "\xff\xfe")}, want: "is not a text in UTF-8"},
		"password of oned's end": {db: []string{file("end", `end\`)}, want: "is not possible in oned.conf"},
		"password of oned's CD":  {db: []string{file("cdata", `a]]>b`)}, want: "is not possible in oned.conf"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := test.env
			if test.db != nil {
				env = withDatabase(t, "secret", test.db...)
			}
			newDeployment(t, env...).refuses(t, test.want)
		})
	}
}

func TestConfigureRefusesAnUnreadablePassword(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root reads every file")
	}
	file := filepath.Join(t.TempDir(), "password")
	write(t, file, "secret")
	assert.NoError(t, os.Chmod(file, 0))
	newDeployment(t, withDatabase(t, "", "ONE_DB_PASSWORD_FILE="+file)...).refuses(t, "cannot be read: Permission denied")
}

func TestConfigureAcceptsSettings(t *testing.T) {
	for _, env := range []string{
		"ONE_HOSTNAME=192.0.2.1", "ONE_HOSTNAME=a", "ONE_HOSTNAME=1and1.example.org", "ONE_MONITOR_ADDRESS=",
		"ONE_MONITOR_ADDRESS=auto", "ONE_MONITOR_ADDRESS=2001:db8::1", "ONE_ONEGATE_ENDPOINT=",
		"ONE_ONEGATE_ENDPOINT=https://gate.example.org/one", "ONE_DB_BACKEND=", "ONE_DB_HOST=",
	} {
		t.Run(env, func(t *testing.T) { newDeployment(t, env).accepts(t) })
	}
}

// What the environment decides, a fragment can only say in the same way.
func TestConfigureRefusesContradictions(t *testing.T) {
	for name, test := range map[string]struct {
		db             bool
		env            []string
		file, fragment string
		want           string // empty: it is accepted
	}{
		"another host name": {file: "oned.conf", fragment: "\nHOSTNAME = other\n", want: "OVERRIDES/oned.conf, line 2: HOSTNAME is decided by ONE_HOSTNAME: set it in that one place"},
		"the same name":     {file: "oned.conf", fragment: "HOSTNAME = \"frontend.example.org\"\n"},
		"another backend":   {file: "oned.conf", fragment: "DB = [\n  BACKEND = \"mysql\" ]\n", want: "oned.conf, line 2: DB/BACKEND is decided by ONE_DB_BACKEND"},
		"a server":          {file: "oned.conf", fragment: "DB = [ SERVER = \"db\" ]\n", want: "oned.conf, line 1: DB/SERVER is decided by ONE_DB_HOST"},
		"a password":        {db: true, file: "oned.conf", fragment: "DB = [ PASSWD = \"other\" ]\n", want: "oned.conf, line 1: DB/PASSWD is decided by ONE_DB_PASSWORD_FILE"},
		"another port":      {db: true, file: "oned.conf", fragment: "DB = [ PORT = 3307 ]\n", want: "DB/PORT is decided by ONE_DB_PORT"},
		"a server with TLS": {db: true, env: []string{"ONE_DB_TLS=unverified"}, file: "oned.conf", fragment: "DB = [ SERVER = \"db\" ]\n", want: "oned.conf, line 1: DB/SERVER is decided by ONE_DB_HOST"},
		"connections twice": {db: true, env: []string{"ONE_DB_CONNECTIONS=5"}, file: "oned.conf", fragment: "DB = [ CONNECTIONS = 6 ]\n", want: "DB/CONNECTIONS is decided by ONE_DB_CONNECTIONS"},
		"connections once":  {db: true, file: "oned.conf", fragment: "DB = [ CONNECTIONS = 6, COMPARE_BINARY = \"yes\" ]\n"},
		"timeout":           {file: "oned.conf", fragment: "DB = [ TIMEOUT = 5000 ]\n"},
		"an endpoint":       {file: "oned.conf", fragment: "ONEGATE_ENDPOINT = \"http://a:1\"\n"},
		"endpoint twice":    {env: []string{"ONE_ONEGATE_ENDPOINT=http://b:1"}, file: "oned.conf", fragment: "ONEGATE_ENDPOINT = \"http://a:1\"\n", want: "ONEGATE_ENDPOINT is decided by ONE_ONEGATE_ENDPOINT"},
		"monitoring once":   {env: []string{"ONE_MONITOR_ADDRESS=auto"}, file: "monitord.conf", fragment: "NETWORK = [ MONITOR_ADDRESS = \"192.0.2.9\" ]\n"},
		"monitoring twice":  {env: []string{"ONE_MONITOR_ADDRESS=192.0.2.8"}, file: "monitord.conf", fragment: "NETWORK = [ MONITOR_ADDRESS = \"192.0.2.9\" ]\n", want: "monitord.conf, line 1: NETWORK/MONITOR_ADDRESS is decided by ONE_MONITOR_ADDRESS"},
		"a port beside":     {env: []string{"ONE_MONITOR_PORT=30124"}, file: "monitord.conf", fragment: "NETWORK = [ MONITOR_ADDRESS = \"192.0.2.9\" ]\n"},
		"another monitor's": {env: []string{"ONE_MONITOR_PORT=30124"}, file: "monitord.conf", fragment: "NETWORK = [ PORT = 4125 ]\n", want: "monitord.conf, line 1: NETWORK/PORT is decided by ONE_MONITOR_PORT"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := test.env
			if test.db {
				env = withDatabase(t, "secret", test.env...)
			}
			d := newDeployment(t, env...)
			d.override(t, test.file, test.fragment)
			if test.want == "" {
				d.accepts(t)
				return
			}
			d.refuses(t, test.want)
		})
	}
}

// From 7.4 on OneGate's address stands within a mapping.
func TestConfigureListensAsTheReleaseHasIt(t *testing.T) {
	d := newDeployment(t)
	write(t, filepath.Join(d.etc, "onegate-server.conf"), ":server:\n  :bind: 127.0.0.1 # the loopback\n  :port: 5030\n")
	d.accepts(t)
	assert.Equal(t, ":server:\n  :bind: 0.0.0.0 # the loopback\n  :port: 5030\n", d.read(t, "onegate-server.conf"))
}
