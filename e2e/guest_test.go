package e2e

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"github.com/pablodelarco/opennebula-helm/e2e/frontend"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/hypervisor"
)

// guest is a virtual machine with the lab's small Linux, which a test has to itself.
type guest struct {
	*Suite
	ctx context.Context
	api *frontend.API
	id  int64
	ip  string
}

// bootGuest starts one on a hypervisor, and returns when it answers. It is gone, with its
// image and template, when the test ends.
func (s *Suite) bootGuest(ctx context.Context, name string, on hypervisor.Machine) *guest {
	api := s.api()
	host := s.monitoredHost(ctx, on)
	template := s.guestTemplate(ctx, api, name, on, host.ID)
	start := time.Now()
	g := s.instantiate(ctx, api, template, name, on)
	g.waitAnswer()
	s.T().Logf("seen: booted on %s in %.1f s", on.Name, time.Since(start).Seconds())
	return g
}

// instantiate a template, and return when it runs where it shall, with an address. It is
// gone when the test ends.
func (s *Suite) instantiate(ctx context.Context, api *frontend.API, template int64, name string, on hypervisor.Machine) *guest {
	vm, err := api.InstantiateTemplate(template, name)
	s.Require().NoError(err)
	g := &guest{Suite: s, ctx: ctx, api: api, id: vm}
	s.T().Cleanup(g.remove)
	g.waitRunning(on)
	placed, err := api.VM(vm)
	s.Require().NoError(err)
	s.Require().NotEmpty(placed.IP)
	g.ip = placed.IP
	return g
}

// remove takes it away where the test breaks off, whatever it is doing.
func (g *guest) remove() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(g.ctx), 2*time.Minute)
	defer cancel()
	ended := frontend.Eventually(ctx, func() error {
		err := done(g.api, g.id)
		if err != nil {
			_ = g.api.TerminateVM(g.id) // it may be on its way already, or busy
		}
		return err
	})
	if ended != nil {
		g.NoError(g.api.DeleteVM(g.id))
	}
}

// terminate it, and find nothing of it on any hypervisor.
func (g *guest) terminate() {
	g.Require().NoError(frontend.Eventually(g.ctx, func() error { return g.api.TerminateVM(g.id) }))
	g.Require().NoError(frontend.Eventually(g.ctx, func() error { return done(g.api, g.id) }))
	for _, m := range g.machines {
		g.requireNothingOn(m)
	}
}

// requireNothingOn a hypervisor of it: no domain, no file, no network card.
func (g *guest) requireNothingOn(m hypervisor.Machine) {
	left, err := g.frontend.OnHypervisor(g.ctx, m, fmt.Sprintf(
		"virsh -q -c qemu:///system list --all --name | grep -x one-%[1]d; find /var/lib/one/datastores -path '*/0/%[1]d'; find /sys/class/net -name 'one-%[1]d-*'", g.id))
	g.Require().NoError(err)
	g.Empty(strings.TrimSpace(left), "what the virtual machine left on "+m.Name)
}

// on is the hypervisor that it is on, as OpenNebula has it.
func (g *guest) on() hypervisor.Machine {
	vm, err := g.api.VM(g.id)
	g.Require().NoError(err)
	for _, m := range g.machines {
		if m.Name == vm.Host {
			return m
		}
	}
	g.Require().Fail("the virtual machine is on no hypervisor of the lab: " + vm.Host)
	return hypervisor.Machine{}
}

// waitRunning until all that it was asked to do is done, without any complaint.
func (g *guest) waitRunning(on hypervisor.Machine) {
	g.Require().NoError(frontend.Eventually(g.ctx, func() error { return running(g.api, g.id, on.Name) }))
	vm, err := g.api.VM(g.id)
	g.Require().NoError(err)
	g.Require().Empty(vm.Error)
}

// waitArrival at a hypervisor, as its libvirt sees it. OpenNebula says that it runs there
// for a moment before it begins to move.
func (g *guest) waitArrival(m hypervisor.Machine) {
	g.Require().NoError(frontend.Eventually(g.ctx, func() error {
		vm, err := g.api.VM(g.id)
		if err == nil && vm.Failed() {
			err = unexpected(g.id, vm)
		}
		if err == nil {
			_, err = g.frontend.OnHypervisor(g.ctx, m, fmt.Sprintf("virsh -q -c qemu:///system domstate one-%d | grep -x running", g.id))
		}
		return err
	}))
}

