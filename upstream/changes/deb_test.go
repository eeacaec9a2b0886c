package changes

import (
	"bytes"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pablodelarco/opennebula-helm/upstream"
)

var sample = deb{
	name: "opennebula", version: "7.2.0-1", architecture: "amd64",
	fields:    "Pre-Depends: dpkg (>= 1.15)\nDepends: opennebula-common (= 7.2.0-1), ruby,\n nodejs (>= 18) | node\nRecommends: qemu-utils\n",
	conffiles: []string{"/etc/one/oned.conf", "remove-on-upgrade /etc/one/old.conf"},
	files: map[string]string{
		"/etc/one/oned.conf":                       "PORT = 2633\n",
		"/etc/one/picture":                         "\x00\x01",
		"/usr/bin/oned":                            "a program",
		"/lib/systemd/system/opennebula.service":   "[Service]\n",
		"/usr/lib/one/ruby/onedb/fsck.rb":          "a program",
		"/usr/lib/one/ruby/onedb/shared/2_to_3.rb": "a migrator",
	},
	links: map[string]string{"/etc/one/link": "oned.conf"},
}

func TestReadDeb(t *testing.T) {
	for _, ending := range []string{".tar", ".gz", ".xz", ".zst"} {
		t.Run(ending, func(t *testing.T) {
			d := sample
			d.ending = ending
			c, err := readDeb(bytes.NewReader(d.bytes(t)))
			if ending == ".tar" {
				assert.ErrorContains(t, err, `".tar" is none of the compressions`)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, "opennebula", c.about.name)
			assert.Equal(t, "amd64", c.about.architecture)
			assert.Equal(t, "nodejs (>= 18) | node", c.about.relations[depends][2].String())
			assert.Equal(t, []string{"/etc/one/oned.conf"}, c.conffiles)
			assert.Equal(t, "PORT = 2633\n", c.files["/etc/one/oned.conf"].text)
			assert.Equal(t, "oned.conf", c.files["/etc/one/link"].link)
			assert.False(t, c.files["/etc/one/picture"].readable)
			assert.Contains(t, c.files, "/usr/lib/systemd/system/opennebula.service")
			assert.Contains(t, c.files, "/usr/lib/one/ruby/onedb/shared/2_to_3.rb")
			assert.Len(t, c.files, 5, "nothing else is kept")
		})
	}
}

// What dpkg packs is read as well as what the tests pack.
func TestReadWhatDpkgPacks(t *testing.T) {
	if _, err := exec.LookPath("dpkg-deb"); err != nil {
		t.Skip("dpkg-deb is not there; apt-get install dpkg")
	}
	for _, compression := range []string{"gzip", "xz", "zstd"} {
		tree, folder := t.TempDir(), t.TempDir()
		for name, content := range map[string]string{
			"DEBIAN/control":     "Package: opennebula\nVersion: 7.2.0-1\nArchitecture: all\nMaintainer: a test <test@example.org>\nDepends: ruby\nDescription: nothing\n",
			"DEBIAN/conffiles":   "/etc/one/oned.conf\n",
			"etc/one/oned.conf":  "PORT = 2633\n",
			"etc/one/other.conf": "A = 1\n",
			"usr/bin/oned":       strings.Repeat("a program", 1000),
		} {
			require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(tree, name)), 0o755))
			require.NoError(t, os.WriteFile(filepath.Join(tree, name), []byte(content), 0o644))
		}
		require.NoError(t, os.Link(filepath.Join(tree, "etc/one/oned.conf"), filepath.Join(tree, "etc/one/zz.conf")))
		out, err := exec.Command("dpkg-deb", "-Z"+compression, "--root-owner-group", "--build", tree, folder).CombinedOutput()
		require.NoError(t, err, string(out))
		packages, err := Folder(folder, "amd64").Packages(t.Context())
		require.NoError(t, err)
		require.Len(t, packages, 1)
		c, err := readPackage(t.Context(), Folder(folder, "amd64"), packages[0])
		require.NoError(t, err)
		assert.Equal(t, []string{"/etc/one/oned.conf"}, c.conffiles)
		assert.Len(t, c.files, 3)
		assert.Equal(t, c.files["/etc/one/oned.conf"], c.files["/etc/one/zz.conf"], "a second name of the same file")
	}
}

