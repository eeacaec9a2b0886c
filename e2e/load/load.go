// Package load puts an oned under the load of many clients, which let virtual machines of
// OpenNebula's dummy drivers live and end, and measures it.
package load

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pablodelarco/opennebula-helm/e2e/frontend"
)

// Plan is how much is asked for.
type Plan struct {
	VMs     int // virtual machines
	Clients int // that ask at a time, each over connections of its own
	Hosts   int // on which the machines are placed, in turns
}

// Cloud is an oned with the dummy drivers, on this machine.
type Cloud struct {
	API func() (*frontend.API, error) // of another client, as oneadmin
	PID int                           // of oned
}

// Figures of a run: how long each step took, and oned's memory.
type Figures struct {
	Created    time.Duration // all calls that make one
	Placed     time.Duration // all calls that start one on a host
	Running    time.Duration // from the first of these until all run
	Terminated time.Duration // all calls that end one
	Done       time.Duration // from the first of these until all have ended
	Memory     Memory
}

// Life is how long all took together, from the first call until all have ended.
func (f Figures) Life() time.Duration { return f.Created + f.Running + f.Done }

// Calls to the API in a second, while they were made.
func (f Figures) Calls(p Plan) float64 {
	return float64(3*p.VMs) / (f.Created + f.Placed + f.Terminated).Seconds()
}

// Lives of virtual machines in a second.
func (f Figures) Lives(p Plan) float64 { return float64(p.VMs) / f.Life().Seconds() }

// Run puts a cloud under load, and leaves it as it was. It fails where anything is lost:
// a virtual machine that does not run, or not end, or whose capacity is not free again.
func Run(ctx context.Context, c Cloud, p Plan) (f Figures, err error) {
	api, err := c.API()
	if err != nil {
		return f, err
	}
	ground, err := prepare(ctx, api, p)
	defer func() { err = errors.Join(err, ground.remove(context.WithoutCancel(ctx))) }()
	if err != nil {
		return f, err
	}
	if err := forgetPeak(c.PID); err != nil {
		return f, err
	}
	if f, err = ground.live(ctx, c, p); err != nil {
		return f, err
	}
	if f.Memory, err = memoryOf(c.PID); err != nil {
		return f, err
	}
	return f, ground.requireFree()
}

// ground is what the virtual machines live on.
type ground struct {
	api       *frontend.API
	datastore int64
	hosts     []int64
	vms       []int64
}

// prepare makes hosts, and a datastore whose driver copies nothing.
func prepare(ctx context.Context, api *frontend.API, p Plan) (*ground, error) {
	g := &ground{api: api, datastore: -1}
	var err error
	if g.datastore, err = api.CreateDatastore("NAME = e2e-load\nTYPE = SYSTEM_DS\nTM_MAD = dummy\n"); err != nil {
		return g, err
	}
	for i := range p.Hosts {
		host, err := api.CreateHost(fmt.Sprintf("e2e-load-%d", i), "dummy", "dummy")
		if err != nil {
			return g, err
		}
		g.hosts = append(g.hosts, host)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for _, host := range g.hosts {
		err := frontend.Eventually(ctx, func() error {
			state, err := api.HostState(host)
			if err == nil && state != frontend.HostMonitored {
				err = fmt.Errorf("the host %d is in state %d", host, state)
			}
			return err
		})
		if err != nil {
			return g, err
		}
	}
	return g, nil
}

// live is the load itself.
func (g *ground) live(ctx context.Context, c Cloud, p Plan) (f Figures, err error) {
	g.vms = make([]int64, p.VMs)
	for i := range g.vms {
		g.vms[i] = -1
	}
	steps := []struct {
		took  *time.Duration
		until *time.Duration // with what is waited for
		call  func(api *frontend.API, i int) error
		wait  func(frontend.VM) bool
	}{
		{&f.Created, new(time.Duration), func(api *frontend.API, i int) (err error) {
			g.vms[i], err = api.HoldVM(fmt.Sprintf("NAME = e2e-load-%d\nCPU = 0.1\nMEMORY = 16\n", i))
			return err
		}, nil},
		{&f.Placed, &f.Running, func(api *frontend.API, i int) error {
			return api.DeployVM(g.vms[i], g.hosts[i%len(g.hosts)], g.datastore)
		}, func(vm frontend.VM) bool { return vm.State == frontend.VMActive && vm.LCMState == frontend.VMRunning }},
		{&f.Terminated, &f.Done, func(api *frontend.API, i int) error {
			return api.TerminateVM(g.vms[i])
		}, func(vm frontend.VM) bool { return vm.State == frontend.VMDone }},
	}
	for _, step := range steps {
		start := time.Now()
		if err := each(ctx, c, p, step.call); err != nil {
			return f, err
		}
		*step.took = time.Since(start)
		if step.wait != nil {
			if err := g.waitAll(ctx, step.wait); err != nil {
				return f, err
			}
		}
		*step.until = time.Since(start)
	}
	return f, nil
}

// each has all clients call, for one virtual machine after the other.
func each(ctx context.Context, c Cloud, p Plan, call func(api *frontend.API, i int) error) error {
	next := make(chan int, p.VMs)
	for i := range p.VMs {
		next <- i
	}
	close(next)
	group, ctx := errgroup.WithContext(ctx)
	for range p.Clients {
		api, err := c.API()
		if err != nil {
			return err
		}
		group.Go(func() error {
			for i := range next {
				if err := errors.Join(ctx.Err(), call(api, i)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// waitAll until all virtual machines are as wanted, for at most ten minutes.
func (g *ground) waitAll(ctx context.Context, wanted func(frontend.VM) bool) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	for {
		vms, err := g.api.VMs(slices.Min(g.vms), slices.Max(g.vms))
		if err != nil {
			return err
		}
		var other []string
		for _, id := range g.vms {
			if vm, found := vms[id]; !found {
				return fmt.Errorf("the virtual machine %d is lost", id)
			} else if !wanted(vm) {
				other = append(other, fmt.Sprintf("%d is in state %d/%d", id, vm.State, vm.LCMState))
			}
		}
		if len(other) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d virtual machines are not as they should be, such as: %s", len(other), len(g.vms), other[0])
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// requireFree fails where a host's capacity is still taken.
func (g *ground) requireFree() error {
	for _, host := range g.hosts {
		usage, err := g.api.HostUsage(host)
		if err != nil {
			return err
		}
		if usage != (frontend.Usage{}) {
			return fmt.Errorf("no virtual machine is on the host %d, but it has reserved %+v", host, usage)
		}
	}
	return nil
}

// remove all that there is of it, whatever happened before.
func (g *ground) remove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for _, vm := range g.vms {
		if state, err := g.api.VM(vm); err == nil && state.State != frontend.VMDone {
			_ = g.api.DeleteVM(vm) // the host's removal tells
		}
	}
	for _, host := range g.hosts {
		if err := frontend.Eventually(ctx, func() error { return g.api.Delete("host", host) }); err != nil {
			return err
		}
	}
	if g.datastore < 0 {
		return nil
	}
	return frontend.Eventually(ctx, func() error { return g.api.Delete("datastore", g.datastore) })
}
