// Package network is the wire of the lab: a bridge on this machine with a
// private subnet, to which the node attaches.
package network

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"regexp"
	"strings"
)

// The lab's interfaces: a machine has one lab. No wire has the number 0.
const (
	bridge = "onelab0"
	wire   = "onelab%d"
)

var ours = regexp.MustCompile(`^onelab[0-9]+$`)

// Network is a bridge and its subnet. The machine itself has the first address.
type Network struct {
	Subnet netip.Prefix
}

// New describes the lab's network; nothing exists before Start. The subnet is a
// /24 in CIDR notation, such as 10.98.0.0/24.
func New(subnet string) (*Network, error) {
	p, err := netip.ParsePrefix(subnet)
	if err != nil || !p.Addr().Is4() || p.Bits() != 24 || p.Masked() != p {
		return nil, fmt.Errorf("%q is not a network for the lab; give a free IPv4 /24, such as 10.98.0.0/24", subnet)
	}
	return &Network{Subnet: p}, nil
}

// Towards is this machine's own address on the way to another one. Nothing is sent: it is
// asked which way it would go.
func Towards(address string) (netip.Addr, error) {
	connection, err := net.Dial("udp", net.JoinHostPort(address, "9"))
	if err != nil {
		return netip.Addr{}, fmt.Errorf("find the own address towards %s: %w", address, err)
	}
	defer func() { _ = connection.Close() }() // nothing was sent
	own, err := netip.ParseAddrPort(connection.LocalAddr().String())
	return own.Addr(), err
}

// Elsewhere is an address that no machine has, and that packets leave this one for.
const Elsewhere = "192.0.2.1"

// Address is the n-th address of the subnet; 1 is this machine.
func (n *Network) Address(i byte) netip.Addr {
	a := n.Subnet.Addr().As4()
	a[3] = i
	return netip.AddrFrom4(a)
}

// Start makes the bridge. A subnet that the machine uses already is refused.
func (n *Network) Start(ctx context.Context) error {
	if err := n.free(); err != nil {
		return err
	}
	// One that is there already is another lab's, and stays.
	if err := ip(ctx, "link add "+bridge+" type bridge"); err != nil {
		return err
	}
	for _, args := range []string{
		fmt.Sprintf("addr add %s/24 dev %s", n.Address(1), bridge),
		"link set " + bridge + " up",
	} {
		if err := ip(ctx, args); err != nil {
			// What was broken off is taken away nevertheless.
			n.Stop(context.WithoutCancel(ctx))
			return err
		}
	}
	return nil
}

// Stop takes the bridge and its wires away; it is no error if there are none.
func (n *Network) Stop(ctx context.Context) { Sweep(ctx) }

// Sweep takes away what a killed run may have left: the bridge, and wires to what runs on.
func Sweep(ctx context.Context) {
	interfaces, _ := net.Interfaces() // without a list there is nothing that could be taken
	for _, i := range interfaces {
		if ours.MatchString(i.Name) {
			_ = ip(ctx, "link del "+i.Name)
		}
	}
}

// Attach moves one end of a wire, named eth0 there, into the network namespace
// of a process and gives it the n-th address. The wire ends with the namespace.
func (n *Network) Attach(ctx context.Context, pid int, i byte) error {
	port := fmt.Sprintf(wire, i)
	if err := ip(ctx, fmt.Sprintf("link add %s type veth peer name eth0 netns %d", port, pid)); err != nil {
		return err
	}
	if err := ip(ctx, fmt.Sprintf("link set %s master %s up", port, bridge)); err != nil {
		return err
	}
	for _, args := range []string{
		"link set lo up",
		fmt.Sprintf("addr add %s/24 dev eth0", n.Address(i)),
		"link set eth0 up",
		fmt.Sprintf("route add default via %s", n.Address(1)),
	} {
		if err := inside(ctx, pid, args); err != nil {
			return err
		}
	}
	return nil
}

// Add gives the n-th address, too, to what is attached already; Remove takes it away.
func (n *Network) Add(ctx context.Context, pid int, i byte) error {
	return inside(ctx, pid, fmt.Sprintf("addr replace %s/24 dev eth0", n.Address(i)))
}

// Remove is the end of an Add.
func (n *Network) Remove(ctx context.Context, pid int, i byte) error {
	return inside(ctx, pid, fmt.Sprintf("addr del %s/24 dev eth0", n.Address(i)))
}

func (n *Network) free() error {
	interfaces, err := net.Interfaces()
	if err != nil {
		return fmt.Errorf("list network interfaces: %w", err)
	}
	for _, i := range interfaces {
		addresses, err := i.Addrs()
		if err != nil {
			return fmt.Errorf("list addresses of %s: %w", i.Name, err)
		}
		for _, a := range addresses {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Overlaps(n.Subnet) {
				return fmt.Errorf("the network %s is in use on %s (%s): choose a free one with --network", n.Subnet, i.Name, p)
			}
		}
	}
	return nil
}

func ip(ctx context.Context, args string) error { return run(ctx, "ip", args) }

// inside the network namespace of a process.
func inside(ctx context.Context, pid int, args string) error {
	return run(ctx, "nsenter", fmt.Sprintf("-t %d -n ip %s", pid, args))
}

func run(ctx context.Context, program, args string) error {
	out, err := exec.CommandContext(ctx, program, strings.Fields(args)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", program, args, err, strings.TrimSpace(string(out)))
	}
	return nil
}
