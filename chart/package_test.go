package chart

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	helm "helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"sigs.k8s.io/yaml"
)

var committed = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// archived is the chart of this checkout in an archive.
func archived(t testing.TB, options ...PackageOption) string {
	archive, err := Package(Name, t.TempDir(), img, append([]PackageOption{At(committed)}, options...)...)
	require.NoError(t, err)
	return archive
}

func TestPackagesAreTheSameBytes(t *testing.T) {
	first, err := os.ReadFile(archived(t))
	require.NoError(t, err)

	// Another folder, umask, mode and time.
	folder := filepath.Join(t.TempDir(), "another")
	require.NoError(t, os.CopyFS(folder, os.DirFS(Name)))
	require.NoError(t, filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			err = os.Chmod(path, 0o600)
		}
		if err == nil {
			err = os.Chtimes(path, time.Unix(1, 0), time.Unix(2, 0))
		}
		return err
	}))
	defer syscall.Umask(syscall.Umask(0o077))
	archive, err := Package(folder, t.TempDir(), img, At(committed.Local().Add(time.Millisecond)))
	require.NoError(t, err)
	second, err := os.ReadFile(archive)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(first, second))

	another, err := os.ReadFile(archived(t, At(committed.Add(time.Second))))
	require.NoError(t, err)
	assert.False(t, bytes.Equal(first, another), "the time is in it")
}

func TestPackagesHaveSortedFilesOfOneMode(t *testing.T) {
	content, err := os.ReadFile(archived(t))
	require.NoError(t, err)
	zipped, err := gzip.NewReader(bytes.NewReader(content))
	require.NoError(t, err)
	assert.True(t, zipped.ModTime.IsZero())
	archive := tar.NewReader(zipped)
	var names []string
	for {
		header, err := archive.Next()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		assert.Equal(t, int64(0o644), header.Mode)
		assert.Equal(t, committed, header.ModTime.UTC())
		assert.Zero(t, header.Uid+header.Gid)
		assert.Empty(t, header.Uname+header.Gname)
		names = append(names, header.Name)
	}
	assert.True(t, slices.IsSorted(names))
	assert.Contains(t, names, "opennebula/Chart.yaml")
	assert.Contains(t, names, "opennebula/charts/mariadb/values.yaml")
}

// What Helm reads from the archive is what is in the folder.
func TestPackagesHoldTheFolder(t *testing.T) {
	was, is := bound(t), loaded(t, archived(t))
	for _, files := range [][2][]*helm.File{{was.Templates, is.Templates}, {was.Files, is.Files}} {
		require.Len(t, files[1], len(files[0]))
		for _, file := range files[0] {
			i := slices.IndexFunc(files[1], func(f *helm.File) bool { return f.Name == file.Name })
			require.GreaterOrEqual(t, i, 0, file.Name)
			assert.Equal(t, string(file.Data), string(files[1][i].Data), file.Name)
		}
	}
	assert.Equal(t, was.Values, is.Values)
	assert.Equal(t, string(was.Schema), string(is.Schema))
	require.Len(t, is.Dependencies(), len(was.Dependencies()))
	assert.Equal(t, fingerprint(t, was), fingerprint(t, is))
	unbound, err := Read(Name)
	require.NoError(t, err)
	assert.Equal(t, fingerprint(t, unbound), fingerprint(t, is))
	changes, err := Compare(was, is)
	require.NoError(t, err)
	assert.Empty(t, changes)
}

func loaded(t testing.TB, archive string) *helm.Chart {
	c, err := loader.LoadFile(archive)
	require.NoError(t, err)
	return c
}

