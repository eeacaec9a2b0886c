package image

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestConfigureWholeFiles(t *testing.T) {
	d := newDeployment(t, withDatabase(t, "secret")...)
	d.override(t, "files/oned.conf", "PORT = 2700\nHOSTNAME = \"old\"\nDB = [ BACKEND = \"sqlite\", CONNECTIONS = 50 ]\nOUR_OWN = 1\n")
	d.override(t, "files/oneflow-server.conf", ":host: 127.0.0.2\n:ours: [a]\n")
	d.override(t, "files/auth/ldap_auth.conf", "server 1:\n    :host: ldap.example.org\n")
	d.override(t, "files/auth/radius_auth.conf", ":host: radius\n")
	d.override(t, "files/fireedge/sunstone/views/ours/vm-tab.yaml", "resource_name: VM\n")
	d.override(t, "files/fireedge/sunstone/logo.png", "\x89PNG\r\n\x00")
	d.override(t, "files/.hidden/file", "x")
	d.accepts(t)

	assert.Equal(t, `PORT = 2700
HOSTNAME = "frontend.example.org"
DB = [ BACKEND = "mysql", CONNECTIONS = 50,
    SERVER = "db",
    PORT = 3306,
    USER = "one",
    PASSWD = "secret",
    DB_NAME = "cloud" ]
OUR_OWN = 1
`, d.read(t, "oned.conf"), "the environment's settings go into a whole file too")
	assert.Equal(t, ":host: 127.0.0.2\n:ours: [a]\n", d.read(t, "oneflow-server.conf"), "all else is taken as it is")
	assert.Contains(t, d.read(t, "auth/ldap_auth.conf"), "ldap.example.org")
	assert.FileExists(t, filepath.Join(d.etc, "auth/radius_auth.conf"))
	assert.FileExists(t, filepath.Join(d.etc, "fireedge/sunstone/views/ours/vm-tab.yaml"))
	assert.Equal(t, "\x89PNG\r\n\x00", d.read(t, "fireedge/sunstone/logo.png"))
	assert.NoDirExists(t, filepath.Join(d.etc, ".hidden"))
}

// mount lays out files as Kubernetes does for a ConfigMap: the first part of each
// name is a link through ..data into a folder of this moment.
func (d deployment) mount(t *testing.T, at string, files map[string]string) {
	root := filepath.Join(d.overrides, at)
	for name, content := range files {
		write(t, filepath.Join(root, "..2024_01_01_00_00_00.1", name), content)
	}
	require.NoError(t, os.Symlink("..2024_01_01_00_00_00.1", filepath.Join(root, "..data")))
	entries, err := os.ReadDir(filepath.Join(root, "..data") + "/")
	require.NoError(t, err)
	for _, entry := range entries {
		require.NoError(t, os.Symlink("..data/"+entry.Name(), filepath.Join(root, entry.Name())))
	}
}

func TestConfigureFollowsConfigMaps(t *testing.T) {
	d := newDeployment(t)
	d.mount(t, "", map[string]string{"oned.conf": "PORT = 2700\n", "one_drs.conf": "PREDICTIVE: 1\n"})
	d.mount(t, "files", map[string]string{"auth/ldap_auth.conf": "a: 1\n", "guacd": "OPTS=-v"})
	d.accepts(t)
	assert.Contains(t, d.read(t, "oned.conf"), "PORT = 2700\n")
	assert.Contains(t, d.read(t, "schedulers/one_drs.conf"), "PREDICTIVE: 1\n")
	assert.Equal(t, "a: 1\n", d.read(t, "auth/ldap_auth.conf"))
	assert.Equal(t, "OPTS=-v", d.read(t, "guacd"))
	info, err := os.Lstat(filepath.Join(d.etc, "guacd"))
	require.NoError(t, err)
	assert.True(t, info.Mode().IsRegular())
}

