package images

import (
	"bytes"
	"io"
	"runtime"

	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func opener(content []byte) tarball.Opener {
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }
}

// architecture of this machine, in the words of OCI, which are Go's.
func architecture() string { return runtime.GOARCH }
