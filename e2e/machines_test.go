package e2e

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/pablodelarco/opennebula-helm/e2e/frontend"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/hypervisor"
)

// timed logs what something took.
func (s *Suite) timed(what string, do func()) {
	start := time.Now()
	do()
	s.T().Logf("seen: %s in %.1f s", what, time.Since(start).Seconds())
}

// A persistent disk is plugged in and out while the guest runs, and keeps what the guest
// wrote: it goes back to the front-end in between.
func (s *Suite) TestVMTakesDisk() {
	machine := s.hypervisors()[0]
	ctx := s.context(15 * time.Minute)
	g := s.bootGuest(ctx, "e2e-disk", machine)
	image := s.dataImage(ctx, g.api)
	attach := func() int64 {
		g.takeDisk(image, machine)
		s.Contains(g.virsh("domblklist"), "vdb")
		devices, err := g.api.Devices(g.id)
		s.Require().NoError(err)
		return number(s, devices.Disks[len(devices.Disks)-1]["DISK_ID"])
	}
	detach := func(disk int64) {
		s.Require().NoError(g.api.DetachDisk(g.id, disk))
		g.waitRunning(machine)
		g.waitFor(countDisks, "1")
		s.NotContains(g.virsh("domblklist"), "vdb")
	}
	var disk int64
	s.timed("plugged in", func() { disk = attach() })
	g.write("vdb", "kept")
	s.timed("plugged out", func() { detach(disk) })
	s.Require().NoError(frontend.Eventually(ctx, func() error { return g.api.RequireImage(image) }))
	disk = attach()
	s.Equal("kept", g.read("vdb"))
	detach(disk)
	g.terminate()
}

// dataImage is an empty disk in the default datastore, which ends with the test.
func (s *Suite) dataImage(ctx context.Context, api *frontend.API) int64 {
	return s.createImage(ctx, api, "NAME = e2e-data\nTYPE = DATABLOCK\nSIZE = 8\nFORMAT = qcow2\nPERSISTENT = YES\n")
}

func number(s *Suite, text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	s.Require().NoError(err)
	return n
}

// A second network card is plugged in and out while the guest runs. Without an agent in
// the guest, someone has to give it its address there.
func (s *Suite) TestVMTakesNIC() {
	machine := s.hypervisors()[0]
	ctx := s.context(15 * time.Minute)
	g := s.bootGuest(ctx, "e2e-nic", machine)
	s.timed("plugged in", func() {
		s.Require().NoError(g.api.AttachNIC(g.id, fmt.Sprintf("NIC = [ NETWORK = %q, MODEL = virtio ]", frontend.GuestNetwork)))
		g.waitRunning(machine)
	})
	devices, err := g.api.Devices(g.id)
	s.Require().NoError(err)
	s.Require().Len(devices.NICs, 2)
	nic := devices.NICs[1]
	s.Contains(g.virsh("domiflist"), nic["MAC"])
	g.waitFor("cat /sys/class/net/eth1/address", nic["MAC"])
	g.run("echo 1 >/proc/sys/net/ipv4/conf/all/arp_ignore; ifconfig eth1 " + nic["IP"] + " netmask 255.255.255.0 up")
	s.NoError(frontend.Eventually(ctx, func() error {
		_, err := s.frontend.OnHypervisor(ctx, machine, fmt.Sprintf("ping -c 1 -W 2 %s && ip neighbour show %[1]s | grep %s", nic["IP"], nic["MAC"]))
		return err
	}), "by its own hardware address")

	s.timed("plugged out", func() {
		s.Require().NoError(g.api.DetachNIC(g.id, number(s, nic["NIC_ID"])))
		g.waitRunning(machine)
	})
	s.NotContains(g.virsh("domiflist"), nic["MAC"])
	g.waitFor("ls /sys/class/net | grep -c ^eth", "1")
	g.terminate()
}

// A snapshot of the running machine has its memory and its disks.
func (s *Suite) TestVMRevertsToSnapshot() {
	machine := s.hypervisors()[0]
	ctx := s.context(15 * time.Minute)
	g := s.bootGuest(ctx, "e2e-snapshot", machine)
	boot := g.bootID()
	g.run("echo before >/word")
	g.write("vda", "before")
	var snapshot int64
	s.timed("snapshot made", func() {
		var err error
		snapshot, err = g.api.Snapshot(g.id, "before")
		s.Require().NoError(err)
		g.waitRunning(machine)
	})
	s.Contains(g.virsh("snapshot-list"), fmt.Sprintf("snap-%d", snapshot))
	g.run("echo after >/word")
	g.write("vda", "after")
	s.timed("reverted", func() {
		s.Require().NoError(g.api.Revert(g.id, snapshot))
		g.waitRunning(machine)
		g.waitAnswer()
	})
	s.Equal("before", g.run("cat /word"), "in memory")
	s.Equal("before", g.read("vda"), "on the disk")
	s.Equal(boot, g.bootID())
	g.terminate()
}

