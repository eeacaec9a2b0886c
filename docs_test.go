package opennebula

import (
	"fmt"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"
	"helm.sh/helm/v3/pkg/chartutil"
	"sigs.k8s.io/yaml"

	"github.com/pablodelarco/opennebula-helm/chart"
	"github.com/pablodelarco/opennebula-helm/pipeline"
)

// The documentation says what is so. What can be held against the code is; what cannot be
// run or checked says so in a comment above it, with the reason:
//
//	<!-- not run: needs a cluster -->     above commands
//	<!-- not values: an excerpt -->       above YAML
//
// TestDocs… are the check docs of .ci/check; a copy of the repository without its
// documentation skips them.

// page is a Markdown file.
type page struct {
	file   string
	source []byte
	root   ast.Node
}

// block of code in a page.
type block struct {
	where, language, text string
	mark                  string // what the comment above it says
}

func pages(t *testing.T) []page {
	if _, err := os.Stat("docs/README.md"); os.IsNotExist(err) {
		t.Skip("this copy of the repository has no documentation; the check docs has")
	}
	var all []page
	for _, file := range repositoryFiles(t) {
		if path.Ext(file) == ".md" && !strings.Contains(file, "testdata/") {
			all = append(all, readPage(t, file))
		}
	}
	require.Greater(t, len(all), 15)
	return all
}

func readPage(t *testing.T, file string) page {
	source, err := os.ReadFile(file)
	require.NoError(t, err)
	markdown := goldmark.New(goldmark.WithExtensions(extension.GFM))
	return page{file, source, markdown.Parser().Parse(text.NewReader(source))}
}

// walk calls for each node of one kind.
func walk[Node ast.Node](p page, visit func(Node)) {
	_ = ast.Walk(p.root, func(node ast.Node, entering bool) (ast.WalkStatus, error) {
		if of, ok := node.(Node); ok && entering {
			visit(of)
		}
		return ast.WalkContinue, nil
	})
}

func (p page) blocks() []block {
	var all []block
	walk(p, func(code *ast.FencedCodeBlock) {
		line := 1
		if code.Lines().Len() > 0 {
			line = strings.Count(string(p.source[:code.Lines().At(0).Start]), "\n") + 1
		}
		b := block{where: fmt.Sprintf("%s:%d", p.file, line), language: string(code.Language(p.source)), text: p.textOf(code)}
		if comment, ok := code.PreviousSibling().(*ast.HTMLBlock); ok {
			b.mark = strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(p.textOf(comment)), "<!--"), "-->"))
		}
		all = append(all, b)
	})
	return all
}

// isMarked tells whether the comment above says that something is not so, and why.
func (b block) isMarked(not string) bool {
	reason, ok := strings.CutPrefix(b.mark, not+":")
	return ok && strings.Contains(strings.TrimSpace(reason), " ")
}

// textOf the lines of a block.
func (p page) textOf(node ast.Node) string {
	var all strings.Builder
	for i := range node.Lines().Len() {
		line := node.Lines().At(i)
		all.Write(line.Value(p.source))
	}
	if html, ok := node.(*ast.HTMLBlock); ok && html.HasClosure() {
		all.Write(html.ClosureLine.Value(p.source))
	}
	return all.String()
}

// wordsOf what is within a line.
func (p page) wordsOf(node ast.Node) string {
	var all strings.Builder
	_ = ast.Walk(node, func(node ast.Node, entering bool) (ast.WalkStatus, error) {
		if part, ok := node.(*ast.Text); ok && entering {
			all.Write(part.Segment.Value(p.source))
		}
		return ast.WalkContinue, nil
	})
	return all.String()
}

func TestDocsLinksLeadSomewhere(t *testing.T) {
	links := 0
	for _, p := range pages(t) {
		follow := func(destination []byte) {
			links++
			assert.NoError(t, p.follow(t, string(destination)), p.file)
		}
		walk(p, func(link *ast.Link) { follow(link.Destination) })
		walk(p, func(image *ast.Image) { follow(image.Destination) })
	}
	assert.Greater(t, links, 100)
}

// ownPages are this repository's, on its main branch.
const ownPages = "https://github.com/" + pipeline.Project + "/"

