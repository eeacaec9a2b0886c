package main

import (
	"encoding/xml"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
)

// conf is a text in the syntax of oned.conf: NAME = value, NAME = [ NAME = value,
// … ] and comments. OpenNebula's templates are written in it, too.
type conf []attribute

type attribute struct {
	name, value string
	pairs       conf // of a section
}

func readConf(file string) (conf, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	c, err := parseConf(string(text))
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", file, err)
	}
	return c, nil
}

func parseConf(text string) (conf, error) {
	token := regexp.MustCompile(`#[^\n]*|"(?:\\"|[^"])*"|[\[\],=]|[^\s"\[\],=#]+|\S`)
	tokens := slices.DeleteFunc(token.FindAllString(text, -1), func(t string) bool { return t[0] == '#' })
	c, _, err := parseTokens(tokens, "")
	return c, err
}

// parseTokens reads attributes up to the token that ends them, or to the end of
// the text, and returns what comes after it.
func parseTokens(t []string, end string) (c conf, rest []string, err error) {
	for len(t) > 0 && t[0] != end {
		if t[0] == "," && end != "" {
			t = t[1:]
			continue
		}
		if len(t) < 3 || t[1] != "=" || t[2] == `"` {
			return nil, nil, fmt.Errorf("expected NAME = value, found %.40q", strings.Join(t, " "))
		}
		a := attribute{name: strings.ToUpper(t[0]), value: unquote(t[2])}
		t = t[3:]
		if a.value == "[" && end == "" {
			a.value = ""
			if a.pairs, t, err = parseTokens(t, "]"); err != nil {
				return nil, nil, err
			}
		}
		c = append(c, a)
	}
	if end == "" {
		return c, nil, nil
	}
	if len(t) == 0 {
		return nil, nil, fmt.Errorf("a section has no end: expected %s", end)
	}
	return c, t[1:], nil
}

// unquote knows one escape, as oned does: other backslashes are themselves.
func unquote(token string) string {
	inner, quoted := strings.CutPrefix(token, `"`)
	if !quoted {
		return token
	}
	return strings.ReplaceAll(strings.TrimSuffix(inner, `"`), `\"`, `"`)
}

// find returns the last attribute of a name.
func (c conf) find(name string) (found attribute) {
	for _, a := range c {
		if a.name == name {
			found = a
		}
	}
	return found
}

func (c conf) section(name string) conf { return c.find(name).pairs }

func (c conf) get(name string) string { return c.find(name).value }

// has says whether one of the sections of a name, such as VM_MAD, has this NAME.
func (c conf) has(section, name string) bool {
	return slices.ContainsFunc(c, func(a attribute) bool { return a.name == section && a.pairs.get("NAME") == name })
}

// xml is the text as OpenNebula's documents hold it.
func (c conf) xml() string {
	var b strings.Builder
	for _, a := range c {
		fmt.Fprintf(&b, "<%s>%s", a.name, a.pairs.xml())
		_ = xml.EscapeText(&b, []byte(a.value)) // a Builder never fails
		fmt.Fprintf(&b, "</%s>", a.name)
	}
	return b.String()
}
