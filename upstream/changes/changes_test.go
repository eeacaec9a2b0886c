package changes

import (
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write testdata anew")

// installed are the packages that the tests' image is made of.
var installed = []string{"opennebula", "opennebula-flow", "opennebula-migration"}

// schemaText is as much of database_schema.rb as matters.
func schemaText(version string) string {
	return "module OneDBSchema\n    LATEST_DB_VERSION = '" + version + "'\n    LATEST_LOCAL_DB_VERSION = '" + version + "'\nend\n"
}

// before and after have one change of each kind between them.
func before() []deb {
	return []deb{
		{
			name: "opennebula", version: "7.0.2-1", architecture: "amd64",
			fields:    "Depends: opennebula-common (= 7.0.2-1), ruby, nodejs (>= 16), ruby-xmlrpc, opennebula-old\nRecommends: qemu-utils\n",
			conffiles: []string{"/etc/one/oned.conf", "/etc/one/old.conf", "/etc/one/kept.conf", "/etc/one/link"},
			files: map[string]string{
				"/etc/one/oned.conf":                               "# Copyright 2002-2025, OpenNebula\nPORT = 2633\n" + strings.Repeat("# a line\n", 20) + "LOG = [ SYSTEM = \"file\" ]\n",
				"/etc/one/old.conf":                                "OLD = 1\n",
				"/etc/one/kept.conf":                               "KEPT = 1\n",
				"/etc/one/years.yaml":                              "# Copyright 2002-2025, OpenNebula\n:a: 1\n",
				"/etc/one/secret.conf":                             "A = 1\n",
				"/etc/one/link":                                    "a file\n",
				"/etc/one/picture.png":                             "\x00\x01",
				"/etc/sudoers.d/opennebula":                        "oneadmin ALL=(ALL) NOPASSWD: ONE_CEPH\n",
				"/var/lib/one/remotes/etc/vmm/kvm/kvmrc":           "LIBVIRT_URI=qemu:///system\n",
				"/lib/systemd/system/opennebula.service":           "[Service]\nUser=oneadmin\nRestart=on-failure\n",
				"/lib/systemd/system/opennebula-scheduler.service": "[Service]\n",
				"/lib/systemd/system/moved.service":                "[Service]\n",
				schemaFile:                                         schemaText("7.0.0"),
			},
			modes: map[string]fs.FileMode{"/etc/one/secret.conf": 0o640},
		},
		{name: "opennebula-common", version: "7.0.2-1", fields: "Depends: adduser\n"},
		{name: "opennebula-flow", version: "7.0.2-1", fields: "Depends: opennebula-common (= 7.0.2-1), opennebula-rubygems (>= 7.0.2)\n"},
		{name: "opennebula-rubygems", version: "1:3.1-1"},
		{name: "opennebula-old", version: "7.0.2-1"},
		{name: "opennebula-migration", version: "7.0.2-1", files: map[string]string{
			onedb + "local/6.10.0_to_7.0.0.rb": "", onedb + "shared/6.10.0_to_7.0.0.rb": "",
		}},
		{name: "opennebula-node-kvm", version: "7.0.2-1"},
		{name: "opennebula-provision", version: "7.0.2-1"},
		{name: "opennebula-other", version: "7.0.2-1", architecture: "arm64"},
	}
}

func after() []deb {
	return []deb{
		{
			name: "opennebula", version: "7.2.0-1", architecture: "amd64",
			fields:    "Depends: opennebula-common (= 7.2.0-1), ruby, nodejs (>= 18), opennebula-new, ruby-ox | ruby-nokogiri\nRecommends: ruby-xmlrpc\n",
			conffiles: []string{"/etc/one/oned.conf", "/etc/one/new.conf", "/etc/one/kept.conf", "/etc/one/secret.conf"},
			files: map[string]string{
				"/etc/one/oned.conf":                         "# Copyright 2002-2026, OpenNebula\nPORT = 2634\n" + strings.Repeat("# a line\n", 20) + "LOG = [ SYSTEM = \"std\" ] # ``` and @someone, closes #1\n",
				"/etc/one/new.conf":                          "NEW = 1\nEND = 2",
				"/etc/one/kept.conf":                         "KEPT = 1\n",
				"/etc/one/years.yaml":                        "# Copyright 2002-2026, OpenNebula\n:a: 1\n",
				"/etc/one/secret.conf":                       "A = 1\n",
				"/etc/one/picture.png":                       "\x00\x02",
				"/etc/sudoers.d/opennebula":                  "oneadmin ALL=(ALL) NOPASSWD: ONE_CEPH, ONE_LVM\n",
				"/var/lib/one/remotes/etc/vmm/kvm/kvmrc":     "LIBVIRT_URI=qemu:///session\n",
				"/lib/systemd/system/opennebula.service":     "[Service]\nUser=oneadmin\nRestart=always\n",
				"/lib/systemd/system/opennebula-new.timer":   "[Timer]\nOnCalendar=daily\n",
				"/usr/lib/systemd/system/moved.service":      "[Service]\n",
				"/usr/lib/one/ruby/onedb/local/not-a-file.x": "x",
				schemaFile: schemaText("7.2.0"),
			},
			links: map[string]string{"/etc/one/link": "/usr/share/one/@link"},
			modes: map[string]fs.FileMode{"/etc/one/secret.conf": 0o600},
		},
		{name: "opennebula-common", version: "7.2.0-1", fields: "Depends: adduser\n"},
		{name: "opennebula-flow", version: "7.2.0-1", fields: "Depends: opennebula-common (= 7.2.0-1), opennebula-rubygems (>= 7.2.0)\n"},
		{name: "opennebula-rubygems", version: "1:3.2-1"},
		{name: "opennebula-new", version: "7.2.0-1"},
		{name: "opennebula-migration", version: "7.2.0-1", files: map[string]string{
			onedb + "local/7.0.0_to_7.1.80.rb": "", onedb + "local/7.1.80_to_7.2.0.rbm": "", onedb + "shared/7.0.0_to_7.2.0.rb": "",
		}},
		{name: "opennebula-node-kvm", version: "7.2.0-1"},
		{name: "opennebula-form", version: "7.2.0-1"},
	}
}

func compare(t testing.TB, from, to Release) *Changes {
	c, err := Compare(t.Context(), from, to, installed)
	require.NoError(t, err)
	return c
}

func both(t testing.TB) *Changes {
	return compare(t, releaseOf(t, "7.0.2", before()...), releaseOf(t, "7.2.0", after()...))
}

// golden compares with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, string(want), got, "go test -update writes it anew")
}

