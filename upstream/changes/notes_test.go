package changes

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"
)

func TestNotesAreQuoted(t *testing.T) {
	for name, test := range map[string]struct{ notes, want string }{
		"people and issues":     {"Thanks to @a-b, closes #12", "```markdown\nThanks to @a-b, closes #12\n```\n"},
		"a block of code":       {"a\n```\nb\n```\n@c", "````markdown\na\n```\nb\n```\n@c\n````\n"},
		"the end of a fold":     {"a\n\n</details>\n\nb", "```markdown\na\n\n</details>\n\nb\n```\n"},
		"lines of Windows":      {"a\r\nb\rc", "```markdown\na\nb\nc\n```\n"},
		"what moves the cursor": {"a\x1b[2Jb\u202ec", "```markdown\na\uFFFD[2Jb\uFFFDc\n```\n"},
		"nothing":               {" \n", "```markdown\n\n```\n"},
	} {
		t.Run(name, func(t *testing.T) {
			quoted := Notes{Text: test.notes}.quote()
			assert.Equal(t, test.want, quoted)
			isOneBlockOfCode(t, quoted)
		})
	}
}

func TestLongNotesAreCut(t *testing.T) {
	quoted := Notes{Text: "```\n" + strings.Repeat("a line of notes\n", 2000)}.quote()
	assert.Less(t, len(quoted), maxNotes*5/4)
	assert.Contains(t, quoted, "a line of notes\n````\n\n… and 1489 lines more\n")
	assert.Contains(t, Notes{Text: strings.Repeat("a", maxNotes+1)}.quote(), "… and 1 line more")
}

// isOneBlockOfCode reads a quotation as GitHub does.
func isOneBlockOfCode(t testing.TB, quoted string) {
	markdown := goldmark.New(goldmark.WithExtensions(extension.GFM))
	document := markdown.Parser().Parse(text.NewReader([]byte(quoted)))
	require.Equal(t, 1, document.ChildCount(), "%q", quoted)
	require.Equal(t, ast.KindFencedCodeBlock, document.FirstChild().Kind(), "%q", quoted)
	first, last := strings.IndexByte(quoted, '\n')+1, strings.LastIndexByte(quoted[:len(quoted)-1], '\n')+1
	inside := document.FirstChild().Lines()
	require.Equal(t, quoted[first:last], string(inside.Value([]byte(quoted))), "%q", quoted)
}

func FuzzNotes(f *testing.F) {
	f.Add("@a #1 `@b` <b>@c</b>\n\n    #2\n")
	f.Add("````\r[#1](https://github.com/a) &#64;x <!-- a\n~~~")
	f.Add("- [ ] ~~#1~~ | a |\n|--|\n*@*a*")
	f.Fuzz(func(t *testing.T, notes string) {
		if len(notes) < maxNotes/4 { // after which lines may be left out
			isOneBlockOfCode(t, Notes{Text: notes}.quote())
		}
	})
}
