package opennebula

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"github.com/pablodelarco/opennebula-helm/upstream"
)

func TestOwnersOwnSomething(t *testing.T) {
	text, err := os.ReadFile(".github/CODEOWNERS")
	require.NoError(t, err)
	rules := 0
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] == "#" {
			continue
		}
		rules++
		require.Greater(t, len(fields), 1, "%s has no owner", fields[0])
		for _, owner := range fields[1:] {
			assert.Regexp(t, `^@[\w-]+(/[\w-]+)?$`, owner)
		}
		if fields[0] != "*" {
			found, err := filepath.Glob(strings.TrimPrefix(fields[0], "/"))
			require.NoError(t, err)
			assert.NotEmpty(t, found, "%s is not there", fields[0])
		}
	}
	assert.NotZero(t, rules)
}

// What is promised is what upstream's policy is.
func TestSupportedVersions(t *testing.T) {
	text, err := os.ReadFile(".github/SECURITY.md")
	require.NoError(t, err)
	policy := upstream.DefaultPolicy()
	require.Equal(t, 1, policy.Lines, "the table has one line that is the newest")
	assert.Contains(t, string(text), fmt.Sprintf("for %d months", policy.Months))
}

// GitHub shows a form that is not well-formed to nobody.
func TestFormsAreWellFormed(t *testing.T) {
	files, err := filepath.Glob(".github/ISSUE_TEMPLATE/*.yml")
	require.NoError(t, err)
	require.Greater(t, len(files), 1)
	for _, file := range files {
		if filepath.Base(file) == "config.yml" {
			continue
		}
		var form struct {
			Name, Description, Title string
			Labels                   []string
			Body                     []struct {
				Type, ID    string
				Attributes  map[string]any
				Validations map[string]bool
			}
		}
		decode(t, file, &form)
		assert.NotEmpty(t, form.Name, file)
		assert.NotEmpty(t, form.Description, file)
		inputs, ids := 0, map[string]bool{}
		for _, field := range form.Body {
			if field.Type == "markdown" {
				assert.NotEmpty(t, field.Attributes["value"], file)
				continue
			}
			inputs++
			assert.Contains(t, []string{"input", "textarea", "dropdown", "checkboxes"}, field.Type, file)
			assert.NotEmpty(t, field.Attributes["label"], file)
			assert.False(t, ids[field.ID] || field.ID == "", "%s: the id %q is given twice, or not at all", file, field.ID)
			ids[field.ID] = true
		}
		assert.NotZero(t, inputs, "%s asks nothing", file)
	}
}

func TestContactLinks(t *testing.T) {
	var config struct {
		Blank bool                                `yaml:"blank_issues_enabled"`
		Links []struct{ Name, URL, About string } `yaml:"contact_links"`
	}
	decode(t, ".github/ISSUE_TEMPLATE/config.yml", &config)
	require.NotEmpty(t, config.Links)
	for _, link := range config.Links {
		assert.NotEmpty(t, link.Name)
		assert.NotEmpty(t, link.About, link.Name)
		assert.Regexp(t, `^https://`, link.URL)
	}
}

// decode reads a YAML file, and refuses keys that are not known.
func decode(t *testing.T, file string, into any) {
	opened, err := os.Open(file)
	require.NoError(t, err)
	defer opened.Close()
	decoder := yaml.NewDecoder(opened)
	decoder.KnownFields(true)
	require.NoError(t, decoder.Decode(into), file)
}
