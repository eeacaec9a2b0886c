package changes

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/pmezard/go-difflib/difflib"
)

// maxDiffLines is how long a file is compared line by line; the time it takes can
// grow with the square.
const maxDiffLines = 10_000

// FileChange is a file added, removed, or changed.
type FileChange struct {
	Path    string
	Kind    Kind
	Diff    string // unified, of the whole file if it is new; may be empty
	Plus    int    // lines added
	Minus   int    // lines removed
	Remark  string // what there is to say besides, or instead of a diff; may be empty
	Trivial bool   // only the years of its copyright differ
}

// Kind says what became of something.
type Kind string

// The kinds of changes.
const (
	Added   Kind = "added"
	Removed Kind = "removed"
	Changed Kind = "changed"
)

// compareFiles compares those files that are of interest. What changed comes before
// what is new, OpenNebula's own before what others share, and the files of a folder
// before those of the folders in it.
func compareFiles(before, after map[string]file, interesting func(string) bool) []FileChange {
	var found []FileChange
	for _, path := range union(before, after) {
		a, was := before[path]
		b, is := after[path]
		if !interesting(path) || was && is && a == b {
			continue
		}
		change := FileChange{Path: path}
		switch {
		case !was:
			change.Kind = Added
		case !is:
			change.Kind = Removed
		default:
			change.Kind = Changed
		}
		change.compare(a, b)
		found = append(found, change)
	}
	slices.SortStableFunc(found, func(a, b FileChange) int {
		return cmp.Or(cmp.Compare(a.weight(), b.weight()), cmp.Compare(place(a.Path), place(b.Path)), cmp.Compare(strings.Count(a.Path, "/"), strings.Count(b.Path, "/")))
	})
	return found
}

// weight orders what may need a hand before what cannot.
func (c FileChange) weight() int { return slices.Index([]Kind{Changed, Removed, Added}, c.Kind) }

func (c *FileChange) compare(a, b file) {
	c.Remark = remark(c.Kind, a, b)
	if !haveDiff(c.Kind, a, b) {
		return
	}
	before, after := lines(a.text), lines(b.text)
	if len(before)+len(after) > maxDiffLines {
		c.Remark = joined(c.Remark, "too long to be compared line by line")
		return
	}
	ignoreYears(before, after)
	c.Diff, c.Plus, c.Minus = unified(before, after)
	if c.Kind == Changed && c.Remark == "" {
		c.Trivial = withoutYears(a.text) == withoutYears(b.text)
		c.Remark = c.harmless(before, after)
	}
}

// harmless says why a change sets nothing; empty if it may.
func (c *FileChange) harmless(before, after []string) string {
	switch {
	case c.Trivial || !slices.Equal(withoutComments(before), withoutComments(after)):
		return ""
	case c.Diff == "":
		return "only the end of its last line"
	default:
		return "only comments"
	}
}

// haveDiff tells that there are texts of which a diff can be made.
func haveDiff(kind Kind, a, b file) bool {
	switch kind {
	case Added:
		return b.unreadable() == ""
	case Changed:
		return a.unreadable()+b.unreadable() == "" && a.text != b.text
	default:
		return false
	}
}

// copyright finds the years that upstream changes in all files at once.
var copyright = regexp.MustCompile(`(?i)(copyright\D{0,20})\d{4}(?: ?- ?\d{4})?`)

func withoutYears(line string) string { return copyright.ReplaceAllString(line, "${1}YEARS") }

// ignoreYears gives the old lines of a copyright the years that they have later, so
// that they are no difference.
func ignoreYears(before, after []string) {
	later := map[string]string{}
	for _, line := range after {
		if key := withoutYears(line); key != line {
			later[key] = line
		}
	}
	for i, line := range before {
		if same, ok := later[withoutYears(line)]; ok {
			before[i] = same
		}
	}
}

// withoutComments are the lines that set something, in the formats that begin a comment
// by #, which all of OpenNebula's do.
func withoutComments(lines []string) []string {
	return slices.DeleteFunc(slices.Clone(lines), func(line string) bool {
		line = strings.TrimSpace(line)
		return line == "" || strings.HasPrefix(line, "#")
	})
}

// unified is the diff of two texts, without the names of files, and how many lines it
// adds and takes away.
func unified(before, after []string) (diff string, plus, minus int) {
	// What is written to a string does not fail.
	diff, _ = difflib.GetUnifiedDiffString(difflib.UnifiedDiff{A: before, B: after, Context: 3})
	for line := range strings.Lines(diff) {
		switch line[0] {
		case '+':
			plus++
		case '-':
			minus++
		}
	}
	return diff, plus, minus
}

// remark says of a change what no diff shows.
func remark(kind Kind, a, b file) string {
	switch {
	case kind == Removed:
		return ""
	case kind == Added:
		return b.unreadable()
	case a.link != b.link && a.link != "" && b.link != "":
		return fmt.Sprintf("links to %s instead of %s", b.link, a.link)
	case a.link != "":
		return "a file instead of a link to " + a.link
	case b.link != "":
		return "a link to " + b.link + " instead of a file"
	}
	var said string
	if a.mode != b.mode {
		said = fmt.Sprintf("mode %04o instead of %04o", b.mode, a.mode)
	}
	if why := a.unreadable() + b.unreadable(); why != "" && a.sum != b.sum {
		said = joined(said, "other content, which is not shown")
	}
	return said
}

// lines of a text, each with its end.
func lines(text string) []string {
	if text == "" {
		return nil
	}
	split := strings.SplitAfter(text, "\n")
	if last := len(split) - 1; split[last] == "" {
		return split[:last]
	}
	split[len(split)-1] += "\n" // which a diff needs
	return split
}
