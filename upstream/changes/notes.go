package changes

import (
	"fmt"
	"strings"
)

// maxNotes is how much of upstream's notes is quoted, in bytes.
const maxNotes = 8 << 10

// Notes are what upstream says of a release.
type Notes struct {
	Text string // Markdown, as GitHub's API has a release's body
	URL  string // of the whole
}

// quote makes of upstream's notes what can stand in a pull request of ours: their
// source, as a block of code. In such a block GitHub calls nobody, closes no issue and
// leaves no trace in upstream's; and whatever it says, it ends where it ends.
func (n Notes) quote() string {
	said, left := firstLines(strings.TrimSpace(printableLines(n.Text)), maxNotes)
	quoted := fenced("markdown", said)
	if left > 0 {
		quoted += fmt.Sprintf("\n… and %s more\n", count(left, "line", "lines"))
	}
	return quoted
}

// printableLines are those of a text, of printable characters each ended as Unix does it.
func printableLines(text string) string {
	var b strings.Builder
	for line := range strings.Lines(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)) {
		b.WriteString(printable(strings.TrimSuffix(line, "\n")) + "\n")
	}
	return b.String()
}

// firstLines are the whole lines of a text that fit, and how many are left.
func firstLines(text string, size int) (first string, left int) {
	text += "\n"
	if len(text) <= size {
		return text, 0
	}
	end := strings.LastIndexByte(text[:size], '\n') + 1
	return text[:end], strings.Count(text[end:], "\n")
}
