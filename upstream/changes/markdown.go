package changes

import (
	"fmt"
	"html"
	"slices"
	"strings"
	"unicode"
)

// BodyLimit is how long GitHub lets the text of a pull request be, in characters.
const BodyLimit = 65_536

const (
	maxNames = 30  // that are listed in one line
	maxWidth = 400 // of a line of a diff, in characters
)

// diffLines are how many lines of each diff are shown, tried in turn until the whole
// fits.
var diffLines = [...]int{400, 300, 200, 150, 100, 70, 50, 35, 25, 15, 10, 5, 0}

// Markdown is the text for a pull request, of no more bytes than the limit. Diffs are
// cut for that, the longest first; then whole sections are left out from the end. The
// text says so.
func (c *Changes) Markdown(limit int) string {
	if c.Empty() {
		return cutSections(append([]string{c.title() + c.nothing() + "\n"}, c.notes()...), limit)
	}
	var sections []string
	for _, lines := range diffLines {
		sections = c.sections(lines)
		if text := strings.Join(sections, "\n"); len(text) <= limit {
			return text
		}
	}
	return cutSections(sections, limit)
}

const leftOut = "\nThe rest is left out, since GitHub takes no longer text.\n"

// cutSections leaves out sections from the end; of the first, what does not fit.
func cutSections(sections []string, limit int) string {
	text := strings.Join(sections, "\n")
	for len(text) > limit && len(sections) > 1 {
		sections = sections[:len(sections)-1]
		text = strings.Join(sections, "\n") + leftOut
	}
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:max(0, limit)], "")
	}
	return text
}

// Summary says in one line what changes.
func (c *Changes) Summary() string {
	if c.Empty() {
		return c.nothing()
	}
	var said []string
	for _, p := range c.points() {
		if p.text != unchanged {
			said = append(said, strings.ToLower(p.name)+": "+p.text)
		}
	}
	return fmt.Sprintf("OpenNebula %s → %s: %s", c.From, c.To, strings.Join(said, "; "))
}

func (c *Changes) nothing() string {
	if c.Unknown != "" {
		return c.Unknown
	}
	return fmt.Sprintf("Nothing differs between OpenNebula %s and %s.", c.From, c.To)
}

func (c *Changes) title() string {
	return fmt.Sprintf("## What changes from OpenNebula %s to %s\n\n", c.From, c.To)
}

// sections of the text, in the order of their weight for who approves. Of each diff
// some lines are shown.
func (c *Changes) sections(lines int) []string {
	var head strings.Builder
	head.WriteString(c.title())
	for _, p := range c.points() {
		fmt.Fprintf(&head, "- **%s**: %s\n", p.name, p.text)
	}
	sections := []string{head.String()}
	sections = append(sections, section("Packages", c.packages())...)
	sections = append(sections, section("Dependencies", c.dependencies())...)
	sections = append(sections, section("Services", listFiles(c.Units, lines))...)
	sections = append(sections, section("Configuration", listFiles(c.Settings, lines)+c.conffiles())...)
	return append(sections, c.notes()...)
}

// section has a heading, unless there is nothing to say.
func section(heading, text string) []string {
	if text == "" {
		return nil
	}
	return []string{"### " + heading + "\n\n" + text}
}

// point is a line of what there is at a glance.
type point struct{ name, text string }

const unchanged = "no change"

func (c *Changes) points() []point {
	return []point{
		{"Database", c.Schema.sentence(c.From, c.To)},
		{"Packages", c.packagesAtAGlance()},
		{"Dependencies", dependenciesAtAGlance(c.Dependencies)},
		{"Services", filesAtAGlance(c.Units)},
		{"Configuration", filesAtAGlance(c.Settings)},
	}
}

// sentence says what becomes of the database, and what that means for a rollback.
func (s Schema) sentence(from, to string) string {
	versions := fmt.Sprintf("local %s → %s, shared %s → %s", s.From.Local, s.To.Local, s.From.Shared, s.To.Shared)
	switch {
	case !s.Known():
		return "the packages do not say which schema they want; take it that a rollback needs a backup"
	case s.Back():
		return fmt.Sprintf("its schema goes back (%s), to which nothing migrates: %s needs a backup from before %s", versions, to, from)
	case len(s.Missing) > 0:
		return fmt.Sprintf("its schema changes (%s), and the packages have no migrator for %s: onedb upgrade will refuse", versions, strings.Join(s.Missing, ", "))
	case s.changes():
		return fmt.Sprintf("its schema is migrated (%s), and OpenNebula %s cannot read it afterwards: a rollback needs the backup from before", versions, from)
	default:
		return fmt.Sprintf("its schema stays (local %s, shared %s); nothing is migrated", s.To.Local, s.To.Shared)
	}
}

