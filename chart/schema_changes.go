package chart

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chartutil"
)

// The same sentences come from values without a schema.
const (
	goneText = "The value `%s` is gone"
	newText  = "The value `%s` is new"
)

// schemas compares what two schemas take.
type schemas struct {
	add     func(level Level, kind, format string, args ...any)
	was, is *schema
}

// compareSchemas reports what one schema takes and another refuses, and the other way
// round, in values that begin with a prefix.
func compareSchemas(add func(Level, string, string, ...any), prefix string, was, is *schema) error {
	return schemas{add, was, is}.compare(prefix, was.root, is.root)
}

// takesLess and takesMore report a keyword of a value's schema.
func (s schemas) takesLess(path, keyword string, was, is any) {
	s.add(Major, changed, "%s less than before: its %s was %s, and is %s", takes(path), keyword, plain(was), plain(is))
}

func (s schemas) takesMore(path, keyword string, was, is any) {
	s.add(Minor, changed, "%s more than before: its %s was %s, and is %s", takes(path), keyword, plain(was), plain(is))
}

func takes(path string) string {
	if path == "" {
		return "The chart takes"
	}
	return "`" + path + "` takes"
}

// plain is a keyword's value in a sentence.
func plain(value any) string {
	if value == nil {
		return "not limited"
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(value) // it came from JSON
	const enough = 120
	runes := []rune(strings.TrimSpace(text.String()))
	if len(runes) > enough {
		return string(runes[:enough]) + "…"
	}
	return string(runes)
}

// refuses is true for a node that takes nothing.
func refuses(node map[string]any) bool {
	words, ok := node["enum"].([]any)
	return ok && len(words) == 0
}

// maxPath is longer than any path of ours, and ends schemas that hold themselves.
const maxPath = 1000

// compare what two nodes take at a path.
func (s schemas) compare(path string, was, is any) error {
	if len(path) > maxPath {
		return errTooLarge
	}
	before, err := s.was.follow(was)
	if err != nil {
		return err
	}
	now, err := s.is.follow(is)
	if err != nil {
		return err
	}
	if refuses(now) && !refuses(before) {
		s.add(Major, removed, "%s nothing any more", takes(path))
		return nil
	}
	if words, ok := enumerated(before); ok {
		return s.compareWords(path, words, now)
	}
	for _, keyword := range slices.Sorted(maps.Keys(union(withoutTexts(before), withoutTexts(now)))) {
		if err := s.compareKeyword(path, keyword, before, now); err != nil {
			return err
		}
	}
	return nil
}

func (s schemas) compareKeyword(path, keyword string, before, now map[string]any) error {
	was, is := before[keyword], now[keyword]
	switch keyword {
	case "properties":
		return s.compareObjects(path, before, now)
	case "patternProperties", "additionalProperties":
		if before["properties"] == nil && now["properties"] == nil {
			return s.compareObjects(path, before, now)
		}
	case "items":
		if !isList(was) && !isList(is) {
			return s.compare(path+"[]", was, is)
		}
		return s.compareLimit(path, keyword, was, is)
	case "anyOf":
		return s.compareAlternatives(path, was, is)
	case "const":
		s.takesLess(path, keyword, was, is) // only of what is now: see enumerated
	default:
		return s.compareLimit(path, keyword, was, is)
	}
	return nil
}

func isList(value any) bool {
	_, ok := value.([]any)
	return ok
}

// compareLimit compares keywords that hold no names of values.
func (s schemas) compareLimit(path, keyword string, was, is any) error {
	if less, more, ok := limits(keyword, was, is); ok {
		if less {
			s.takesLess(path, keyword, was, is)
		} else if more {
			s.takesMore(path, keyword, was, is)
		}
		return nil
	}
	before, err := s.was.whole(was)
	if err != nil {
		return err
	}
	now, err := s.is.whole(is)
	if err != nil {
		return err
	}
	switch {
	case reflect.DeepEqual(before, now):
	case is == nil:
		s.takesMore(path, keyword, was, is)
	default: // it cannot be told, so the worse is supposed
		s.takesLess(path, keyword, was, is)
	}
	return nil
}

// limits tells whether a keyword takes less now, or more; the last answer is false for
// keywords of which that cannot be told.
func limits(keyword string, was, is any) (less, more, ok bool) {
	switch keyword {
	case "minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties":
		less, more = compareNumbers(is, was)
	case "maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties":
		less, more = compareNumbers(negative(is), negative(was))
	case "type":
		less, more = compareSets(typesOf(was), typesOf(is))
	case "required":
		less, more = compareSets(texts(is), texts(was))
	case "enum":
		return is != nil, false, true // was nil: see enumerated
	case "pattern":
		return compareLanguages(was, is)
	default:
		return false, false, false
	}
	return less, more, true
}

// compareNumbers tells whether the first is above the second, or below; nothing is below
// everything.
func compareNumbers(a, b any) (above, below bool) {
	x, hasX := a.(float64)
	y, hasY := b.(float64)
	switch {
	case !hasX || !hasY:
		return hasX && !hasY, hasY && !hasX
	default:
		return x > y, x < y
	}
}

func negative(value any) any {
	if n, ok := value.(float64); ok {
		return -n
	}
	return value
}

// compareSets tells whether the first set has members that the second has not, and the
// other way round.
func compareSets(was, is []string) (less, more bool) {
	return len(except(was, is)) > 0, len(except(is, was)) > 0
}

// typesOf are the types that a type keyword stands for.
func typesOf(value any) []string {
	found := texts(value)
	if value == nil {
		found = []string{"null", "boolean", "object", "array", "number", "string"}
	}
	if slices.Contains(found, "number") {
		found = append(found, "integer")
	}
	return found
}

func texts(value any) []string {
	if text, ok := value.(string); ok {
		return []string{text}
	}
	list, _ := value.([]any)
	var found []string
	for _, item := range list {
		if text, ok := item.(string); ok {
			found = append(found, text)
		}
	}
	return found
}

// compareLanguages compares two patterns that stand for few words each.
func compareLanguages(was, is any) (less, more, ok bool) {
	before, _ := was.(string)
	now, _ := is.(string)
	few, okWas := language(before)
	fewer, okIs := language(now)
	if !okWas || !okIs {
		return false, false, false
	}
	less, more = compareSets(few, fewer)
	return less, more, true
}

// enumerated are the values of a node that takes only some.
func enumerated(node map[string]any) ([]any, bool) {
	if value, ok := node["const"]; ok {
		return []any{value}, true
	}
	values, ok := node["enum"].([]any)
	return values, ok
}

// compareWords asks the new schema about each value that the old one took.
func (s schemas) compareWords(path string, words []any, now map[string]any) error {
	whole, err := s.is.whole(now)
	if err != nil {
		return err
	}
	var refused []any
	for _, word := range words {
		if !accepts(whole, word) {
			refused = append(refused, word)
		}
	}
	news, isEnumerated := enumerated(now)
	switch {
	case len(refused) > 0:
		s.add(Major, removed, "%s %s no more", takes(path), strings.Trim(plain(refused), "[]"))
	case !isEnumerated:
		s.takesMore(path, "enum", words, nil)
	case len(news) > len(words):
		s.takesMore(path, "enum", words, news)
	}
	return nil
}

// accepts asks a schema, with Helm's own validator, about one value. What cannot be asked
// is refused.
func accepts(node, value any) bool {
	text, err := json.Marshal(map[string]any{"properties": map[string]any{"value": node}})
	if err != nil {
		return false
	}
	return chartutil.ValidateAgainstSingleSchema(chartutil.Values{"value": value}, text) == nil
}

// compareAlternatives is right where each old one is among what a new one takes.
func (s schemas) compareAlternatives(path string, was, is any) error {
	before, _ := was.([]any)
	now, _ := is.([]any)
	if is == nil || was == nil {
		return s.compareLimit(path, "anyOf", was, is)
	}
	for _, alternative := range before {
		found, err := s.isAmong(alternative, now)
		if err != nil {
			return err
		}
		if !found {
			s.takesLess(path, "anyOf", was, is)
			return nil
		}
	}
	if len(now) > len(before) {
		s.takesMore(path, "anyOf", was, is)
	}
	return nil
}

func (s schemas) isAmong(alternative any, among []any) (bool, error) {
	for _, candidate := range among {
		found := &comparison{}
		if err := (schemas{found.add, s.was, s.is}).compare("", alternative, candidate); err != nil {
			return false, err
		}
		if Greatest(found.changes) < Major {
			return true, nil
		}
	}
	return false, nil
}

// compareObjects compares the keys of a mapping.
func (s schemas) compareObjects(path string, before, now map[string]any) error {
	was, err := s.was.object(before)
	if err != nil {
		return err
	}
	is, err := s.is.object(now)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(union(was.properties, is.properties))) {
		if err := s.compareProperty(join(path, name), name, was, is); err != nil {
			return err
		}
	}
	for _, pattern := range slices.Sorted(maps.Keys(union(was.patterns, is.patterns))) {
		if err := s.compare(join(path, "*"), was.patternOr(pattern), is.patternOr(pattern)); err != nil {
			return err
		}
	}
	return s.compareOthers(path, was, is)
}

