package cluster

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/pablodelarco/opennebula-helm/e2e/lab/process"
)

// machine is where the cluster's programs run.
type machine interface {
	start(name, program string, args ...string) (*process.Process, error)
	stop()
}

// thisMachine is the one that this process is on; State is the folder of logs.
type thisMachine struct{ state string }

// The kubelet mounts volumes for containers, which must see them.
func prepareMachine(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, "mount", "--make-rshared", "/").CombinedOutput()
	if err != nil {
		return fmt.Errorf("share this machine's mounts with its containers: %w: %s", err, process.LastLine(out))
	}
	return nil
}

func (m thisMachine) start(name, program string, args ...string) (*process.Process, error) {
	return process.Start(m.state, name, exec.Command(program, args...))
}

// stop does nothing: programs end with this process.
func (m thisMachine) stop() {}

// node is a machine within this one: process, mount and network namespaces of
// its own. When its first process ends, the kernel ends all others in it and
// takes their mounts and interfaces away, so a node leaves nothing behind.
type node struct {
	state string
	init  *process.Process
}

// What a node must not share with the machine it stands on: run-time folders of
// containerd and the kubelet, and the folder where pods' logs are linked.
const prepareNode = `
set -eu
mount --make-rprivate /
mount -t proc proc /proc
mount --make-rshared /
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=755 tmpfs /var/log
mkdir -p /var/lib/cni
mount -t tmpfs -o mode=755 tmpfs /var/lib/cni
hostname lab
touch "$2"
exec "$1"
`

func startNode(ctx context.Context, state, pause string) (*node, error) {
	ready := filepath.Join(state, "node-ready")
	cmd := exec.Command("sh", "-c", prepareNode, "node", pause, ready)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
	}
	init, err := process.Start(state, "node", cmd)
	if err != nil {
		return nil, fmt.Errorf("make namespaces for the node: %w", err)
	}
	n := &node{state: state, init: init}
	if err := init.Ready(ctx, func(context.Context) error { _, err := os.Stat(ready); return err }); err != nil {
		n.stop()
		return nil, err
	}
	return n, nil
}

// start runs a program in the node.
func (n *node) start(name, program string, args ...string) (*process.Process, error) {
	inside := append([]string{"-t", strconv.Itoa(n.init.PID()), "-m", "-n", "-p", "-u", "-i", "--", program}, args...)
	return process.Start(n.state, name, exec.Command("nsenter", inside...))
}

func (n *node) stop() {
	if n == nil {
		return
	}
	n.init.Stop(0)
	removeCgroups()
	_ = os.Remove("/var/lib/cni") // made as a mount point; stays where it is used
}

// cgroupName is the node's own place among the machine's cgroups.
const cgroupName = "opennebula-lab"

// cgroupRoots are the mount points of cgroup hierarchies: several in version 1,
// one in version 2.
func cgroupRoots() ([]string, error) {
	mounts, err := os.ReadFile("/proc/mounts")
	if err != nil {
		return nil, fmt.Errorf("list mounts: %w", err)
	}
	var roots []string
	for _, line := range strings.Split(string(mounts), "\n") {
		if f := strings.Fields(line); len(f) > 2 && (f[2] == "cgroup" || f[2] == "cgroup2") {
			roots = append(roots, f[1])
		}
	}
	if len(roots) == 0 {
		return nil, fmt.Errorf("this machine has no cgroups mounted: the kubelet cannot run")
	}
	return roots, nil
}

func makeCgroups() error {
	roots, err := cgroupRoots()
	if err != nil {
		return err
	}
	for _, root := range roots {
		if err := os.MkdirAll(filepath.Join(root, cgroupName), 0o755); err != nil {
			return fmt.Errorf("make the node's cgroup: %w", err)
		}
	}
	return nil
}

// removeCgroups removes the node's cgroups, the innermost first: a cgroup goes
// only when it is empty.
func removeCgroups() {
	roots, _ := cgroupRoots()
	for _, root := range roots {
		var dirs []string
		_ = filepath.WalkDir(filepath.Join(root, cgroupName), func(path string, d os.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				dirs = append(dirs, path)
			}
			return nil
		})
		for i := len(dirs) - 1; i >= 0; i-- {
			_ = syscall.Rmdir(dirs[i])
		}
	}
}
