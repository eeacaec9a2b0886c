package chart

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	helm "helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"sigs.k8s.io/yaml"
)

// bound is the chart of this checkout, bound to the image of the tests.
func bound(t testing.TB) *helm.Chart {
	c, err := Bind(Name, img)
	require.NoError(t, err)
	return c
}

// edited is a small chart with some of its files replaced.
func edited(t testing.TB, files map[string]string) *helm.Chart {
	all := map[string]string{
		"Chart.yaml": `{apiVersion: v2, name: opennebula, version: 1.2.3, appVersion: 7.2.0, kubeVersion: ">=1.30.0-0", type: application}`,
		"values.yaml": `image: {registry: docker.io, repository: a/b, tag: "", digest: "sha256:1"}
port: 80 # of the Service
names: {}
sidecar: {image: {registry: docker.io, repository: c/d, tag: v1.2.3, digest: ""}}
`,
		"values.schema.json": `{
  "type": "object", "additionalProperties": false,
  "properties": {
    "image": {"type": "object"}, "sidecar": {"$ref": "#/definitions/any"}, "db": {"type": "object"}, "s3": {"type": "object"},
    "port": {"type": "integer", "minimum": 1, "maximum": 65535},
    "names": {"type": "object", "additionalProperties": false, "patternProperties": {"^(a|b)$": {"type": "string"}}}
  },
  "definitions": {"any": {"type": "object"}}
}`,
		"templates/service.yaml":         "kind: Service\n",
		"README.md":                      "# Chart\n",
		"charts/db/Chart.yaml":           `{apiVersion: v2, name: db, version: 0.3.1, appVersion: "10.11"}`,
		"charts/db/values.yaml":          "size: 8Gi\n",
		"charts/db/templates/claim.yaml": "kind: PersistentVolumeClaim\n",
	}
	for name, text := range files {
		if text == "" {
			delete(all, name)
			continue
		}
		all[name] = text
	}
	var buffered []*loader.BufferedFile
	for name, text := range all {
		buffered = append(buffered, &loader.BufferedFile{Name: name, Data: []byte(text)})
	}
	c, err := loader.LoadFiles(buffered)
	require.NoError(t, err)
	return c
}

// replaced is a file of the small chart with some text in place of other text.
func replaced(t testing.TB, file, old, text string) map[string]string {
	c := edited(t, nil)
	for _, f := range c.Raw {
		if f.Name == file {
			require.Contains(t, string(f.Data), old)
			return map[string]string{file: strings.Replace(string(f.Data), old, text, 1)}
		}
	}
	t.Fatal("no such file: " + file)
	return nil
}

