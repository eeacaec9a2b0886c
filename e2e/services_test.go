package e2e

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pablodelarco/opennebula-helm/e2e/frontend"
)

// flow is OneFlow, as a user.
func (s *Suite) flow(ctx context.Context, username, password string) *frontend.Flow {
	flow, err := s.frontend.Flow(ctx, username, password)
	s.Require().NoError(err)
	return flow
}

// A service's second role begins when the first one runs, and all of it ends together.
// Its virtual machines are of the dummy driver.
func (s *Suite) TestServiceRolesInOrder() {
	if *standIns {
		s.T().Skip("the stand-in of OneFlow orders no services")
	}
	ctx := s.context(5 * time.Minute)
	host := s.dummyHost(ctx)
	template, err := s.api().CreateTemplate(fmt.Sprintf(
		"NAME = e2e-service\nCPU = 0.1\nMEMORY = 16\nSCHED_REQUIREMENTS = \"ID = %d\"\n", host.ID))
	s.Require().NoError(err)
	s.T().Cleanup(func() { s.NoError(s.api().DeleteTemplate(template)) })
	s.runService(ctx, template, false)
}

// A role of real virtual machines is ready when each has said so itself, to OneGate, by
// the token of its context. They reach it as those of a site do: through their gateway.
func (s *Suite) TestServiceWaitsUntilReady() {
	machine := s.hypervisors()[0]
	ctx := s.context(20 * time.Minute)
	api := s.api()
	host := s.monitoredHost(ctx, machine)
	s.runService(ctx, s.guestTemplate(ctx, api, "e2e-service", machine, host.ID), true)
}

// A virtual machine tells OneGate of itself, by its own token, and of no other one.
func (s *Suite) TestGateKnowsTokens() {
	if *standIns {
		s.T().Skip("the stand-in of OneGate knows no virtual machine")
	}
	ctx := s.context(5 * time.Minute)
	api := s.api()
	host := s.dummyHost(ctx)
	var vms []int64
	for range 2 {
		vm, err := api.CreateVM(fmt.Sprintf(
			"NAME = e2e-token\nCPU = 0.1\nMEMORY = 16\nCONTEXT = [ TOKEN = YES ]\nSCHED_REQUIREMENTS = \"ID = %d\"\n", host.ID))
		s.Require().NoError(err)
		vms = append(vms, vm)
		s.T().Cleanup(func() {
			s.NoError(api.TerminateVM(vm))
			s.NoError(frontend.Eventually(ctx, func() error { return done(api, vm) }))
		})
	}
	for _, vm := range vms {
		s.Require().NoError(frontend.Eventually(ctx, func() error { return running(api, vm, host.Name) }))
	}
	// The file that is put on its context's CD-ROM.
	token, err := s.frontend.SSH(ctx, fmt.Sprintf("cat /var/lib/one/vms/%d/token.txt", vms[0]))
	s.Require().NoError(err)
	token = strings.TrimSpace(token)
	s.Require().NotEmpty(token)

	s.ErrorIs(s.frontend.ReportReady(ctx, vms[0], "wrong"), frontend.ErrRefused)
	s.ErrorIs(s.frontend.ReportReady(ctx, vms[1], token), frontend.ErrRefused, "by another one's token")
	s.Require().NoError(s.frontend.ReportReady(ctx, vms[0], token))
	for i, ready := range []string{"YES", ""} {
		vm, err := api.VM(vms[i])
		s.Require().NoError(err)
		s.Equal(ready, vm.Ready)
	}
}

// runService orders a service of two roles, sees it come up in order, and undeploys it.
func (s *Suite) runService(ctx context.Context, template int64, ready bool) {
	username, password := s.frontend.Login()
	flow := s.flow(ctx, username, password)
	role := frontend.RoleTemplate{Type: "vm", Cardinality: 1, Template: template, Shutdown: "terminate-hard"}
	back, front := role, role
	back.Name, front.Name, front.Parents = "back", "front", []string{"back"}
	ordered, err := flow.CreateTemplate(ctx, frontend.ServiceTemplate{
		Name: "e2e-service", Deployment: "straight", ReadyGate: ready, Roles: []frontend.RoleTemplate{front, back},
	})
	s.Require().NoError(err)
	s.T().Cleanup(func() { s.NoError(flow.DeleteTemplate(ctx, ordered)) })

	start := time.Now()
	id, err := flow.Instantiate(ctx, ordered)
	s.Require().NoError(err)
	s.T().Cleanup(func() { _ = s.undeploy(ctx, flow, id) }) // where the test breaks off
	var vms []int64
	s.Require().NoError(frontend.Eventually(ctx, func() (err error) {
		vms, err = s.inOrder(ctx, flow, id, ready)
		return err
	}))
	s.T().Logf("seen: both roles run after %.1f s", time.Since(start).Seconds())

	s.Require().NoError(s.undeploy(ctx, flow, id))
	for _, vm := range vms {
		s.NoError(done(s.api(), vm))
		for _, m := range s.machines {
			(&guest{Suite: s, ctx: ctx, api: s.api(), id: vm}).requireNothingOn(m)
		}
	}
}

// inOrder returns the virtual machines of a service that runs. What is not in order, or
// has failed, is final.
func (s *Suite) inOrder(ctx context.Context, flow *frontend.Flow, id int64, ready bool) ([]int64, error) {
	service, err := flow.Service(ctx, id)
	if err != nil {
		return nil, err
	}
	if service.State == frontend.ServiceFailedDeploying {
		return nil, frontend.Final{Err: fmt.Errorf("the service %d has failed: %v", id, service.Log)}
	}
	var vms []int64
	roles := map[string]frontend.Role{}
	for _, role := range service.Roles {
		roles[role.Name] = role
		for _, node := range role.Nodes {
			vms = append(vms, node.VM)
		}
	}
	if len(roles["front"].Nodes) > 0 {
		if err := s.comeFirst(roles["back"], ready); err != nil {
			return nil, frontend.Final{Err: fmt.Errorf("the role front has virtual machines, but %w", err)}
		}
	}
	if service.State != frontend.ServiceRunning || len(vms) != 2 {
		return nil, fmt.Errorf("the service %d is in state %d with %d virtual machines", id, service.State, len(vms))
	}
	return vms, nil
}

// comeFirst is nil where a role and its virtual machines are what others wait for.
func (s *Suite) comeFirst(role frontend.Role, ready bool) error {
	if role.State != frontend.ServiceRunning {
		return fmt.Errorf("the role %s is in state %d", role.Name, role.State)
	}
	for _, node := range role.Nodes {
		vm, err := s.api().VM(node.VM)
		if err != nil {
			return err
		}
		if vm.LCMState != frontend.VMRunning || ready && vm.Ready != "YES" {
			return fmt.Errorf("its parent's virtual machine %d is in state %d/%d, ready: %s", node.VM, vm.State, vm.LCMState, cmp.Or(vm.Ready, "not said"))
		}
	}
	return nil
}

// undeploy a service, and wait until it is gone.
func (s *Suite) undeploy(ctx context.Context, flow *frontend.Flow, id int64) error {
	if err := flow.Undeploy(ctx, id); err != nil {
		return err
	}
	return frontend.Eventually(ctx, func() error {
		service, err := flow.Service(ctx, id)
		if errors.Is(err, frontend.ErrNoService) {
			return nil
		}
		return cmp.Or(err, fmt.Errorf("the service %d is in state %d", id, service.State))
	})
}
