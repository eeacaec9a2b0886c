package container

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// Pod is what containers share: a network with a loopback and nothing else.
type Pod struct {
	name, dir  string
	network    *exec.Cmd      // holds the network namespace
	input      io.WriteCloser // of network; it ends with it
	containers []*Container
	count      int
}

// NewPod makes a pod whose containers' files go below dir. The name is unique in
// this process.
func NewPod(name, dir string) (*Pod, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("create the pod's folder: %w", err)
	}
	p := &Pod{name: name, dir: dir}
	// It ends with its input, and so with this process.
	p.network = exec.Command("sh", "-c", "ip link set lo up && echo up && exec cat")
	p.network.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	input, err := p.network.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("make the pod's network: %w", err)
	}
	p.input = input
	output, err := p.network.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("make the pod's network: %w", err)
	}
	if err := p.network.Start(); err != nil {
		return nil, fmt.Errorf("make the pod's network: %w", err)
	}
	if _, err := io.ReadFull(output, make([]byte, len("up"))); err != nil {
		p.Stop()
		return nil, fmt.Errorf("make the pod's network: %w", err)
	}
	return p, nil
}

// Stop ends all its containers and its network.
func (p *Pod) Stop() {
	for _, c := range p.containers {
		c.Stop()
	}
	_ = p.input.Close()
	_ = p.network.Wait()
}

// PID of a process in the pod's network.
func (p *Pod) PID() int { return p.network.Process.Pid }

func (p *Pod) networkNamespace() string { return fmt.Sprintf("/proc/%d/ns/net", p.PID()) }

// Dial connects to an address of the pod's network, such as 127.0.0.1:2633.
func (p *Pod) Dial(ctx context.Context, network, address string) (conn net.Conn, err error) {
	if inside := p.inside(func() { conn, err = (&net.Dialer{}).DialContext(ctx, network, address) }); inside != nil {
		return nil, inside
	}
	return conn, err
}

// Listen on a TCP address of the pod's network.
func (p *Pod) Listen(address string) (listener net.Listener, err error) {
	if inside := p.inside(func() { listener, err = net.Listen("tcp", address) }); inside != nil {
		return nil, inside
	}
	return listener, err
}

// inside does something with the pod's network instead of the machine's.
func (p *Pod) inside(do func()) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	own, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return fmt.Errorf("open the machine's network: %w", err)
	}
	defer own.Close()
	pods, err := os.Open(p.networkNamespace())
	if err != nil {
		return fmt.Errorf("open the pod's network: %w", err)
	}
	defer pods.Close()
	if err := unix.Setns(int(pods.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter the pod's network: %w", err)
	}
	do()
	if err := unix.Setns(int(own.Fd()), unix.CLONE_NEWNET); err != nil {
		panic(fmt.Sprintf("a thread cannot leave the pod's network: %v", err)) // whatever runs on it next would be lost
	}
	return nil
}
