// Package container runs containers with runc, as a Kubernetes node runs those of a
// pod: sharing volumes and a network, without capabilities, the root file system
// read-only, under the node's default seccomp profile. It needs no cluster. A privileged
// one is a machine of its own.
package container

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Spec says what to run.
type Spec struct {
	Root *Root
	Args []string // after the entrypoint
	// Entrypoint instead of the image's.
	Entrypoint []string
	Env        []string // NAME=value, beside the image's
	Mounts     []Mount
	User       uint32 // uid and gid; 0 is the image's own, root where it says nothing
	Writable   bool   // the root file system
	// Mapped runs it in a user namespace in which uid and gid n are the machine's
	// MapBase + n.
	Mapped bool
	// Privileged gives it all that this machine may do, and its devices: it is rather a
	// machine of its own than a container. It may write to its root.
	Privileged bool
	// Log is the file for its output; the default is one in the pod's folder.
	Log string
}

// MapBase is the machine's uid and gid of root in a user namespace.
const MapBase = 200000

// Mount puts a folder or file of the machine into a container.
type Mount struct {
	Source, Destination string
	ReadOnly            bool
}

// Container is a running one.
type Container struct {
	id, bundle, log string
	cmd             *exec.Cmd
	done            chan struct{}
}

// Start runs a container in the pod, and returns once runc has begun with it. Its
// output goes to a file; see Log.
func (p *Pod) Start(s Spec) (*Container, error) {
	p.count++
	// runc keeps one list for the machine, on which other processes' pods are as well.
	c := &Container{id: fmt.Sprintf("%s-%d-%d", p.name, os.Getpid(), p.count), done: make(chan struct{})}
	c.bundle = filepath.Join(p.dir, c.id)
	c.log = cmp.Or(s.Log, filepath.Join(c.bundle, "log"))
	if err := p.writeBundle(c.bundle, s); err != nil {
		return nil, fmt.Errorf("prepare the container %s: %w", c.id, err)
	}
	log, err := os.Create(c.log)
	if err != nil {
		return nil, fmt.Errorf("create a container's log: %w", err)
	}
	defer log.Close()
	c.cmd = exec.Command("runc", "run", "--bundle", c.bundle, c.id)
	c.cmd.Stdout, c.cmd.Stderr = log, log
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("run the container %s: %w", c.id, err)
	}
	p.containers = append(p.containers, c)
	go func() {
		_ = c.cmd.Wait() // the state is read from cmd.ProcessState
		close(c.done)
	}()
	return c, nil
}

// Run runs a container to its end.
func (p *Pod) Run(ctx context.Context, s Spec) (Result, error) {
	c, err := p.Start(s)
	if err != nil {
		return Result{}, err
	}
	return c.Wait(ctx)
}

// Result of a container or command that has ended.
type Result struct {
	Code   int // 128 and the signal's number, after a signal
	Output string
}

// Wait returns how the container ended; it is killed when the context ends first.
func (c *Container) Wait(ctx context.Context) (Result, error) {
	select {
	case <-c.done:
		return Result{c.cmd.ProcessState.ExitCode(), c.Log()}, nil
	case <-ctx.Done():
		c.Stop()
		return Result{}, fmt.Errorf("the container did not end: %w; it said: %s", ctx.Err(), c.Log())
	}
}

// Log is what the container has said so far.
func (c *Container) Log() string {
	content, err := os.ReadFile(c.log)
	if err != nil {
		return err.Error()
	}
	return string(content)
}

// Exec runs a command in the container, as the container's own user.
func (c *Container) Exec(ctx context.Context, args ...string) (Result, error) {
	cmd := exec.CommandContext(ctx, "runc", append([]string{"exec", c.id}, args...)...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return Result{}, fmt.Errorf("run %s in the container %s: %w", args, c.id, err)
	}
	return Result{cmd.ProcessState.ExitCode(), string(out)}, nil
}

// Signal sends a signal to the container's first process.
func (c *Container) Signal(signal syscall.Signal) error {
	out, err := exec.Command("runc", "kill", c.id, strconv.Itoa(int(signal))).CombinedOutput()
	if err != nil {
		return fmt.Errorf("send %s to the container %s: %w: %s", signal, c.id, err, bytes.TrimSpace(out))
	}
	return nil
}

// Stop kills the container and all that is in it.
func (c *Container) Stop() {
	_ = exec.Command("runc", "delete", "--force", c.id).Run() // it may be gone
	<-c.done
}

// Running tells whether it has not ended.
func (c *Container) Running() bool {
	select {
	case <-c.done:
		return false
	default:
		return true
	}
}

// Process of a container, as the machine sees it.
type Process struct {
	PID     int
	Command string // its arguments between spaces
	RSS     int64  // bytes of memory that it has in use
}

// Processes of the container, in the order in which they were started.
func (c *Container) Processes() ([]Process, error) {
	out, err := exec.Command("runc", "ps", "--format", "json", c.id).Output()
	if err != nil {
		return nil, fmt.Errorf("list the processes of the container %s: %w", c.id, err)
	}
	var pids []int
	if err := json.Unmarshal(out, &pids); err != nil {
		return nil, fmt.Errorf("read the list of processes: %w", err)
	}
	var processes []Process
	for _, pid := range pids {
		if p, err := readProcess(pid); err == nil { // it may have ended
			processes = append(processes, p)
		}
	}
	return processes, nil
}

func readProcess(pid int) (Process, error) {
	folder := fmt.Sprintf("/proc/%d/", pid)
	command, err := os.ReadFile(folder + "cmdline")
	if err != nil {
		return Process{}, err
	}
	statm, err := os.ReadFile(folder + "statm")
	if err != nil {
		return Process{}, err
	}
	pages := strings.Fields(string(statm))[1]
	rss, err := strconv.ParseInt(pages, 10, 64)
	return Process{
		PID:     pid,
		Command: strings.TrimSpace(strings.ReplaceAll(string(command), "\x00", " ")),
		RSS:     rss * int64(os.Getpagesize()),
	}, err
}