func TestCompare(t *testing.T) {
	file := func(name, text string) map[string]string { return map[string]string{name: text} }
	for name, test := range map[string]struct {
		files map[string]string
		level Level
		want  []string // sentences, all of them
	}{
		"nothing":                {nil, None, nil},
		"another version":        {replaced(t, "Chart.yaml", "1.2.3", "1.9.0"), None, nil},
		"empty lines":            {file("README.md", "\n\n# Chart  \r\n\n"), None, nil},
		"another build":          {replaced(t, "values.yaml", "sha256:1", "sha256:2"), Patch, []string{"The image `image` is another build"}},
		"OpenNebula's patch":     {replaced(t, "Chart.yaml", "7.2.0", "7.2.1"), Patch, []string{"OpenNebula 7.2.1, before 7.2.0"}},
		"OpenNebula's next":      {replaced(t, "Chart.yaml", "7.2.0", "7.4.0"), Minor, []string{"OpenNebula 7.4.0, before 7.2.0"}},
		"OpenNebula's major":     {replaced(t, "Chart.yaml", "7.2.0", "8.0.0"), Major, []string{"OpenNebula 8.0.0, before 7.2.0"}},
		"OpenNebula back":        {replaced(t, "Chart.yaml", "7.2.0", "7.0.2"), Major, []string{"OpenNebula 7.0.2, before 7.2.0"}},
		"Kubernetes raised":      {replaced(t, "Chart.yaml", "1.30.0", "1.32.0"), Major, []string{"Kubernetes 1.30 to 1.31 is supported no more"}},
		"Kubernetes bounded":     {replaced(t, "Chart.yaml", ">=1.30.0-0", ">=1.30.0-0 <1.98.0-0"), Major, []string{"Kubernetes 1.98 is supported no more"}},
		"Kubernetes widened":     {replaced(t, "Chart.yaml", "1.30.0", "1.29.0"), Minor, []string{"Kubernetes 1.29 is supported"}},
		"Kubernetes as it was":   {replaced(t, "Chart.yaml", ">=1.30.0-0", ">= 1.30-0"), None, nil},
		"what Chart.yaml says":   {replaced(t, "Chart.yaml", "type:", "description: good, type:"), Patch, []string{"What Chart.yaml says about the chart"}},
		"deprecated":             {replaced(t, "Chart.yaml", "type:", "deprecated: true, type:"), Minor, []string{"The chart is deprecated"}},
		"a library":              {replaced(t, "Chart.yaml", "type: application", "type: library"), Major, []string{"It is a chart of another name or type"}},
		"the README":             {file("README.md", "# A chart\n"), Patch, []string{"What is in README.md"}},
		"a template":             {file("templates/service.yaml", "kind: Service\nspec: {}\n"), Patch, []string{"What is in templates/service.yaml"}},
		"indentation":            {file("README.md", "  # Chart\n"), Patch, []string{"What is in README.md"}},
		"a new template":         {file("templates/pdb.yaml", "kind: PodDisruptionBudget\n"), Minor, []string{"The template templates/pdb.yaml is new"}},
		"a new helper":           {file("templates/_b.tpl", "b"), Patch, []string{"What is in templates/_b.tpl"}},
		"a new test":             {file("templates/tests/a.yaml", "kind: Pod\n"), Patch, []string{"What is in templates/tests/a.yaml"}},
		"a comment of values":    {replaced(t, "values.yaml", "# of the Service", "# of it"), Patch, []string{"What is in values.yaml"}},
		"another default":        {replaced(t, "values.yaml", "port: 80", "port: 8080"), Minor, []string{"`port` is `8080` by default, before `80`"}},
		"another list":           {replaced(t, "values.yaml", "names: {}", "names: {a: x}"), Minor, []string{"`names.a` has a default"}},
		"no default any more":    {replaced(t, "values.yaml", "port: 80", ""), Minor, []string{"`port` has no default any more"}},
		"another registry":       {replaced(t, "values.yaml", "docker.io, repository: c", "ghcr.io, repository: c"), Minor, []string{"`sidecar.image.registry` is `ghcr.io` by default, before `docker.io`"}},
		"another image's patch":  {replaced(t, "values.yaml", "v1.2.3", "v1.2.4"), Patch, []string{"The image `sidecar.image` is `v1.2.4`, before `v1.2.3`"}},
		"another image's next":   {replaced(t, "values.yaml", "v1.2.3", "v1.3.0"), Minor, []string{"The image `sidecar.image` is `v1.3.0`, before `v1.2.3`"}},
		"another image's major":  {replaced(t, "values.yaml", "v1.2.3", "v2.0.0"), Minor, []string{"The image `sidecar.image` is `v2.0.0`, before `v1.2.3`"}},
		"an image without tag":   {replaced(t, "values.yaml", "v1.2.3", "main"), Minor, []string{"The image `sidecar.image` is `main`, before `v1.2.3`"}},
		"a subchart's patch":     {file("charts/db/Chart.yaml", `{apiVersion: v2, name: db, version: 0.3.2, appVersion: "10.11"}`), Patch, []string{"The subchart db 0.3.2, before 0.3.1"}},
		"a subchart's next":      {file("charts/db/Chart.yaml", `{apiVersion: v2, name: db, version: 0.4.0, appVersion: "10.11"}`), Major, []string{"The subchart db 0.4.0, before 0.3.1"}},
		"its application":        {file("charts/db/Chart.yaml", `{apiVersion: v2, name: db, version: 0.3.1, appVersion: "10.12"}`), Minor, []string{"db 10.12, before 10.11"}},
		"its application's next": {file("charts/db/Chart.yaml", `{apiVersion: v2, name: db, version: 0.3.1, appVersion: "11.4"}`), Major, []string{"db 11.4, before 10.11"}},
		"its default":            {file("charts/db/values.yaml", "size: 10Gi\n"), Minor, []string{"`db.size` is `10Gi` by default, before `8Gi`"}},
		"its value, no schema":   {file("charts/db/values.yaml", "size: 8Gi\nclass: ''\n"), Minor, []string{"The value `db.class` is new"}},
		"its value renamed":      {file("charts/db/values.yaml", "storage: 8Gi\n"), Major, []string{"The value `db.size` is gone", "The value `db.storage` is new"}},
		"its value's type":       {file("charts/db/values.yaml", "size: 8\n"), Major, []string{"`db.size` was a text, and is a number"}},
		"its value becomes one":  {file("charts/db/values.yaml", "size: {data: 8Gi}\n"), Major, []string{"`db.size` was a text, and is a mapping"}},
		"its template":           {file("charts/db/templates/claim.yaml", "kind: Secret\n"), Patch, []string{"What is in charts/db/templates/claim.yaml"}},
		"its new template":       {file("charts/db/templates/b.yaml", "kind: Secret\n"), Minor, []string{"The template charts/db/templates/b.yaml is new"}},
		"its first schema":       {file("charts/db/values.schema.json", `{"type": "object"}`), Major, []string{"The values of `db` are checked by a schema now"}},
		"a subchart gone": {map[string]string{"charts/db/Chart.yaml": "", "charts/db/values.yaml": "", "charts/db/templates/claim.yaml": ""}, Major,
			[]string{"The subchart db is gone"}},
		"a new subchart": {map[string]string{"charts/s3/Chart.yaml": `{apiVersion: v2, name: s3, version: 1.0.0}`}, Minor,
			[]string{"The subchart s3 is new"}},
	} {
		t.Run(name, func(t *testing.T) {
			changes, err := Compare(edited(t, nil), edited(t, test.files))
			require.NoError(t, err)
			var said []string
			for _, change := range changes {
				said = append(said, change.Text)
				assert.Contains(t, []string{added, changed, removed, deprecated}, change.Kind)
			}
			assert.Equal(t, test.want, said)
			assert.Equal(t, test.level, Greatest(changes))

			same := fingerprint(t, edited(t, nil)) == fingerprint(t, edited(t, test.files))
			pinned := test.level == None || strings.Contains(strings.Join(said, ""), "OpenNebula") || strings.Contains(strings.Join(said, ""), "`image`")
			if strings.HasPrefix(name, "Kubernetes as") {
				return // its text differs
			}
			assert.Equal(t, pinned, same, "the fingerprint is that of all but what packaging sets")
		})
	}
}

