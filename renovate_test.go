package opennebula

import (
	"go/ast"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// renovate is the part of .github/renovate.json that names files.
type renovate struct {
	CustomManagers []struct {
		Description         string
		ManagerFilePatterns []string
		MatchStrings        []string
		DepNameTemplate     string
	}
	PackageRules []struct{ MatchFileNames []string }
}

// pin is something that Renovate keeps up to date.
type pin struct{ name, value, digest string }

// found is what a rule of Renovate's finds in a file. Its patterns are RE2's, as Go's.
func found(t *testing.T, patterns []string, name, text string) []pin {
	var all []pin
	for _, pattern := range patterns {
		re, err := regexp.Compile(pattern)
		require.NoError(t, err)
		for _, match := range re.FindAllStringSubmatch(text, -1) {
			p := pin{name: name}
			for i, group := range re.SubexpNames() {
				switch group {
				case "depName":
					p.name = match[i]
				case "currentValue":
					p.value = match[i]
				case "currentDigest":
					p.digest = match[i]
				}
			}
			all = append(all, p)
		}
	}
	return all
}

func readRenovate(t *testing.T) renovate {
	var r renovate
	readJSON(t, ".github/renovate.json", &r)
	require.NotEmpty(t, r.CustomManagers)
	require.NotEmpty(t, r.PackageRules)
	return r
}

// pins are what its own patterns find in the repository, by file. Each finds something.
func (r renovate) pins(t *testing.T) map[string][]pin {
	all := map[string][]pin{}
	files := repositoryFiles(t)
	for _, manager := range r.CustomManagers {
		hits := 0
		for _, pattern := range manager.ManagerFilePatterns {
			re, err := regexp.Compile(strings.Trim(pattern, "/"))
			require.NoError(t, err)
			for _, file := range files {
				if re.MatchString(file) {
					text, err := os.ReadFile(file)
					require.NoError(t, err)
					there := found(t, manager.MatchStrings, manager.DepNameTemplate, string(text))
					all[file] = append(all[file], there...)
					hits += len(there)
				}
			}
		}
		assert.NotZero(t, hits, "Renovate finds nothing of: %s", manager.Description)
	}
	return all
}

// repositoryFiles lists all but what git and tools keep for themselves.
func repositoryFiles(t *testing.T) []string {
	var all []string
	require.NoError(t, filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && entry.Name() == ".git" {
			return fs.SkipDir
		}
		all = append(all, filepath.ToSlash(path))
		return err
	}))
	return all
}

func TestRenovateFindsOneVersionOfEach(t *testing.T) {
	versions := map[string]string{}
	for file, pins := range readRenovate(t).pins(t) {
		if file == "ci/images.go" {
			continue // tools, which are nothing that the chart has
		}
		for _, p := range pins {
			assert.NotEmpty(t, p.name, file)
			if versions[p.name] == "" {
				versions[p.name] = p.value
			}
			assert.Equal(t, versions[p.name], p.value, "%s in %s", p.name, file)
		}
	}
	assert.Len(t, versions, 4)
}

func TestRenovateRulesNameFiles(t *testing.T) {
	for _, rule := range readRenovate(t).PackageRules {
		for _, name := range rule.MatchFileNames {
			path, _ := strings.CutSuffix(name, "/**")
			_, err := os.Stat(path)
			assert.NoError(t, err, "a rule is about %s", name)
		}
	}
}

// Every image of ci is pinned in one file, by a digest, as Renovate finds it.
func TestRenovateFindsTheImagesOfCI(t *testing.T) {
	const images = "ci/images.go"
	var want []string
	for _, p := range readRenovate(t).pins(t)[images] {
		want = append(want, p.name+":"+p.value+"@"+p.digest)
	}
	files, err := filepath.Glob("ci/*.go")
	require.NoError(t, err)
	require.Contains(t, files, images)
	for _, file := range files {
		got := imagesIn(parse(t, file))
		if file == images {
			assert.ElementsMatch(t, want, got, "Renovate does not find what is pinned")
		} else {
			assert.Empty(t, got, "%s: pin it in %s", file, images)
		}
	}
}

var imageReference = regexp.MustCompile(`^[a-z0-9.-]+\.[a-z]+/[a-z0-9./_-]+[:@]`)

// imagesIn are a file's strings that name an image and what version of it.
func imagesIn(file *ast.File) []string {
	var all []string
	ast.Inspect(file, func(n ast.Node) bool {
		if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			if text, err := strconv.Unquote(literal.Value); err == nil && imageReference.MatchString(text) {
				all = append(all, text)
			}
		}
		return true
	})
	return all
}
