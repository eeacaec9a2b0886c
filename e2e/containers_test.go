package e2e

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"

	"github.com/pablodelarco/opennebula-helm/e2e/frontend"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/hypervisor"
)

// containerHost is a hypervisor that runs containers; without any, a test skips.
func (s *Suite) containerHost() hypervisor.Machine {
	switch {
	case *standIns:
		s.T().Skip("the stand-ins run no container")
	case len(s.lxc) == 0:
		s.T().Skip("there is no hypervisor for containers: -hypervisors names none")
	}
	return s.lxc[0]
}

// The chart enrolls LXC as it does KVM.
func (s *Suite) TestContainerHostIsMonitored() {
	host := s.containerHost()
	ctx := s.context(10 * time.Minute)
	_, err := s.frontend.WaitCloud(ctx)
	s.Require().NoError(err)
	s.requireMonitored(ctx, host)
}

// lxcContainer is one with the lab's small file system, which a test has to itself.
type lxcContainer struct {
	*guest
	host hypervisor.Machine
}

// startContainer returns when it answers. It is gone, with its image and template, when
// the test ends.
func (s *Suite) startContainer(ctx context.Context, name string, host hypervisor.Machine) *lxcContainer {
	api := s.api()
	s.monitoredHost(ctx, host)
	template := s.containerTemplate(ctx, api, host)
	start := time.Now()
	c := &lxcContainer{s.instantiate(ctx, api, template, name, host), host}
	c.waitPing(c.ip)
	s.T().Logf("seen: started on %s in %.1f s", host.Name, time.Since(start).Seconds())
	return c
}

// containerTemplate registers a template that the scheduler places where containers run,
// with a disk of its own beside the image's. It is gone, with its image, when the test ends.
func (s *Suite) containerTemplate(ctx context.Context, api *frontend.API, host hypervisor.Machine) int64 {
	image := s.createImage(ctx, api, fmt.Sprintf("NAME = e2e-container\nTYPE = OS\nPATH = %q\nFORMAT = raw\n", host.ContainerURL()))
	template, err := api.CreateTemplate(fmt.Sprintf(`NAME = e2e-container
CPU = 0.5
MEMORY = 64
DISK = [ IMAGE_ID = %d ]
%s
NIC = [ NETWORK = %q ]
CONTEXT = [ NETWORK = YES, SET_HOSTNAME = "$NAME" ]
GRAPHICS = [ TYPE = VNC, LISTEN = "0.0.0.0" ]
SCHED_REQUIREMENTS = "HYPERVISOR = lxc"
`, image, aDisk, frontend.GuestNetwork))
	s.Require().NoError(err)
	s.T().Cleanup(func() { s.NoError(api.DeleteTemplate(template)) })
	return template
}

// aDisk that is made for a container, and goes with it; secondDisk is where LXC has it
// within, as the second one.
const (
	aDisk      = "DISK = [ TYPE = fs, FORMAT = raw, FS = ext4, SIZE = 16 ]"
	secondDisk = "/media/one-disk.1"
)

// onHost runs a command on its hypervisor, and returns what it printed.
func (c *lxcContainer) onHost(command string) string {
	out, err := c.frontend.OnHypervisor(c.ctx, c.host, command)
	c.Require().NoError(err)
	return strings.TrimSpace(out)
}

// run a script within the container, and return what it printed.
func (c *lxcContainer) run(script string) string {
	return c.onHost(fmt.Sprintf("echo %s | base64 -d | sudo -n lxc-attach -n one-%d -- /bin/sh",
		base64.StdEncoding.EncodeToString([]byte(script)), c.id))
}

// bootID is another one after each start of the container.
func (c *lxcContainer) bootID() string { return c.run("cat /proc/sys/kernel/random/boot_id") }

// waitPing until an address of the container answers, on the wire of its hypervisor.
func (c *lxcContainer) waitPing(ip string) {
	c.Require().NoError(frontend.Eventually(c.ctx, func() error {
		_, err := c.frontend.OnHypervisor(c.ctx, c.host, "ping -c 1 -W 2 "+ip)
		return err
	}))
}

// requireNothingRuns of it: no container, no mount, no loop device, no network card, no
// control group.
func (c *lxcContainer) requireNothingRuns() {
	c.Empty(c.onHost(fmt.Sprintf(`sudo -n lxc-ls -1 | grep -x one-%[1]d
grep -E '/(0|lxc-one)/%[1]d/' /proc/mounts
/usr/sbin/losetup --list --noheadings --output BACK-FILE | grep '/0/%[1]d/'
find /sys/class/net -name 'one-%[1]d-*'
find /sys/fs/cgroup -name '*.one-%[1]d'
find /var/lib/lxc-one -mindepth 1 -maxdepth 1 -name %[1]d`, c.id)), "what of the container is left on "+c.host.Name)
}

// terminate it, and find nothing of it.
func (c *lxcContainer) terminate() {
	c.Require().NoError(c.api.TerminateVM(c.id))
	c.Require().NoError(frontend.Eventually(c.ctx, func() error { return done(c.api, c.id) }))
	c.requireNothingRuns()
	c.Empty(c.onHost(fmt.Sprintf("find /var/lib/one/datastores -path '*/0/%d'", c.id)), "files of the container on "+c.host.Name)
}

