package changes

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
	"github.com/ulikunitz/xz"
)

// deb is a package that a test makes.
type deb struct {
	name, version, architecture string // all, if no other
	fields                      string // further lines of its control file
	conffiles                   []string
	files                       map[string]string      // content by path
	links                       map[string]string      // target by path
	modes                       map[string]fs.FileMode // where it is not 0644
	ending                      string                 // of the compression; .gz if no other
}

func (d deb) filename() string {
	return fmt.Sprintf("%s_%s_%s.deb", d.name, strings.ReplaceAll(d.version, ":", "."), d.arch())
}

func (d deb) arch() string {
	if d.architecture == "" {
		return "all"
	}
	return d.architecture
}

func (d deb) bytes(t testing.TB) []byte {
	scripts := map[string]string{
		"./control": fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: %s\n%sDescription: of a test\n in two lines\n", d.name, d.version, d.arch(), d.fields),
	}
	if d.conffiles != nil {
		scripts["./conffiles"] = strings.Join(d.conffiles, "\n") + "\n"
	}
	ending := d.ending
	if ending == "" {
		ending = ".gz"
	}
	return archive("debian-binary", []byte("2.0\n"),
		"control.tar"+ending, compress(t, ending, tarred(t, scripts, nil, nil)),
		"data.tar"+ending, compress(t, ending, tarred(t, d.files, d.links, d.modes)))
}

// archive is an ar archive of names and contents in turn.
func archive(members ...any) []byte {
	var b bytes.Buffer
	b.WriteString("!<arch>\n")
	for i := 0; i < len(members); i += 2 {
		content := members[i+1].([]byte)
		fmt.Fprintf(&b, "%-16s%-12d%-6d%-6d%-8s%-10d`\n", members[i], 0, 0, 0, "100644", len(content))
		b.Write(content)
		if len(content)%2 == 1 {
			b.WriteByte('\n')
		}
	}
	return b.Bytes()
}

func tarred(t testing.TB, files, links map[string]string, modes map[string]fs.FileMode) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		mode := int64(0o644)
		if m, ok := modes[name]; ok {
			mode = int64(m)
		}
		require.NoError(t, w.WriteHeader(&tar.Header{Name: "./" + strings.TrimLeft(name, "./"), Mode: mode, Size: int64(len(files[name])), Typeflag: tar.TypeReg}))
		_, err := io.WriteString(w, files[name])
		require.NoError(t, err)
	}
	for _, name := range slices.Sorted(maps.Keys(links)) {
		require.NoError(t, w.WriteHeader(&tar.Header{Name: "." + name, Linkname: links[name], Mode: 0o777, Typeflag: tar.TypeSymlink}))
	}
	require.NoError(t, w.Close())
	return b.Bytes()
}

func compress(t testing.TB, ending string, content []byte) []byte {
	var b bytes.Buffer
	var w io.WriteCloser
	switch ending {
	case ".tar":
		return content
	case ".gz":
		w = gzip.NewWriter(&b)
	case ".zst":
		z, err := zstd.NewWriter(&b)
		require.NoError(t, err)
		w = z
	case ".xz":
		x, err := xz.NewWriter(&b)
		require.NoError(t, err)
		w = x
	default:
		return content
	}
	_, err := w.Write(content)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

// folderOf has packages as files.
func folderOf(t testing.TB, debs ...deb) string {
	folder := t.TempDir()
	for _, d := range debs {
		require.NoError(t, os.WriteFile(filepath.Join(folder, d.filename()), d.bytes(t), 0o644))
	}
	return folder
}

// releaseOf is a release of packages in a folder of their own.
func releaseOf(t testing.TB, version string, debs ...deb) Release {
	return Release{Version: version, Source: Folder(folderOf(t, debs...), "amd64")}
}
