package changes

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// many are changes of so many files, each with a diff of so many lines.
func many(files, lines int) *Changes {
	c := &Changes{From: "7.0.2", To: "7.2.0", Notes: Notes{Text: "news"}}
	for i := range files {
		c.Settings = append(c.Settings, FileChange{Path: fmt.Sprintf("/etc/one/%d.conf", i), Kind: Changed, Plus: lines,
			Diff: "@@ -0,0 +1 @@\n" + strings.Repeat("+a line of a file of settings\n", lines)})
	}
	return c
}

func TestMarkdownFits(t *testing.T) {
	for _, test := range []struct {
		files, lines int
		want         []string
	}{
		{1, 10, []string{"+a line of a file of settings\n```\n\n</details>\n", "```markdown\nnews\n```\n"}},
		{1, 1000, []string{"601 lines more", "```markdown\nnews\n```\n"}},
		{50, 500, []string{"466 lines more", "```markdown\nnews\n```\n"}},
		{2000, 10, []string{"2000 files changed (+20000 −0)\n", "Not shown, for want of room: `/etc/one/0.conf`", "and 1970 more\n", "```markdown\nnews\n```\n"}},
	} {
		text := many(test.files, test.lines).Markdown(BodyLimit)
		assert.LessOrEqual(t, len(text), BodyLimit)
		assert.Equal(t, strings.Count(text, "<details>"), strings.Count(text, "</details>"))
		for _, want := range test.want {
			assert.True(t, strings.Contains(text, want), "%q is missing", want) // the text itself is too long to print
		}
	}
}

func TestMarkdownOfLittleRoom(t *testing.T) {
	c := many(3, 10)
	for _, limit := range []int{0, 1, 100, 300, 450, 600, 1000} {
		assert.LessOrEqual(t, len(c.Markdown(limit)), limit)
	}
	assert.Contains(t, c.Markdown(450), leftOut)
}

func TestCodeCannotBeLeft(t *testing.T) {
	for text, want := range map[string]string{
		"a":        "`a`",
		"a`b":      "`` a`b ``",
		"``":       "``` `` ```",
		"a\nb\x1b": "`a�b�`",
		"a\u202eb": "`a�b`",
	} {
		assert.Equal(t, want, code(text))
	}
}
