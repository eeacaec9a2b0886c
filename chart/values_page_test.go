package chart

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

//go:generate go test . -run TestDocsListTheValues -update

const valuesPage = "../docs/values.md"

const valuesIntro = `# Values

Every value of the chart, from the comments of
[values.yaml](../chart/opennebula/values.yaml) and its [schema](../chart/opennebula/values.schema.json),
by ` + "`go generate ./chart`" + `. A value that is not here is refused.

`

// docs/values.md lists all values with their comments, and with what their schema takes.
func TestDocsListTheValues(t *testing.T) {
	requireDocs(t)
	page := valuesIntro
	for _, s := range allSections(t) {
		page += s.reference(t)
	}
	page = strings.TrimSpace(page) + "\n"
	if *update {
		require.NoError(t, os.WriteFile(valuesPage, []byte(page), 0o644))
		return
	}
	is, err := os.ReadFile(valuesPage)
	require.NoError(t, err)
	assert.True(t, page == string(is), "%s does not list the values as they are: run `go generate ./chart`", valuesPage)
}

// requireDocs skips a test of what the pipeline leaves out where it checks the rest.
func requireDocs(t *testing.T) {
	if _, err := os.Stat(filepath.Dir(valuesPage)); os.IsNotExist(err) {
		t.Skip("this copy of the repository has no documentation; the check docs has")
	}
}

// reference is a section as a page has it that leaves nothing out.
func (s section) reference(t *testing.T) string {
	if len(s.rows) == 0 {
		return ""
	}
	out := "## " + s.title + "\n\n| Value | Default | Takes | Description |\n|---|---|---|---|\n"
	for _, r := range s.rows {
		initial, takes := "", ""
		if r.initial != "" {
			initial, takes = "`"+r.initial+"`", takesAt(t, r.path)
		}
		out += tableRow("`"+r.path+"`", initial, takes, r.text)
	}
	return out + "\n"
}

func tableRow(cells ...string) string {
	out := "|"
	for _, cell := range cells {
		out += " " + strings.ReplaceAll(cell, "|", `\|`) + " |"
	}
	return out + "\n"
}

var pathPart = regexp.MustCompile(`(?:\\.|[^.\\])+`)

// takesAt says in words what the schema of a value takes. What Kubernetes takes there, as
// in a security context, is not listed.
func takesAt(t *testing.T, path string) string {
	folder := Name
	if rest, ok := strings.CutPrefix(path, "mariadb."); ok && rest != "enabled" {
		folder, path = filepath.Join(Name, "charts/mariadb"), rest
	}
	c, err := Read(folder)
	require.NoError(t, err)
	s, err := readSchema(c)
	require.NoError(t, err)
	node := s.root
	for _, key := range pathPart.FindAllString(path, -1) {
		o, err := s.object(node)
		require.NoError(t, err)
		if node = o.properties[strings.ReplaceAll(key, `\.`, ".")]; node == nil {
			return "as Kubernetes has it"
		}
	}
	words, err := s.words(node)
	require.NoError(t, err)
	return words
}

// words are what a node of a schema takes.
func (s *schema) words(node any) (string, error) {
	sentence, err := s.sentence(node)
	if err != nil || sentence != "" {
		return sentence, err
	}
	m, err := s.follow(node)
	if err != nil {
		return "", err
	}
	if text, ok := m["description"].(string); ok {
		return text, nil
	}
	if all, ok := m["enum"].([]any); ok {
		return enumWords(all), nil
	}
	items, _ := m["items"].(map[string]any)
	if all, ok := items["enum"].([]any); ok {
		return "a list of " + enumWords(all), nil
	}
	return typeWords(m), nil
}

func enumWords(all []any) string {
	var named []string
	for _, one := range all {
		named = append(named, strings.Replace(fmt.Sprintf("`%v`", one), "``", "nothing", 1))
	}
	return strings.Join(named, ", ")
}

// sentence that a schema says where it refuses, which is what it takes.
func (s *schema) sentence(node any) (string, error) {
	m, _ := node.(map[string]any)
	for m["$ref"] != nil {
		next, err := s.lookUp(m["$ref"].(string))
		if err != nil {
			return "", err
		}
		m, _ = next.(map[string]any)
	}
	if !isSentence(m) {
		return "", nil
	}
	return m["else"].(map[string]any)["const"].(string), nil
}

func typeWords(m map[string]any) string {
	kinds := map[string]string{
		"string": "a text", "boolean": "`true` or `false`", "integer": "a whole number", "number": "a number",
		"array": "a list", "object": "a mapping",
	}
	var said []string
	orNothing := ""
	names, isList := m["type"].([]any)
	if !isList {
		names = []any{m["type"]}
	}
	for _, name := range names {
		if name == "null" {
			orNothing = ", or nothing"
			continue
		}
		text, _ := name.(string)
		said = append(said, kinds[text])
	}
	return strings.Join(said, " or ") + limitWords(m) + orNothing
}

func limitWords(m map[string]any) string {
	switch least, most := m["minimum"], m["maximum"]; {
	case least != nil && most != nil:
		return fmt.Sprintf(" from %v to %v", least, most)
	case least != nil:
		return fmt.Sprintf(", %v or more", least)
	case m["pattern"] != nil:
		return fmt.Sprintf(" like `%s`", m["pattern"])
	}
	return ""
}

func TestWordsOfASchema(t *testing.T) {
	c, err := Read(Name)
	require.NoError(t, err)
	s, err := readSchema(c)
	require.NoError(t, err)
	require.NotNil(t, s)
	for path, want := range map[string]string{
		"services.api.type":                 "`ClusterIP`, `NodePort`, `LoadBalancer`",
		"externalDatabase.port":             "a whole number from 1 to 65535",
		"ssh.port":                          "a whole number from 1 to 65535, or nothing",
		"backup.keep":                       "a whole number, 1 or more",
		"publicUrl":                         "http(s)://host[:port] without a path, since FireEdge cannot be served below one",
		"commonLabels":                      "names and texts; quote numbers and true",
		"hostNetwork":                       "`true` or `false`",
		"hosts":                             "a list",
		"mariadb.enabled":                   "`true` or `false`",
		"mariadb.auth.database":             "letters, digits and _",
		"persistence.data.accessModes":      "a list of `ReadWriteOnce`, `ReadWriteOncePod`, `ReadWriteMany`",
		"podSecurityContext.seccompProfile": "as Kubernetes has it",
	} {
		assert.Equal(t, want, takesAt(t, path), path)
	}
}
