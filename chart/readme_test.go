package chart

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

var update = flag.Bool("update", false, "write the chart's README.md anew")

//go:generate go test . -run TestReadmeListsTheValues -update

// The chart's README.md lists all values with their comments.
func TestReadmeListsTheValues(t *testing.T) {
	var list strings.Builder
	for _, s := range allSections(t) {
		list.WriteString(s.markdown())
	}

	file := filepath.Join(Name, "README.md")
	readme, err := os.ReadFile(file)
	require.NoError(t, err)
	const begin, end = "<!-- values -->\n", "<!-- /values -->\n"
	before, rest, found := strings.Cut(string(readme), begin)
	require.True(t, found, "%s has no line %s", file, begin)
	_, after, found := strings.Cut(rest, end)
	require.True(t, found, "%s has no line %s", file, end)
	want := before + begin + "\n" + list.String() + end + after
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(want), 0o644))
		return
	}
	assert.True(t, want == string(readme), "%s does not list the values as they are: run `go generate ./chart`", file)
}

func TestValuesHaveComments(t *testing.T) {
	var bare []string
	for _, s := range allSections(t) {
		for _, r := range s.rows {
			if !r.explained {
				bare = append(bare, r.path)
			}
		}
	}
	assert.Empty(t, bare, "neither these values nor a mapping above them have a comment")
}

func TestDocument(t *testing.T) {
	file := filepath.Join(t.TempDir(), "values.yaml")
	require.NoError(t, os.WriteFile(file, []byte(`# Of the file.

a: 1 # one

## Image
# Where it is from.

# A digest, when given,
# wins.
image:
  registry: docker.io # or a | mirror
  "a.b": {c: 1, d: []}
  other: "#1" # quoted

## Cloud

# Enrolled:
#   - name: kvm1
#     cluster: default
# and kept so.
hosts: []
`), 0o644))
	var all strings.Builder
	for _, s := range document(t, "First", file, "x.") {
		all.WriteString(s.markdown())
	}
	assert.Equal(t, "### First\n\n| Value | Default | Description |\n|---|---|---|\n| `x.a` | `1` | one |\n\n"+
		"### Image\n\nWhere it is from.\n\n"+`| Value | Default | Description |
|---|---|---|
| `+"`x.image`"+` | | A digest, when given, wins. |
| `+"`x.image.registry` | `docker.io`"+` | or a \| mirror |
| `+"`x.image.a\\.b` | `{c: 1, d: []}`"+` |  |
| `+"`x.image.other` | `\"#1\"`"+` | quoted |

### Cloud

| Value | Default | Description |
|---|---|---|
| `+"`x.hosts` | `[]`"+` | Enrolled: and kept so. |

`+"`x.hosts`, for example:\n\n```yaml\n- name: kvm1\n  cluster: default\n```\n\n", all.String())
}

// allSections of the chart, then of its database; what both say the chart says.
func allSections(t *testing.T) []section {
	all := document(t, "The chart", filepath.Join(Name, "values.yaml"), "")
	said := map[string]bool{}
	for _, s := range all {
		for _, r := range s.rows {
			said[r.path] = true
		}
	}
	for _, s := range document(t, "MariaDB", filepath.Join(Name, "charts/mariadb/values.yaml"), "mariadb.") {
		s.rows = slices.DeleteFunc(s.rows, func(r row) bool { return said[r.path] })
		all = append(all, s)
	}
	return all
}

// section of values.yaml, which a comment "## Title" begins.
type section struct {
	title, intro string
	rows         []row
}

// row of a table: a value, or a mapping of them that has a comment.
type row struct {
	path, initial, text string
	example             []string // lines of YAML
	explained           bool     // here, or by a mapping above
}