// The same charts give the same sentences in the same order: they are in the archive.
func TestCompareSaysTheSameEachTime(t *testing.T) {
	more := map[string]string{}
	for _, name := range []string{"s3", "a", "b", "c"} {
		more["charts/"+name+"/Chart.yaml"] = "{apiVersion: v2, name: " + name + ", version: 1.0.0}"
		more["charts/"+name+"/values.yaml"] = "{x: 1, y: 2, z: 3}"
	}
	first, err := Compare(edited(t, more), edited(t, nil))
	require.NoError(t, err)
	require.Len(t, first, 4)
	for range 20 {
		again, err := Compare(edited(t, more), edited(t, nil))
		require.NoError(t, err)
		assert.Equal(t, first, again)
	}
}

func fingerprint(t testing.TB, c *helm.Chart) string {
	sum, err := Fingerprint(c)
	require.NoError(t, err)
	return sum
}

// Each case is the schema of one value v, before and after.
func TestCompareSchemas(t *testing.T) {
	for name, test := range map[string]struct {
		was, is string
		level   Level
		says    string
	}{
		"the same":                     {`{"type": "string"}`, `{"type": "string"}`, None, ""},
		"other texts":                  {`{"type": "string", "title": "a"}`, `{"description": "b", "type": "string"}`, None, ""},
		"a definition instead":         {`{"type": "string"}`, `{"$ref": "#/definitions/text"}`, None, ""},
		"another definition":           {`{"$ref": "#/definitions/text"}`, `{"$ref": "#/definitions/count"}`, Major, "its type was \"string\", and is \"integer\""},
		"a list for a type":            {`{"type": "string"}`, `{"type": ["string"]}`, None, ""},
		"a type more":                  {`{"type": "string"}`, `{"type": ["string", "null"]}`, Minor, "`v` takes more than before: its type was \"string\", and is [\"string\",\"null\"]"},
		"a type less":                  {`{"type": ["string", "null"]}`, `{"type": "string"}`, Major, "`v` takes less than before"},
		"integers to numbers":          {`{"type": "integer"}`, `{"type": "number"}`, Minor, "takes more"},
		"numbers to integers":          {`{"type": "number"}`, `{"type": "integer"}`, Major, "takes less"},
		"a type at all":                {`{}`, `{"type": "string"}`, Major, "its type was not limited, and is \"string\""},
		"no type any more":             {`{"type": "string"}`, `true`, Minor, "its type was \"string\", and is not limited"},
		"nothing":                      {`{"type": "string"}`, `false`, Major, "`v` takes nothing any more"},
		"something at last":            {`false`, `{"type": "string"}`, Minor, "takes more"},
		"a word more":                  {`{"enum": ["a"]}`, `{"enum": ["b", "a"]}`, Minor, "`v` takes more than before: its enum was [\"a\"], and is [\"b\",\"a\"]"},
		"a word less":                  {`{"enum": ["a", "b"]}`, `{"enum": ["a"]}`, Major, "`v` takes \"b\" no more"},
		"words in another order":       {`{"enum": ["a", "b"]}`, `{"enum": ["b", "a"]}`, None, ""},
		"any word":                     {`{"enum": ["a", "b"]}`, `{"type": "string"}`, Minor, "takes more"},
		"any number":                   {`{"enum": ["a", 1]}`, `{"type": "integer"}`, Major, "`v` takes \"a\" no more"},
		"some words":                   {`{"type": "string"}`, `{"type": "string", "enum": ["a"]}`, Major, "its enum was not limited"},
		"one word":                     {`{"enum": ["a"]}`, `{"const": "a"}`, None, ""},
		"a lower bound":                {`{"minimum": 1}`, `{"minimum": 1024}`, Major, "its minimum was 1, and is 1024"},
		"a lower bound lowered":        {`{"minimum": 1}`, `{"minimum": 0}`, Minor, "takes more"},
		"a lower bound gone":           {`{"minimum": 1}`, `{}`, Minor, "takes more"},
		"an upper bound":               {`{}`, `{"maximum": 3}`, Major, "its maximum was not limited, and is 3"},
		"an upper bound raised":        {`{"maxLength": 3}`, `{"maxLength": 4}`, Minor, "takes more"},
		"an upper bound lowered":       {`{"maxLength": 3}`, `{"maxLength": 2}`, Major, "takes less"},
		"another pattern":              {`{"pattern": "^a+$"}`, `{"pattern": "^a*$"}`, Major, "its pattern was \"^a+$\", and is \"^a*$\""},
		"a pattern of few words":       {`{"pattern": "^(a|b)$"}`, `{"pattern": "^(a|b|c)?$"}`, Minor, "takes more"},
		"fewer words":                  {`{"pattern": "^(a|b)$"}`, `{"pattern": "^[a]$"}`, Major, "takes less"},
		"no pattern":                   {`{"pattern": "^a+$"}`, `{}`, Minor, "takes more"},
		"a sentence":                   {`{"if": {"minimum": 1}, "else": {"const": "one at least"}}`, `{"minimum": 1}`, None, ""},
		"another sentence":             {`{"if": {"minimum": 1}, "else": {"const": "one at least"}}`, `{"if": {"minimum": 1}, "else": {"const": "more than none"}}`, None, ""},
		"a sentence that wants more":   {`{"if": {"minimum": 1}, "else": {"const": "one at least"}}`, `{"if": {"minimum": 2}, "else": {"const": "two at least"}}`, Major, "its minimum was 1, and is 2"},
		"another condition":            {`{"if": {"minimum": 1}, "then": {"maximum": 2}}`, `{"if": {"minimum": 1}, "then": {"maximum": 1}}`, Major, "its then was"},
		"an alternative more":          {`{"anyOf": [{"type": "string"}]}`, `{"anyOf": [{"type": "null"}, {"type": "string"}]}`, Minor, "takes more"},
		"an alternative less":          {`{"anyOf": [{"type": "null"}, {"type": "string"}]}`, `{"anyOf": [{"type": "string"}]}`, Major, "takes less"},
		"alternatives in other order":  {`{"anyOf": [{"type": "null"}, {"type": "string"}]}`, `{"anyOf": [{"type": "string"}, {"type": "null"}]}`, None, ""},
		"one of others":                {`{"oneOf": [{"type": "null"}]}`, `{"oneOf": [{"type": "string"}]}`, Major, "its oneOf was"},
		"one of the same":              {`{"oneOf": [{"$ref": "#/definitions/text"}]}`, `{"oneOf": [{"type": "string", "title": "t"}]}`, None, ""},
		"something unheard of":         {`{}`, `{"unheard": 1}`, Major, "its unheard was not limited, and is 1"},
		"a key more":                   {`{"properties": {"a": {}}, "additionalProperties": false}`, `{"properties": {"a": {}, "b": {}}, "additionalProperties": false}`, Minor, "The value `v.b` is new"},
		"a key less":                   {`{"properties": {"a": {}, "b": {}}, "additionalProperties": false}`, `{"properties": {"a": {}}, "additionalProperties": false}`, Major, "The value `v.b` is gone"},
		"a key less that goes unread":  {`{"properties": {"a": {}, "b": {}}}`, `{"properties": {"a": {}}}`, Major, "The value `v.b` is gone"},
		"a key more beside any":        {`{"properties": {"a": {}}}`, `{"properties": {"a": {}, "b": {"type": "string"}}}`, Minor, "The value `v.b` is new"},
		"a key below":                  {`{"properties": {"a": {"minimum": 1}}}`, `{"properties": {"a": {"minimum": 2}}}`, Major, "`v.a` takes less"},
		"a key with a dot":             {`{"properties": {"a.b": {"minimum": 1}}}`, `{"properties": {"a.b": {"minimum": 2}}}`, Major, "`v.a\\.b` takes less"},
		"keys of one's own, less":      {`{"type": "object"}`, `{"type": "object", "properties": {"a": {"type": "string"}}}`, Major, "`v.a` takes less"},
		"keys of one's own, none":      {`{"type": "object"}`, `{"type": "object", "additionalProperties": false}`, Major, "`v.*` takes nothing any more"},
		"keys of one's own, more":      {`{"additionalProperties": {"type": "string"}}`, `{"additionalProperties": {"type": ["string", "null"]}}`, Minor, "`v.*` takes more"},
		"keys of one's own at last":    {`{"additionalProperties": false}`, `{"additionalProperties": {"type": "string"}}`, Minor, "takes more"},
		"unread keys refused":          {`{"properties": {"a": {}}}`, `{"properties": {"a": {}}, "additionalProperties": false}`, None, ""},
		"a key that any name covers":   {`{"properties": {"a": {"type": "string"}}}`, `{"additionalProperties": {"type": "string"}}`, None, ""},
		"names of a pattern, more":     {`{"patternProperties": {"^(a|b)\\.conf$": {"type": "string"}}, "additionalProperties": false}`, `{"patternProperties": {"^(a|b|c)\\.conf$": {"type": "string"}}, "additionalProperties": false}`, Minor, "The value `v.c\\.conf` is new"},
		"names of a pattern, less":     {`{"patternProperties": {"^(a|b)$": {}}, "additionalProperties": false}`, `{"patternProperties": {"^a$": {}}, "additionalProperties": false}`, Major, "The value `v.b` is gone"},
		"names and a pattern":          {`{"properties": {"a": {}}, "additionalProperties": false}`, `{"patternProperties": {"^[a-z]+$": {}}, "additionalProperties": false}`, Minor, "takes more"},
		"another pattern of names":     {`{"patternProperties": {"^a+$": {}}, "additionalProperties": false}`, `{"patternProperties": {"^b+$": {}}, "additionalProperties": false}`, Major, "`v.*` takes nothing any more"},
		"items":                        {`{"items": {"type": "string"}}`, `{"items": {"type": ["string", "integer"]}}`, Minor, "`v[]` takes more"},
		"keys of items":                {`{"items": {"properties": {"a": {}}, "additionalProperties": false}}`, `{"items": {"properties": {"b": {}}, "additionalProperties": false}}`, Major, "The value `v[].a` is gone"},
		"items one by one":             {`{"items": [{"type": "string"}]}`, `{"items": [{"type": "integer"}]}`, Major, "its items was"},
		"a key that has to be there":   {`{"properties": {"a": {}, "b": {}}}`, `{"properties": {"a": {}, "b": {}}, "required": ["a"]}`, Major, "its required was not limited, and is [\"a\"]"},
		"a key that need not be there": {`{"properties": {"a": {}}, "required": ["a"]}`, `{"properties": {"a": {}}}`, Minor, "takes more"},
	} {
		t.Run(name, func(t *testing.T) {
			found := &comparison{}
			require.NoError(t, compareSchemas(found.add, "", schemaOf(t, test.was), schemaOf(t, test.is)))
			assert.Equal(t, test.level.String(), Greatest(found.changes).String(), "%v", found.changes)
			var said []string
			for _, change := range found.changes {
				said = append(said, change.Text)
			}
			assert.Contains(t, strings.Join(said, "\n"), test.says)
		})
	}
}

