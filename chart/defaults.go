package chart

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// defaults compares the values that two charts have by themselves. Which values there
// are is the schemas' matter; where a chart has none, its defaults say it.
type defaults struct {
	*comparison
	was, is *schema // nil where there is none
}

// compare two mappings at a path below a prefix.
func (d defaults) compare(prefix string, path []string, was, is map[string]any) {
	for _, key := range slices.Sorted(maps.Keys(union(was, is))) {
		at := append(slices.Clone(path), key)
		name := join(prefix, at...)
		before, hadOne := was[key]
		now, hasOne := is[key]
		switch {
		case !hasOne:
			d.gone(name, at)
		case !hadOne:
			d.fresh(name, at)
		case isImage(was) && slices.Contains([]string{"tag", "digest"}, key):
			d.image(prefix, path, key, before, now)
		default:
			d.value(prefix, at, before, now)
		}
	}
}

func union(a, b map[string]any) map[string]any {
	all := maps.Clone(a)
	if all == nil {
		all = map[string]any{}
	}
	maps.Copy(all, b)
	return all
}

// gone tells a value that is gone from one that has no default any more, and from what
// may have any name, such as resources of a container. A schema that lost it says so.
func (d defaults) gone(name string, path []string) {
	switch {
	case d.is == nil || d.was == nil:
		d.add(Major, removed, goneText, name)
	case d.is.declares(path) || !d.was.declares(path):
		d.add(Minor, changed, "`%s` has no default any more", name)
	}
}

func (d defaults) fresh(name string, path []string) {
	switch {
	case d.is == nil || d.was == nil:
		d.add(Minor, added, newText, name)
	case d.was.declares(path) || !d.is.declares(path):
		d.add(Minor, changed, "`%s` has a default", name)
	}
}

// value compares two defaults of one value.
func (d defaults) value(prefix string, path []string, was, is any) {
	name := join(prefix, path...)
	before, wasMap := was.(map[string]any)
	now, isMap := is.(map[string]any)
	switch {
	case wasMap && isMap:
		d.compare(prefix, path, before, now)
	case reflect.DeepEqual(was, is):
	case (d.was == nil || d.is == nil) && was != nil && is != nil && kind(was) != kind(is):
		d.add(Major, changed, "`%s` was %s, and is %s", name, kind(was), kind(is))
	case quoted(was) == "" || quoted(is) == "":
		d.add(Minor, changed, "`%s` has another default", name)
	default:
		d.add(Minor, changed, "`%s` is %s by default, before %s", name, quoted(is), quoted(was))
	}
}

// image compares what an image's tag or digest was and is: a digest is another build, a
// tag as far as its version moved.
func (d defaults) image(prefix string, path []string, key string, was, is any) {
	name := join(prefix, path...)
	switch {
	case reflect.DeepEqual(was, is):
	case key == "tag":
		level := step(fmt.Sprint(was), fmt.Sprint(is))
		d.add(min(level, Minor), changed, "The image `%s` is %s, before %s", name, quoted(is), quoted(was))
	default:
		d.add(Patch, changed, "The image `%s` is another build", name)
	}
}

// isImage is true for the values of an image.
func isImage(values map[string]any) bool {
	_, hasRepository := values["repository"]
	_, hasTag := values["tag"]
	return hasRepository && hasTag
}

// kind of a value, in words.
func kind(value any) string {
	switch value.(type) {
	case nil:
		return "nothing"
	case string:
		return "a text"
	case bool:
		return "true or false"
	case map[string]any:
		return "a mapping"
	case []any:
		return "a list"
	default:
		return "a number"
	}
}

// quoted is a short value in a sentence; "" for what is long, or has parts.
func quoted(value any) string {
	switch value.(type) {
	case map[string]any, []any:
		return ""
	case nil:
		return "nothing"
	}
	text := fmt.Sprintf("`%v`", value)
	if len(text) > 60 || strings.ContainsAny(text, "\n\r") {
		return ""
	}
	return strings.Replace(text, "``", "empty", 1)
}

// join the parts of a value's path, as --set has it.
func join(prefix string, path ...string) string {
	var parts []string
	if prefix != "" {
		parts = append(parts, prefix)
	}
	for _, key := range path {
		parts = append(parts, strings.ReplaceAll(key, ".", `\.`))
	}
	return strings.Join(parts, ".")
}

// subject of a sentence about a chart's values.
func subject(prefix, verb string) string {
	if prefix == "" {
		return "The values " + verb
	}
	return "The values of `" + prefix + "` " + verb
}