// waitState of one that does not run.
func (g *guest) waitState(state int) {
	g.Require().NoError(frontend.Eventually(g.ctx, func() error {
		vm, err := g.api.VM(g.id)
		if err == nil && vm.State != state {
			return unexpected(g.id, vm)
		}
		return err
	}))
}

// stop it with one of OpenNebula's words, which leads to a state.
func (g *guest) stop(action string, state int) {
	g.Require().NoError(g.api.ActOnVM(g.id, action))
	g.waitState(state)
}

// resume one that was stopped.
func (g *guest) resume(on hypervisor.Machine) {
	g.Require().NoError(g.api.ActOnVM(g.id, "resume"))
	g.waitRunning(on)
	g.waitAnswer()
}

// countDisks is a script that prints how many disks the guest sees.
const countDisks = "ls /sys/block | grep -c ^vd"

// takeDisk plugs an image in as its second disk, and returns when the guest sees it.
func (g *guest) takeDisk(image int64, on hypervisor.Machine) {
	g.Require().NoError(g.api.AttachDisk(g.id, fmt.Sprintf("DISK = [ IMAGE_ID = %d, DEV_PREFIX = vd ]", image)))
	g.waitRunning(on)
	g.waitFor(countDisks, "2")
}

// try a script within the guest. It gets there by way of the hypervisor.
func (g *guest) try(script string) (string, error) {
	out, err := g.frontend.OnHypervisor(g.ctx, g.on(), fmt.Sprintf(
		"echo %s | base64 -d | curl -sS --fail --max-time 20 --data-binary @- http://%s/cgi-bin/sh", base64.StdEncoding.EncodeToString([]byte(script)), g.ip))
	return strings.TrimSpace(out), err
}

// run a script within the guest, and return what it printed.
func (g *guest) run(script string) string {
	out, err := g.try(script)
	g.Require().NoError(err)
	return out
}

// waitAnswer until it runs what it is told.
func (g *guest) waitAnswer() {
	g.Require().NoError(frontend.Eventually(g.ctx, func() error {
		_, err := g.try("true")
		return err
	}))
}

// waitFor a script within the guest to print something.
func (g *guest) waitFor(script, wanted string) {
	g.Require().NoError(frontend.Eventually(g.ctx, func() error {
		out, err := g.try(script)
		if err == nil && out != wanted {
			err = fmt.Errorf("%q prints %q in the guest, not %q", script, out, wanted)
		}
		return err
	}))
}

// bootID is another one after each start of the guest.
func (g *guest) bootID() string { return g.run("cat /proc/sys/kernel/random/boot_id") }

// write a word to the end of one of its disks, and read it there: below all caches.
func (g *guest) write(device, word string) {
	g.run(fmt.Sprintf("echo %s | dd of=/dev/%s bs=512 seek=%s conv=notrunc,fsync 2>/dev/null", word, device, lastSector(device)))
}

func (g *guest) read(device string) string {
	return g.run(fmt.Sprintf("echo 3 >/proc/sys/vm/drop_caches; dd if=/dev/%s bs=512 skip=%s count=1 2>/dev/null | head -n 1", device, lastSector(device)))
}

func lastSector(device string) string {
	return fmt.Sprintf("$(($(cat /sys/block/%s/size) - 1))", device)
}

// process of QEMU that the guest runs in.
func (g *guest) process() string {
	pid, err := g.frontend.OnHypervisor(g.ctx, g.on(), fmt.Sprintf("pgrep -f 'guest=one-%d,'", g.id))
	g.Require().NoError(err)
	return strings.TrimSpace(pid)
}

// virsh of the hypervisor that it is on says something of it.
func (g *guest) virsh(command string) string {
	out, err := g.frontend.OnHypervisor(g.ctx, g.on(), fmt.Sprintf("virsh -q -c qemu:///system %s one-%d", command, g.id))
	g.Require().NoError(err)
	return out
}
