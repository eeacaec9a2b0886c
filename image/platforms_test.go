package image

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pablodelarco/opennebula-helm/upstream"
	"github.com/pablodelarco/opennebula-helm/upstream/upstreamtest"
)

// What is looked for in a repository is what the build then installs.
func TestPackagesAreThoseOfTheBuild(t *testing.T) {
	script, err := os.ReadFile("build/lib.sh")
	require.NoError(t, err)
	assert.Contains(t, string(script), "\nrequired=("+strings.Join(Packages, " ")+")\n")
	assert.Contains(t, string(script), "\noptional=("+strings.Join(OptionalPackages[:1], " ")+")\n")
	assert.Contains(t, string(script), "\nmigration=("+strings.Join(OptionalPackages[1:], " ")+")")
}

func TestRequirePlatforms(t *testing.T) {
	mirror := upstreamtest.NewMirror(t)
	mirror.Put("/7.2.0/Debian/12", upstreamtest.Release("7.2.0", Packages, "amd64"))
	repository := upstream.NewRepository(mirror.URL+"/7.2.0/Debian/12", mirror.Public)
	require.NoError(t, RequirePlatforms(t.Context(), repository, "7.2.0", []string{"linux/amd64"}))
	err := RequirePlatforms(t.Context(), repository, "7.2.0", []string{"linux/amd64", "linux/arm64"})
	require.ErrorContains(t, err, "has no packages of OpenNebula 7.2.0 for linux/arm64: build for linux/amd64")
}