// follow a link, if it leads into this repository.
func (p page) follow(t *testing.T, link string) error {
	to, err := url.Parse(link)
	if err != nil {
		return err
	}
	file := path.Join(path.Dir(p.file), to.Path)
	if to.Path == "" {
		file = p.file
	}
	if to.IsAbs() {
		own, ok := strings.CutPrefix(link, ownPages)
		own, _, _ = strings.Cut(own, "#")
		kind, rest, _ := strings.Cut(own, "/")
		switch {
		case !ok:
			return nil
		case kind == "actions":
			file = path.Join(".github", strings.TrimSuffix(rest, "/badge.svg"))
		case strings.HasPrefix(rest, "main/"):
			file = strings.TrimPrefix(rest, "main/")
		default:
			return nil
		}
	}
	if _, err := os.Stat(file); err != nil {
		return fmt.Errorf("%s leads nowhere: %w", link, err)
	}
	if to.Fragment != "" && !slices.Contains(readPage(t, file).anchors(), to.Fragment) {
		return fmt.Errorf("%s leads to no heading of %s", link, file)
	}
	return nil
}

// anchors of the headings, as GitHub makes them.
func (p page) anchors() []string {
	var all []string
	walk(p, func(heading *ast.Heading) {
		anchor := strings.Map(func(r rune) rune {
			switch {
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			case r == ' ':
				return '-'
			}
			return -1
		}, p.wordsOf(heading))
		if again := slices.Contains(all, anchor); again {
			anchor += "-1"
		}
		all = append(all, anchor)
	})
	return all
}

func TestDocsBlocksAreOfAKnownKind(t *testing.T) {
	for _, p := range pages(t) {
		for _, b := range p.blocks() {
			assert.Contains(t, []string{"", "sh", "yaml", "json", "mermaid"}, b.language, "%s: nothing checks such a block", b.where)
		}
	}
}

func TestDocsValuesAreTaken(t *testing.T) {
	checked := 0
	for _, p := range pages(t) {
		for _, b := range p.blocks() {
			if b.language != "yaml" || b.isMarked("not values") {
				continue
			}
			checked++
			values, err := chartutil.ReadValues([]byte(b.text))
			if assert.NoError(t, err, b.where) {
				assert.NoError(t, chart.Check(chart.Find("."), values), "%s: the chart refuses these values; if they are none, say so above: <!-- not values: … -->", b.where)
			}
		}
	}
	assert.Greater(t, checked, 15)
}

// What is quoted as a message of ours is one: a heading that is code and nothing else.
func TestDocsQuoteMessages(t *testing.T) {
	pages(t)
	sources := readAll(t, "image/rootfs") + readAll(t, "chart/opennebula")
	p, quoted := readPage(t, "docs/troubleshooting.md"), 0
	walk(p, func(heading *ast.Heading) {
		code, ok := heading.FirstChild().(*ast.CodeSpan)
		if !ok || heading.ChildCount() != 1 {
			return
		}
		quoted++
		assert.Contains(t, sources, p.wordsOf(code), "%s quotes what nothing says", p.file)
	})
	assert.Greater(t, quoted, 20)
}

// readAll files of a folder but its own documentation.
func readAll(t *testing.T, folder string) string {
	var all strings.Builder
	for _, file := range repositoryFiles(t) {
		if !strings.HasPrefix(file, folder+"/") || path.Ext(file) == ".md" {
			continue
		}
		if info, err := os.Stat(file); err != nil || info.IsDir() {
			continue
		}
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		all.Write(content)
	}
	return all.String()
}

func TestDocsNameWhatThereIs(t *testing.T) {
	pages(t)
	var rules struct {
		Groups []struct{ Rules []struct{ Alert string } }
	}
	readYAML(t, "chart/opennebula/files/alert-rules.yaml", &rules)
	var alerts []string
	for _, group := range rules.Groups {
		for _, rule := range group.Rules {
			alerts = append(alerts, "`"+rule.Alert+"`")
		}
	}
	var described struct{ Annotations map[string]string }
	readYAML(t, "chart/opennebula/Chart.yaml", &described)
	var listed []struct{ Image string }
	require.NoError(t, yaml.Unmarshal([]byte(described.Annotations["artifacthub.io/images"]), &listed))
	var images []string
	for _, one := range listed {
		images = append(images, "`"+one.Image+"`")
	}
	for file, names := range map[string][]string{"docs/monitoring.md": alerts, "docs/install.md": images} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Greater(t, len(names), 3, file)
		for _, name := range names {
			assert.Contains(t, string(text), name, "%s does not name %s", file, name)
		}
	}
}