// schemaOf a chart with one value, v.
func schemaOf(t testing.TB, value string) *schema {
	text := `{"properties": {"v": ` + value + `}, "definitions": {"text": {"type": "string"}, "count": {"type": "integer"}}}`
	s, err := readSchema(&helm.Chart{Metadata: &helm.Metadata{}, Schema: []byte(text)})
	require.NoError(t, err)
	return s
}

func TestSchemasWithoutAnEnd(t *testing.T) {
	for name, text := range map[string]string{
		"refers to itself":   `{"$ref": "#"}`,
		"holds itself":       `{"properties": {"a": {"$ref": "#"}}}`,
		"a list of itself":   `{"items": {"$ref": "#"}}`,
		"one of itself":      `{"oneOf": [{"$ref": "#"}]}`,
		"alternatives of it": `{"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}`,
		"doubles": `{"properties": {"a": {"$ref": "#/definitions/a"}, "b": {"$ref": "#/definitions/a"}}, "definitions": {
			"a": {"properties": {"a": {"$ref": "#/definitions/b"}, "b": {"$ref": "#/definitions/b"}}},
			"b": {"properties": {"a": {"$ref": "#/definitions/a"}, "b": {"$ref": "#/definitions/a"}}}}}`,
		"is not there": `{"$ref": "#/definitions/a"}`,
		"is elsewhere": `{"$ref": "https://example.org/schema.json"}`,
		"is no JSON":   `{`,
	} {
		t.Run(name, func(t *testing.T) {
			published, candidate := edited(t, nil), edited(t, nil)
			published.Schema, candidate.Schema = []byte(text), []byte(text)
			_, err := Compare(published, candidate)
			require.ErrorContains(t, err, "schema")
			assert.NotContains(t, err.Error(), "\n")
		})
	}
}

