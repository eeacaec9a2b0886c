package test

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const aside = "usr/share/opennebula-frontend/"

// What a volume hides is laid aside.
func TestLaidAside(t *testing.T) {
	files := readable(t, built(t, version()).Image)
	assert.Equal(t, version()+"\n", string(files[aside+"version"]))
	assert.Contains(t, files, aside+"etc/oned.conf")

	assert.Contains(t, files, aside+"remotes/scheduler/rank/place")
}

// The build leaves nothing of itself, and nothing that must be each host's own.
func TestNothingLeft(t *testing.T) {
	for path := range readable(t, built(t, version()).Image) {
		for _, left := range []string{
			"build/", "key/", "var/lib/apt/lists/", "var/cache/apt/", "var/log/", "var/lib/one/",
			"etc/apt/sources.list.d/opennebula", "etc/apt/preferences.d/opennebula", "etc/ssh/ssh_host_", "run/secrets/",
		} {
			assert.False(t, strings.HasPrefix(path, left), path)
		}
	}
}

// What OpenNebula's drivers run on the front-end, beyond what every Debian has. Some of it
// is run for some images only, and missed late.
func TestDriversHaveTheirPrograms(t *testing.T) {
	files := readable(t, built(t, version()).Image)
	for _, program := range []string{"curl", "jq", "qemu-img", "rsync", "wget", "xorriso"} {
		assert.Contains(t, files, "usr/bin/"+program)
	}
}

// readable are an image's regular files that have content, which are read whole below
// the folder laid aside, and elsewhere only named.
func readable(t *testing.T, img v1.Image) map[string][]byte {
	stream := mutate.Extract(img)
	defer stream.Close()
	files := map[string][]byte{}
	for archive := tar.NewReader(stream); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		require.NoError(t, err)
		switch path := strings.TrimPrefix(h.Name, "./"); {
		case h.Typeflag != tar.TypeReg:
		case strings.HasPrefix(path, aside):
			files[path], err = io.ReadAll(archive)
			require.NoError(t, err)
			assert.Equal(t, "0:0", fmt.Sprintf("%d:%d", h.Uid, h.Gid), path)
			assert.NotZero(t, h.Mode&0o004, "%s is for all to read", path)
		case h.Size > 0:
			files[path] = nil
		}
	}
}