func TestConfigureRefusesFiles(t *testing.T) {
	for name, test := range map[string]struct {
		files map[string]string // a name with a slash at its end is a folder
		link  string            // a link to nowhere
		want  string
	}{
		"whole and in part": {
			files: map[string]string{"oned.conf": "", "files/oned.conf": "PORT = 1\n"},
			want:  "OVERRIDES/files/oned.conf replaces the file that OVERRIDES/oned.conf is merged into: give one of them",
		},
		"whole and in part, below": {
			files: map[string]string{"rank.conf": "", "files/schedulers/rank.conf": "MAX_HOST = 1\n"},
			want:  "OVERRIDES/files/schedulers/rank.conf replaces the file that OVERRIDES/rank.conf is merged into",
		},
		"under two names": {
			files: map[string]string{"rank.conf": "", "schedulers/rank.conf": ""},
			want:  "OVERRIDES/schedulers/rank.conf and OVERRIDES/rank.conf are one fragment: give one of them",
		},
		"a name at the top": {
			files: map[string]string{"files/oend.conf": ""},
			want:  "OVERRIDES/files/oend.conf replaces nothing: ETC has no oend.conf (did you mean oned.conf?); files can be added in its folders only",
		},
		"a folder that is none": {
			files: map[string]string{"files/atuh/ldap_auth.conf": ""},
			want:  "OVERRIDES/files/atuh/ldap_auth.conf has no place: ETC has no folder atuh (did you mean auth?)",
		},
		"a file for a folder": {
			files: map[string]string{"files/auth": ""},
			want:  "OVERRIDES/files/auth would replace the folder auth of ETC",
		},
		"a folder for a file": {
			files: map[string]string{"files/oned.conf/": ""},
			want:  "OVERRIDES/files/oned.conf is a folder; it must be a file",
		},
		"a folder for a fragment": {
			files: map[string]string{"rank.conf/": ""},
			want:  "OVERRIDES/rank.conf is a folder; it must be a file",
		},
		"a file for the folder of files": {
			files: map[string]string{"files": ""},
			want:  "OVERRIDES/files cannot be read: Not a directory",
		},
		"a link to nowhere": {
			link: "oned.conf",
			want: "OVERRIDES/oned.conf cannot be read: No such file or directory",
		},
		"a whole file that is broken": {
			files: map[string]string{"files/oned.conf": "PORT = 1\nLOG = [\n"},
			want:  "OVERRIDES/files/oned.conf, line 3: expected a name, found the end of the file",
		},
		"a whole file of broken YAML": {
			files: map[string]string{"files/auth/ldap_auth.conf": "a: 1\nb: [\n"},
			want:  "OVERRIDES/files/auth/ldap_auth.conf, line 3: this is not YAML: ",
		},
		"a whole file of another backend": {
			files: map[string]string{"files/oned.conf": "DB = [\n BACKEND = \"mysql\" ]\n"},
			want:  "OVERRIDES/files/oned.conf, line 2: DB/BACKEND is mysql, but ONE_DB_BACKEND is sqlite",
		},
		"a whole file without a section": {
			files: map[string]string{"files/oned.conf": "PORT = 1\nDB = sqlite\n"},
			want:  "OVERRIDES/files/oned.conf, line 2: DB must be a section",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDeployment(t)
			for name, content := range test.files {
				if strings.HasSuffix(name, "/") {
					require.NoError(t, os.MkdirAll(filepath.Join(d.overrides, name), 0o755))
					continue
				}
				d.override(t, name, content)
			}
			if test.link != "" {
				require.NoError(t, os.Symlink("..data/nowhere", filepath.Join(d.overrides, test.link)))
			}
			d.refuses(t, test.want)
		})
	}
}

func TestConfigureRefusesAFragmentOfNoPackage(t *testing.T) {
	d := newDeployment(t)
	require.NoError(t, os.Remove(filepath.Join(d.etc, "guacd")))
	d.override(t, "guacd", "OPTS=-v\n")
	d.refuses(t, "OVERRIDES/guacd has nothing to be merged into: the image lacks the package of guacd")
}