func (c *Changes) packagesAtAGlance() string {
	var said []string
	if len(c.Bump) > 0 {
		said = append(said, count(len(c.Bump), "follows the release", "follow the release")+" ("+span(c.Bump)+")")
	}
	added, removed, other := kinds(c.Packages)
	return phrase(append(said, counts(added, "added"), counts(removed, "removed"), counts(other, "of another version"))...)
}

// span is the version before and after of packages that follow the release.
func span(bumps []PackageChange) string {
	var spans []string
	for _, p := range bumps {
		if s := p.From + " → " + p.To; !slices.Contains(spans, s) {
			spans = append(spans, s)
		}
	}
	return names(spans, 3)
}

func kinds(packages []PackageChange) (added, removed, other int) {
	for _, p := range packages {
		switch {
		case p.From == "":
			added++
		case p.To == "":
			removed++
		default:
			other++
		}
	}
	return added, removed, other
}

func dependenciesAtAGlance(changes []DependencyChange) string {
	var n [3]int
	for _, d := range changes {
		n[d.kind()]++
	}
	return phrase(counts(n[0], "added"), counts(n[1], "removed"), counts(n[2], "of another version"))
}

func filesAtAGlance(files []FileChange) string {
	var plus, minus, trivial int
	n := map[Kind]int{}
	for _, f := range files {
		if f.Trivial {
			trivial++
			continue
		}
		n[f.Kind]++
		if f.Kind == Changed {
			plus, minus = plus+f.Plus, minus+f.Minus
		}
	}
	changed := ""
	if n[Changed] > 0 {
		changed = fmt.Sprintf("%s changed (+%d −%d)", count(n[Changed], "file", "files"), plus, minus)
	}
	return phrase(changed, counts(n[Added], "added"), counts(n[Removed], "removed"), counts(trivial, "with other years of copyright only"))
}

// phrase joins what there is to say.
func phrase(parts ...string) string {
	parts = slices.DeleteFunc(parts, func(s string) bool { return s == "" })
	if len(parts) == 0 {
		return unchanged
	}
	return strings.Join(parts, ", ")
}