func TestChangesAreToldInMarkdown(t *testing.T) {
	c := both(t)
	notes, err := os.ReadFile("testdata/notes.md")
	require.NoError(t, err)
	c.Notes = Notes{Text: string(notes), URL: "https://github.com/OpenNebula/one/releases/tag/release-7.2.0"}
	golden(t, "changes.md", c.Markdown(BodyLimit))
	golden(t, "summary.txt", c.Summary()+"\n")
}

func TestTheSameReleaseTwice(t *testing.T) {
	c := compare(t, releaseOf(t, "7.2.0", after()...), releaseOf(t, "7.2.0", after()...))
	assert.True(t, c.Empty())
	assert.Equal(t, "Nothing differs between OpenNebula 7.2.0 and 7.2.0.", c.Summary())
	assert.Contains(t, c.Markdown(BodyLimit), c.Summary())
	assert.Equal(t, []string{"/etc/one/kept.conf", "/etc/one/new.conf", "/etc/one/oned.conf", "/etc/one/secret.conf"}, c.Conffiles.Kept)
}

func TestNothingIsKnown(t *testing.T) {
	c := Changes{From: "7.2.0", To: "7.4.0", Unknown: "The packages are gone.", Notes: Notes{Text: "Better."}}
	assert.Equal(t, "The packages are gone.", c.Summary())
	text := c.Markdown(BodyLimit)
	assert.Contains(t, text, "## What changes from OpenNebula 7.2.0 to 7.4.0\n\nThe packages are gone.\n")
	assert.Contains(t, text, "Better.")
	assert.NotContains(t, text, "Nothing differs")
}

func TestDependencies(t *testing.T) {
	assert.Equal(t, []DependencyChange{
		{Package: "opennebula", To: "opennebula-new"},
		{Package: "opennebula", To: "ruby-ox | ruby-nokogiri"},
		{Package: "opennebula", To: "ruby-xmlrpc", Recommends: true},
		{Package: "opennebula", From: "opennebula-old"},
		{Package: "opennebula", From: "ruby-xmlrpc"},
		{Package: "opennebula", From: "qemu-utils", Recommends: true},
		{Package: "opennebula", From: "nodejs (>= 16)", To: "nodejs (>= 18)"},
	}, both(t).Dependencies)
}

func TestOnlyARebuild(t *testing.T) {
	rebuilt := after()
	for i := range rebuilt {
		rebuilt[i].version = strings.Replace(rebuilt[i].version, "7.2.0-1", "7.2.0-2", 1)
		rebuilt[i].fields = strings.ReplaceAll(rebuilt[i].fields, "7.2.0-1", "7.2.0-2")
	}
	c := compare(t, releaseOf(t, "7.2.0", after()...), releaseOf(t, "7.2.0", rebuilt...))
	assert.Empty(t, c.Dependencies)
	assert.Empty(t, c.Bump)
	assert.Contains(t, c.Packages, PackageChange{"opennebula", "7.2.0-1", "7.2.0-2"})
}