// What comparing keywords cannot see, the published chart's own values show.
func TestCompareTriesWhatIsPublished(t *testing.T) {
	published := edited(t, map[string]string{"examples/small.yaml": "port: 70\n"})
	candidate := edited(t, map[string]string{"examples/small.yaml": "port: 90\n"})
	candidate.Schema, published.Schema = nil, nil
	changes, err := Compare(published, candidate)
	require.NoError(t, err)
	assert.Equal(t, Patch, Greatest(changes))

	c := &comparison{}
	candidate.Schema = []byte(`{"properties": {"port": {"minimum": 75}}}`)
	c.tryPublished(published, candidate)
	require.Len(t, c.changes, 1)
	assert.Equal(t, Major, c.changes[0].Level)
	assert.Contains(t, c.changes[0].Text, "The schema refuses examples/small.yaml of the published chart")
	assert.NotContains(t, c.changes[0].Text, "\n")
}

// Our own chart: bound to another build, with each of its values taken away in turn, and
// with each schema keyword in turn.
func TestCompareOurChart(t *testing.T) {
	changes, err := Compare(bound(t), bound(t))
	require.NoError(t, err)
	assert.Empty(t, changes)

	other := img
	other.Digest = "sha256:" + strings.Repeat("cd", 32)
	other.Version = "7.2.0"
	rebuilt, err := Bind(Name, other)
	require.NoError(t, err)
	changes, err = Compare(bound(t), rebuilt)
	require.NoError(t, err)
	assert.Equal(t, []Change{
		{Minor, changed, "OpenNebula 7.2.0, before 7.0.2"},
		{Patch, changed, "The image `image` is another build"},
	}, changes)
	assert.Equal(t, fingerprint(t, bound(t)), fingerprint(t, rebuilt))

	var root map[string]any
	require.NoError(t, json.Unmarshal(bound(t).Schema, &root))
	for name := range root["properties"].(map[string]any) {
		less := bound(t)
		less.Schema = without(t, less.Schema, name)
		changes, err := Compare(bound(t), less)
		require.NoError(t, err)
		assert.Equal(t, Change{Major, removed, "The value `" + name + "` is gone"}, changes[0])

		changes, err = Compare(less, bound(t))
		require.NoError(t, err)
		assert.Contains(t, changes, Change{Minor, added, "The value `" + name + "` is new"})
		assert.Equal(t, Minor, Greatest(changes), name)
	}
}

