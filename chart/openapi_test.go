package chart

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	runtimeschema "k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"
)

// groups whose kinds Kubernetes has no schemas of; TestManifestsDecodeStrictly has
// their types.
var foreign = []string{"cert-manager.io", "gateway.networking.k8s.io", "monitoring.coreos.com"}

// Types do not tell which fields must be there; the schemas that Kubernetes publishes
// do. Those of one release do for all, since a stable API adds none that must be.
func TestManifestsMatchTheSchemas(t *testing.T) {
	schemas := newPublished(t)
	for name, values := range valueSets(t) {
		t.Run(name, func(t *testing.T) {
			manifests, err := Manifests(Name, values, newest)
			require.NoError(t, err)
			assert.NoError(t, schemas.check(manifests))
		})
	}
}

// What the test above relies on.
func TestManifestsThatLackAFieldAreRefused(t *testing.T) {
	schemas := newPublished(t)
	for name, test := range map[string]struct{ manifest, want string }{
		"a pod without containers": {"apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {}\n", "missing property 'containers'"},
		"a port without number":    {"apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{name: http}]}\n", "missing property 'port'"},
		"a job without template":   {"apiVersion: batch/v1\nkind: Job\nmetadata: {name: a}\nspec: {}\n", "missing property 'template'"},
		"a rule without verbs":     {"apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: a}\nrules: [{}]\n", "missing property 'verbs'"},
		"a text for a number":      {"apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: a}\nspec: {replicas: three}\n", "got string, want integer"},
		"a kind that is none":      {"apiVersion: v1\nkind: Servant\nmetadata: {name: a}\n", "there is no kind Servant in v1"},
		"a group that is none":     {"apiVersion: example.org/v1\nkind: Pod\nmetadata: {name: a}\n", "there is no kind Pod in example.org/v1"},
	} {
		t.Run(name, func(t *testing.T) {
			assert.NoError(t, schemas.check("# nothing\n---\napiVersion: v1\nkind: Pod\nspec: {containers: [{name: a}]}\n"))
			assert.ErrorContains(t, schemas.check(test.manifest), test.want)
		})
	}
}

// published schemas of Kubernetes' kinds, as the release has them that the lab runs.
type published struct {
	compiler *jsonschema.Compiler
	places   map[runtimeschema.GroupVersionKind]string // URL of each kind's schema
}

func newPublished(t *testing.T) *published {
	download := exec.Command("go", "mod", "download", "-json", "k8s.io/kubernetes")
	download.Dir = filepath.Join("..", "e2e", "lab", "tools", "kubernetes")
	out, err := download.Output()
	require.NoError(t, err, string(out))
	var module struct{ Dir string }
	require.NoError(t, json.Unmarshal(out, &module))
	files, err := filepath.Glob(filepath.Join(module.Dir, "api", "openapi-spec", "v3", "api*_openapi.json"))
	require.NoError(t, err)
	p := &published{compiler: jsonschema.NewCompiler(), places: map[runtimeschema.GroupVersionKind]string{}}
	p.compiler.DefaultDraft(jsonschema.Draft4) // which OpenAPI 3.0 goes by
	for _, file := range files {
		require.NoError(t, p.add(file), file)
	}
	return p
}

// add the schemas of one version of a group, which are a file.
func (p *published) add(path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var file struct {
		Components struct {
			Schemas map[string]struct {
				Kinds []runtimeschema.GroupVersionKind `json:"x-kubernetes-group-version-kind"`
			}
		}
	}
	if err := json.Unmarshal(content, &file); err != nil {
		return err
	}
	url := "file:///" + filepath.Base(path)
	for name, definition := range file.Components.Schemas {
		for _, kind := range definition.Kinds {
			p.places[kind] = url + "#/components/schemas/" + name
		}
	}
	all, err := jsonschema.UnmarshalJSON(bytes.NewReader(content))
	if err != nil {
		return err
	}
	return p.compiler.AddResource(url, all)
}

// check all manifests, and say which is wrong, and in what.
func (p *published) check(manifests string) error {
	var wrong []error
	for _, document := range separator.Split(manifests, -1) {
		var object unstructured.Unstructured
		if err := yaml.Unmarshal([]byte(document), &object.Object); err != nil {
			return fmt.Errorf("read a manifest: %w", err)
		}
		if object.Object == nil || slices.Contains(foreign, object.GroupVersionKind().Group) {
			continue
		}
		if err := p.checkObject(object); err != nil {
			wrong = append(wrong, fmt.Errorf("%s/%s: %w", object.GetKind(), object.GetName(), err))
		}
	}
	return errors.Join(wrong...)
}

func (p *published) checkObject(object unstructured.Unstructured) error {
	place, known := p.places[object.GroupVersionKind()]
	if !known {
		return fmt.Errorf("there is no kind %s in %s", object.GetKind(), object.GetAPIVersion())
	}
	compiled, err := p.compiler.Compile(place)
	if err != nil {
		return fmt.Errorf("compile the schema of %s: %w", object.GetKind(), err)
	}
	return compiled.Validate(object.Object)
}
