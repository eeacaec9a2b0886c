package scan

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// section is a part of a verdict that has a table.
type section struct {
	title   string
	open    bool // to be seen at once
	columns []string
	rows    [][]string
}

// Text writes the verdict for a terminal. Its last line says what to do.
func (v Verdict) Text(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintln(&b, v.headline())
	for _, report := range v.Reports {
		fmt.Fprintln(&b, report.line())
	}
	for _, s := range v.sections() {
		fmt.Fprintf(&b, "\n%s\n", s.title)
		table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		for _, row := range s.rows {
			fmt.Fprintln(table, "  "+strings.Join(row, "\t"))
		}
		_ = table.Flush() // into a string
	}
	fmt.Fprintf(&b, "\n%s\n", v.Advice())
	_, err := io.WriteString(w, b.String())
	return err
}

// Markdown writes the verdict for a page of GitHub. Its last line says what to do.
func (v Verdict) Markdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "### %s\n\n", v.headline())
	for _, report := range v.Reports {
		fmt.Fprintf(&b, "- %s\n", escape(report.line()))
	}
	for _, s := range v.sections() {
		fmt.Fprintf(&b, "\n<details%s><summary>%s</summary>\n\n", map[bool]string{true: " open"}[s.open], s.title)
		fmt.Fprintf(&b, "| %s |\n|%s\n", strings.Join(s.columns, " | "), strings.Repeat(" --- |", len(s.columns)))
		for _, row := range s.rows {
			for i := range row {
				row[i] = escape(row[i])
			}
			fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
		}
		b.WriteString("\n</details>\n")
	}
	fmt.Fprintf(&b, "\n**%s**\n", escape(v.Advice()))
	_, err := io.WriteString(w, b.String())
	return err
}

func (v Verdict) headline() string {
	if v.Passed() {
		return "Scan passed"
	}
	return "Scan failed"
}

// line says what a report is of.
func (r Report) line() string {
	parts := append([]string{r.Image}, r.Digests[:min(1, len(r.Digests))]...)
	parts = append(parts, r.System, r.Scanner, count(len(r.Findings), "finding"))
	return strings.Join(slices.DeleteFunc(parts, empty), ", ")
}

// sections are those that are not empty, what needs a hand first.
func (v Verdict) sections() []section {
	var all []section
	add := func(open bool, rows [][]string, title string, columns ...string) {
		if len(rows) > 0 {
			all = append(all, section{fmt.Sprintf("%s: %d", title, len(rows)), open, columns, rows})
		}
	}
	add(true, rowsOf(v.Blocking, fixed), "With a fix and no excuse", "severity", "vulnerability", "package", "fixed in", "package URL")
	add(true, rowsOf(v.StaleExcuses, StaleExcuse.row), "Excuses that must go", "excuse", "why")
	add(false, rowsOf(v.Excused, Excused.row), "Excused", "severity", "vulnerability", "package", "until", "reason", "excuse")
	add(false, rowsOf(v.Minor, fixed), "With a fix, below the threshold", "severity", "vulnerability", "package", "fixed in", "package URL")
	add(false, rowsOf(v.Unfixed, Finding.row), "Without a fix yet", "severity", "vulnerability", "package")
	add(false, rowsOf(v.Suppressed, Suppressed.row), "Left out by the scanner", "severity", "vulnerability", "package", "why")
	return all
}

func rowsOf[T any](list []T, row func(T) []string) [][]string {
	rows := make([][]string, len(list))
	for i, item := range list {
		rows[i] = row(item)
	}
	return rows
}

func (f Finding) row() []string {
	return []string{f.Severity.String(), f.ID, strings.TrimSpace(f.Package.Name + " " + f.Package.Version)}
}

func fixed(f Finding) []string {
	return append(f.row(), strings.Join(f.FixedIn, " or "), f.Package.PURL)
}

func (e Excused) row() []string {
	return append(e.Finding.row(), e.LastDay(), e.Reason, e.String())
}

func (s Suppressed) row() []string { return append(s.Finding.row(), s.Why) }

func (s StaleExcuse) row() []string { return []string{s.String(), s.Why} }

// Advice is one line that says what to do about the verdict.
func (v Verdict) Advice() string {
	if v.Passed() {
		return "Nothing to do: nothing that has a fix is left without an excuse."
	}
	var advice []string
	if names := packagesOf(v.Blocking, isDebian); len(names) > 0 {
		advice = append(advice, "Build the image again, for Debian has fixed "+strings.Join(names, ", ")+".")
	}
	if names := packagesOf(v.Blocking, func(f Finding) bool { return !isDebian(f) }); len(names) > 0 {
		advice = append(advice, "Update "+strings.Join(names, ", ")+".")
	}
	if len(v.Blocking) > 0 {
		advice = append(advice, "What cannot be updated needs an excuse, as image/vex/README.md has it.")
	}
	if n := len(v.StaleExcuses); n > 0 {
		advice = append(advice, "Take away, or state anew, "+count(n, "excuse")+" in image/vex.")
	}
	return strings.Join(advice, " ")
}

func isDebian(f Finding) bool { return f.Package.Type == "deb" }

// packagesOf are the names of the packages of the findings chosen, each once.
func packagesOf(findings []Finding, chosen func(Finding) bool) []string {
	var names []string
	for _, f := range findings {
		if chosen(f) {
			names = append(names, f.Package.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// escape keeps what others wrote from being read as Markdown or HTML, on one line.
func escape(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	return markup.Replace(text)
}

var markup = strings.NewReplacer(
	`\`, `\\`, "|", `\|`, "<", "&lt;", ">", "&gt;", "&", "&amp;", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "`", "\\`", "@", "&#64;",
)
