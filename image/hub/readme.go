package hub

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"
)

// Source is where a Markdown file is on GitHub.
type Source struct {
	Repository string // https://github.com/OWNER/NAME
	Revision   string // commit or tag
	File       string // path in the repository, with slashes
}

// Absolute makes links and images of a Markdown file that are relative, which lead
// nowhere on Docker Hub, point to the repository at its revision. Code stays as it is.
func Absolute(markdown string, source Source) (string, error) {
	document := parse(markdown)
	links, code := destinations(document), codeIn(document)
	var failed error
	var out strings.Builder
	last := 0
	for _, at := range destination.FindAllStringSubmatchIndex(markdown, -1) {
		from, to := at[2], at[3]
		kind, isLink := links[markdown[from:to]]
		if !isLink || slices.ContainsFunc(code, func(s text.Segment) bool { return s.Start <= from && from < s.Stop }) {
			continue
		}
		absolute, err := source.resolve(markdown[from:to], kind)
		if err != nil && failed == nil {
			failed = err
		}
		out.WriteString(markdown[last:from] + absolute)
		last = to
	}
	out.WriteString(markdown[last:])
	if failed != nil {
		return out.String(), failed
	}
	return out.String(), source.check(out.String())
}

// check fails if a link is not absolute: what merely looked like one was changed beside it,
// or it does not look like one.
func (s Source) check(markdown string) error {
	for link, kind := range destinations(parse(markdown)) {
		if absolute, err := s.resolve(link, kind); err != nil || absolute != link {
			return fmt.Errorf("%s links to %s in a way that cannot be told from the text around it: write it as [text](%[2]s)", s.File, link)
		}
	}
	return nil
}

func parse(markdown string) ast.Node {
	return goldmark.New(goldmark.WithExtensions(extension.GFM)).Parser().Parse(text.NewReader([]byte(markdown)))
}

// destination is where a link or image points: ](…) within a text, or at the end of
// a definition, [name]: …
var destination = regexp.MustCompile(`(?m)\](?:\(|:[ \t]+)<?([^\s<>()]+)`)

// destinations of all links and images, with the kind of GitHub's pages for them.
func destinations(document ast.Node) map[string]string {
	found := map[string]string{}
	_ = ast.Walk(document, func(node ast.Node, _ bool) (ast.WalkStatus, error) {
		switch node := node.(type) {
		case *ast.Link:
			found[string(node.Destination)] = "blob"
		case *ast.Image:
			found[string(node.Destination)] = "raw"
		}
		return ast.WalkContinue, nil
	})
	return found
}

// codeIn lists the parts of a document in which nothing is a link.
func codeIn(document ast.Node) []text.Segment {
	var code []text.Segment
	_ = ast.Walk(document, func(node ast.Node, entering bool) (ast.WalkStatus, error) {
		switch node := node.(type) {
		case *ast.CodeBlock, *ast.FencedCodeBlock, *ast.HTMLBlock:
			if entering {
				code = append(code, node.Lines().Sliced(0, node.Lines().Len())...)
			}
		case *ast.Text:
			if _, ok := node.Parent().(*ast.CodeSpan); ok && entering {
				code = append(code, node.Segment)
			}
		}
		return ast.WalkContinue, nil
	})
	return code
}

// resolve makes a destination absolute; one that is so already, or within the page,
// stays.
func (s Source) resolve(link, kind string) (string, error) {
	to, err := url.Parse(link)
	if err != nil || to.IsAbs() || to.Host != "" || to.Path == "" {
		return link, nil //nolint:nilerr // what is no URL is a link to nothing, wherever it is read
	}
	file := path.Join("/", path.Dir(s.File), to.Path)
	if strings.HasPrefix(to.Path, "/") {
		file = path.Clean(to.Path)
	}
	if strings.HasPrefix(path.Join(path.Dir(s.File), to.Path), "../") {
		return link, fmt.Errorf("%s links to %s, which is outside of the repository: correct the link", s.File, link)
	}
	to.Path = ""
	return s.Repository + "/" + kind + "/" + s.Revision + escaped(file) + to.String(), nil
}

// escaped is a path as URLs have it.
func escaped(file string) string { return (&url.URL{Path: file}).EscapedPath() }
