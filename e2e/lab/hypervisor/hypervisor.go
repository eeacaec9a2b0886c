// Package hypervisor starts the lab's hypervisors, and asks one wherever it runs. They are
// the images of e2e/lab/images/kvm and lxc, whose Dockerfiles say what they are told, and
// answer.
package hypervisor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/pablodelarco/opennebula-helm/e2e/lab/container"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/network"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/process"
)

// Config of a hypervisor.
type Config struct {
	Name    string // its host name
	Image   string // reference, in a registry that may be without TLS
	Network *network.Network
	Number  byte      // of the network's addresses
	Env     []string  // NAME=value, as the image knows them
	Peers   []Machine // the other ones, which it finds by their names, and whose virtual machines its own reach
	State   string    // folder for everything of this run; its log goes there as well
}

// Hypervisor is a machine in a container of this one.
type Hypervisor struct {
	Machine
	pod       *container.Pod
	container *container.Container
}

// Start makes the machine and returns when it takes virtual machines, after at most two
// minutes.
func Start(ctx context.Context, c Config) (*Hypervisor, error) {
	root, err := container.Pull(ctx, c.Image, filepath.Join(c.State, c.Name, "root"))
	if err != nil {
		return nil, err
	}
	pod, err := container.NewPod(c.Name, filepath.Join(c.State, c.Name))
	if err != nil {
		return nil, err
	}
	h := &Hypervisor{Machine: Machine{c.Name, c.Network.Address(c.Number).String()}, pod: pod}
	if err := h.start(ctx, c, root); err != nil {
		h.Stop()
		return nil, err
	}
	return h, nil
}

func (h *Hypervisor) start(ctx context.Context, c Config, root *container.Root) error {
	if err := c.Network.Attach(ctx, h.pod.PID(), c.Number); err != nil {
		return fmt.Errorf("attach %s to the network: %w", c.Name, err)
	}
	hosts, peers := fmt.Sprintf("127.0.0.1 localhost\n%s %s\n", h.Address, h.Name), "PEERS="
	for _, peer := range c.Peers {
		hosts += fmt.Sprintf("%s %s\n", peer.Address, peer.Name)
		peers += peer.Address + " "
	}
	if err := os.WriteFile(root.Path("etc/hosts"), []byte(hosts), 0o644); err != nil {
		return fmt.Errorf("name %s: %w", c.Name, err)
	}
	var err error
	h.container, err = h.pod.Start(container.Spec{
		Root: root, Env: append(slices.Clone(c.Env), peers), Privileged: true, Log: filepath.Join(c.State, c.Name+".log"),
	})
	if err != nil {
		return err
	}
	return h.ready(ctx)
}

// ready waits until it answers, or has ended.
func (h *Hypervisor) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		_, err := h.Driver(ctx)
		if err == nil {
			return nil
		}
		if !h.container.Running() {
			return fmt.Errorf("%s has ended: %s", h.Name, process.LastLine([]byte(h.container.Log())))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not become ready: %w; it said: %s", h.Name, err, process.LastLine([]byte(h.container.Log())))
		case <-time.After(300 * time.Millisecond):
		}
	}
}

// Stop ends the machine, with all that runs on it.
func (h *Hypervisor) Stop() {
	if h.container != nil {
		ctx, cancel := context.WithTimeout(context.Background(), container.EndTime)
		defer cancel()
		_ = h.container.Signal(syscall.SIGTERM) // it may have ended
		_, _ = h.container.Wait(ctx)            // which kills it in the end
	}
	h.pod.Stop()
}
