package e2e

import (
	"context"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"time"

	"helm.sh/helm/v3/pkg/chartutil"

	"github.com/pablodelarco/opennebula-helm/chart"
	"github.com/pablodelarco/opennebula-helm/e2e/frontend"
)

// kinds that the chart can make and Kubernetes itself has not, by the module that
// defines each; e2e/kinds/go.mod has their versions.
var kinds = map[string][]string{
	"sigs.k8s.io/gateway-api": {
		"config/crd/standard/gateway.networking.k8s.io_httproutes.yaml",
	},
	"github.com/prometheus-operator/prometheus-operator": {
		"example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
		"example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
	},
	"github.com/cert-manager/cert-manager": {
		"deploy/crds/crd-certificates.yaml",
	},
}

// SetupSuite makes the kinds that the cluster has not.
func (s *ChartSuite) SetupSuite() {
	var files []string
	for module, paths := range kinds {
		folder := s.moduleFolder(module)
		for _, path := range paths {
			files = append(files, filepath.Join(folder, path))
		}
	}
	made, err := frontend.InstallKinds(s.context(5*time.Minute), *kubeconfig, files...)
	s.T().Cleanup(func() { s.NoError(frontend.RemoveKinds(context.Background(), *kubeconfig, made)) })
	s.Require().NoError(err)
}

// moduleFolder is where a module's files are; Go brings it where it is missing.
func (s *ChartSuite) moduleFolder(module string) string {
	download := exec.Command("go", "mod", "download", "-json", module)
	download.Dir = "kinds"
	out, err := download.Output()
	s.Require().NoError(err, string(out))
	var found struct{ Dir string }
	s.Require().NoError(json.Unmarshal(out, &found))
	return found.Dir
}

// The API server itself takes all objects that the chart makes of its defaults, its
// examples and the values that its own tests have.
func (s *ChartSuite) TestManifestsAreAccepted() {
	ctx := s.context(5 * time.Minute)
	const namespace = "manifests"
	s.Require().NoError(frontend.CreateNamespace(ctx, *kubeconfig, namespace))
	s.T().Cleanup(func() { s.remove(namespace) })
	judge, err := frontend.NewJudge(*kubeconfig)
	s.Require().NoError(err)
	kubernetes, err := judge.Kubernetes()
	s.Require().NoError(err)

	// A Pod needs the namespace's ServiceAccount, which comes after a moment.
	const pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a, image: b}]}\n"
	s.Require().NoError(frontend.Eventually(ctx, func() error { return judge.Accepts(ctx, namespace, pod) }))
	const wrong = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {prots: []}\n"
	s.ErrorContains(judge.Accepts(ctx, namespace, pod+"---\n"+wrong), `Service/a: `)
	for file, values := range s.valueSets() {
		manifests, err := chart.Manifests(chart.Find(".."), values, kubernetes)
		s.Require().NoError(err, file)
		s.NoError(judge.Accepts(ctx, namespace, manifests), file)
	}
}

func (s *ChartSuite) valueSets() map[string]map[string]any {
	sets := map[string]map[string]any{"defaults": {}}
	for _, pattern := range []string{filepath.Join(chart.Find(".."), "examples", "*.yaml"), "../chart/testdata/values/*.yaml"} {
		files, err := filepath.Glob(pattern)
		s.Require().NoError(err)
		s.Require().NotEmpty(files, pattern)
		for _, file := range files {
			values, err := chartutil.ReadValuesFile(file)
			s.Require().NoError(err, file)
			sets[file] = values
		}
	}
	return sets
}
