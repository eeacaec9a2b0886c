package e2e

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/pablodelarco/opennebula-helm/e2e/frontend"
)

func (s *Suite) api() *frontend.API {
	return s.apiOf(s.context(time.Minute), s.frontend)
}

func (s *Suite) TestAPIVersion() {
	version, err := s.api().Version()
	s.Require().NoError(err)
	s.Equal(s.version, version, "the version that the image's label names")
}

func (s *Suite) TestLogin() {
	name, err := s.api().UserName()
	s.Require().NoError(err)
	s.Equal("oneadmin", name)

	username, _ := s.frontend.Login()
	stranger, err := s.frontend.API(s.context(time.Minute), username, "wrong")
	s.Require().NoError(err)
	_, err = stranger.UserName()
	s.ErrorIs(err, frontend.ErrRefused)
}

func (s *Suite) TestSunstoneLoads() {
	ctx := s.context(2 * time.Minute)
	sunstone, err := s.frontend.Sunstone(ctx)
	s.Require().NoError(err)
	s.loads(ctx, sunstone)
}

// As people open it: under the name that the chart's Ingress has, with TLS that ends
// in front of the cluster. A module that is loaded from elsewhere is not found.
func (s *Suite) TestSunstoneLoadsAtPublicURL() {
	ctx := s.context(2 * time.Minute)
	controller, err := s.frontend.Ingress(ctx)
	s.Require().NoError(err)
	defer controller.Stop()
	sunstone, err := s.frontend.SunstoneAt(ctx, controller.Address())
	s.Require().NoError(err)
	s.loads(ctx, sunstone)
	s.NoError(s.loginTo(ctx, sunstone))
}

// loads the page, and all that a browser loads for it.
func (s *Suite) loads(ctx context.Context, sunstone *frontend.Sunstone) {
	page, err := sunstone.Get(ctx, sunstone.URL())
	s.Require().NoError(err)
	s.requireScripts(ctx, sunstone, page)
}

func (s *Suite) TestSunstoneLogin() {
	ctx := s.context(time.Minute)
	// Twice: a front-end that tells Sunstone a wrong endpoint lets in once.
	for range 2 {
		s.NoError(s.sunstoneLogin(ctx))
	}
	sunstone, err := s.frontend.Sunstone(ctx)
	s.Require().NoError(err)
	username, _ := s.frontend.Login()
	s.ErrorIs(sunstone.Login(ctx, username, "wrong"), frontend.ErrRefused)
	_, err = sunstone.UserName(ctx)
	s.ErrorContains(err, "status 401")
}

func (s *Suite) sunstoneLogin(ctx context.Context) error {
	sunstone, err := s.frontend.Sunstone(ctx)
	if err != nil {
		return err
	}
	return s.loginTo(ctx, sunstone)
}

// loginTo logs in as oneadmin and asks who that is.
func (s *Suite) loginTo(ctx context.Context, sunstone *frontend.Sunstone) error {
	username, password := s.frontend.Login()
	if err := sunstone.Login(ctx, username, password); err != nil {
		return err
	}
	name, err := sunstone.UserName(ctx)
	if err == nil && name != username {
		err = fmt.Errorf("logged in to Sunstone as %q, not %q", name, username)
	}
	return err
}

func (s *Suite) TestFlowAnswers() {
	ctx := s.context(time.Minute)
	username, password := s.frontend.Login()
	s.NoError(s.flow(ctx, username, password).Ask(ctx))
	s.ErrorIs(s.flow(ctx, username, "wrong").Ask(ctx), frontend.ErrRefused)
}

func (s *Suite) TestGateAnswers() {
	answer, err := s.frontend.Gate(s.context(time.Minute), "/vm")
	s.Require().NoError(err)
	s.Equal(http.StatusUnauthorized, answer.Status, "without a virtual machine's token")
}

func (s *Suite) TestMonitorListens() {
	ctx := s.context(time.Minute)
	address, err := s.frontend.Address(ctx, "monitor", "tcp")
	s.Require().NoError(err)
	connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	s.Require().NoError(err)
	s.NoError(connection.Close())
}