// compareProperty compares a value that one schema, or both, know by its name.
func (s schemas) compareProperty(path, name string, was, is object) error {
	before, wasKnown := was.at(name)
	now, isKnown := is.at(name)
	switch {
	case wasKnown && isKnown:
		return s.compare(path, before, now)
	case wasKnown:
		if others, ok := is.others.(map[string]any); ok {
			return s.compare(path, before, others)
		}
		s.add(Major, removed, goneText, path)
	case was.isFree():
		return s.compare(path, was.others, now)
	default:
		s.add(Minor, added, newText, path)
	}
	return nil
}

// at is what may stand under a name, and whether that is said for the name or for a
// pattern that it matches.
func (o object) at(name string) (any, bool) {
	if node, ok := o.properties[name]; ok {
		return node, true
	}
	for _, pattern := range slices.Sorted(maps.Keys(o.patterns)) {
		if expression, err := regexp.Compile(pattern); err == nil && expression.MatchString(name) {
			return o.patterns[pattern], true
		}
	}
	return o.others, false
}

// isFree is true for a mapping whose keys are the user's own.
func (o object) isFree() bool {
	_, ok := o.others.(map[string]any)
	return ok || len(o.properties)+len(o.patterns) == 0 && o.others != false
}

// patternOr is what stands under names of a pattern: where it is none of the schema's, as
// under all others.
func (o object) patternOr(pattern string) any {
	if node, ok := o.patterns[pattern]; ok {
		return node
	}
	return o.others
}

// compareOthers compares what may stand under names that no schema knows.
func (s schemas) compareOthers(path string, was, is object) error {
	switch {
	case was.others == nil && !was.isFree():
		return nil // they were taken, and meant nothing
	case is.others == nil && was.others == false && !is.isFree():
		return nil
	}
	return s.compare(join(path, "*"), was.others, is.others)
}
