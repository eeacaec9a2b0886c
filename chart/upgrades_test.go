package chart

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

// An upgrade sends Kubernetes a patch, in which members of some lists are told apart by one
// of their fields alone: ports by their number. What it makes of an object must be what the
// chart says, whichever value was changed, and back again.
func TestUpgradesArriveWhole(t *testing.T) {
	rendered := renderings{}
	for _, e := range effects() {
		if e.fails != "" {
			continue
		}
		before := objects(t, rendered.with(t, parseValues(t, e.with)))
		after := objects(t, rendered.with(t, e.values(t)))
		for _, name := range slices.Sorted(maps.Keys(before)) {
			if later, ok := after[name]; ok {
				requireUpgrade(t, e.value, before[name], later)
				requireUpgrade(t, e.value, later, before[name])
			}
		}
	}
}

// requireUpgrade of an object, of a kind of Kubernetes' own: others are replaced whole.
func requireUpgrade(t *testing.T, value string, before, after *unstructured.Unstructured) {
	typed, err := scheme.Scheme.New(after.GroupVersionKind())
	if err != nil {
		return
	}
	meta, err := strategicpatch.NewPatchMetaFromStruct(typed)
	require.NoError(t, err)
	old, wanted := encoded(t, before), encoded(t, after)
	patch, err := strategicpatch.CreateThreeWayMergePatch(old, wanted, old, meta, true)
	require.NoError(t, err)
	got, err := strategicpatch.StrategicMergePatchUsingLookupPatchMeta(old, patch, meta)
	require.NoError(t, err)
	var made map[string]any
	require.NoError(t, json.Unmarshal(got, &made))
	remade := encoded(t, &unstructured.Unstructured{Object: made})
	assert.True(t, string(remade) == string(wanted), "%s: of the %s %s this makes another: %s", value, after.GetKind(), after.GetName(), patch)
}

func encoded(t *testing.T, object *unstructured.Unstructured) []byte {
	text, err := json.Marshal(object.Object)
	require.NoError(t, err)
	return text
}

// objects of manifests, by Kind/name.
func objects(t *testing.T, manifests string) map[string]*unstructured.Unstructured {
	found := map[string]*unstructured.Unstructured{}
	for _, text := range separator.Split(manifests, -1) {
		object := &unstructured.Unstructured{}
		require.NoError(t, yaml.Unmarshal([]byte(text), &object.Object))
		if len(object.Object) > 0 {
			found[object.GetKind()+"/"+object.GetName()] = object
		}
	}
	return found
}
