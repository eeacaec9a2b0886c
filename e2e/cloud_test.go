package e2e

import (
	"context"
	"fmt"
	"time"

	"github.com/pablodelarco/opennebula-helm/chart"
	"github.com/pablodelarco/opennebula-helm/e2e/frontend"
)

// Hosts and the like come from values, stay as these say, and are never lost with what
// runs on them. The machine that answers is the front-end's own SSH server.
func (s *ChartSuite) TestCloud() {
	ctx := s.context(15 * time.Minute)
	r := s.release(ctx, "cloud", *chartRef, nil)
	machine := fmt.Sprintf("%s-ssh.%s.svc", name, r.Namespace)
	declare := func(hosts string) map[string]any {
		return values(s.parse("mariadb: {enabled: false}\nhosts: " + hosts + `
clusters: [{name: rack1, attributes: {RESERVED_CPU: 10}}]
virtualNetworks:
  - name: lan
    driver: bridge
    bridge: br0
    clusters: [default, rack1]
    attributes: {GATEWAY: 10.0.0.1}
    addressRanges: [{type: IP4, ip: 10.0.0.100, size: 50}]
groups: [{name: dev, quotas: {vms: 10}}]
`))
	}
	r.Values = declare("[{name: kvm1, address: " + machine + ", driver: kvm, cluster: rack1, labels: [ssd]}]")
	f := s.install(ctx, r)
	log, err := f.WaitCloud(ctx)
	s.Require().NoError(err)
	s.T().Logf("seen: %s", log)
	api := s.apiOf(ctx, f)
	hosts, err := api.HostNames()
	s.Require().NoError(err)
	s.Equal([]string{"kvm1"}, hosts)
	known, err := f.SSH(ctx, "ssh -o BatchMode=yes kvm1 id -un")
	s.Require().NoError(err, "the front-end knows the machine's key and address")
	s.Contains(known, "oneadmin")

	log, err = f.RunCronJob(ctx, "-cloud")
	s.Require().NoError(err)
	s.Contains(log, "nothing to do")

	s.requireGroupCreates(ctx, f, "dev")

	// Another host that nobody answers for: enrolled, and said.
	r.Values = declare("[{name: kvm1, address: " + machine + ", driver: kvm, cluster: rack1, labels: [ssd]}, {name: gone, address: 192.0.2.1}]")
	s.Require().NoError(chart.Upgrade(ctx, r))
	log, err = f.WaitCloud(ctx)
	s.Require().Error(err)
	s.T().Logf("seen: %s", log)
	s.Contains(log, "gone")
	s.Contains(log, "does not answer")
	hosts, err = api.HostNames()
	s.Require().NoError(err)
	s.Equal([]string{"gone", "kvm1"}, hosts)

	// A host that is no longer declared is gone, and when nothing is declared any more as well;
	// one with virtual machines is not.
	r.Values = values(s.parse("mariadb: {enabled: false}"))
	s.Require().NoError(chart.Upgrade(ctx, r))
	log, err = f.WaitCloud(ctx)
	s.Require().NoError(err)
	s.T().Logf("seen: %s", log)
	s.Require().NoError(frontend.Eventually(ctx, func() error {
		hosts, err := api.HostNames()
		if err == nil && len(hosts) > 0 {
			err = fmt.Errorf("there are still %v", hosts)
		}
		return err
	}))
}

// requireGroupCreates: whoever is in a declared group may ask for a virtual machine.
func (s *ChartSuite) requireGroupCreates(ctx context.Context, f *frontend.Frontend, group string) {
	if *standIns {
		return // they know no users but oneadmin
	}
	admin := s.apiOf(ctx, f)
	groups, err := admin.Things("group")
	s.Require().NoError(err)
	_, err = admin.CreateUser("grace", "hopper", groups[group].ID)
	s.Require().NoError(err)
	grace, err := f.API(ctx, "grace", "hopper")
	s.Require().NoError(err)
	vm, err := grace.HoldVM("NAME = held\nCPU = 0.1\nMEMORY = 16\n")
	s.Require().NoError(err)
	s.Require().NoError(grace.TerminateVM(vm))
}
