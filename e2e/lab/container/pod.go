package container

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// Pod is what containers share: a network with a loopback and nothing else.
type Pod struct {
	name, dir  string
	network    *exec.Cmd // holds the network namespace
	containers []*Container
	count      int
}

// NewPod makes a pod whose containers' files go below dir. The name is unique on
// this machine.
func NewPod(name, dir string) (*Pod, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("create the pod's folder: %w", err)
	}
	p := &Pod{name: name, dir: dir}
	p.network = exec.Command("sh", "-c", "ip link set lo up && touch "+filepath.Join(dir, "up")+" && exec sleep infinity")
	p.network.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if err := p.network.Start(); err != nil {
		return nil, fmt.Errorf("make the pod's network: %w", err)
	}
	return p, nil
}

// Stop ends all its containers and its network.
func (p *Pod) Stop() {
	for _, c := range p.containers {
		c.Stop()
	}
	_ = p.network.Process.Kill()
	_ = p.network.Wait()
}

func (p *Pod) networkNamespace() string {
	return fmt.Sprintf("/proc/%d/ns/net", p.network.Process.Pid)
}

// Dial connects to an address of the pod's network, such as 127.0.0.1:2633.
func (p *Pod) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	type answer struct {
		conn net.Conn
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		// The thread is never unlocked, so that it ends with the goroutine and no
		// other ever runs in this namespace.
		runtime.LockOSThread()
		conn, err := p.dialHere(ctx, network, address)
		answers <- answer{conn, err}
	}()
	a := <-answers
	return a.conn, a.err
}

func (p *Pod) dialHere(ctx context.Context, network, address string) (net.Conn, error) {
	namespace, err := os.Open(p.networkNamespace())
	if err != nil {
		return nil, fmt.Errorf("open the pod's network: %w", err)
	}
	defer namespace.Close()
	if err := unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNET); err != nil {
		return nil, fmt.Errorf("enter the pod's network: %w", err)
	}
	return (&net.Dialer{}).DialContext(ctx, network, address)
}