// A snapshot of a disk is made while the machine runs; it goes back when it is off.
func (s *Suite) TestVMRevertsDisk() {
	machine := s.hypervisors()[0]
	ctx := s.context(15 * time.Minute)
	g := s.bootGuest(ctx, "e2e-disk-snapshot", machine)
	g.write("vda", "before")
	var snapshot int64
	s.timed("snapshot made", func() {
		var err error
		snapshot, err = g.api.SnapshotDisk(g.id, 0, "before")
		s.Require().NoError(err)
		g.waitRunning(machine)
	})
	g.write("vda", "after")
	s.Equal("after", g.read("vda"))
	g.stop("poweroff-hard", frontend.VMPoweredOff)
	s.timed("reverted", func() {
		s.Require().NoError(g.api.RevertDisk(g.id, 0, snapshot))
		g.waitState(frontend.VMPoweredOff)
	})
	g.resume(machine)
	s.Equal("before", g.read("vda"))
	g.terminate()
}

// The disk of a machine becomes an image on the front-end, with what is on it. The machine
// is off: OpenNebula 7.2 saves the disk of a running one under KVM alone, not in emulation.
func (s *Suite) TestVMDiskIsSaved() {
	machine := s.hypervisors()[0]
	ctx := s.context(15 * time.Minute)
	g := s.bootGuest(ctx, "e2e-to-save", machine)
	g.write("vda", "saved")
	g.stop("poweroff-hard", frontend.VMPoweredOff)
	var image int64
	s.timed("saved", func() {
		var err error
		image, err = g.api.SaveDisk(g.id, 0, "e2e-saved")
		s.Require().NoError(err)
		s.deleteLater(ctx, g.api, image)
		s.Require().NoError(frontend.Eventually(ctx, func() error { return g.api.RequireImage(image) }))
	})
	g.waitState(frontend.VMPoweredOff)
	g.resume(machine)
	g.takeDisk(image, machine)
	s.Equal("saved", g.read("vdb"))
	g.terminate()
}

// A suspended machine is no process, and goes on where it was.
func (s *Suite) TestVMSuspends() {
	machine := s.hypervisors()[0]
	ctx := s.context(15 * time.Minute)
	g := s.bootGuest(ctx, "e2e-suspended", machine)
	boot := g.bootID()
	s.timed("suspended", func() { g.stop("suspend", frontend.VMSuspended) })
	s.requireNoProcess(ctx, machine, g.id)
	s.timed("resumed", func() { g.resume(machine) })
	s.Equal(boot, g.bootID(), "it has not started again")
	g.terminate()
}

func (s *Suite) requireNoProcess(ctx context.Context, m hypervisor.Machine, vm int64) {
	out, err := s.frontend.OnHypervisor(ctx, m, fmt.Sprintf("pgrep -f 'guest=one-%d[,]' || true", vm))
	s.Require().NoError(err)
	s.Empty(strings.TrimSpace(out), "the process of the virtual machine on "+m.Name)
}

// The guest is asked to end, and ends; its disk is what it was when it starts again.
func (s *Suite) TestVMPowersOff() {
	machine := s.hypervisors()[0]
	ctx := s.context(15 * time.Minute)
	g := s.bootGuest(ctx, "e2e-off", machine)
	boot := g.bootID()
	g.write("vda", "kept")
	s.timed("off", func() { g.stop("poweroff", frontend.VMPoweredOff) })
	s.requireNoProcess(ctx, machine, g.id)
	s.timed("on", func() { g.resume(machine) })
	s.NotEqual(boot, g.bootID(), "it has started again")
	s.Equal("kept", g.read("vda"))
	g.terminate()
}

// A machine moves to the other hypervisor and back: saved, copied and resumed there; and
// live, its disk with it. It is the same one all the time.
func (s *Suite) TestVMMigrates() {
	first, second := s.pair()
	ctx := s.context(15 * time.Minute)
	g := s.bootGuest(ctx, "e2e-moves", first)
	hosts, err := g.api.Things("host")
	s.Require().NoError(err)
	boot := g.bootID()
	g.write("vda", "kept")
	for _, move := range []struct {
		what     string
		live     bool
		from, to hypervisor.Machine
	}{{"migrated", false, first, second}, {"migrated live", true, second, first}} {
		s.timed(move.what, func() {
			s.Require().NoError(g.api.Migrate(g.id, hosts[move.to.Name].ID, move.live))
			g.waitArrival(move.to)
			g.waitRunning(move.to)
			g.waitAnswer()
		})
		s.Equal(boot, g.bootID(), move.what)
		s.Equal("kept", g.read("vda"), move.what)
		g.requireNothingOn(move.from)
		s.NoError(frontend.Eventually(ctx, func() error {
			_, err := s.frontend.OnHypervisor(ctx, move.from, "ping -c 1 -W 2 "+g.ip)
			return err
		}), "from the hypervisor that it has left")
	}
	g.terminate()
}
