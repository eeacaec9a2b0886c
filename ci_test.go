// Package opennebula checks what no package of the repository can check of itself.
package opennebula

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The Dagger module compiles against code that Dagger generates when it loads the
// module, which needs an engine. Dagger publishes the same code, but for the
// module's own functions, as the module dagger.io/dagger: in its place here.
func TestPipelineCompiles(t *testing.T) {
	sdk := moduleFolder(t, "dagger.io/dagger")
	generated := map[string]string{
		"ci/internal/dagger/dagger.gen.go": aliases(t, sdk),
		"ci/dagger.gen.go": "package main\n\nimport \"github.com/pablodelarco/opennebula-helm/ci/internal/dagger\"\n\n" +
			"var dag *dagger.Client\n\nfunc main() { _ = New }\n",
	}
	out, err := goIn("ci", "build", "-o", os.DevNull, "-overlay="+overlay(t, generated), ".").CombinedOutput()
	require.NoError(t, err, string(out))
}

func goIn(folder string, args ...string) *exec.Cmd {
	cmd := exec.Command("go", args...)
	cmd.Dir = folder
	return cmd
}

func moduleFolder(t *testing.T, module string) string {
	out, err := goIn("ci", "mod", "download", "-json", module).Output()
	require.NoError(t, err, string(out))
	var found struct{ Dir string }
	require.NoError(t, json.Unmarshal(out, &found))
	return found.Dir
}

// overlay writes files aside and returns go's description of where they belong.
func overlay(t *testing.T, files map[string]string) string {
	root, err := os.Getwd()
	require.NoError(t, err)
	replace := map[string]string{}
	for name, content := range files {
		aside := filepath.Join(t.TempDir(), filepath.Base(name))
		require.NoError(t, os.WriteFile(aside, []byte(content), 0o644))
		replace[filepath.Join(root, name)] = aside
	}
	description, err := json.Marshal(map[string]any{"Replace": replace})
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "overlay.json")
	require.NoError(t, os.WriteFile(file, description, 0o644))
	return file
}

// aliases is the source of a package that offers all that another one exports.
func aliases(t *testing.T, folder string) string {
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	require.NoError(t, err)
	declarations := map[string]string{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, d := range parsed.Decls {
			for name, kind := range exported(d) {
				declarations[name] = fmt.Sprintf("%s %s = d.%s\n", kind, name, name)
			}
		}
	}
	names := make([]string, 0, len(declarations))
	for _, d := range declarations {
		names = append(names, d)
	}
	slices.Sort(names)
	return "package dagger\n\nimport d \"dagger.io/dagger\"\n\n" + strings.Join(names, "")
}

// exported lists the names that a declaration exports, and the word that declares
// an equal of each: type, const or var.
func exported(d ast.Decl) map[string]string {
	found := map[string]string{}
	general, ok := d.(*ast.GenDecl)
	if !ok {
		return found
	}
	for _, spec := range general.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			if s.Name.IsExported() && s.TypeParams == nil { // a generic type has no equal
				found[s.Name.Name] = "type"
			}
		case *ast.ValueSpec:
			for _, name := range s.Names {
				if name.IsExported() {
					found[name.Name] = general.Tok.String()
				}
			}
		}
	}
	return found
}