// What has to be installed has the version that is used.
func TestDocsNameVersions(t *testing.T) {
	pages(t)
	modules, err := os.ReadFile("go.mod")
	require.NoError(t, err)
	language := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(string(modules))
	require.NotEmpty(t, language)
	for file, version := range map[string]string{
		"docs/releases.md": ") " + strings.TrimPrefix(daggerVersion(t), "v") + " and",
		"README.md":        "Go " + language[1] + " or later",
		"CONTRIBUTING.md":  "Go " + language[1] + " or later",
	} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.Contains(t, string(text), version, file)
	}
}

// A test that is named as what was tried is there.
func TestDocsNameTests(t *testing.T) {
	var sources strings.Builder
	for _, file := range repositoryFiles(t) {
		if strings.HasSuffix(file, "_test.go") {
			content, err := os.ReadFile(file)
			require.NoError(t, err)
			sources.Write(content)
		}
	}
	named := 0
	for _, p := range pages(t) {
		walk(p, func(code *ast.CodeSpan) {
			if name := p.wordsOf(code); regexp.MustCompile(`^Test[A-Z]\w+$`).MatchString(name) {
				named++
				assert.Regexp(t, `func (\(s \*\w+\) )?`+name+`\(`, sources.String(), p.file)
			}
		})
	}
	assert.Greater(t, named, 5)
}

func readYAML(t *testing.T, file string, into any) {
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(content, into), file)
}

// diagram is the one of architecture.md that a comment names.
func diagram(t *testing.T, mark string) string {
	pages(t)
	for _, b := range readPage(t, "docs/architecture.md").blocks() {
		if b.language == "mermaid" && strings.HasPrefix(b.mark, mark+":") {
			return b.text
		}
	}
	require.Fail(t, "docs/architecture.md has no diagram of the "+mark)
	return ""
}

// The diagram of the pod has its containers, and no others.
func TestDocsDrawThePod(t *testing.T) {
	_, inside, found := strings.Cut(diagram(t, "pod"), "subgraph pod")
	require.True(t, found)
	inside, _, _ = strings.Cut(inside, " end\n")
	var drawn []string
	for _, box := range regexp.MustCompile(`(?m)^\s*([\w-]+)\[\w`).FindAllStringSubmatch(inside, -1) {
		drawn = append(drawn, box[1])
	}
	assert.ElementsMatch(t, rendered(t).containers["opennebula-0"].roles, drawn)
}

// The diagram of a release has the kinds of its steps.
func TestDocsDrawTheSteps(t *testing.T) {
	drawing := diagram(t, "steps")
	source, err := os.ReadFile("release/plan.go")
	require.NoError(t, err)
	kinds := regexp.MustCompile(`Kind += "([^"]+)"`).FindAllStringSubmatch(string(source), -1)
	require.Greater(t, len(kinds), 10)
	for _, kind := range kinds {
		assert.Regexp(t, `(\b|\[)`+kind[1]+`(\b|\])`, drawing)
	}
}

// The diagram of the packages has their imports, but those that follow from others.
func TestDocsDrawTheImports(t *testing.T) {
	drawn := edges(diagram(t, "imports"))
	for from := range maps.Keys(drawn) {
		assert.DirExists(t, from)
	}
	assert.Equal(t, reduce(imports(t)), drawn)
}

// graph has where arrows lead, in order.
type graph map[string][]string

func (g graph) add(from, to string) {
	if from != to && !slices.Contains(g[from], to) {
		g[from] = append(g[from], to)
		slices.Sort(g[from])
	}
}

