package release

import (
	"testing"

	"github.com/Masterminds/semver/v3"
	"github.com/stretchr/testify/assert"
)

func TestNameImage(t *testing.T) {
	for name, test := range map[string]struct {
		version   string
		published map[string]string
		want      []string
	}{
		"the first":             {"7.2.0", nil, []string{"7.2.0", "7.2", "latest"}},
		"the same again":        {"7.2.0", map[string]string{"7.2.0": "new"}, []string{"7.2.0", "7.2", "latest"}},
		"a rebuild":             {"7.2.0", map[string]string{"7.2.0": "a"}, []string{"7.2.0-1", "7.2", "latest"}},
		"a third build":         {"7.2.0", map[string]string{"7.2.0": "a", "7.2.0-1": "b"}, []string{"7.2.0-2", "7.2", "latest"}},
		"a rebuild once more":   {"7.2.0", map[string]string{"7.2.0": "a", "7.2.0-1": "new"}, []string{"7.2.0-1", "7.2", "latest"}},
		"an older line":         {"7.0.3", map[string]string{"7.2.0": "a", "7.0.2": "b"}, []string{"7.0.3", "7.0"}},
		"older within its line": {"7.0.1", map[string]string{"7.2.0": "a", "7.0.2-1": "b"}, []string{"7.0.1"}},
		"the next":              {"7.10.0", map[string]string{"7.2.0": "a", "latest": "a", "7.2": "a"}, []string{"7.10.0", "7.10", "latest"}},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, test.want, NameImage(semver.MustParse(test.version), "new", test.published).All())
		})
	}
}

// After a plan has been carried out, the same question has the same answer.
func TestNameImageSettles(t *testing.T) {
	published := map[string]string{"7.2.0": "a", "7.2": "a", "latest": "a"}
	first := NameImage(semver.MustParse("7.2.0"), "b", published)
	for _, tag := range first.All() {
		published[tag] = "b"
	}
	assert.Equal(t, first, NameImage(semver.MustParse("7.2.0"), "b", published))
	assert.Equal(t, "a", published["7.2.0"])
}
