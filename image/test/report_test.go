package test

import (
	"archive/tar"
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/Masterminds/semver/v3"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/stretchr/testify/require"
)

// layerNames say what the image's layers hold, in their order on a base of one.
var layerNames = []string{"base", "Debian, for all releases", "Debian, for this one", "FireEdge's modules", "OpenNebula", "our own files", "the working directory"}

// TestReport measures images of OpenNebula's own packages, and prints Markdown:
//
//	OPENNEBULA_PACKAGES=~/7.2.0:~/7.4.0 go test ./image/test -run TestReport -v
func TestReport(t *testing.T) {
	versions := realVersions(t)
	if len(versions) == 0 {
		t.Skip("it measures OpenNebula's own packages; name their folders in " + packagesVariable)
	}
	requireLab(t)
	var before map[string]int64
	for _, version := range versions {
		began := time.Now()
		img := rebuilt(t, version, created).Image
		cold := time.Since(began)
		began = time.Now()
		require.Equal(t, digest(t, img), digest(t, built(t, version).Image))
		t.Logf("\n\nOpenNebula %s: built in %.0f s, and in %.1f s when all is in the cache\n\n%s\n%s",
			version, cold.Seconds(), time.Since(began).Seconds(), layerTable(t, img), packageTable(t, img))
		sizes := sizesOf(t, img)
		if before != nil {
			t.Logf("upgrade to %s: %s to fetch", version, megabytes(added(before, sizes)))
		}
		before = sizes
	}
}

// realVersions are the releases in the folders of packages, oldest first.
func realVersions(t *testing.T) []string {
	var found []*semver.Version
	name := regexp.MustCompile(`^opennebula_(\d+\.\d+\.\d+)-`)
	for _, folder := range filepath.SplitList(os.Getenv(packagesVariable)) {
		files, err := os.ReadDir(folder)
		require.NoError(t, err)
		for _, file := range files {
			if match := name.FindStringSubmatch(file.Name()); match != nil {
				found = append(found, semver.MustParse(match[1]))
			}
		}
	}
	slices.SortFunc(found, func(a, b *semver.Version) int { return a.Compare(b) })
	versions := make([]string, len(found))
	for i, v := range found {
		versions[i] = v.String()
	}
	return slices.Compact(versions)
}

func layerTable(t *testing.T, img v1.Image) string {
	found, err := img.Layers()
	require.NoError(t, err)
	var table strings.Builder
	table.WriteString("| layer | compressed | unpacked |\n|---|---|---|\n")
	var compressed, unpacked int64
	for i, layer := range found {
		size, err := layer.Size()
		require.NoError(t, err)
		content, err := layer.Uncompressed()
		require.NoError(t, err)
		whole, err := io.Copy(io.Discard, content)
		require.NoError(t, err)
		content.Close()
		fmt.Fprintf(&table, "| %s | %s | %s |\n", layerNames[min(i, len(layerNames)-1)], megabytes(size), megabytes(whole))
		compressed, unpacked = compressed+size, unpacked+whole
	}
	fmt.Fprintf(&table, "| all | %s | %s |\n", megabytes(compressed), megabytes(unpacked))
	return table.String()
}

// packageTable lists the largest packages by the files that the image has of them.
func packageTable(t *testing.T, img v1.Image) string {
	sizes, lists := contents(t, img)
	type row struct {
		name  string
		bytes int64
	}
	var rows []row
	for name, paths := range lists {
		r := row{name: name}
		for _, path := range paths {
			r.bytes += sizes[path]
			delete(sizes, path) // what is left is no package's
		}
		rows = append(rows, r)
	}
	for path, size := range sizes {
		folder := strings.Join(strings.SplitN(path, "/", 4)[:min(3, strings.Count(path, "/"))], "/")
		i := slices.IndexFunc(rows, func(r row) bool { return r.name == "*in "+folder+"*" })
		if i < 0 {
			i = len(rows)
			rows = append(rows, row{name: "*in " + folder + "*"})
		}
		rows[i].bytes += size
	}
	slices.SortFunc(rows, func(a, b row) int { return cmp.Compare(b.bytes, a.bytes) })
	var table strings.Builder
	table.WriteString("| package | in the image |\n|---|---|\n")
	for _, r := range rows[:min(len(rows), 40)] {
		fmt.Fprintf(&table, "| %s | %s |\n", r.name, megabytes(r.bytes))
	}
	return table.String()
}

// contents are the sizes of all files of an image, and the lists that dpkg has of
// its packages' files. Paths begin with no slash; with Debian 12's merged /usr they
// are those below usr.
func contents(t *testing.T, img v1.Image) (sizes map[string]int64, lists map[string][]string) {
	stream := mutate.Extract(img)
	defer stream.Close()
	sizes, lists = map[string]int64{}, map[string][]string{}
	for archive := tar.NewReader(stream); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return sizes, lists
		}
		require.NoError(t, err)
		sizes[merged(h.Name)] = h.Size
		name, ok := strings.CutSuffix(filepath.Base(h.Name), ".list")
		if !ok || !strings.Contains(h.Name, "var/lib/dpkg/info/") {
			continue
		}
		for lines := bufio.NewScanner(archive); lines.Scan(); {
			lists[name] = append(lists[name], merged(lines.Text()))
		}
	}
}

func merged(path string) string {
	path = strings.TrimPrefix(filepath.Clean("/"+path), "/")
	for _, folder := range []string{"bin/", "sbin/", "lib/", "lib64/"} {
		if strings.HasPrefix(path, folder) {
			return "usr/" + path
		}
	}
	return path
}

// sizesOf are the compressed sizes of an image's layers, in bytes, by digest.
func sizesOf(t *testing.T, img v1.Image) map[string]int64 {
	manifest, err := img.Manifest()
	require.NoError(t, err)
	sizes := map[string]int64{}
	for _, layer := range manifest.Layers {
		sizes[layer.Digest.String()] = layer.Size
	}
	return sizes
}

// added are the bytes of what is in the second and not in the first.
func added(first, second map[string]int64) int64 {
	var total int64
	for digest, size := range second {
		if _, ok := first[digest]; !ok {
			total += size
		}
	}
	return total
}

func megabytes(bytes int64) string {
	return strconv.FormatFloat(float64(bytes)/1e6, 'f', 1, 64) + " MB"
}
