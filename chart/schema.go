package chart

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	helm "helm.sh/helm/v3/pkg/chart"
)

// schema is a values.schema.json. A node of it is what encoding/json makes of a JSON
// schema: a mapping, or true or false.
type schema struct {
	root any
	left int // nodes that may be looked at yet: references can multiply without end
}

// maxNodes is far above what comparing our own schemas takes, which is some thousand.
const maxNodes = 50_000

var errTooLarge = errors.New("its schema is too large, or refers to itself: write it without")

// readSchema of a chart; nil where it has none.
func readSchema(c *helm.Chart) (*schema, error) {
	if len(c.Schema) == 0 {
		return nil, nil
	}
	s := &schema{left: maxNodes}
	if err := json.Unmarshal(c.Schema, &s.root); err != nil {
		return nil, fmt.Errorf("read the schema of the chart %s: %w", c.Name(), err)
	}
	return s, nil
}

// follow the references of a node, and take a condition with a sentence for what it is:
// in our schemas {"if": A, "else": {"const": "a sentence"}} is A, and the sentence says to
// people what A wants. What is no schema at all takes everything.
func (s *schema) follow(node any) (map[string]any, error) {
	for {
		if s.left--; s.left < 0 {
			return nil, errTooLarge
		}
		m, ok := node.(map[string]any)
		if !ok {
			if node == false {
				return map[string]any{"enum": []any{}}, nil // takes nothing
			}
			return map[string]any{}, nil
		}
		if reference, ok := m["$ref"].(string); ok {
			var err error
			if node, err = s.lookUp(reference); err != nil {
				return nil, err
			}
			continue
		}
		if !isSentence(m) {
			return m, nil
		}
		node = m["if"]
	}
}

func isSentence(node map[string]any) bool {
	otherwise, _ := node["else"].(map[string]any)
	sentence, _ := otherwise["const"].(string)
	_, then := node["then"]
	return node["if"] != nil && strings.Contains(sentence, " ") && !then
}

// lookUp a reference within the schema, #/definitions/name.
func (s *schema) lookUp(reference string) (any, error) {
	pointer, ok := strings.CutPrefix(reference, "#")
	if !ok {
		return nil, fmt.Errorf("its schema refers to %s: write what is meant into it", reference)
	}
	node := s.root
	for _, part := range strings.Split(strings.TrimPrefix(pointer, "/"), "/") {
		if part == "" {
			continue
		}
		part = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
		m, _ := node.(map[string]any)
		next, ok := m[part]
		if !ok {
			return nil, fmt.Errorf("its schema refers to %s, which is not there", reference)
		}
		node = next
	}
	return node, nil
}

// whole is a node with everything that it refers to written into it.
func (s *schema) whole(node any) (any, error) {
	switch n := node.(type) {
	case []any:
		all := make([]any, len(n))
		for i := range n {
			var err error
			if all[i], err = s.whole(n[i]); err != nil {
				return nil, err
			}
		}
		return all, nil
	case map[string]any:
		followed, err := s.follow(n)
		if err != nil {
			return nil, err
		}
		all := map[string]any{}
		for key, value := range followed {
			if all[key], err = s.whole(value); err != nil {
				return nil, err
			}
		}
		return withoutTexts(all), nil
	default:
		return node, nil
	}
}

// declares tells whether the schema knows a value by its name.
func (s *schema) declares(path []string) bool {
	node := s.root
	for _, key := range path {
		o, err := s.object(node)
		if err != nil {
			return false
		}
		if node = o.properties[key]; node == nil {
			return false
		}
	}
	return true
}

// object is what a node says about the keys of a mapping.
type object struct {
	properties map[string]any // by name; also of patterns that match few names
	patterns   map[string]any // by regular expression
	others     any            // what may stand under other names; nil: anything
}

func (s *schema) object(node any) (object, error) {
	m, err := s.follow(node)
	if err != nil {
		return object{}, err
	}
	o := object{properties: map[string]any{}, patterns: map[string]any{}, others: m["additionalProperties"]}
	patterns, _ := m["patternProperties"].(map[string]any)
	for pattern, below := range patterns {
		names, ok := language(pattern)
		if !ok {
			o.patterns[pattern] = below
		}
		for _, name := range names {
			o.properties[name] = below
		}
	}
	properties, _ := m["properties"].(map[string]any)
	maps.Copy(o.properties, properties)
	return o, nil
}

// withoutTexts leaves out what is there for people only.
func withoutTexts(node map[string]any) map[string]any {
	rest := maps.Clone(node)
	maps.DeleteFunc(rest, func(keyword string, _ any) bool { return slices.Contains(textKeywords(), keyword) })
	return rest
}

func textKeywords() []string {
	return []string{
		"$schema", "$id", "$comment", "title", "description", "default", "examples",
		"definitions", "$defs", "deprecated", "readOnly", "writeOnly",
	}
}
