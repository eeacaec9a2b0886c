package e2e

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pablodelarco/opennebula-helm/e2e/frontend"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/hypervisor"
)

// hypervisors that there are; without any, a test skips.
func (s *Suite) hypervisors() []hypervisor.Machine {
	switch {
	case *standIns:
		s.T().Skip("the stand-ins run no virtual machine")
	case len(s.machines) == 0:
		s.T().Skip("there is no hypervisor for virtual machines: -hypervisors names none")
	}
	return s.machines
}

// pair of hypervisors, between which virtual machines move; with fewer, a test skips.
func (s *Suite) pair() (hypervisor.Machine, hypervisor.Machine) {
	machines := s.hypervisors()
	if len(machines) < 2 {
		s.T().Skip("there is one hypervisor: -hypervisors names no second one to move to")
	}
	return machines[0], machines[1]
}

// The chart enrolls what its values name under hosts, and OpenNebula then hears of them.
func (s *Suite) TestHypervisorsAreMonitored() {
	machines := s.hypervisors()
	ctx := s.context(10 * time.Minute)
	_, err := s.frontend.WaitCloud(ctx)
	s.Require().NoError(err)
	for _, m := range machines {
		s.requireMonitored(ctx, m)
	}
}

// requireMonitored checks what OpenNebula has of a hypervisor that the chart has enrolled.
func (s *Suite) requireMonitored(ctx context.Context, m hypervisor.Machine) {
	host := s.monitoredHost(ctx, m)
	driver, err := m.Driver(ctx)
	s.Require().NoError(err)
	s.Equal(driver, host.Driver, m.Name)
	s.Equal("opennebula-helm", host.Attributes["MANAGED_BY"], m.Name)
	s.Equal(s.version, host.Attributes["VERSION"], "the release of the drivers on "+m.Name)
}

// monitoredHost waits until OpenNebula monitors a hypervisor.
func (s *Suite) monitoredHost(ctx context.Context, m hypervisor.Machine) frontend.Thing {
	var host frontend.Thing
	s.Require().NoError(frontend.Eventually(ctx, func() error {
		hosts, err := s.api().Things("host")
		if err != nil {
			return err
		}
		host = hosts[m.Name]
		if host.State != frontend.HostMonitored {
			return fmt.Errorf("the host %s is in state %d: %s", m.Name, host.State, host.Attributes["ERROR"])
		}
		return nil
	}))
	return host
}

// The measure of everything: a machine of a template, from an image in a datastore and on
// a virtual network, is placed by the scheduler, boots, takes its address from the
// context and answers at it; and leaves nothing when it is terminated.
func (s *Suite) TestVMBoots() {
	machine := s.hypervisors()[0]
	ctx := s.context(15 * time.Minute)
	g := s.bootGuest(ctx, "e2e-booted", machine)
	_, err := s.frontend.OnHypervisor(ctx, machine, "ping -c 1 -W 2 "+g.ip)
	s.Require().NoError(err)
	s.Equal("e2e-booted", g.run("hostname"), "of the context")
	g.terminate()
}

// guestTemplate registers a template of the lab's small Linux, which runs on one host
// alone. It is gone, with its image of the same name, when the test ends.
func (s *Suite) guestTemplate(ctx context.Context, api *frontend.API, name string, machine hypervisor.Machine, host int64) int64 {
	image := s.createImage(ctx, api, fmt.Sprintf(
		"NAME = %s\nTYPE = OS\nPATH = %q\nFORMAT = qcow2\nDEV_PREFIX = vd\n", name, machine.GuestURL()))
	datastores, err := api.Things("datastore")
	s.Require().NoError(err)
	template, err := api.CreateTemplate(fmt.Sprintf(`NAME = %s
CPU = 0.5
MEMORY = 128
DISK = [ IMAGE_ID = %d, DRIVER = qcow2 ]
NIC = [ NETWORK = %q, MODEL = virtio ]
CONTEXT = [ NETWORK = YES, SET_HOSTNAME = "$NAME", TOKEN = YES, REPORT_READY = YES ]
GRAPHICS = [ TYPE = VNC, LISTEN = "127.0.0.1" ]
SCHED_REQUIREMENTS = "ID = %d"
SCHED_DS_REQUIREMENTS = "ID = %d"
`, name, image, frontend.GuestNetwork, host, datastores["system"].ID))
	s.Require().NoError(err)
	s.T().Cleanup(func() { s.NoError(api.DeleteTemplate(template)) })
	return template
}

// createImage in the default datastore, and return when it is ready. It ends with the test.
func (s *Suite) createImage(ctx context.Context, api *frontend.API, text string) int64 {
	datastores, err := api.Things("datastore")
	s.Require().NoError(err)
	image, err := api.CreateImage(text, datastores["default"].ID)
	s.Require().NoError(err)
	s.deleteLater(ctx, api, image)
	s.Require().NoError(frontend.Eventually(ctx, func() error { return api.RequireImage(image) }))
	return image
}

// deleteLater takes an image away at the end of the test, and waits until it is gone.
func (s *Suite) deleteLater(ctx context.Context, api *frontend.API, image int64) {
	s.T().Cleanup(func() {
		s.NoError(frontend.Eventually(ctx, func() error { return api.Delete("image", image) }))
		s.NoError(frontend.Eventually(ctx, func() error {
			left, err := api.Thing("image", image)
			if errors.Is(err, frontend.ErrRefused) {
				return nil
			}
			return fmt.Errorf("the image %d is still there, in state %d: %s", image, left.State, left.Attributes["ERROR"])
		}))
	})
}
