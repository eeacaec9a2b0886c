// Package e2e is the suite that every release must pass: a running front-end,
// asked over the network as its users ask it.
//
//	go test ./e2e -count=1 -timeout 2h -kubeconfig /FILE -image REFERENCE -chart oci://… -logs /FOLDER
//
// With -hypervisors virtual machines and containers run. With -thorough the chart is also installed,
// upgraded, broken and restored in namespaces that the suite makes. Without -kubeconfig
// all of it is skipped; the rehearsal runs it on a cluster of its own.
package e2e

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/suite"
	"helm.sh/helm/v3/pkg/chartutil"

	"github.com/pablodelarco/opennebula-helm/chart"
	"github.com/pablodelarco/opennebula-helm/e2e/enrollment"
	"github.com/pablodelarco/opennebula-helm/e2e/frontend"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/hypervisor"
	"github.com/pablodelarco/opennebula-helm/image"
	"github.com/pablodelarco/opennebula-helm/registry"
)

var (
	kubeconfig    = flag.String("kubeconfig", "", "file of the cluster to run on")
	imageRef      = flag.String("image", "", "image of the front-end, repository@sha256:…")
	chartRef      = flag.String("chart", "", "chart to install, oci://… with a version")
	installed     = flag.Bool("installed", false, "the release to ask is there already")
	namespace     = flag.String("namespace", "opennebula", "namespace of the release")
	release       = flag.String("release", "opennebula", "name of the release")
	plainHTTP     = flag.Bool("plain-http", false, "the registry of image and chart has no TLS")
	thorough      = flag.Bool("thorough", false, "install, upgrade, break and restore releases of the suite's own")
	previousChart = flag.String("previous-chart", "", "chart of an older OpenNebula to upgrade from, as -chart")
	carried       = flag.String("carried", "", "folder with the database of another front-end, as docs/migrate.md makes it, to migrate")
	standIns      = flag.Bool("stand-ins", false, "the image holds the lab's stand-ins, which can fail when asked to, and boot nothing")
	hypervisors   = flag.String("hypervisors", "", "the lab's hypervisors to run virtual machines and containers on, NAME=ADDRESS,…")
	sshKeys       = flag.String("ssh-keys", "", "folder of the private SSH keys that they and the front-end know each other by, ssh-privatekey and ssh-host-key; needed unless -installed")
	logs          = flag.String("logs", "", "folder for the logs of what failed, and of the nodes")
	pictures      = flag.String("pictures", "", "folder for pictures of Sunstone")
	valuesFile    = flag.String("values", "", "file of values to install the chart with, over the suite's own")
)

// TestMain keeps the nodes' logs where a test failed.
func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if code != 0 && *kubeconfig != "" && *logs != "" {
		keepNodeLogs()
	}
	os.Exit(code)
}

func keepNodeLogs() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := frontend.NodeLogs(ctx, *kubeconfig, filepath.Join(*logs, "nodes")); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

func TestFrontend(t *testing.T) {
	if *kubeconfig == "" {
		t.Skip("no -kubeconfig given; `go run ./cmd/rehearse` brings a cluster and runs this suite on it")
	}
	suite.Run(t, new(Suite))
}

// Suite asks one front-end. Each test leaves it as it found it.
type Suite struct {
	base
	frontend *frontend.Frontend
	version  string               // that the image says it holds
	machines []hypervisor.Machine // that run virtual machines
	lxc      []hypervisor.Machine // that run containers
}

func (s *Suite) SetupSuite() {
	s.base.SetupSuite()
	ctx := s.context(15 * time.Minute)
	info, err := image.Inspect(ctx, *imageRef, registry.WithPlainHTTP(*plainHTTP))
	s.Require().NoError(err)
	s.version = info.Version
	s.findHypervisors(ctx)
	if !*installed {
		s.install(ctx, *chartRef)
	}
	s.find(ctx)
	s.Require().NoError(s.frontend.RunsImage(ctx, info.Digest))
}

// findHypervisors asks those that were named what they run.
func (s *Suite) findHypervisors(ctx context.Context) {
	all, err := hypervisor.Parse(*hypervisors)
	s.Require().NoError(err)
	s.machines, err = hypervisor.ByDriver(ctx, all, "kvm", "qemu")
	s.Require().NoError(err)
	s.lxc, err = hypervisor.ByDriver(ctx, all, "lxc")
	s.Require().NoError(err)
}

// find the release that is asked, and return when its services take connections.
func (s *Suite) find(ctx context.Context) {
	var err error
	s.frontend, err = frontend.Find(ctx, *kubeconfig, *namespace, *release)
	s.Require().NoError(err)
	s.Require().NoError(s.frontend.WaitServices(ctx))
}

// install a chart as the release, which ends with the test. The logs of what failed are
// kept before.
func (s *Suite) install(ctx context.Context, chartReference string) chart.Release {
	s.Require().NoError(frontend.CreateCertificate(ctx, *kubeconfig, *namespace))
	values := frontend.PublishedValues()
	if len(s.machines)+len(s.lxc) > 0 {
		values = overlay(values, s.enroll(ctx))
	}
	if *valuesFile != "" {
		given, err := chartutil.ReadValuesFile(*valuesFile)
		s.Require().NoError(err)
		values = overlay(values, given)
	}
	release := chart.Release{
		Kubeconfig: *kubeconfig, Namespace: *namespace, Name: *release,
		Chart: chartReference, PlainHTTP: *plainHTTP, Timeout: 10 * time.Minute, Values: values,
	}
	s.T().Cleanup(func() {
		s.keepLogs(*namespace)
		s.NoError(chart.Uninstall(release))
	})
	if err := chart.Install(ctx, release); err != nil {
		if waiting, _ := frontend.Waiting(ctx, *kubeconfig, *namespace); waiting != "" {
			err = fmt.Errorf("%w; not ready: %s", err, waiting)
		}
		s.Require().NoError(err)
	}
	return release
}

// enroll returns the values that enroll the hypervisors, whose key is given.
func (s *Suite) enroll(ctx context.Context) map[string]any {
	keys, err := enrollment.ReadKeys(*sshKeys)
	s.Require().NoError(err)
	s.Require().NoError(frontend.CreateKeys(ctx, *kubeconfig, *namespace, *release, keys))
	_, node, err := frontend.Node(ctx, *kubeconfig)
	s.Require().NoError(err)
	values, err := frontend.HypervisorValues(ctx, node, slices.Concat(s.machines, s.lxc)...)
	s.Require().NoError(err)
	return values
}