// The scheduler is a driver of oned: only when it lives is a virtual machine
// given a host. OpenNebula's own dummy driver then says that it runs.
func (s *Suite) TestSchedulerPlaces() {
	ctx := s.context(5 * time.Minute)
	api := s.api()
	host := s.dummyHost(ctx)
	vm, err := api.CreateVM(fmt.Sprintf("NAME = e2e-placed\nCPU = 0.1\nMEMORY = 16\nSCHED_REQUIREMENTS = \"ID = %d\"\n", host.ID))
	s.Require().NoError(err)
	s.NoError(frontend.Eventually(ctx, func() error { return running(api, vm, host.Name) }))
	s.Require().NoError(api.TerminateVM(vm))
	s.NoError(frontend.Eventually(ctx, func() error { return done(api, vm) }))
}

// dummyHost is one of OpenNebula's dummy drivers, monitored, and ends with the test. It
// has the front-end's own name: oned logs in to it to remove what a virtual machine leaves.
func (s *Suite) dummyHost(ctx context.Context) frontend.Thing {
	api := s.api()
	name, err := api.Hostname()
	s.Require().NoError(err)
	host, err := api.CreateHost(name, "dummy", "dummy")
	s.Require().NoError(err)
	s.T().Cleanup(func() { s.NoError(frontend.Eventually(ctx, func() error { return api.Delete("host", host) })) })
	s.Require().NoError(frontend.Eventually(ctx, func() error { return monitored(api, host) }))
	return frontend.Thing{ID: host, Name: name}
}

func monitored(api *frontend.API, host int64) error {
	state, err := api.HostState(host)
	if err == nil && state != frontend.HostMonitored {
		err = fmt.Errorf("host %d is in state %d", host, state)
	}
	return err
}

func running(api *frontend.API, id int64, host string) error {
	vm, err := api.VM(id)
	if err == nil && (vm.State != frontend.VMActive || vm.LCMState != frontend.VMRunning || vm.Host != host) {
		return unexpected(id, vm)
	}
	return err
}

// unexpected says how a virtual machine is, and that for good where it waits for someone
// to recover it.
func unexpected(id int64, vm frontend.VM) error {
	err := fmt.Errorf("virtual machine %d is in state %d/%d on %q: %s", id, vm.State, vm.LCMState, vm.Host, cmp.Or(vm.Error, vm.Message, "no reason given"))
	if vm.Failed() {
		return frontend.Final{Err: err}
	}
	return err
}

func done(api *frontend.API, id int64) error {
	vm, err := api.VM(id)
	if err == nil && vm.State != frontend.VMDone {
		err = fmt.Errorf("virtual machine %d is in state %d", id, vm.State)
	}
	return err
}

// oned copies images by logging in to its own front-end, under HOSTNAME, as
// oneadmin and with a known host key.
func (s *Suite) TestSSHToItself() {
	ctx := s.context(2 * time.Minute)
	hostname, err := s.api().Hostname()
	s.Require().NoError(err)
	s.Require().NotEmpty(hostname)

	out, err := s.frontend.SSH(ctx, "ssh -o BatchMode=yes -o StrictHostKeyChecking=yes "+hostname+" id -un")
	s.Require().NoError(err)
	s.Equal("oneadmin", strings.TrimSpace(out))
}

func (s *Suite) TestStateSurvivesKill() {
	ctx := s.context(10 * time.Minute)
	name := "e2e-kept"
	template, err := s.api().CreateTemplate("NAME = " + name + "\nCPU = 1\nMEMORY = 64\n")
	s.Require().NoError(err)
	s.T().Cleanup(func() { s.NoError(s.api().DeleteTemplate(template)) })

	s.Require().NoError(s.frontend.Kill(ctx))
	// A Service forgets the killed pod a moment after its successor is ready.
	s.Require().NoError(frontend.Eventually(ctx, func() error {
		kept, err := s.api().TemplateName(template)
		if err == nil && kept != name {
			err = fmt.Errorf("template %d is named %q, not %q", template, kept, name)
		}
		return err
	}))
	s.NoError(frontend.Eventually(ctx, func() error { return s.sunstoneLogin(ctx) }))
}
