// Package e2e is the suite that every release must pass: a running front-end,
// asked over the network as its users ask it.
//
//	go test ./e2e -kubeconfig FILE -image REFERENCE [-chart oci://…]
//
// Without -kubeconfig it is skipped; the rehearsal runs it on a cluster of its
// own.
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
	kubeconfig = flag.String("kubeconfig", "", "file of the cluster to run on")
	imageRef   = flag.String("image", "", "image of the front-end, repository@sha256:…")
	chartRef   = flag.String("chart", "", "chart to install, oci://… with a version; empty: the release is there already")
	namespace  = flag.String("namespace", "opennebula", "namespace of the release")
	release    = flag.String("release", "opennebula", "name of the release")
	plainHTTP  = flag.Bool("plain-http", false, "the registry of image and chart has no TLS")
)

func TestFrontend(t *testing.T) {
	if *kubeconfig == "" {
		t.Skip("no -kubeconfig given; `go run ./cmd/rehearse` brings a cluster and runs this suite on it")
	}
	suite.Run(t, new(Suite))
}

// Suite asks one front-end. Each test leaves it as it found it.
type Suite struct {
	suite.Suite
	frontend *frontend.Frontend
	version  string // that the image says it holds
}

func (s *Suite) SetupSuite() {
	ctx := s.context(15 * time.Minute)
	info, err := image.Inspect(ctx, *imageRef, image.PlainHTTP(*plainHTTP)...)
	s.Require().NoError(err)
	s.version = info.Version
	if *chartRef != "" {
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
		Values: frontend.Values(),
	}
	s.Require().NoError(frontend.CreateCertificate(ctx, *kubeconfig, *namespace))
	s.Require().NoError(chart.Install(ctx, release))
	s.T().Cleanup(func() {
		s.NoError(chart.Uninstall(release))
	})
}

// context that ends with the test, or after the time given.
func (s *Suite) context(d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	s.T().Cleanup(cancel)
	return ctx
}