// edges of a flow chart.
func edges(drawing string) graph {
	g := graph{}
	for line := range strings.Lines(drawing) {
		from, to, isEdge := strings.Cut(line, "-->")
		if !isEdge {
			continue
		}
		for _, one := range strings.Split(from, "&") {
			for _, other := range strings.Split(to, "&") {
				g.add(strings.TrimSpace(one), strings.TrimSpace(other))
			}
		}
	}
	return g
}

// imports among the folders of the repository, without tests and what only they use.
func imports(t *testing.T) graph {
	out, err := exec.Command("go", "list", "-f", "{{.ImportPath}} {{join .Imports \" \"}}", "./...").Output()
	require.NoError(t, err)
	g := graph{}
	const module = "github.com/" + pipeline.Project + "/"
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		from, ok := strings.CutPrefix(words[0], module)
		if !ok || strings.HasSuffix(from, "test") {
			continue
		}
		for _, word := range words[1:] {
			if to, ok := strings.CutPrefix(word, module); ok {
				g.add(topFolder(from), topFolder(to))
			}
		}
	}
	files, err := filepath.Glob("ci/*.go") // another module
	require.NoError(t, err)
	for _, file := range files {
		for _, spec := range parse(t, file).Imports {
			if to, ok := strings.CutPrefix(strings.Trim(spec.Path.Value, `"`), module); ok {
				g.add("ci", topFolder(to))
			}
		}
	}
	return g
}

// topFolder of a package; cmd has one for each program.
func topFolder(folder string) string {
	parts := strings.Split(folder, "/")
	if parts[0] == "cmd" {
		return strings.Join(parts[:2], "/")
	}
	return parts[0]
}

// reduce leaves out what is reached by other arrows.
func reduce(g graph) graph {
	reduced := graph{}
	for from, all := range g {
		for _, to := range all {
			if !slices.ContainsFunc(all, func(other string) bool { return other != to && g.reaches(other, to) }) {
				reduced.add(from, to)
			}
		}
	}
	return reduced
}

// reaches tells whether arrows lead from one to another. Go has no imports in a circle.
func (g graph) reaches(from, to string) bool {
	return from == to || slices.ContainsFunc(g[from], func(next string) bool { return g.reaches(next, to) })
}

// What migrate.md has people do with an old database is a backup that the image takes.
func TestDocsMigration(t *testing.T) {
	var recipe string
	for _, p := range pages(t) {
		for _, b := range p.blocks() {
			if b.mark == "run by TestDocsMigration" {
				recipe = b.text
			}
		}
	}
	require.NotEmpty(t, recipe)
	if _, err := exec.LookPath("sqlite3"); err != nil {
		t.Skip("there is no sqlite3: apt-get install sqlite3")
	}
	library, err := filepath.Abs("image/rootfs/usr/local/lib/opennebula-frontend")
	require.NoError(t, err)
	const old = `mkdir -p old/one/.one volume/.one volume/backups/database && echo key >old/one/.one/one_key
sqlite3 old/one/one.db "CREATE TABLE local_db_versioning (oid INTEGER PRIMARY KEY, version VARCHAR(256));
  INSERT INTO local_db_versioning VALUES (0, '6.8.0'), (1, '6.10.0');
  CREATE TABLE user_pool (oid INTEGER PRIMARY KEY, name VARCHAR(128)); INSERT INTO user_pool VALUES (0, 'oneadmin – ü');"
`
	const restore = `
mv carried volume/backups/database/
source "$LIBRARY/lib.sh"
home=$PWD/volume auth=$home/.one client=/none
source "$LIBRARY/database.sh"
check_backup "$backups/carried" && load_backup "$backups/carried"
cmp old/one/.one/one_key volume/.one/one_key
manifest "$backups/carried" schema
sqlite3 volume/one.db "SELECT name FROM user_pool;"
`
	shell := exec.Command("bash", "-euo", "pipefail", "-c", old+recipe+restore)
	shell.Dir, shell.Env = t.TempDir(), append(os.Environ(), "LIBRARY="+library)
	said, err := shell.CombinedOutput()
	require.NoError(t, err, string(said))
	assert.Contains(t, string(said), "6.10.0\noneadmin – ü\n")
}
