package chart

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// setScalar replaces the string at a path of a YAML document and nothing else: a
// document that is written anew loses its blank lines.
func setScalar(document []byte, value string, path ...string) ([]byte, error) {
	node, err := scalar(document, path)
	if err != nil {
		return nil, err
	}
	changed, err := splice(document, node, value)
	if err != nil {
		return nil, err
	}
	// YAML has more ways to write a text than splice knows.
	if is, err := scalar(changed, path); err != nil || is.Value != value {
		return nil, fmt.Errorf("line %d: %w", node.Line, errUnknownStyle)
	}
	return changed, nil
}

var errUnknownStyle = errors.New("write the value plainly or in double quotes, on one line")

// scalar finds the single value at a path.
func scalar(document []byte, path []string) (*yaml.Node, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(document, &root); err != nil {
		return nil, fmt.Errorf("parse: %w", err)
	}
	node := &root
	if len(root.Content) == 1 {
		node = root.Content[0]
	}
	for _, key := range path {
		if node = child(node, key); node == nil {
			return nil, fmt.Errorf("it has no %s", strings.Join(path, "."))
		}
	}
	if node.Kind != yaml.ScalarNode {
		return nil, fmt.Errorf("%s is not a single value", strings.Join(path, "."))
	}
	return node, nil
}

func child(node *yaml.Node, key string) *yaml.Node {
	if node.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == key {
			return node.Content[i+1]
		}
	}
	return nil
}

// splice writes value where the scalar stands, on one line.
func splice(document []byte, node *yaml.Node, value string) ([]byte, error) {
	lines := bytes.SplitAfter(document, []byte("\n"))
	// A column counts characters; ours come after none but ASCII.
	from := node.Column - 1
	if node.Line > len(lines) || from > len(lines[node.Line-1]) {
		return nil, fmt.Errorf("line %d: %w", node.Line, errUnknownStyle)
	}
	line := string(lines[node.Line-1])
	old, err := written(node, line[from:])
	if err != nil {
		return nil, fmt.Errorf("line %d: %w", node.Line, err)
	}
	lines[node.Line-1] = []byte(line[:from] + strconv.Quote(value) + line[from+len(old):])
	return bytes.Join(lines, nil), nil
}

var doubleQuoted = regexp.MustCompile(`^"(\\.|[^"\\])*"`)

// written is the text of a scalar at the beginning of rest, with its quotes.
func written(node *yaml.Node, rest string) (string, error) {
	switch node.Style {
	case 0:
		if strings.HasPrefix(rest, node.Value) {
			return node.Value, nil
		}
	case yaml.DoubleQuotedStyle:
		if quoted := doubleQuoted.FindString(rest); quoted != "" {
			return quoted, nil
		}
	}
	return "", errUnknownStyle
}