func TestPackageAnnotatesForArtifactHub(t *testing.T) {
	d := Decision{Version: "0.2.0", Level: Minor, Changes: []Change{{Minor, added, "The value `a` is new: <b> & c"}}}
	archive := archived(t, As(d), WithSecurityUpdates())
	assert.Equal(t, "opennebula-0.2.0.tgz", filepath.Base(archive))
	c := loaded(t, archive)
	said := c.Metadata.Annotations
	assert.Equal(t, "0.2.0", c.Metadata.Version)
	assert.Equal(t, "true", said[securityAnnotation])
	assert.NotContains(t, said, prereleaseAnnotation)
	assert.Equal(t, "Apache-2.0", said["artifacthub.io/license"])
	assert.Contains(t, said["artifacthub.io/links"], "https://opennebula.io")
	assert.NotContains(t, said, "artifacthub.io/signKey")

	var changes []listedChange
	require.NoError(t, yaml.Unmarshal([]byte(said[changesAnnotation]), &changes))
	assert.Equal(t, []listedChange{
		{"security", "Security updates of the packages in the image"}, {added, "The value `a` is new: <b> & c"},
	}, changes)

	var images []listedImage
	require.NoError(t, yaml.Unmarshal([]byte(said[imagesAnnotation]), &images))
	assert.Contains(t, images, listedImage{"opennebula-frontend", img.Reference, img.Platforms})
	assert.Len(t, images, 4)
}

func TestPackageMarksCandidates(t *testing.T) {
	c := loaded(t, archived(t, As(Decision{Version: "0.2.0-rc.1"})))
	assert.Equal(t, "true", c.Metadata.Annotations[prereleaseAnnotation])
}

func TestPackageKeepsWrittenChanges(t *testing.T) {
	c := loaded(t, archived(t))
	assert.Contains(t, c.Metadata.Annotations[changesAnnotation], "Backups to a volume")
	assert.NotContains(t, c.Metadata.Annotations, securityAnnotation)
}

func TestPackageRefuses(t *testing.T) {
	_, err := Package(Name, t.TempDir(), img, As(Decision{Version: "1.2"}))
	assert.ErrorContains(t, err, `the chart's version "1.2" is none: write it as 1.2.3`)
	_, err = Package(filepath.Join(Name, "nothing"), t.TempDir(), img)
	assert.ErrorContains(t, err, "read the chart")
}

// Archives that others wrote are read to their end, or refused.
func FuzzUnpack(f *testing.F) {
	content, err := os.ReadFile(archived(f))
	require.NoError(f, err)
	f.Add(content)
	f.Add(content[:len(content)/2])
	small, err := pack("a", []*loader.BufferedFile{
		{Name: "Chart.yaml", Data: []byte("{apiVersion: v2, name: a, version: 1.2.3}")},
		{Name: "values.yaml", Data: []byte("image: {registry: é, repository: \"b\", tag: |\n  c\n, digest: \"\\\"\"}\n")},
		{Name: "values.schema.json", Data: []byte(`{"$ref": "#"}`)},
	}, committed)
	require.NoError(f, err)
	f.Add(small)
	f.Fuzz(func(_ *testing.T, content []byte) {
		c, _, err := unpack(content)
		if err != nil {
			return
		}
		_, _ = Fingerprint(c)
		_, _ = Compare(c, c)
	})
}

func FuzzUnpinnedValues(f *testing.F) {
	f.Add("image: {registry: é, repository: \"b\", tag: 'c', digest: \"\\\"\"}\n")
	f.Add("é: 1\nimage:\n  registry: |\n    a\n  tag: *a\n  digest: \"a\n    b\"\n")
	f.Add("? image\n: {? tag : 1}")
	f.Add("image: {0\r,digest}")
	f.Fuzz(func(t *testing.T, text string) {
		c := &helm.Chart{Metadata: &helm.Metadata{}, Raw: []*helm.File{{Name: "values.yaml", Data: []byte(text)}}}
		if yaml.Unmarshal([]byte(text), &c.Values) != nil {
			return
		}
		values, err := unpinnedValues(c)
		if err != nil {
			return
		}
		var unpinned map[string]any
		require.NoError(t, yaml.Unmarshal(values, &unpinned), strings.ToValidUTF8(string(values), "?"))
	})
}
