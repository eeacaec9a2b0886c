package e2e

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/suite"
	"helm.sh/helm/v3/pkg/chartutil"

	"github.com/pablodelarco/opennebula-helm/chart"
	"github.com/pablodelarco/opennebula-helm/e2e/frontend"
)

func TestChart(t *testing.T) {
	switch {
	case *kubeconfig == "":
		t.Skip("no -kubeconfig given; `go run ./cmd/rehearse --thorough` brings a cluster and runs this suite on it")
	case !*thorough:
		t.Skip("without -thorough nothing is installed, upgraded, lost and restored")
	}
	suite.Run(t, new(ChartSuite))
}

// ChartSuite installs the chart again and again, each time in a namespace of its own,
// and does to it what happens to a release in its years.
type ChartSuite struct{ base }

const name = "opennebula" // of each release

// values of a test, the last win; what a suite needs is below them.
func values(over ...map[string]any) map[string]any {
	return overlay(append([]map[string]any{frontend.Values()}, over...)...)
}

// overlay lays values over others, as Helm does with several files.
func overlay(files ...map[string]any) map[string]any {
	all := map[string]any{}
	for _, values := range files {
		all = chartutil.CoalesceTables(maps.Clone(values), all)
	}
	return all
}

// parse values as they stand in a file.
func (s *ChartSuite) parse(text string) map[string]any {
	parsed, err := chartutil.ReadValues([]byte(text))
	s.Require().NoError(err)
	return parsed
}

// example of the chart, as its users have it.
func (s *ChartSuite) example(name string) map[string]any {
	text, err := os.ReadFile(filepath.Join("..", "chart", chart.Name, "examples", name+".yaml"))
	s.Require().NoError(err)
	return s.parse(string(text))
}

// release of a chart in a namespace that is made now, and ends with the test.
func (s *ChartSuite) release(ctx context.Context, namespace, chartReference string, values map[string]any) chart.Release {
	s.Require().NoError(frontend.CreateNamespace(ctx, *kubeconfig, namespace))
	s.T().Cleanup(func() { s.remove(namespace) })
	return chart.Release{
		Kubeconfig: *kubeconfig, Namespace: namespace, Name: name,
		Chart: chartReference, PlainHTTP: *plainHTTP, Values: values, Timeout: 6 * time.Minute,
	}
}

// remove keeps the logs of what failed.
func (s *ChartSuite) remove(namespace string) {
	s.keepLogs(namespace)
	s.NoError(frontend.DeleteNamespace(context.Background(), *kubeconfig, namespace))
}

// install a release, and find it.
func (s *ChartSuite) install(ctx context.Context, r chart.Release) *frontend.Frontend {
	start := time.Now()
	s.Require().NoError(chart.Install(ctx, r))
	f, err := frontend.Find(ctx, *kubeconfig, r.Namespace, r.Name)
	s.Require().NoError(err)
	s.seen(ctx, f, "installed", start)
	s.requireReachable(ctx, f)
	return f
}

// requireReachable asks until the API answers: a Service knows the pod a moment after it
// is ready. An API that nobody outside can ask is left.
func (s *ChartSuite) requireReachable(ctx context.Context, f *frontend.Frontend) {
	if _, err := f.Address(ctx, "api", "xmlrpc"); err != nil {
		return
	}
	s.Require().NoError(frontend.Eventually(ctx, func() error {
		_, err := s.apiOf(ctx, f).UserName()
		return err
	}))
}

// upgrade a release.
func (s *ChartSuite) upgrade(ctx context.Context, f *frontend.Frontend, r chart.Release) {
	start := time.Now()
	s.Require().NoError(chart.Upgrade(ctx, r))
	s.seen(ctx, f, "upgraded", start)
	s.requireReachable(ctx, f)
}

// seen logs how long something took, and the stages of the pod's start.
func (s *ChartSuite) seen(ctx context.Context, f *frontend.Frontend, what string, start time.Time) {
	took := time.Since(start)
	stages, err := f.Stages(ctx)
	s.Require().NoError(err)
	s.T().Logf("seen: %s in %.1f s; of the pod, in seconds: %v", what, took.Seconds(), stages)
}

// requireWorks asks the API and Sunstone as oneadmin.
func (s *ChartSuite) requireWorks(ctx context.Context, f *frontend.Frontend) {
	s.requireReachable(ctx, f)
	sunstone, err := f.Sunstone(ctx)
	s.Require().NoError(err)
	s.requireModules(ctx, sunstone)
	username, password := f.Login()
	s.Require().NoError(frontend.Eventually(ctx, func() error { return sunstone.Login(ctx, username, password) }))
}

// requireModules loads all that a browser would.
func (s *ChartSuite) requireModules(ctx context.Context, sunstone *frontend.Sunstone) {
	var page frontend.Answer
	s.Require().NoError(frontend.Eventually(ctx, func() (err error) {
		if page, err = sunstone.Get(ctx, sunstone.URL()); err == nil && page.Status != http.StatusOK {
			err = fmt.Errorf("%s answers %d", sunstone.URL(), page.Status)
		}
		return err
	}))
	s.requireScripts(ctx, sunstone, page)
}

// content is what a test leaves in a cloud, to find it again: a user besides, ada, whom
// the stand-in cannot have.
type content struct{ template, vm int64 }

const templateName = "kept"

// fill a cloud with a user, a template and a virtual machine of the dummy driver that
// runs on the front-end itself.
func (s *ChartSuite) fill(ctx context.Context, f *frontend.Frontend) content {
	api := s.apiOf(ctx, f)
	template, err := api.CreateTemplate("NAME = " + templateName + "\nCPU = 1\nMEMORY = 64\n")
	s.Require().NoError(err)
	if !*standIns {
		_, err := api.CreateUser("ada", "lovelace")
		s.Require().NoError(err)
	}
	hostname, err := api.Hostname()
	s.Require().NoError(err)
	host, err := api.CreateHost(hostname, "dummy", "dummy")
	s.Require().NoError(err)
	s.Require().NoError(frontend.Eventually(ctx, func() error { return monitored(api, host) }))
	vm, err := api.CreateVM("NAME = runs\nCPU = 0.1\nMEMORY = 16\n")
	s.Require().NoError(err)
	s.Require().NoError(frontend.Eventually(ctx, func() error { return running(api, vm, hostname) }))
	return content{template: template, vm: vm}
}

// requireContent finds what fill left, and that ada can log in.
func (s *ChartSuite) requireContent(ctx context.Context, f *frontend.Frontend, c content) {
	s.requireReachable(ctx, f)
	if !*standIns {
		ada, err := f.API(ctx, "ada", "lovelace")
		s.Require().NoError(err)
		_, err = ada.UserName()
		s.Require().NoError(err)
	}
	api := s.apiOf(ctx, f)
	found, err := api.TemplateName(c.template)
	s.Require().NoError(err)
	s.Require().Equal(templateName, found)
	vm, err := api.VM(c.vm)
	s.Require().NoError(err)
	s.Require().Equal(frontend.VMActive, vm.State)
	s.Require().Equal(frontend.VMRunning, vm.LCMState)
}
