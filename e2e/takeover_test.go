package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/suite"

	"github.com/pablodelarco/opennebula-helm/chart"
	"github.com/pablodelarco/opennebula-helm/e2e/frontend"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/hypervisor"
)

func TestTakeover(t *testing.T) {
	switch {
	case *kubeconfig == "":
		t.Skip("no -kubeconfig given")
	case !*thorough || *previousChart == "":
		t.Skip("without -thorough and -previous-chart nothing is taken over")
	case *installed:
		t.Skip("the release is there already, and its hypervisors know no other")
	}
	suite.Run(t, new(TakeoverSuite))
}

// TakeoverSuite has the hypervisors to itself: they are at home with one release at a time.
type TakeoverSuite struct{ base }

// The release of before runs a virtual machine, and this one takes it over as it is, and
// brings its own drivers to the hypervisor.
func (t *TakeoverSuite) TestVMOutlivesUpgrade() {
	s := new(Suite)
	s.SetT(t.T())
	ctx := s.context(40 * time.Minute)
	s.findHypervisors(ctx)
	s.hypervisors()
	t.T().Cleanup(func() { s.NoError(frontend.DeleteNamespace(context.Background(), *kubeconfig, *namespace)) })
	r := s.install(ctx, *previousChart)
	s.find(ctx)
	before, err := s.api().Version()
	s.Require().NoError(err)

	s.outlives("e2e-outlives-upgrade", func(ctx context.Context, g *guest) {
		s.Equal(before, s.monitoredHost(ctx, g.on()).Attributes["VERSION"])
		r.Chart = *chartRef
		start := time.Now()
		s.Require().NoError(chart.Upgrade(ctx, r))
		s.T().Logf("seen: upgraded from %s in %.1f s", before, time.Since(start).Seconds())
		var after string
		s.Require().NoError(frontend.Eventually(ctx, func() (err error) {
			after, err = s.api().Version()
			return err
		}))
		s.NotEqual(before, after)
		s.requireDrivers(ctx, g.on(), after)
	})
}

// requireDrivers of a release on a hypervisor.
func (s *Suite) requireDrivers(ctx context.Context, m hypervisor.Machine, version string) {
	s.Require().NoError(frontend.Eventually(ctx, func() error {
		if found := s.monitoredHost(ctx, m).Attributes["VERSION"]; found != version {
			return fmt.Errorf("the drivers on %s are of release %s, not %s", m.Name, found, version)
		}
		return nil
	}))
}
