package chart

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// setScalar replaces the string at a path of a YAML document and nothing else: a
// document that is written anew loses its blank lines.
func setScalar(document []byte, value string, path ...string) ([]byte, error) {
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
	return splice(document, node, value)
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
	line := string(lines[node.Line-1])
	// A column counts characters; ours come after none but ASCII.
	from := node.Column - 1
	old, err := written(node, line[from:])
	if err != nil {
		return nil, fmt.Errorf("line %d: %w", node.Line, err)
	}
	lines[node.Line-1] = []byte(line[:from] + strconv.Quote(value) + line[from+len(old):])
	return bytes.Join(lines, nil), nil
}

// written is the text of a scalar at the beginning of rest, with its quotes.
func written(node *yaml.Node, rest string) (string, error) {
	switch node.Style {
	case 0:
		if strings.HasPrefix(rest, node.Value) {
			return node.Value, nil
		}
	case yaml.DoubleQuotedStyle:
		if end := strings.Index(rest[1:], `"`); end >= 0 {
			return rest[:end+2], nil
		}
	}
	return "", fmt.Errorf("write the value plainly or in double quotes, on one line")
}
