package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/term"

	"github.com/pablodelarco/opennebula-helm/e2e/lab/process"
)

// debianPackages are what the stages run, beyond what a minimal Debian has.
func (o options) debianPackages() []string {
	packages := []string{
		"apt-utils",  // the index of the package repository
		"iproute2",   // the lab's network
		"mmdebstrap", // base images
		"runc",       // the builder's containers
	}
	if o.kubeconfig == "" {
		packages = append(packages,
			"containerd", "containernetworking-plugins", "etcd-server", // the node
			"conntrack", "iptables", // its Services
			"mount", "util-linux") // its volumes and namespaces
	}
	if o.isVirtual() && (o.packages != "" || o.repository != "") {
		packages = append(packages, "chromium") // to open a virtual machine's console with
	}
	return packages
}

// requireMachine fails unless this machine can run the rehearsal. Missing Debian
// packages are installed, after asking.
func requireMachine(ctx context.Context, o options) error {
	if os.Geteuid() != 0 {
		return errors.New("only root can make the namespaces and mounts of a lab: run it as root, such as: sudo go run ./cmd/rehearse")
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return errors.New("this machine has no apt-get: the rehearsal runs on Debian 12, or in a container or virtual machine of it")
	}
	missing, err := missingPackages(ctx, o.debianPackages())
	if err != nil || len(missing) == 0 {
		return err
	}
	if !o.yes {
		if err := ask(missing); err != nil {
			return err
		}
	}
	return install(ctx, missing)
}

func missingPackages(ctx context.Context, wanted []string) ([]string, error) {
	// It fails where a package is unknown; what it lists is there.
	out, err := exec.CommandContext(ctx, "dpkg-query", "--show", "--showformat", "${db:Status-Status} ${Package}\n").Output()
	if err != nil {
		return nil, fmt.Errorf("list installed Debian packages: %w", err)
	}
	lines := strings.Split(string(out), "\n")
	return slices.DeleteFunc(slices.Clone(wanted), func(p string) bool { return slices.Contains(lines, "installed "+p) }), nil
}

func installCommand(packages []string) string {
	return "apt-get install -y --no-install-recommends " + strings.Join(packages, " ")
}

func ask(missing []string) error {
	declined := fmt.Errorf("these Debian packages are missing; install them, or give --yes: %s", installCommand(missing))
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return declined
	}
	fmt.Printf("The rehearsal needs Debian packages that are missing: %s.\nInstall them? [y/N] ", strings.Join(missing, " "))
	answer, _ := bufio.NewReader(os.Stdin).ReadString('\n')
	if strings.EqualFold(strings.TrimSpace(answer), "y") {
		return nil
	}
	return declined
}

// install adds packages without starting the services among them: the lab starts
// its own, in namespaces.
func install(ctx context.Context, packages []string) error {
	say("installing from Debian: %s", strings.Join(packages, " "))
	const policy = "/usr/sbin/policy-rc.d"
	if _, err := os.Stat(policy); errors.Is(err, os.ErrNotExist) {
		if err := os.WriteFile(policy, []byte("#!/bin/sh\nexit 101\n"), 0o755); err != nil {
			return fmt.Errorf("keep services from starting: %w", err)
		}
		defer os.Remove(policy)
	}
	script := "apt-get update -qq && " + installCommand(packages)
	cmd := exec.CommandContext(ctx, "sh", "-c", script)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("install Debian packages with %q: %w: %s", installCommand(packages), err, process.LastLine(out))
	}
	return disableServices(ctx, packages)
}

// disableServices keeps what was installed from starting with the machine.
func disableServices(ctx context.Context, packages []string) error {
	if _, err := os.Stat("/run/systemd/system"); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	for pkg, unit := range map[string]string{"containerd": "containerd.service", "etcd-server": "etcd.service"} {
		if !slices.Contains(packages, pkg) {
			continue
		}
		if out, err := exec.CommandContext(ctx, "systemctl", "disable", unit).CombinedOutput(); err != nil {
			return fmt.Errorf("disable %s: %w: %s", unit, err, process.LastLine(out))
		}
	}
	return nil
}

// Measured: a first run leaves 2 GB in this cache and 7 GB in Go's own, which lie on
// the same disk as a rule; a later one adds up to 2 GB.
const (
	neededFirst = 12 << 30
	neededLater = 4 << 30
)

// requireSpace fails early where the disk would be full in the middle.
func requireSpace(cache string) error {
	needed := uint64(neededLater)
	if programs, _ := os.ReadDir(filepath.Join(cache, "programs")); len(programs) == 0 {
		needed = neededFirst
	}
	var fs syscall.Statfs_t
	if err := syscall.Statfs(cache, &fs); err != nil {
		return fmt.Errorf("look how much space %s has: %w", cache, err)
	}
	free := fs.Bavail * uint64(fs.Bsize)
	if free >= needed {
		return nil
	}
	return fmt.Errorf("the disk of %s has %.1f GB free, and the rehearsal needs %.0f GB: free some space, or set XDG_CACHE_HOME to a folder on a larger disk",
		cache, float64(free)/(1<<30), float64(needed)/(1<<30))
}

func isDiskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || strings.Contains(strings.ToLower(err.Error()), "no space left on device")
}

func say(format string, args ...any) { fmt.Printf("  "+format+"\n", args...) }
