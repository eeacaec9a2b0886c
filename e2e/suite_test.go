// Package e2e is the suite that every release must pass: a running front-end,
// asked over the network as its users ask it.
//
//	go test ./e2e -kubeconfig FILE -image REFERENCE -chart oci://…
//
// With -thorough the chart is also installed, upgraded, broken and restored in
// namespaces that the suite makes. Without -kubeconfig all of it is skipped; the
// rehearsal runs it on a cluster of its own.
package e2e

import (
	"context"
	"flag"
	"testing"
	"time"

	"github.com/stretchr/testify/suite"

	"github.com/pablodelarco/opennebula-helm/chart"
	"github.com/pablodelarco/opennebula-helm/e2e/frontend"
	"github.com/pablodelarco/opennebula-helm/image"
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
	standIns      = flag.Bool("stand-ins", false, "the image holds the lab's stand-ins, which can fail when asked to, and boot nothing")
	logs          = flag.String("logs", "", "folder for the logs of what failed")
)

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
	version  string // that the image says it holds
}

func (s *Suite) SetupSuite() {
	ctx := s.context(15 * time.Minute)
	info, err := image.Inspect(ctx, *imageRef, image.PlainHTTP(*plainHTTP)...)
	s.Require().NoError(err)
	s.version = info.Version
	if !*installed {
		s.install(ctx)
	}
	s.frontend, err = frontend.Find(ctx, *kubeconfig, *namespace, *release)
	s.Require().NoError(err)
	s.Require().NoError(s.frontend.RunsImage(ctx, info.Digest))
}

func (s *Suite) install(ctx context.Context) {
	release := chart.Release{
		Kubeconfig: *kubeconfig, Namespace: *namespace, Name: *release,
		Chart: *chartRef, PlainHTTP: *plainHTTP, Timeout: 10 * time.Minute,
		Values: frontend.PublishedValues(),
	}
	s.Require().NoError(frontend.CreateCertificate(ctx, *kubeconfig, *namespace))
	s.Require().NoError(chart.Install(ctx, release))
	s.T().Cleanup(func() {
		s.NoError(chart.Uninstall(release))
	})
}
