package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pablodelarco/opennebula-helm/e2e/lab/images"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/packages"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/standin"
	"github.com/pablodelarco/opennebula-helm/image"
	"github.com/pablodelarco/opennebula-helm/registry"
	"github.com/pablodelarco/opennebula-helm/upstream"
)

// emulated are the names under which binfmt_misc knows other machines' programs.
var emulated = map[string]string{"amd64": "qemu-x86_64", "arm64": "qemu-aarch64"}

// requireEmulator skips where a container cannot run another machine's programs.
func requireEmulator(t *testing.T, architecture string) {
	entry, err := os.ReadFile("/proc/sys/fs/binfmt_misc/" + emulated[architecture])
	// With F, the kernel keeps the emulator open, which no container has inside.
	if err != nil || !strings.HasPrefix(string(entry), "enabled") || !strings.Contains(flags(string(entry)), "F") {
		t.Skipf("this machine runs no programs for %s; mount binfmt_misc, and apt-get install qemu-user-static binfmt-support", architecture)
	}
	if _, err := exec.LookPath("arch-test"); err != nil {
		t.Skip("mmdebstrap makes no base for another machine without arch-test; apt-get install arch-test")
	}
}

func flags(entry string) string {
	_, rest, _ := strings.Cut(entry, "\nflags:")
	line, _, _ := strings.Cut(rest, "\n")
	return line
}

// One Dockerfile, and one reference, for all platforms that the packages are there for.
func TestPlatforms(t *testing.T) {
	l := requireLab(t)
	const release = "99.1.0"
	architectures := []string{"amd64", "arm64"}
	for _, architecture := range architectures {
		if architecture != runtime.GOARCH {
			requireEmulator(t, architecture)
		}
	}
	one.Lock()
	defer one.Unlock()

	source := standinsFor(t, l, release, architectures)
	key, err := upstream.Fetch(t.Context(), source.Key)
	require.NoError(t, err)
	platforms, err := image.Platforms(t.Context(), upstream.NewRepository(source.Repository, key), release)
	require.NoError(t, err)
	require.Equal(t, []string{"linux/amd64", "linux/arm64"}, platforms)

	build := l.imageBuild(release, source, created)
	build.Args["BASE_DIGEST"] = baseFor(t, l, architectures)
	build.Platforms = platforms
	began := time.Now()
	made, err := l.run(t.Context(), build)
	require.NoError(t, err)
	t.Logf("built for %s in %.0f s", strings.Join(platforms, " and "), time.Since(began).Seconds())

	report, err := image.Verify(t.Context(), made.Reference, registry.WithPlainHTTP(true))
	require.NoError(t, err)
	require.Len(t, report.Platforms, len(platforms))
	for i, found := range report.Platforms {
		assert.Equal(t, platforms[i], found.Platform)
		t.Logf("%s: %s compressed", found.Platform, megabytes(found.Size))
	}
}

// standinsFor serves stand-ins for several architectures from one repository.
func standinsFor(t *testing.T, l *laboratory, version string, architectures []string) *packages.Source {
	state, folder := t.TempDir(), t.TempDir()
	for _, architecture := range architectures {
		t.Setenv("GOARCH", architecture)
		require.NoError(t, standin.Build(t.Context(), filepath.Join(checkout, "e2e/lab/standin"), version, folder))
	}
	source, err := packages.Start(t.Context(), packages.Config{
		Version: version, Folder: folder, Address: packagesAddress(version), Cache: l.cache, State: state,
	})
	require.NoError(t, err)
	t.Cleanup(source.Stop)
	return source
}

// baseFor serves base images under one name, and returns the digest of their index.
func baseFor(t *testing.T, l *laboratory, architectures []string) string {
	var archives []images.Archive
	for _, architecture := range architectures {
		began := time.Now()
		archive, err := images.Debian12(t.Context(), filepath.Join(l.cache, "images"), architecture)
		require.NoError(t, err)
		t.Logf("base for %s: %.0f s", architecture, time.Since(began).Seconds())
		archives = append(archives, archive)
	}
	digest, err := images.PushDebian12(t.Context(), l.registry.Address(), archives...)
	require.NoError(t, err)
	return digest
}
