package opennebula

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	"github.com/iancoleman/strcase"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// module is what `dagger call` offers: functions by their type, which is "" for the
// constructor, and by their name on the command line.
type module map[string]map[string]function

// function is one that can be called, or a field that can be read.
type function struct {
	arguments map[string]argument // by name on the command line
	options   string              // a type of Dagger's, whose fields are more of them
	result    string              // a type: of this module, dagger.X, or "" for others
	isCheck   bool
}

type argument struct{ isSwitch, isRequired bool }

// constructor is the name of the module's New, which no other function has.
const constructor = "new"

// readModule reads ci as Dagger does, and of Dagger's own types the names of their
// functions.
func readModule(t *testing.T) module {
	m := module{}
	files, err := filepath.Glob("ci/*.go")
	require.NoError(t, err)
	for _, file := range files {
		m.read(parse(t, file), "")
	}
	files, err = filepath.Glob(filepath.Join(moduleFolder(t, "dagger.io/dagger"), "*.gen.go"))
	require.NoError(t, err)
	for _, file := range files {
		m.read(parse(t, file), "dagger.")
	}
	require.Contains(t, m[""], constructor, "ci has no function New")
	require.Contains(t, m["dagger.Container"], "sync", "where are Dagger's own functions?")
	return m
}

func parse(t *testing.T, file string) *ast.File {
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments|parser.SkipObjectResolution)
	require.NoError(t, err)
	return parsed
}

// read adds a file's functions, and its types' fields. The prefix is that of the types.
func (m module) read(file *ast.File, prefix string) {
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			receiver := ""
			if d.Recv != nil {
				receiver = typeName(d.Recv.List[0].Type, prefix)
			} else if d.Name.Name != "New" {
				continue
			}
			if d.Name.IsExported() {
				m.add(receiver, d.Name.Name, functionOf(d, file, prefix))
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				m.readFields(spec, prefix)
			}
		}
	}
}

func (m module) readFields(spec ast.Spec, prefix string) {
	s, ok := spec.(*ast.TypeSpec)
	if !ok {
		return
	}
	fields, ok := s.Type.(*ast.StructType)
	if !ok {
		return
	}
	for _, field := range fields.Fields.List {
		for _, name := range field.Names {
			if name.IsExported() && !strings.Contains(field.Doc.Text(), "+private") {
				m.add(prefix+s.Name.Name, name.Name, function{result: typeName(field.Type, prefix)})
			}
		}
	}
}

func (m module) add(receiver, name string, f function) {
	if m[receiver] == nil {
		m[receiver] = map[string]function{}
	}
	m[receiver][strcase.ToKebab(name)] = f
}

func functionOf(d *ast.FuncDecl, file *ast.File, prefix string) function {
	f := function{arguments: map[string]argument{}, isCheck: strings.Contains(d.Doc.Text(), "+check")}
	end := d.Type.Params.Opening
	for _, field := range d.Type.Params.List {
		said := commentsBetween(file, end, field.Pos())
		end = field.End()
		if typeName(field.Type, prefix) == "context.Context" {
			continue
		}
		if rest, isVariadic := field.Type.(*ast.Ellipsis); isVariadic {
			f.options = typeName(rest.Elt, prefix)
			continue
		}
		kind, isName := field.Type.(*ast.Ident)
		isGiven := strings.Contains(said, "+optional") || strings.Contains(said, "+default")
		for _, name := range field.Names {
			f.arguments[strcase.ToKebab(name.Name)] = argument{isSwitch: isName && kind.Name == "bool", isRequired: !isGiven}
		}
	}
	if d.Type.Results != nil {
		f.result = typeName(d.Type.Results.List[0].Type, prefix)
	}
	return f
}

// commentsBetween is all that is said before a parameter, which Go's parser keeps apart.
func commentsBetween(file *ast.File, from, to token.Pos) string {
	var all strings.Builder
	for _, group := range file.Comments {
		if from < group.Pos() && group.End() <= to {
			all.WriteString(group.Text())
		}
	}
	return all.String()
}

// typeName of a value or a pointer to one; "" of what has no name.
func typeName(of ast.Expr, prefix string) string {
	switch of := of.(type) {
	case *ast.StarExpr:
		return typeName(of.X, prefix)
	case *ast.Ident:
		return prefix + of.Name
	case *ast.SelectorExpr:
		return typeName(of.X, "") + "." + of.Sel.Name
	default:
		return ""
	}
}

