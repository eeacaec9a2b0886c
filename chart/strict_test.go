package chart

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/chartutil"
)

// releases of Kubernetes that the chart is for, each with the mod file of
// chart/strict that has its types.
var releases = map[string]string{
	"1.30": "k8s-1.30.mod",
	"1.31": "k8s-1.31.mod",
	"1.32": "k8s-1.32.mod",
	"1.33": "k8s-1.33.mod",
	newest: "go.mod",
}

func TestManifestsDecodeStrictly(t *testing.T) {
	sets := valueSets(t)
	for kubernetes, mod := range releases {
		t.Run(kubernetes, func(t *testing.T) {
			program := buildStrict(t, mod)
			for name, values := range sets {
				manifests, err := Manifests(Name, values, kubernetes)
				if assert.NoError(t, err, name) {
					assert.NoError(t, runStrict(program, manifests), name)
				}
			}
		})
	}
}

// What the test above relies on.
func TestStrictRefuses(t *testing.T) {
	program := buildStrict(t, "go.mod")
	for name, test := range map[string]struct{ manifest, want string }{
		"unknown field":     {"apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {typ: x}\n", `Service/a: strict decoding error: unknown field "spec.typ"`},
		"field given twice": {"apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec:\n  type: NodePort\n  type: ClusterIP\n", `"type" already set`},
		"wrong type":        {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: 1}\n", "ConfigMap/a: json: cannot unmarshal number"},
		"unknown kind":      {"apiVersion: v1\nkind: Servant\nmetadata: {name: a}\n", `no kind "Servant"`},
		"kind gone":         {"apiVersion: policy/v1beta1\nkind: PodDisruptionBudget\nmetadata: {name: a}\n", `no kind "PodDisruptionBudget"`},
		"Gateway API":       {"apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: a}\nspec: {hostname: [b]}\n", "spec.hostname"},
		"ServiceMonitor":    {"apiVersion: monitoring.coreos.com/v1\nkind: ServiceMonitor\nmetadata: {name: a}\nspec: {selector: {}, endpoint: []}\n", "spec.endpoint"},
	} {
		t.Run(name, func(t *testing.T) {
			good := "# nothing\n---\napiVersion: v1\nkind: Service\nmetadata: {name: good}\n---\n"
			require.NoError(t, runStrict(program, good))
			assert.ErrorContains(t, runStrict(program, good+test.manifest), test.want)
		})
	}
}

// valueSets are the defaults, the examples, and the sets made for tests.
func valueSets(t *testing.T) map[string]map[string]any {
	sets := map[string]map[string]any{"defaults": {}}
	for _, pattern := range []string{Name + "/examples/*.yaml", "testdata/values/*.yaml"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, file := range files {
			values, err := chartutil.ReadValuesFile(file)
			require.NoError(t, err, file)
			sets[file] = values
		}
	}
	return sets
}

func buildStrict(t *testing.T, mod string) string {
	program := filepath.Join(t.TempDir(), "strict")
	build := exec.Command("go", "build", "-buildvcs=false", "-modfile="+mod, "-o", program, ".")
	build.Dir = "strict"
	out, err := build.CombinedOutput()
	require.NoError(t, err, "build chart/strict with %s: %s", mod, out)
	return program
}

func runStrict(program, manifests string) error {
	cmd := exec.Command(program)
	cmd.Stdin = strings.NewReader(manifests)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}
