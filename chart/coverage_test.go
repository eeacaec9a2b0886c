package chart

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/util/jsonpath"
	"sigs.k8s.io/yaml"
)

// effect of one value: with it, what the chart renders says want at a place, and
// without it not.
type effect struct {
	value  string // path, as --set has it: services.api.type, config.oned\.conf
	set    string // YAML
	with   string // other values, in both renderings: YAML
	object string // Kind/name
	at     string // JSONPath in it; empty: whether there is such an object
	want   string // the text there, of a list or a mapping its JSON; "": nothing is there
	part   string // instead of want: what the text there contains
	fails  string // instead of an object: how the chart refuses the value
}

func TestValuesHaveEffects(t *testing.T) {
	rendered := renderings{}
	for _, e := range effects() {
		t.Run(e.value+"="+strings.TrimSpace(e.set), func(t *testing.T) {
			without := rendered.with(t, parseValues(t, e.with))
			set := e.values(t)
			if e.fails != "" {
				_, err := Manifests(Name, set, newest)
				require.ErrorContains(t, err, e.fails)
				return
			}
			assert.False(t, e.holds(e.text(t, without)), "%s says so without the value already", e.object)
			text := e.text(t, rendered.with(t, set))
			assert.True(t, e.holds(text), "%s says at %s:\n%s\nnot:\n%s", e.object, e.at, text, e.want+e.part)
		})
	}
	// The oldest release decodes them: later ones only know more fields.
	all := strings.Join(slices.Collect(maps.Values(rendered)), "\n---\n")
	assert.NoError(t, runStrict(buildStrict(t, releases["1.30"]), all))
}

// values with the one that the effect is of.
func (e effect) values(t *testing.T) map[string]any {
	return chartutil.MergeTables(nested(t, e.value, e.set), parseValues(t, e.with))
}

// renderings of the chart, by the values printed: cases share them.
type renderings map[string]string

func (r renderings) with(t *testing.T, values map[string]any) string {
	key := fmt.Sprint(values)
	if _, ok := r[key]; !ok {
		manifests, err := Manifests(Name, values, newest)
		require.NoError(t, err)
		r[key] = manifests
	}
	return r[key]
}

// Each value of the chart, and of its database's, is in some test's hands.
func TestEachValueHasAnEffect(t *testing.T) {
	c, err := loader.Load(Name)
	require.NoError(t, err)
	values := c.Values
	for _, sub := range c.Dependencies() {
		below, _ := values[sub.Name()].(map[string]any)
		values[sub.Name()] = chartutil.MergeTables(below, sub.Values)
	}
	covered := map[string]bool{}
	for _, e := range effects() {
		covered[e.value] = true
	}
	var missing []string
	for _, leaf := range leaves("", values) {
		if !covers(covered, leaf) {
			missing = append(missing, leaf)
		}
	}
	assert.Empty(t, missing, "no effect of these values is tested; tell of one in effects()")
}

// covers is true where a case is for this value or for a part of it.
func covers(covered map[string]bool, leaf string) bool {
	for value := range covered {
		if value == leaf || strings.HasPrefix(value, leaf+".") {
			return true
		}
	}
	return false
}

// leaves are the paths of all values that are no mappings, and of empty ones.
func leaves(prefix string, values map[string]any) []string {
	var found []string
	for _, key := range slices.Sorted(maps.Keys(values)) {
		path := prefix + strings.ReplaceAll(key, ".", `\.`)
		below, ok := values[key].(map[string]any)
		if !ok || len(below) == 0 {
			found = append(found, path)
			continue
		}
		found = append(found, leaves(path+".", below)...)
	}
	return found
}

// holds is true for what the effect wants, or for a text with its part.
func (e effect) holds(text string) bool {
	if e.part != "" {
		return strings.Contains(text, e.part)
	}
	return text == e.want
}

// text at the effect's place in manifests; empty if it is not there.
func (e effect) text(t *testing.T, manifests string) string {
	object := find(t, manifests, e.object)
	if object == nil {
		return ""
	}
	if e.at == "" {
		return "there"
	}
	path := jsonpath.New(e.value).AllowMissingKeys(true)
	require.NoError(t, path.Parse(e.at), "the place %s", e.at)
	var text strings.Builder
	require.NoError(t, path.Execute(&text, object), "the place %s", e.at)
	return strings.TrimSpace(text.String())
}

var separator = regexp.MustCompile(`(?m)^---.*$`)

// find an object, Kind/name, among manifests.
func find(t *testing.T, manifests, object string) map[string]any {
	kind, _, _ := strings.Cut(object, "/")
	for _, document := range separator.Split(manifests, -1) {
		if !strings.Contains(document, "kind: "+kind) { // parsing takes its time
			continue
		}
		var content map[string]any
		require.NoError(t, yaml.Unmarshal([]byte(document), &content), document)
		found := unstructured.Unstructured{Object: content}
		if found.GetKind()+"/"+found.GetName() == object {
			return content
		}
	}
	return nil
}

func parseValues(t *testing.T, text string) map[string]any {
	values, err := chartutil.ReadValues([]byte(text))
	require.NoError(t, err, text)
	return values
}

// nested are values with one set, at a path.
func nested(t *testing.T, path, set string) map[string]any {
	var value any
	require.NoError(t, yaml.Unmarshal([]byte(set), &value), set)
	for _, key := range slices.Backward(splitPath(path)) {
		value = map[string]any{key: value}
	}
	return value.(map[string]any)
}

// splitPath at dots that have no backslash before them.
func splitPath(path string) []string {
	parts := strings.Split(strings.ReplaceAll(path, `\.`, "\x00"), ".")
	for i := range parts {
		parts[i] = strings.ReplaceAll(parts[i], "\x00", ".")
	}
	return parts
}