// document reads the comments of a values file; title is of its first section, if
// the file gives it none. They are taken from its lines: a YAML parser may give a
// comment between two keys to either.
func document(t *testing.T, title, file, prefix string) []section {
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	var root yaml.Node
	require.NoError(t, yaml.Unmarshal(content, &root))
	lines := strings.Split(string(content), "\n")

	sections := []section{{title: title}}
	keys := root.Content[0].Content
	line := 0
	for i := 0; i < len(keys); i += 2 {
		for ; line < keys[i].Line; line++ {
			if title, ok := strings.CutPrefix(lines[line], "## "); ok {
				intro, _ := comment(lines[line+1:], "")
				sections = append(sections, section{title: title, intro: intro})
			}
		}
		last := &sections[len(sections)-1]
		last.rows = append(last.rows, rows(lines, prefix, keys[i], keys[i+1], false)...)
	}
	return sections
}

// rows of a key and what is below it.
func rows(lines []string, prefix string, key, value *yaml.Node, explained bool) []row {
	r := row{path: prefix + strings.ReplaceAll(key.Value, ".", `\.`)}
	r.text, r.example = comment(above(lines, key), value.LineComment+key.LineComment)
	r.explained = explained || r.text != ""
	if value.Kind != yaml.MappingNode || value.Style == yaml.FlowStyle {
		r.initial = initial(value)
		return []row{r}
	}
	var all []row
	if r.text != "" {
		all = append(all, r)
	}
	for i := 0; i < len(value.Content); i += 2 {
		all = append(all, rows(lines, r.path+".", value.Content[i], value.Content[i+1], r.explained)...)
	}
	return all
}

// above are the lines of comment that stand directly above a key.
func above(lines []string, key *yaml.Node) []string {
	first := key.Line - 1
	for first > 0 && strings.HasPrefix(strings.TrimSpace(lines[first-1]), "#") {
		first--
	}
	return lines[first : key.Line-1]
}

var isComment = regexp.MustCompile(`^ *#( *)(.*)$`)

// comment joins lines of comment, up to the first that is none, and the comment
// behind a value; indented lines are an example.
func comment(lines []string, behind string) (text string, example []string) {
	var words []string
	for _, line := range lines {
		parts := isComment.FindStringSubmatch(line)
		if parts == nil {
			break
		}
		if len(parts[1]) > 1 {
			example = append(example, strings.TrimPrefix(parts[1], "   ")+parts[2])
		} else {
			words = append(words, parts[2])
		}
	}
	words = append(words, strings.TrimLeft(behind, "# "))
	return strings.TrimSpace(strings.Join(words, " ")), example
}

// initial is a value on one line.
func initial(value *yaml.Node) string {
	node := *value
	node.HeadComment, node.LineComment, node.FootComment = "", "", ""
	node.Style |= yaml.FlowStyle
	if node.Kind == yaml.ScalarNode {
		node.Style = value.Style &^ (yaml.LiteralStyle | yaml.FoldedStyle)
	}
	text, err := yaml.Marshal(&node)
	if err != nil {
		return err.Error()
	}
	return strings.Join(strings.Fields(string(text)), " ")
}

func (s section) markdown() string {
	if len(s.rows) == 0 {
		return ""
	}
	out := "### " + s.title + "\n\n"
	if s.intro != "" {
		out += s.intro + "\n\n"
	}
	out += "| Value | Default | Description |\n|---|---|---|\n"
	for _, r := range s.rows {
		out += r.markdown()
	}
	out += "\n"
	for _, r := range s.rows {
		if r.example != nil {
			out += fmt.Sprintf("`%s`, for example:\n\n```yaml\n%s\n```\n\n", r.path, strings.Join(r.example, "\n"))
		}
	}
	return out
}

func (r row) markdown() string {
	initial := " "
	if r.initial != "" {
		initial = " `" + r.initial + "` "
	}
	escape := strings.NewReplacer("|", `\|`)
	return fmt.Sprintf("| `%s` |%s| %s |\n", r.path, escape.Replace(initial), escape.Replace(r.text))
}
