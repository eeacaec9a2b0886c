package image

import (
	"strconv"
	"time"
)

// BaseName is what the image is built on.
const BaseName = "docker.io/library/debian:12-slim"

// Arguments are the inputs of the image's build. The same ones make the same image,
// to the byte.
type Arguments struct {
	Version    string    // of OpenNebula, X.Y.Z
	Repository string    // URL of the apt repository with its packages
	Key        string    // URL of the key that signs the repository
	BaseDigest string    // of the image named BaseName, sha256:…
	Revision   string    // commit of this repository
	Created    time.Time // of the commit, or of the build
	Debian     string    // a word for what Debian has: another one keeps a builder from its cache
}

// Map returns them by the names that the Dockerfile and BuildKit know.
func (a Arguments) Map() map[string]string {
	return map[string]string{
		"ONE_VERSION":       a.Version,
		"ONE_REPOSITORY":    a.Repository,
		"ONE_KEY":           a.Key,
		"BASE_NAME":         BaseName,
		"BASE_DIGEST":       a.BaseDigest,
		"DEBIAN_STATE":      a.Debian,
		"REVISION":          a.Revision,
		"CREATED":           a.Created.UTC().Format(time.RFC3339),
		"SOURCE_DATE_EPOCH": strconv.FormatInt(a.Created.Unix(), 10),
	}
}
