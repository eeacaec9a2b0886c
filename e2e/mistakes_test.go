package e2e

import (
	"context"
	"fmt"
	"time"

	"github.com/pablodelarco/opennebula-helm/e2e/frontend"
)

// A host that nobody answers for is marked, with a reason, and hinders no other one.
func (s *Suite) TestHostOutOfReach() {
	s.hypervisors()
	ctx := s.context(10 * time.Minute)
	const nowhere = "192.0.2.1" // of the addresses for documentation
	s.wrongHost(ctx, nowhere)
	for _, m := range s.machines {
		s.monitoredHost(ctx, m)
	}
}

// A host with another key than the known one is not talked to: it may be another machine.
// Once the key is right, it is.
func (s *Suite) TestHostWithAnotherKey() {
	machine := s.hypervisors()[0]
	ctx := s.context(10 * time.Minute)
	const wrong = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAaHqpvUkaMrnG2YHEmKDQJuqSZ9PD4xkJfz2Wvbl7q4"
	// Drivers keep a connection open for a minute. Made to the machine's name it serves for its
	// address as well, and nobody is asked for a key: who connects from here on is not to use it.
	part := "ssh -O stop " + machine.Address
	// The right key may be known, too, as whoever talked to the address before was told it.
	forget := "ssh-keygen -R " + machine.Address
	know := fmt.Sprintf("echo '%s %s' >>~/.ssh/known_hosts", machine.Address, wrong)
	_, err := s.frontend.SSH(ctx, part+"; "+forget+" && "+know)
	s.Require().NoError(err)
	s.T().Cleanup(func() {
		_, err := s.frontend.SSH(s.context(time.Minute), forget)
		s.NoError(err)
	})
	s.wrongHost(ctx, machine.Address)
	said, err := s.frontend.SSH(ctx, "ssh -o BatchMode=yes "+machine.Address+" true")
	s.Require().Error(err)
	s.Contains(said, "REMOTE HOST IDENTIFICATION HAS CHANGED")
}

// wrongHost is enrolled by hand, fails with a reason, and is taken away.
func (s *Suite) wrongHost(ctx context.Context, name string) {
	api := s.api()
	host, err := api.CreateHost(name, "qemu", "qemu")
	s.Require().NoError(err)
	s.T().Cleanup(func() { s.NoError(frontend.Eventually(ctx, func() error { return api.Delete("host", host) })) })
	start := time.Now()
	var found frontend.Thing
	s.Require().NoError(frontend.Eventually(ctx, func() error {
		found, err = api.Thing("host", host)
		if err == nil && found.State != frontend.HostError {
			err = fmt.Errorf("the host %s is in state %d", name, found.State)
		}
		return err
	}))
	s.T().Logf("seen: after %.1f s: %s", time.Since(start).Seconds(), found.Attributes["ERROR"])
	s.NotEmpty(found.Attributes["ERROR"])
}

// An image that is not where it is said to be is refused, with a reason that names the
// place, and nothing is left of it.
func (s *Suite) TestImageThatDoesNotExist() {
	machine := s.hypervisors()[0]
	ctx := s.context(5 * time.Minute)
	api := s.api()
	datastores, err := api.Things("datastore")
	s.Require().NoError(err)
	for _, place := range []string{"/var/tmp/nothing-here.qcow2", machine.GuestURL() + ".missing"} {
		_, err := api.CreateImage(fmt.Sprintf("NAME = e2e-missing\nTYPE = OS\nFORMAT = qcow2\nPATH = %q\n", place), datastores["default"].ID)
		s.Require().ErrorIs(err, frontend.ErrRefused)
		s.T().Logf("seen: %s", err)
		s.Contains(err.Error(), place)
	}
	images, err := api.Things("image")
	s.Require().NoError(err)
	s.NotContains(images, "e2e-missing")
	s.dataImage(ctx, api) // the next one is made
}

// What does not fit is refused: an image in its datastore at once, and a virtual machine
// waits with a reason.
func (s *Suite) TestDatastoreIsFull() {
	s.hypervisors()
	ctx := s.context(5 * time.Minute)
	api := s.api()
	const tooLarge = 1 << 40 // MB
	datastores, err := api.Things("datastore")
	s.Require().NoError(err)
	_, err = api.CreateFittingImage(fmt.Sprintf("NAME = e2e-large\nTYPE = DATABLOCK\nSIZE = %d\n", tooLarge), datastores["default"].ID)
	s.Require().ErrorIs(err, frontend.ErrRefused)
	s.T().Logf("seen: %s", err)
	s.Contains(err.Error(), "Not enough space in datastore")

	vm, err := api.CreateVM(fmt.Sprintf("NAME = e2e-large\nCPU = 0.1\nMEMORY = 16\nDISK = [ TYPE = fs, SIZE = %d, FORMAT = raw ]\n", tooLarge))
	s.Require().NoError(err)
	s.T().Cleanup(func() { _ = api.TerminateVM(vm) })
	var waiting frontend.VM
	s.Require().NoError(frontend.Eventually(ctx, func() error {
		waiting, err = api.VM(vm)
		if err == nil && waiting.Message == "" {
			err = fmt.Errorf("virtual machine %d is in state %d/%d", vm, waiting.State, waiting.LCMState)
		}
		return err
	}))
	s.T().Logf("seen: %s", waiting.Message)
	s.Equal(frontend.VMPending, waiting.State)
	s.Contains(waiting.Message, "datastore")
	s.Require().NoError(api.TerminateVM(vm))
	s.NoError(frontend.Eventually(ctx, func() error { return done(api, vm) }))
}
