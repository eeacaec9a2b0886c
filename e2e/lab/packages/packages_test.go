package packages

import (
	"context"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pablodelarco/opennebula-helm/upstream"
)

// newFolder holds one small package, opennebula 7.2.0-1.
func newFolder(t *testing.T) string {
	if _, err := exec.LookPath("apt-ftparchive"); err != nil {
		t.Skip("apt-ftparchive is not there; apt-get install apt-utils")
	}
	folder := t.TempDir()
	addPackage(t, folder, runtime.GOARCH)
	return folder
}

func addPackage(t *testing.T, folder, architecture string) {
	tree := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(tree, "DEBIAN"), 0o755))
	control := "Package: opennebula\nVersion: 7.2.0-1\nArchitecture: " + architecture + "\nMaintainer: a test <test@example.org>\nDescription: nothing\n"
	require.NoError(t, os.WriteFile(filepath.Join(tree, "DEBIAN", "control"), []byte(control), 0o644))
	out, err := exec.Command("dpkg-deb", "--build", tree, folder).CombinedOutput()
	require.NoError(t, err, string(out))
}

func start(t *testing.T, c Config) (*Source, error) {
	c.Version, c.Address, c.State = "7.2.0", "127.0.0.1:0", t.TempDir()
	if c.Cache == "" {
		c.Cache = t.TempDir()
	}
	source, err := Start(context.Background(), c)
	t.Cleanup(source.Stop)
	return source, err
}

func TestFolderIsServedAsARepository(t *testing.T) {
	source, err := start(t, Config{Folder: newFolder(t)})
	require.NoError(t, err)
	assert.True(t, source.Real)

	key, err := upstream.Fetch(context.Background(), source.Key)
	require.NoError(t, err)
	versions, err := upstream.NewRepository(source.Repository, key).Versions(context.Background(), "opennebula", runtime.GOARCH)
	require.NoError(t, err)
	assert.Equal(t, []string{"7.2.0-1"}, versions)
}

func TestFolderForSeveralArchitectures(t *testing.T) {
	folder := newFolder(t)
	addPackage(t, folder, "amd64")
	addPackage(t, folder, "arm64")
	source, err := start(t, Config{Folder: folder})
	require.NoError(t, err)
	key, err := upstream.Fetch(t.Context(), source.Key)
	require.NoError(t, err)
	found, err := upstream.NewRepository(source.Repository, key).Architectures(t.Context(), "7.2.0", []string{"opennebula"})
	require.NoError(t, err)
	assert.Equal(t, []string{"amd64", "arm64"}, found)
}

func TestGivenRepository(t *testing.T) {
	served, err := start(t, Config{Folder: newFolder(t)})
	require.NoError(t, err)

	byURL, err := start(t, Config{Repository: served.Repository, Key: served.Key})
	require.NoError(t, err)
	assert.Equal(t, served.Repository, byURL.Repository)

	key, err := upstream.Fetch(context.Background(), served.Key)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "key.asc")
	require.NoError(t, os.WriteFile(file, key, 0o644))
	_, err = start(t, Config{Repository: served.Repository, Key: file})
	require.NoError(t, err)
}

// A builder's cache holds only when nothing that it reads has changed.
func TestSamePackagesSameAddress(t *testing.T) {
	folder, cache := newFolder(t), t.TempDir()
	path := func(folder string) string {
		source, err := start(t, Config{Folder: folder, Cache: cache})
		require.NoError(t, err)
		u, err := url.Parse(source.Repository)
		require.NoError(t, err)
		return u.Path
	}
	assert.Equal(t, path(folder), path(folder))

	first, err := signingKey(filepath.Join(cache, "packages.key"))
	require.NoError(t, err)
	again, err := signingKey(filepath.Join(cache, "packages.key"))
	require.NoError(t, err)
	assert.Equal(t, first.PrimaryKey.Fingerprint, again.PrimaryKey.Fingerprint)
}

func TestBrokenSigningKey(t *testing.T) {
	cache := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(cache, "packages.key"), []byte("x"), 0o600))
	_, err := start(t, Config{Folder: newFolder(t), Cache: cache})
	assert.ErrorContains(t, err, "remove the file, and a new one is made")
}