func without(t testing.TB, schema []byte, name string) []byte {
	var root map[string]any
	require.NoError(t, json.Unmarshal(schema, &root))
	delete(root["properties"].(map[string]any), name)
	text, err := json.Marshal(root)
	require.NoError(t, err)
	return text
}

func TestDecide(t *testing.T) {
	for name, test := range map[string]struct {
		published, written, appVersion string
		want                           string
		level                          Level
	}{
		"the first":                    {"", "0.1.0", "7.2.0", "0.1.0", Minor},
		"nothing":                      {"0.1.0", "0.1.0", "7.2.0", "0.1.0", None},
		"nothing, written long before": {"0.3.4", "0.1.0", "7.2.0", "0.3.4", None},
		"a patch":                      {"0.3.4", "0.1.0", "7.2.1", "0.3.5", Patch},
		"more below 1.0.0":             {"0.3.4", "0.1.0", "7.4.0", "0.4.0", Minor},
		"what breaks below 1.0.0":      {"0.3.4", "0.1.0", "8.0.0", "0.4.0", Major},
		"more":                         {"1.3.4", "0.1.0", "7.4.0", "1.4.0", Minor},
		"what breaks":                  {"1.3.4", "0.1.0", "8.0.0", "2.0.0", Major},
		"a person wants more":          {"0.3.4", "1.0.0", "7.2.1", "1.0.0", Major},
		"a person wants less":          {"0.3.4", "0.3.5", "7.4.0", "0.4.0", Minor},
		"a person wants it anyway":     {"0.3.4", "0.3.9", "7.2.0", "0.3.9", Patch},
		"a person knows of a break":    {"1.3.4", "2.0.0", "7.2.0", "2.0.0", Major},
	} {
		t.Run(name, func(t *testing.T) {
			var last *helm.Chart
			if test.published != "" {
				last = edited(t, replaced(t, "Chart.yaml", "1.2.3", test.published))
			}
			candidate := edited(t, nil)
			candidate.Metadata.Version, candidate.Metadata.AppVersion = test.written, test.appVersion
			decision, err := Decide(last, candidate)
			require.NoError(t, err)
			assert.Equal(t, test.want, decision.Version)
			assert.Equal(t, test.level.String(), decision.Level.String())

			// After it is published, there is nothing to do.
			candidate.Metadata.Version = decision.Version
			again := edited(t, nil)
			again.Metadata.Version, again.Metadata.AppVersion = test.written, test.appVersion
			settled, err := Decide(candidate, again)
			require.NoError(t, err)
			assert.Equal(t, None, settled.Level)
			assert.Equal(t, decision.Version, settled.Version)
		})
	}
}

