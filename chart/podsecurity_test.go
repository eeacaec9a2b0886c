package chart

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"
)

// A namespace that enforces Pod Security's level restricted takes all pods, unless the
// front-end is to use its node's network.
func TestPodsAreRestricted(t *testing.T) {
	withOwnPods(t, func(t *testing.T, values map[string]any, manifests string) {
		var want []string
		if values["hostNetwork"] == true {
			want = []string{"StatefulSet/opennebula: host namespaces"}
		}
		assert.Equal(t, want, refusedPods(t, manifests))
	})
}

// kubectl describe says why a container failed.
func TestPodsSayWhyTheyFailed(t *testing.T) {
	withOwnPods(t, func(t *testing.T, _ map[string]any, manifests string) {
		for _, pod := range podTemplates(t, manifests) {
			for _, container := range append(pod.template.Spec.InitContainers, pod.template.Spec.Containers...) {
				assert.Equal(t, corev1.TerminationMessageFallbackToLogsOnError, container.TerminationMessagePolicy, "%s: %s", pod.of, container.Name)
			}
		}
	})
}

// withOwnPods tests the manifests of each set of values, without what users add to pods,
// which is theirs.
func withOwnPods(t *testing.T, test func(t *testing.T, values map[string]any, manifests string)) {
	for name, values := range valueSets(t) {
		t.Run(name, func(t *testing.T) {
			delete(values, "extraContainers")
			delete(values, "initContainers")
			manifests, err := Manifests(Name, values, newest)
			require.NoError(t, err)
			test(t, values, manifests)
		})
	}
}

// What TestPodsAreRestricted relies on.
func TestPodsOfOthersAreRefused(t *testing.T) {
	assert.Equal(t, []string{"Pod/a: allowPrivilegeEscalation != false, unrestricted capabilities, runAsNonRoot != true, seccompProfile"},
		refusedPods(t, "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a, image: a}]}\n"))
}

// refusedPods of manifests, each with the reasons, as the API server has them.
func refusedPods(t *testing.T, manifests string) []string {
	checks, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	require.NoError(t, err)
	restricted := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	var refused []string
	for _, pod := range podTemplates(t, manifests) {
		result := policy.AggregateCheckResults(checks.EvaluatePod(restricted, &pod.template.ObjectMeta, &pod.template.Spec))
		if !result.Allowed {
			refused = append(refused, pod.of+": "+strings.Join(result.ForbiddenReasons, ", "))
		}
	}
	return refused
}

// podsOf an object, which is named by its kind and its name.
type podsOf struct {
	of       string
	template *corev1.PodTemplateSpec
}

// podTemplates of manifests.
func podTemplates(t *testing.T, manifests string) []podsOf {
	var found []podsOf
	for _, document := range separator.Split(manifests, -1) {
		var object unstructured.Unstructured
		require.NoError(t, yaml.Unmarshal([]byte(document), &object.Object))
		if template := podTemplate(t, object); template != nil {
			found = append(found, podsOf{object.GetKind() + "/" + object.GetName(), template})
		}
	}
	return found
}

// podTemplate is that of what makes pods; nil for all else.
func podTemplate(t *testing.T, object unstructured.Unstructured) *corev1.PodTemplateSpec {
	place := map[string][]string{
		"Pod": {}, "StatefulSet": {"spec", "template"}, "Deployment": {"spec", "template"}, "DaemonSet": {"spec", "template"},
		"Job": {"spec", "template"}, "CronJob": {"spec", "jobTemplate", "spec", "template"},
	}
	path, makes := place[object.GetKind()]
	if !makes {
		return nil
	}
	content := object.Object
	if len(path) > 0 {
		var err error
		content, _, err = unstructured.NestedMap(object.Object, path...)
		require.NoError(t, err)
	}
	text, err := json.Marshal(content)
	require.NoError(t, err)
	var template corev1.PodTemplateSpec
	require.NoError(t, json.Unmarshal(text, &template))
	return &template
}