func TestReadDebRefuses(t *testing.T) {
	good := sample.bytes(t)
	beforeFiles, _, _ := bytes.Cut(good, []byte("data.tar"))
	control := compress(t, ".gz", tarred(t, map[string]string{"control": "Package: a\nVersion: 1\nArchitecture: all\n"}, nil, nil))
	controlOf := func(text string) []byte {
		return archive("control.tar.gz", compress(t, ".gz", tarred(t, map[string]string{"control": text}, nil, nil)))
	}
	bomb := compress(t, ".gz", tarred(t, map[string]string{"control": strings.Repeat("x", 1<<20)}, nil, nil))
	negative := bytes.Replace(good, []byte("4         `"), []byte("-60       `"), 1)
	// An index of a stream of xz that asks for a dictionary of 4 GiB.
	greedy, err := hex.DecodeString("fd377a585a000004e6d6b446020021012800000085e9a13c")
	require.NoError(t, err)
	for name, test := range map[string]struct {
		content []byte
		want    string
	}{
		"nothing":             {nil, "it does not begin as a package does"},
		"a web page":          {[]byte("<html>an error</html>"), "it does not begin as a package does"},
		"no member":           {archive(), "it has no control.tar"},
		"no files":            {archive("control.tar.gz", control), "it has no data.tar: it was cut, or is no package"},
		"cut after control":   {beforeFiles, "it has no data.tar"},
		"cut within control":  {good[:200], "control.tar.gz: unexpected EOF"},
		"cut within files":    {good[:len(good)-100], "data.tar.gz: unexpected EOF"},
		"a negative size":     {negative, "has a size that is no number"},
		"no control file":     {archive("control.tar.gz", compress(t, ".gz", tarred(t, nil, nil, nil))), "its control file names no package"},
		"an unknown packing":  {archive("control.tar.br", control), "unpack control.tar.br"},
		"not packed at all":   {archive("control.tar.gz", []byte("hello")), "unpack control.tar.gz"},
		"a damaged archive":   {archive("control.tar.gz", compress(t, ".gz", bytes.Repeat([]byte("junk"), 256))), "read control.tar.gz: archive/tar: invalid tar header"},
		"a huge control file": {archive("control.tar.gz", bomb), "it has more than 16384 bytes"},
		"a greedy dictionary": {archive("control.tar.xz", greedy), "control.tar.xz: xz: "},
		"no form":             {controlOf("hello\n\n"), "read its control file"},
		"no version":          {controlOf("Package: a\nArchitecture: all\n"), `its version "" is none of Debian's`},
		"a wrong version":     {controlOf("Package: a\nVersion: a b\nArchitecture: all\n"), `its version "a b" is none of Debian's`},
		"a wrong dependency":  {controlOf("Package: a\nVersion: 1\nArchitecture: all\nDepends: a (1)\n"), "its field Depends cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readDeb(bytes.NewReader(test.content))
			assert.ErrorContains(t, err, test.want)
		})
	}
}

func FuzzDeb(f *testing.F) {
	good := sample.bytes(f)
	f.Add(good)
	f.Add(good[:300])
	f.Add(archive("debian-binary", []byte("2.0\n"), "control.tar", tarred(f, map[string]string{"control": "Package: a\nVersion: 1\nArchitecture: all\n"}, nil, nil), "data.tar", tarred(f, sample.files, sample.links, nil)))
	zst := sample
	zst.ending = ".zst"
	f.Add(zst.bytes(f))
	f.Fuzz(func(t *testing.T, content []byte) {
		c, err := readDeb(bytes.NewReader(content))
		if err != nil {
			return
		}
		assert.NotEmpty(t, c.about.name)
		for name, f := range c.files {
			assert.True(t, matters(name), name)
			assert.LessOrEqual(t, len(f.text), maxText)
		}
	})
}

func FuzzControl(f *testing.F) {
	f.Add("Package: a\nVersion: 1:7.2.0-1\nArchitecture: all\nDepends: a (= 1) [amd64] <!x> | ${b}, c:any\nDescription: a\n .\n b\n")
	f.Add("Package: a\nVersion: 1\nArchitecture: all\nDepends: a (>=")
	f.Add(": :\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > maxControl {
			return
		}
		said, err := parseControl([]byte(text))
		if err != nil {
			return
		}
		h := &held{version: "7.2.0", packages: map[string]upstream.Package{said.name: {Name: said.name}}}
		for key := range h.dependencies(&contents{about: said}) {
			assert.NotEmpty(t, key)
		}
	})
}