// A container of a template, from an image in a datastore and on a virtual network, is
// placed by the scheduler, starts, takes its address from the context and answers at it;
// it has a console; and leaves nothing when it is terminated.
func (s *Suite) TestContainerRuns() {
	host := s.containerHost()
	ctx := s.context(15 * time.Minute)
	c := s.startContainer(ctx, "e2e-container", host)
	s.Equal("e2e-container", c.run("hostname"), "of the context")
	s.Contains(c.run("grep "+secondDisk+" /proc/mounts"), "rw")
	vm, err := c.api.VM(c.id)
	s.Require().NoError(err)
	s.Equal("RFB", c.onHost(fmt.Sprintf("exec 3<>/dev/tcp/127.0.0.1/%s && head -c 3 <&3", vm.VNCPort)), "what VNC says first")
	c.terminate()
}

// A container that is switched off leaves its hypervisor alone, and takes another disk. When
// it is on again it has that one, and has kept the others.
func (s *Suite) TestContainerKeepsItsDisks() {
	host := s.containerHost()
	ctx := s.context(15 * time.Minute)
	c := s.startContainer(ctx, "e2e-container-power", host)
	before := c.bootID()
	c.run("echo first >/kept && echo second >" + secondDisk + "/kept")

	start := time.Now()
	s.Require().NoError(c.api.ActOnVM(c.id, "poweroff"))
	c.waitState(frontend.VMPoweredOff)
	s.T().Logf("seen: off in %.1f s", time.Since(start).Seconds())
	c.requireNothingRuns()
	s.Require().NoError(c.api.AttachDisk(c.id, aDisk))
	c.waitState(frontend.VMPoweredOff)

	for _, action := range []string{"resume", "reboot"} {
		start = time.Now()
		s.Require().NoError(c.api.ActOnVM(c.id, action))
		c.waitStarted(before)
		s.T().Logf("seen: %s in %.1f s", action, time.Since(start).Seconds())
		s.Equal("first\nsecond", c.run("cat /kept "+secondDisk+"/kept"))
		s.Equal("3", c.run("grep -c mapper/disk.[013] /proc/mounts"), "disks of the container, of which the context is not one")
		before = c.bootID()
	}
	c.terminate()
}

// waitStarted until it runs and answers, and is not any more as it was.
func (c *lxcContainer) waitStarted(before string) {
	c.Require().NoError(frontend.Eventually(c.ctx, func() error {
		if err := running(c.api, c.id, c.host.Name); err != nil {
			return err
		}
		now, err := c.frontend.OnHypervisor(c.ctx, c.host, fmt.Sprintf("sudo -n lxc-attach -n one-%d -- cat /proc/sys/kernel/random/boot_id", c.id))
		if err == nil && strings.TrimSpace(now) == before {
			err = fmt.Errorf("the container %d has not started again", c.id)
		}
		return err
	}))
	c.waitPing(c.ip)
}

// A second network card is plugged in while the container runs, which learns of it by its
// context, and out again.
func (s *Suite) TestContainerTakesNIC() {
	host := s.containerHost()
	if semver.MustParse(s.version).LessThan(semver.MustParse("7.2.0")) {
		s.T().Skip("LXC takes network cards while it runs since OpenNebula 7.2")
	}
	ctx := s.context(15 * time.Minute)
	c := s.startContainer(ctx, "e2e-container-nic", host)
	start := time.Now()
	s.Require().NoError(c.api.AttachNIC(c.id, fmt.Sprintf("NIC = [ NETWORK = %q ]", frontend.GuestNetwork)))
	c.waitRunning(host)
	devices, err := c.api.Devices(c.id)
	s.Require().NoError(err)
	s.Require().Len(devices.NICs, 2)
	nic := devices.NICs[1]
	c.waitPing(nic["IP"])
	s.T().Logf("seen: %s answers %.1f s after it was plugged in", nic["IP"], time.Since(start).Seconds())
	s.Equal("1", nic["NIC_ID"])
	s.Equal(nic["MAC"], c.run("cat /sys/class/net/eth1/address"))

	start = time.Now()
	s.Require().NoError(c.api.DetachNIC(c.id, 1))
	c.waitRunning(host)
	s.T().Logf("seen: plugged out in %.1f s", time.Since(start).Seconds())
	s.Equal("eth0\nlo", c.run("ls /sys/class/net"))
	c.waitPing(c.ip)
	c.terminate()
}

// What OpenNebula does not do to containers fails with a reason, and they run on.
func (s *Suite) TestContainerOutlivesRefusals() {
	host := s.containerHost()
	ctx := s.context(15 * time.Minute)
	c := s.startContainer(ctx, "e2e-container-refused", host)
	before := c.bootID()
	for _, refused := range []struct {
		try    func() error
		reason string
	}{
		{func() error { return c.api.AttachDisk(c.id, aDisk) }, "attach_disk: Operation not supported"},
		{func() error { return c.api.ActOnVM(c.id, "suspend") }, "save: Operation not supported"},
		{func() error { _, err := c.api.Snapshot(c.id, "refused"); return err }, "snapshot_create: Operation not supported"},
	} {
		s.Require().NoError(refused.try(), refused.reason)
		s.Require().NoError(frontend.Eventually(ctx, func() error { return c.complains(refused.reason) }))
		s.Equal(before, c.bootID(), "it runs on after: "+refused.reason)
		c.waitPing(c.ip)
	}
	devices, err := c.api.Devices(c.id)
	s.Require().NoError(err)
	s.Len(devices.Disks, 2)
	c.terminate()
}

// complains fails unless it runs, and the last thing that failed was this.
func (c *lxcContainer) complains(reason string) error {
	if err := running(c.api, c.id, c.host.Name); err != nil {
		return err
	}
	vm, err := c.api.VM(c.id)
	if err == nil && !strings.Contains(vm.Error, reason) {
		err = fmt.Errorf("%q is not what the container %d complains of: %s", reason, c.id, vm.Error)
	}
	return err
}