func counts(n int, of string) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d %s", n, of)
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// names joins some names, and says how many more there are.
func names(all []string, most int) string {
	if len(all) <= most {
		return strings.Join(all, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(all[:most], ", "), len(all)-most)
}

func (c *Changes) packages() string {
	var b strings.Builder
	for i, p := range c.Packages {
		if i == maxNames {
			fmt.Fprintf(&b, "- and %d more\n", len(c.Packages)-i)
			break
		}
		b.WriteString("- " + p.text() + "\n")
	}
	if len(c.Bump) > 0 {
		var bumped []string
		for _, p := range c.Bump {
			bumped = append(bumped, code(p.Name))
		}
		fmt.Fprintf(&b, "- with the release: %s\n", names(bumped, maxNames))
	}
	if len(c.Others) > 0 {
		var others []string
		for _, p := range c.Others {
			others = append(others, p.text())
		}
		fmt.Fprintf(&b, "- not in the image: %s\n", names(others, maxNames))
	}
	return b.String()
}

func (p PackageChange) text() string {
	switch {
	case p.From == "":
		return fmt.Sprintf("%s %s is new", code(p.Name), code(p.To))
	case p.To == "":
		return fmt.Sprintf("%s %s is gone", code(p.Name), code(p.From))
	default:
		return fmt.Sprintf("%s %s → %s", code(p.Name), code(p.From), code(p.To))
	}
}

// dependencies are a line for each package.
func (c *Changes) dependencies() string {
	var b strings.Builder
	for rest := c.Dependencies; len(rest) > 0; {
		name, said := rest[0].Package, []string(nil)
		for len(rest) > 0 && rest[0].Package == name {
			said, rest = append(said, rest[0].text()), rest[1:]
		}
		fmt.Fprintf(&b, "- %s: %s\n", code(name), names(said, maxNames))
	}
	return b.String()
}

func (d DependencyChange) text() string {
	needs, needed := "needs", "no longer needs"
	if d.Recommends {
		needs, needed = "recommends", "no longer recommends"
	}
	switch {
	case d.From == "":
		return needs + " " + code(d.To)
	case d.To == "":
		return needed + " " + code(d.From)
	default:
		return fmt.Sprintf("%s %s instead of %s", needs, code(d.To), code(d.From))
	}
}

const (
	noRoom    = "Not shown, for want of room"
	onlyYears = "Only years of copyright differ"
)

// listFiles shows the diffs folded, and the rest in a line for each kind.
func listFiles(files []FileChange, lines int) string {
	var b strings.Builder
	plain := map[string][]string{}
	for _, f := range files {
		switch {
		case f.Trivial:
			plain[onlyYears] = append(plain[onlyYears], code(f.Path))
		case f.Diff == "":
			heading := strings.ToUpper(string(f.Kind[:1])) + string(f.Kind[1:])
			plain[heading] = append(plain[heading], code(f.Path)+inBrackets(f.Remark))
		case lines == 0:
			plain[noRoom] = append(plain[noRoom], code(f.Path))
		default:
			b.WriteString(f.fold(lines))
		}
	}
	for _, heading := range []string{noRoom, "Added", "Changed", "Removed", onlyYears} {
		if len(plain[heading]) > 0 {
			fmt.Fprintf(&b, "\n%s: %s\n", heading, names(plain[heading], maxNames))
		}
	}
	return strings.TrimPrefix(b.String(), "\n")
}

func inBrackets(text string) string {
	if text == "" {
		return ""
	}
	return " (" + code(text) + ")"
}

// fold is a file's diff, which a reader unfolds.
func (f FileChange) fold(lines int) string {
	shown, left := head(f.Diff, lines)
	more := ""
	if left > 0 {
		more = "\n" + count(left, "line", "lines") + " more\n"
	}
	title := fmt.Sprintf("<code>%s</code> %s, +%d −%d", html.EscapeString(printable(f.Path)), f.Kind, f.Plus, f.Minus)
	if f.Remark != "" {
		title += ", " + html.EscapeString(f.Remark)
	}
	return fmt.Sprintf("<details><summary>%s</summary>\n\n%s%s\n</details>\n", title, fenced("diff", shown), more)
}

// fenced is a block of code that nothing in its lines can end.
func fenced(language, lines string) string {
	fence := strings.Repeat("`", max(3, longestTicks(lines)+1))
	return fence + language + "\n" + lines + fence + "\n"
}

// head is the first lines of a text, none of them too long, and how many are left.
func head(text string, lines int) (shown string, left int) {
	var b strings.Builder
	n := 0
	for line := range strings.Lines(text) {
		if n++; n > lines {
			left++
			continue
		}
		line = strings.TrimSuffix(line, "\n")
		if runes := []rune(line); len(runes) > maxWidth {
			line = string(runes[:maxWidth]) + " …"
		}
		b.WriteString(printable(line) + "\n")
	}
	return b.String(), left
}

// conffiles are those files that both releases have, and dpkg treats otherwise.
func (c *Changes) conffiles() string {
	come := map[string]bool{} // or gone
	for _, f := range slices.Concat(c.Settings, c.Units) {
		come[f.Path] = f.Kind != Changed
	}
	list := func(what string, paths []string) string {
		var all []string
		for _, path := range paths {
			if !come[path] {
				all = append(all, code(path))
			}
		}
		if len(all) == 0 {
			return ""
		}
		return fmt.Sprintf("\n%s: %s\n", what, names(all, maxNames))
	}
	return list("An update now keeps what was changed by hand in", c.Conffiles.Added) +
		list("An update no longer keeps what was changed by hand in", c.Conffiles.Removed)
}

// notes of upstream, if there are any.
func (c *Changes) notes() []string {
	if strings.TrimSpace(c.Notes.Text) == "" {
		return nil
	}
	text := "<details><summary>What OpenNebula says of " + html.EscapeString(c.To) + "</summary>\n\n" + c.Notes.quote() + "\n</details>\n"
	if c.Notes.URL != "" {
		text += "\nThe whole: <" + strings.NewReplacer("<", "%3C", ">", "%3E", " ", "%20", "\n", "%0A").Replace(c.Notes.URL) + ">\n"
	}
	return section("Upstream's notes", text)
}

// code is a text in a line of Markdown that nothing in it can end.
func code(text string) string {
	text = printable(text)
	ticks := longestTicks(text)
	if ticks == 0 {
		return "`" + text + "`"
	}
	fence := strings.Repeat("`", ticks+1)
	return fence + " " + text + " " + fence
}

func longestTicks(text string) int {
	longest, n := 0, 0
	for _, r := range text {
		if n++; r != '`' {
			n = 0
		}
		longest = max(longest, n)
	}
	return longest
}

// printable has no character that moves the cursor or the direction of writing.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}
