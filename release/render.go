package release

import (
	"fmt"
	"strings"
)

// String says what a step does, as an order.
func (s Step) String() string {
	subject := s.subject()
	switch s.Kind {
	case Build:
		if len(s.Platforms) > 0 {
			return fmt.Sprintf("build %s for %s", subject, list(s.Platforms))
		}
		return "build " + subject
	case AttestProvenance:
		return "attest the provenance of " + subject
	case AttestSBOM:
		return "attest the packages of " + subject
	case Tag:
		return fmt.Sprintf("tag %s as %s", subject, s.Tag)
	case Float:
		return fmt.Sprintf("move %s to %s", s.Tag, subject)
	case Describe:
		return "publish the image's description"
	case Propose:
		return "propose OpenNebula " + s.Version
	case Close:
		return "close the proposal of OpenNebula " + s.Version
	}
	return string(s.Kind) + " " + subject
}

func (s Step) subject() string {
	if s.Artifact == TheChart {
		return "the chart " + s.Version
	}
	if s.Digest == "" || s.Kind == Build {
		return "the image of OpenNebula " + s.Version
	}
	return fmt.Sprintf("the image of OpenNebula %s (%s)", s.Version, short(s.Digest))
}

// String is the plan for a terminal: a line for each step, and a total.
func (p Plan) String() string {
	var b strings.Builder
	for i, step := range p.Steps {
		fmt.Fprintf(&b, "%3d. %s: %s\n", i+1, step, step.Reason)
	}
	for _, notice := range p.Notices {
		fmt.Fprintf(&b, "note: %s\n", notice)
	}
	return b.String() + p.total() + "\n"
}

// Markdown is the plan for a summary or a pull request.
func (p Plan) Markdown() string {
	var b strings.Builder
	for i, step := range p.Steps {
		fmt.Fprintf(&b, "%d. **%s**: %s\n", i+1, Escape(step.String()), Escape(step.Reason))
	}
	for _, notice := range p.Notices {
		fmt.Fprintf(&b, "\n> [!NOTE]\n> %s\n", Escape(notice))
	}
	if b.Len() > 0 {
		b.WriteString("\n")
	}
	return b.String() + Escape(p.total()) + "\n"
}

// Escape keeps the words of others, such as names of packages, from being markup.
func Escape(text string) string {
	return strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "|", `\|`, "<", "&lt;", "&", "&amp;", "\n", " ").Replace(text)
}

// total counts the steps, and what they come to.
func (p Plan) total() string {
	if len(p.Steps) == 0 {
		return "nothing to do: " + p.Reason
	}
	var parts []string
	for _, counted := range []struct {
		kind  Kind
		thing string
	}{{Build, "build"}, {Tag, "new tag"}, {Float, "moved tag"}, {Propose, "proposal"}} {
		n := 0
		for _, step := range p.Steps {
			if step.Kind == counted.kind {
				n++
			}
		}
		if n > 0 {
			parts = append(parts, count(n, counted.thing))
		}
	}
	total := count(len(p.Steps), "step")
	if len(parts) > 0 {
		total += ": " + list(parts)
	}
	return total
}
