package image

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What is looked for in a repository is what the build then installs.
func TestPackagesAreThoseOfTheBuild(t *testing.T) {
	script, err := os.ReadFile("build/lib.sh")
	require.NoError(t, err)
	assert.Contains(t, string(script), "\nrequired=("+strings.Join(Packages, " ")+")\n")
}
