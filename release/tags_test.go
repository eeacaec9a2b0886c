package release

import (
	"testing"

	"github.com/Masterminds/semver/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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

func TestCandidatesDoNotFloat(t *testing.T) {
	assert.Equal(t, []string{"7.3.80"}, NameImage(semver.MustParse("7.3.80"), "new", nil).All())
	assert.Equal(t, []string{"7.2.0", "7.2", "latest"},
		NameImage(semver.MustParse("7.2.0"), "new", map[string]string{"7.3.80": "a", "8.0.0-rc1": "b"}).All())
}

func TestParseName(t *testing.T) {
	for _, tag := range []string{"7.2.0", "7.2.0-1", "7.10.80-12"} {
		name, ok := ParseName(tag)
		require.True(t, ok, tag)
		assert.Equal(t, tag, name.String())
	}
	for _, tag := range []string{
		"", "latest", "7.2", "7", "v7.2.0", "7.2.0-0", "7.2.0-01", "7.2.0-", "7.2.0--1", "7.2.0-+1", "7.2.0-rc1", "07.2.0", "7.2.0.1",
		"7.2.0-1-2", "7.2.0-99999999999999999999", "99999999999999999999.0.0", "7.2.0-1 ", "sha256-0a1b.sig", "7.2.0+1", "7.2.0\n",
	} {
		_, ok := ParseName(tag)
		assert.False(t, ok, tag)
	}
}

// FuzzParseName sees that a tag is either left alone or is exactly the name it reads as.
func FuzzParseName(f *testing.F) {
	for _, tag := range []string{"latest", "7.2", "7.2.0", "7.2.0-1", "7.2.0-20260101", "sha256-0a1b.sig", "7.2.0-rc1", "7.2.0--1", "٧.2.0"} {
		f.Add(tag)
	}
	f.Fuzz(func(t *testing.T, tag string) {
		name, ok := ParseName(tag)
		if !ok {
			return
		}
		assert.Equal(t, tag, name.String())
		assert.GreaterOrEqual(t, name.Rebuild, 0)
		next := firstFree(name, map[string]string{tag: "taken"})
		assert.Equal(t, name.Rebuild+1, next.Rebuild)
		assert.Positive(t, next.Compare(name))
	})
}

// FuzzPlan sees that tags of images and charts which others set never disturb a plan.
func FuzzPlan(f *testing.F) {
	f.Add("7.2.0", "0.3.2")
	f.Add("7.2.0-1", "1.0.0+build")
	f.Add("latest", "latest")
	f.Add("sha256-0a1b.sig", "sha256-0a1b.sig")
	f.Fuzz(func(t *testing.T, tag, chartTag string) {
		s := settled()
		s.Base = "sha256:newer"
		s.Tags[tag], s.ChartTags[chartTag] = "sha256:theirs", "sha256:theirs"
		plan, err := s.Plan(Request{})
		require.NoError(t, err)
		for _, step := range plan.Steps {
			if step.Kind != Tag {
				continue
			}
			taken := s.Tags
			if step.Artifact == TheChart {
				taken = s.ChartTags
			}
			assert.NotContains(t, taken, step.Tag)
		}
	})
}