// check follows what comes after `dagger call`, word by word.
func (m module) check(words []string) error {
	name, current, given := constructor, m[""][constructor], map[string]bool{}
	for i := 0; i < len(words); i++ {
		flag, isFlag := strings.CutPrefix(words[i], "--")
		if !isFlag {
			if err := current.complete(name, given); err != nil {
				return err
			}
			next, ok := m[current.result][words[i]]
			if !ok {
				return fmt.Errorf("%s has no function %s", cmp.Or(current.result, "the result of "+name), words[i])
			}
			name, current, given = words[i], next, map[string]bool{}
			continue
		}
		flag, _, hasValue := strings.Cut(flag, "=")
		a, ok := current.arguments[flag]
		if _, isOption := m[current.options][flag]; !ok && !isOption {
			return fmt.Errorf("%s has no argument --%s", name, flag)
		}
		given[flag] = true
		if !hasValue && !a.isSwitch {
			i++
		}
	}
	if name == constructor {
		return fmt.Errorf("no function is called")
	}
	return current.complete(name, given)
}

func (f function) complete(name string, given map[string]bool) error {
	for argument, a := range f.arguments {
		if a.isRequired && !given[argument] {
			return fmt.Errorf("%s lacks --%s", name, argument)
		}
	}
	return nil
}

func TestCallsExist(t *testing.T) {
	m := readModule(t)
	calls := 0
	for _, w := range workflows(t) {
		for _, s := range w.runs() {
			for _, words := range s.calls(t) {
				require.Greater(t, len(words), 1, s.where)
				calls++
				switch words[1] {
				case "call":
					assert.NoError(t, m.check(words[2:]), "%s: %s", s.where, strings.Join(words, " "))
				case "check":
					assert.True(t, m.hasChecks(), "%s: no function of ci has +check", s.where)
				default:
					assert.Fail(t, "only call and check are known", "%s: %s", s.where, strings.Join(words, " "))
				}
			}
		}
	}
	assert.Greater(t, calls, 5)
}

func (m module) hasChecks() bool {
	for _, functions := range m {
		for _, f := range functions {
			if f.isCheck {
				return true
			}
		}
	}
	return false
}

// What is said of the checking of calls holds for a module that is known.
func TestCallsAreChecked(t *testing.T) {
	const source = `package main
type Pipeline struct {
	Source *dagger.Directory
	// +private
	Hidden string
}
func New(
	// +defaultPath="/"
	source *dagger.Directory,
) *Pipeline { return nil }
// Build it.
func (m *Pipeline) Build(ctx context.Context,
	// For which ones.
	// +optional
	platforms []string,
	// +default=false
	noCache bool,
) (*dagger.Container, error) { return nil, nil }
func (m *Pipeline) Release(
	// The token.
	token *dagger.Secret) *Release { return nil }
type Release struct{ Report string }
`
	file, err := parser.ParseFile(token.NewFileSet(), "ci.go", source, parser.ParseComments)
	require.NoError(t, err)
	m := module{"dagger.Container": {"sync": {}}}
	m.read(file, "")
	for call, want := range map[string]string{
		"build sync": "",
		"build --platforms linux/amd64 --no-cache sync": "",
		"build --no-cache=true --platforms=linux/amd64": "",
		"--source . build":                     "",
		"release --token env://T report":       "",
		"source":                               "",
		"":                                     "no function is called",
		"--source .":                           "no function is called",
		"bild":                                 "Pipeline has no function bild",
		"hidden":                               "Pipeline has no function hidden",
		"new":                                  "Pipeline has no function new",
		"build --platform linux/amd64":         "build has no argument --platform",
		"build --no-cache true":                "dagger.Container has no function true",
		"build sink":                           "dagger.Container has no function sink",
		"release report":                       "release lacks --token",
		"release":                              "release lacks --token",
		"release --token env://T report twice": "string has no function twice",
	} {
		err := m.check(strings.Fields(call))
		if want == "" {
			assert.NoError(t, err, call)
		} else {
			assert.EqualError(t, err, want, call)
		}
	}
}