// A mirror may have several releases in one place.
func TestReleasesOfOneFolder(t *testing.T) {
	folder := folderOf(t, append(before(), after()...)...)
	mixed := compare(t, Release{"7.0.2", Folder(folder, "amd64")}, Release{"7.2.0", Folder(folder, "amd64")})
	apart := both(t)
	apart.Packages, mixed.Packages = nil, nil // opennebula-rubygems is the highest for both
	assert.Equal(t, apart, mixed)
}

func TestSchemas(t *testing.T) {
	none := []deb{{name: "opennebula", version: "7.0.2-1"}}
	for name, test := range map[string]struct {
		from, to []deb
		want     string
	}{
		"it changes":   {before(), after(), "its schema is migrated (local 7.0.0 → 7.2.0, shared 7.0.0 → 7.2.0), and OpenNebula 7.0.2 cannot read it afterwards: a rollback needs the backup from before"},
		"no migrators": {before(), after()[:5], "its schema changes (local 7.0.0 → 7.2.0, shared 7.0.0 → 7.2.0), and the packages have no migrator for local 7.0.0 → 7.2.0, shared 7.0.0 → 7.2.0: onedb upgrade will refuse"},
		"it stays":     {after(), append(after(), deb{name: "opennebula-more", version: "7.2.0-1"}), "its schema stays (local 7.2.0, shared 7.2.0); nothing is migrated"},
		"it goes back": {after(), before(), "its schema goes back (local 7.2.0 → 7.0.0, shared 7.2.0 → 7.0.0), to which nothing migrates"},
		"not told":     {none, after(), "the packages do not say which schema they want"},
		"by migrators": {
			[]deb{{name: "opennebula", version: "7.0.2-1", files: map[string]string{onedb + "local/6.10.0_to_7.0.0.rb": "", onedb + "shared/6.8.0_to_6.10.0.rb": ""}}},
			after(), "and the packages have no migrator for shared 6.10.0 → 7.2.0",
		},
	} {
		t.Run(name, func(t *testing.T) {
			release := func(debs []deb) Release {
				return releaseOf(t, strings.TrimSuffix(debs[0].version, "-1"), debs...)
			}
			assert.Contains(t, compare(t, release(test.from), release(test.to)).Markdown(BodyLimit), test.want)
		})
	}
}

func TestMigratorsAreFollowed(t *testing.T) {
	assert.Equal(t, []string{"local 7.0.0 → 7.1.80", "local 7.1.80 → 7.2.0", "shared 7.0.0 → 7.2.0"}, both(t).Schema.Migrators)
}

func TestFoldersAreRefused(t *testing.T) {
	broken := folderOf(t, before()...)
	require.NoError(t, os.WriteFile(filepath.Join(broken, "opennebula_7.0.2-1_amd64.deb"), []byte("not a package"), 0o644))
	damaged := folderOf(t, before()...)
	content := before()[0].bytes(t)
	require.NoError(t, os.WriteFile(filepath.Join(damaged, "opennebula_7.0.2-1_amd64.deb"), content[:len(content)-200], 0o644))
	for name, test := range map[string]struct {
		release Release
		want    string
	}{
		"no folder":            {Release{"7.0.2", Folder("/nowhere", "amd64")}, "the folder /nowhere has no .deb files for amd64"},
		"no packages":          {Release{"7.0.2", Folder(t.TempDir(), "amd64")}, "has no .deb files for amd64: give the folder that holds OpenNebula's packages"},
		"another architecture": {Release{"7.0.2", Folder(folderOf(t, before()...), "arm64")}, "there is no package opennebula: choose another"},
		"another release":      {Release{"7.4.0", Folder(folderOf(t, before()...), "amd64")}, "there is no package opennebula 7.4.0, but 7.0.2: choose one of these"},
		"no release":           {Release{"7.4", Folder(folderOf(t, before()...), "amd64")}, `"7.4" is not a version of OpenNebula`},
		"not a package":        {Release{"7.0.2", Folder(broken, "amd64")}, "opennebula_7.0.2-1_amd64.deb is not a readable .deb file"},
		"a cut package":        {Release{"7.0.2", Folder(damaged, "amd64")}, "the package opennebula_7.0.2-1_amd64.deb is not a readable .deb file: read data.tar.gz: unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Compare(t.Context(), test.release, releaseOf(t, "7.2.0", after()...), installed)
			assert.ErrorContains(t, err, test.want)
			assert.ErrorContains(t, err, "OpenNebula "+test.release.Version)
		})
	}
}