func TestDecideWantsVersions(t *testing.T) {
	c := edited(t, nil)
	c.Metadata.Version = "1.2"
	_, err := Decide(nil, c)
	assert.ErrorContains(t, err, `the version "1.2" of the chart opennebula is none: write it as 1.2.3`)
}

func TestLanguage(t *testing.T) {
	for pattern, want := range map[string][]string{
		`^(oned|rank)\.conf$`: {"oned.conf", "rank.conf"},
		`^guacd$`:             {"guacd"},
		`^a?[bc]$`:            {"ab", "ac", "b", "c"},
		`^$`:                  {""},
		`^a+$`:                nil,
		`a|b`:                 nil,
		`^a|b$`:               nil,
		`^(?i)a$`:             nil,
		`^[a-z]{9}$`:          nil,
		`(`:                   nil,
		`^.$`:                 nil,
	} {
		words, ok := language(pattern)
		assert.Equal(t, want != nil, ok, pattern)
		if ok {
			assert.Equal(t, want, words, pattern)
		}
	}
}

func FuzzCompareSchemas(f *testing.F) {
	f.Add(`{"type": "object", "properties": {"a": {"$ref": "#/definitions/a"}}, "definitions": {"a": {"enum": [1, "b", null]}}}`, `{"patternProperties": {"^(a|b)$": {"pattern": "^x?$"}}, "additionalProperties": false}`)
	f.Add(`{"anyOf": [{"items": [1]}, {"$ref": "#"}], "if": {"minimum": 1}, "else": {"const": "one or more"}}`, `{"required": "a", "type": ["string", 1], "const": {}}`)
	schema, err := yaml.YAMLToJSON(bound(f).Schema)
	require.NoError(f, err)
	f.Add(string(schema), `true`)
	f.Fuzz(func(t *testing.T, was, is string) {
		published, candidate := edited(t, nil), edited(t, nil)
		published.Schema, candidate.Schema = []byte(was), []byte(is)
		if _, err := Compare(published, candidate); err != nil {
			return
		}
		changes, err := Compare(published, published)
		if err != nil {
			return // references are followed where they are met
		}
		for _, change := range changes {
			// What a chart's own schema refuses of its defaults is no difference of schemas.
			assert.Contains(t, change.Text, "of the published chart")
		}
	})
}
