package e2e

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/pablodelarco/opennebula-helm/e2e/frontend"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/hypervisor"
)

// Virtual machines do not need the front-end to run: it dies, and finds them again.
func (s *Suite) TestVMOutlivesFrontend() {
	s.outlives("e2e-outlives-frontend", func(ctx context.Context, _ *guest) {
		s.Require().NoError(s.frontend.Kill(ctx))
	})
}

// Nor the database, without which oned ends.
func (s *Suite) TestVMOutlivesDatabase() {
	s.outlives("e2e-outlives-database", func(ctx context.Context, _ *guest) {
		s.Require().NoError(s.frontend.KillDatabase(ctx))
		s.Require().NoError(s.frontend.WaitReady(ctx))
	})
}

// A hypervisor whose network is cut is marked after a while, and its virtual machines are
// unknown. Both are as they were when the network is mended.
func (s *Suite) TestVMOutlivesNetwork() {
	s.outlives("e2e-outlives-network", func(ctx context.Context, g *guest) {
		on, start := g.on(), time.Now()
		mended := start.Add(longEnough)
		s.cutNetwork(ctx, on, longEnough)
		message := s.failedHost(ctx, on)
		s.T().Logf("seen: %s marked after %.1f s: %s", on.Name, time.Since(start).Seconds(), message)
		s.Require().NoError(frontend.Eventually(ctx, func() error { return unknown(g.api, g.id) }))
		time.Sleep(time.Until(mended))
		start = time.Now()
		s.monitoredHost(ctx, on)
		s.T().Logf("seen: %s monitored again after %.1f s", on.Name, time.Since(start).Seconds())
	})
}

// A hypervisor that loses its power takes its virtual machines with it. They are neither
// started elsewhere, for fencing is left to the administrator, nor forgotten: when it is
// there again they are off, and start when they are told to.
func (s *Suite) TestHypervisorDies() {
	machines := s.hypervisors()
	machine := machines[len(machines)-1]
	ctx := s.context(20 * time.Minute)
	g := s.bootGuest(ctx, "e2e-dies", machine)
	g.write("vda", "kept")
	boot := g.bootID()
	_, err := s.frontend.OnHypervisor(ctx, machine, "kill -9 "+g.process())
	s.Require().NoError(err)
	s.cutNetwork(ctx, machine, longEnough)
	s.T().Logf("seen: %s", s.failedHost(ctx, machine))
	vm, err := g.api.VM(g.id)
	s.Require().NoError(err)
	s.Equal(machine.Name, vm.Host, "it is not started elsewhere")
	s.monitoredHost(ctx, machine)
	s.timed("found to be off", func() { g.waitState(frontend.VMPoweredOff) })
	g.resume(machine)
	s.NotEqual(boot, g.bootID())
	s.Equal("kept", g.read("vda"))
	g.terminate()
}

// longEnough for OpenNebula to mark a hypervisor that says nothing, which takes it up to
// about 100 s: 45 without a word (see frontend.Values), some until that is looked at, and
// half a minute in which SSH tries.
const longEnough = 130 * time.Second

// outlives lets something happen while a guest runs. It is the same process before and
// after, answers, is known to run, and obeys; and nothing is left when it has ended.
func (s *Suite) outlives(name string, happen func(context.Context, *guest)) {
	machine := s.hypervisors()[0]
	ctx := s.context(20 * time.Minute)
	g := s.bootGuest(ctx, name, machine)
	process, boot := g.process(), g.bootID()

	happen(ctx, g)
	start := time.Now()
	s.Require().NoError(frontend.Eventually(ctx, func() error { return running(g.api, g.id, machine.Name) }))
	s.T().Logf("seen: known to run after %.1f s", time.Since(start).Seconds())
	s.monitoredHost(ctx, machine)
	g.waitAnswer()
	s.Equal(process, g.process(), "the process that it runs in")
	s.Equal(boot, g.bootID())
	s.requireNoOrphans(g)

	g.stop("suspend", frontend.VMSuspended)
	g.resume(machine)
	g.terminate()
}

// requireNoOrphans on any hypervisor: none has another virtual machine than this one, where
// OpenNebula has it. They are asked themselves: what OpenNebula calls a zombie may be one that
// ended within the hypervisor's last report of all, and stay that until the next, in minutes.
func (s *Suite) requireNoOrphans(g *guest) {
	on := g.on()
	for _, m := range s.machines {
		wanted := ""
		if m == on {
			wanted = fmt.Sprintf("one-%d", g.id)
		}
		found, err := s.frontend.OnHypervisor(g.ctx, m, "virsh -q -c qemu:///system list --all --name")
		s.Require().NoError(err)
		s.Equal(wanted, strings.TrimSpace(found), "what runs on "+m.Name)
	}
}

// cutNetwork of a hypervisor for a while. It mends that itself: nobody else can.
func (s *Suite) cutNetwork(ctx context.Context, m hypervisor.Machine, d time.Duration) {
	const card = `card=$(ip -4 route show default | grep -o "dev [^ ]*" | cut -d" " -f2)`
	rules := func(do string) string {
		return fmt.Sprintf("sudo -n iptables %[1]s INPUT -i $card -j DROP; sudo -n iptables %[1]s OUTPUT -o $card -j DROP", do)
	}
	_, err := s.frontend.OnHypervisor(ctx, m, fmt.Sprintf(
		"nohup setsid bash -c '%s; sleep 1; %s; sleep %.0f; %s' >/dev/null 2>&1 </dev/null &", card, rules("-I"), d.Seconds(), rules("-D")))
	s.Require().NoError(err)
}

// failedHost waits until OpenNebula has marked a hypervisor, and returns what it says.
func (s *Suite) failedHost(ctx context.Context, m hypervisor.Machine) string {
	var message string
	s.Require().NoError(frontend.Eventually(ctx, func() error {
		hosts, err := s.api().Things("host")
		if err != nil {
			return err
		}
		host := hosts[m.Name]
		if host.State != frontend.HostError {
			return fmt.Errorf("the host %s is in state %d", m.Name, host.State)
		}
		message = host.Attributes["ERROR"]
		return nil
	}))
	return message
}

func unknown(api *frontend.API, id int64) error {
	vm, err := api.VM(id)
	if err == nil && (vm.State != frontend.VMActive || vm.LCMState != frontend.VMUnknown) {
		err = fmt.Errorf("virtual machine %d is in state %d/%d", id, vm.State, vm.LCMState)
	}
	return err
}
