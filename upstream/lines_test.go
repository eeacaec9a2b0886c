package upstream

import (
	"regexp"
	"testing"
	"time"

	"github.com/Masterminds/semver/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// realReleases are those of the real tags, dated by them.
func realReleases(t testing.TB) []Release {
	var releases []Release
	for _, tag := range realTags(t) {
		if version, channel, ok := Classify(tag.name); ok {
			releases = append(releases, Release{Version: version, Tag: tag.name, Channel: channel, Date: tag.date})
		}
	}
	return releases
}

// The lines that were maintained on some days, by the real tags.
func TestMaintainedLines(t *testing.T) {
	releases := realReleases(t)
	for date, want := range map[string][]string{
		"2019-11-25": nil,
		"2019-11-27": {"5.10"},
		"2020-09-14": {"5.12", "5.10"}, // a quarter after 5.12.0 of 2020-06-15
		"2020-09-16": {"5.12"},
		"2021-04-05": {"5.12"},
		"2021-04-07": {"6.0", "5.12"},
		"2021-10-25": {"6.0"}, // candidates of 6.2 make no line
		"2021-11-25": {"6.2", "6.0"},
		"2022-05-27": {"6.4", "6.2"},
		"2023-01-11": {"6.6", "6.4"},
		"2023-10-19": {"6.8", "6.6"},
		"2024-09-05": {"6.10", "6.8"},
		"2025-02-19": {"6.10"},
		"2025-07-02": {"7.0", "6.10"},
		"2026-04-02": {"7.0"},
		"2026-04-04": {"7.2", "7.0"},
		"2026-07-20": {"7.2"},
		"2026-07-27": {"7.4", "7.2"},
		"2026-10-25": {"7.4", "7.2"},
		"2026-10-27": {"7.4"},
		"2030-01-01": {"7.4"},
	} {
		assert.Equal(t, want, maintained(DefaultPolicy().Status(releases, day(date))), date)
	}
}

func maintained(lines []LineStatus) []string {
	var names []string
	for _, line := range lines {
		if line.Maintained {
			names = append(names, line.Line.String())
		}
	}
	return names
}

var fourNumbers = regexp.MustCompile(`^release-(\d+\.\d+)\.\d+\.\d+$`)

// What upstream patched for everyone, X.Y.Z.N, was of a line that counts as maintained.
func TestPublicPatchesFallInTheirLinesTime(t *testing.T) {
	releases := realReleases(t)
	patches := 0
	for _, tag := range realTags(t) {
		patch := fourNumbers.FindStringSubmatch(tag.name)
		if patch == nil {
			continue
		}
		patches++
		assert.Contains(t, maintained(DefaultPolicy().Status(releases, tag.date)), patch[1], tag.name)
	}
	assert.Equal(t, 12, patches)
}

func TestOtherPolicies(t *testing.T) {
	releases, at := realReleases(t), day("2026-08-01")
	assert.Equal(t, []string{"7.4", "7.2", "7.0"}, maintained(Policy{Lines: 3}.Status(releases, at)))
	assert.Equal(t, []string{"7.4"}, maintained(Policy{Lines: 1}.Status(releases, at)))
	assert.Equal(t, []string{"7.4", "7.2", "7.0"}, maintained(Policy{Lines: 1, Months: 4}.Status(releases, at)))
	assert.Len(t, maintained(Policy{Lines: 100}.Status(releases, at)), 11)
}

func TestStatusOfALine(t *testing.T) {
	lines := DefaultPolicy().Status(realReleases(t), day("2026-08-01"))
	require.Len(t, lines, 11)
	assert.Equal(t, "7.4.0", lines[0].Newest.String())
	assert.True(t, lines[0].EndOfLife.IsZero(), "nothing has taken its place")
	assert.Equal(t, "7.0.2", lines[2].Newest.String())
	assert.Equal(t, "2025-07-01", lines[2].Released.Format(time.DateOnly))
	assert.Equal(t, "2026-07-03", lines[2].EndOfLife.Format(time.DateOnly), "a quarter after 7.2.0")
	assert.Equal(t, "6.10.5", lines[3].Newest.String())
	for _, line := range DefaultPolicy().Status(realReleases(t), day("2025-08-01")) {
		assert.NotEqual(t, "7.0.1", line.Newest.String(), "that is from October")
	}
}

func TestWhatMakesNoLine(t *testing.T) {
	stray := Release{Version: semver.MustParse("5.11.8"), Channel: Stable, Date: day("2020-05-19")}
	undated := []Release{
		{Version: semver.MustParse("6.0.0"), Channel: Stable}, {Version: semver.MustParse("6.2.0"), Channel: Stable},
		{Version: semver.MustParse("6.4.0"), Channel: Candidate, Date: day("2022-01-01")},
	}
	lines := DefaultPolicy().Status(append(undated, stray), day("2026-01-01"))
	assert.Len(t, lines, 2)
	assert.Equal(t, []string{"6.2"}, maintained(lines), "without a date of its successor a line has ended")
	assert.Empty(t, DefaultPolicy().Status(nil, day("2026-01-01")))
}

func TestParseLine(t *testing.T) {
	line, err := ParseLine("7.10")
	require.NoError(t, err)
	assert.Equal(t, Line{7, 10}, line)
	assert.Equal(t, "7.10", line.String())
	assert.Positive(t, line.Compare(Line{7, 9}))
	assert.Negative(t, line.Compare(Line{8, 0}))
	for _, text := range []string{"", "7", "7.2.0", "v7.2", "7.x", "7.2-rc", "7.2+1", "7.02", " 7.2"} {
		_, err := ParseLine(text)
		assert.ErrorContains(t, err, "give it as X.Y, such as 7.2", text)
	}
}
