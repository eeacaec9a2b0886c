// Package tools builds the programs that the lab runs from their published Go
// modules, once for each version, into a cache folder.
package tools

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"
)

// Module is a nested Go module beside this file that pins programs.
type Module struct {
	Name     string   // folder beside this file
	Version  string   // of what it pins, for people and for the folder's name
	Packages []string // the commands to build, as import paths
	Set      []string // variables to set at link time, NAME=VALUE
}

// Kubernetes is the control plane and the node's agents. They know their version
// only when they are told at link time.
func Kubernetes() Module {
	return Module{
		Name: "kubernetes", Version: "v1.34.2",
		Packages: []string{
			"k8s.io/kubernetes/cmd/kube-apiserver",
			"k8s.io/kubernetes/cmd/kube-controller-manager",
			"k8s.io/kubernetes/cmd/kube-proxy",
			"k8s.io/kubernetes/cmd/kube-scheduler",
			"k8s.io/kubernetes/cmd/kubelet",
		},
		Set: []string{
			"k8s.io/component-base/version.gitVersion=v1.34.2",
			"k8s.io/component-base/version.gitMajor=1",
			"k8s.io/component-base/version.gitMinor=34",
		},
	}
}

// BuildKit is the image builder and its client.
func BuildKit() Module {
	return Module{Name: "buildkit", Version: "v0.34.0", Packages: []string{
		"github.com/moby/buildkit/cmd/buildctl",
		"github.com/moby/buildkit/cmd/buildkitd",
	}}
}

// CoreDNS is a DNS server with the few plugins that a cluster needs.
func CoreDNS() Module {
	return Module{Name: "coredns", Version: "v1.14.7", Packages: []string{"."}}
}

// Pause is the first process of every pod, and of the node itself.
func Pause() Module {
	return Module{Name: "pause", Version: "v1", Packages: []string{"."}}
}

// Cosign signs and verifies images.
func Cosign() Module {
	return Module{Name: "cosign", Version: "v3.0.4", Packages: []string{"github.com/sigstore/cosign/v3/cmd/cosign"}}
}

// Builder builds modules into a cache.
type Builder struct {
	Source string // the folder of this package in a checkout
	Cache  string // the folder for the programs, one sub-folder each version
	Log    func(f string, args ...any)
}

// Build returns the folder with the module's programs, building them if it is
// not there yet. An interrupted build leaves nothing behind that looks whole.
func (b Builder) Build(ctx context.Context, m Module) (string, error) {
	source := filepath.Join(b.Source, m.Name)
	key, err := fingerprint(source, m)
	if err != nil {
		return "", fmt.Errorf("read the tools module %s: %w", source, err)
	}
	dest := filepath.Join(b.Cache, fmt.Sprintf("%s-%s-%s", m.Name, m.Version, key))
	if _, err := os.Stat(dest); err == nil {
		return dest, nil
	}
	if err := os.MkdirAll(b.Cache, 0o755); err != nil {
		return "", fmt.Errorf("create the cache folder: %w", err)
	}
	work, err := os.MkdirTemp(b.Cache, "."+m.Name+"-")
	if err != nil {
		return "", fmt.Errorf("create a folder to build %s in: %w", m.Name, err)
	}
	defer os.RemoveAll(work)
	b.Log("building %s %s, once; it is kept in %s", m.Name, m.Version, dest)
	if err := b.compile(ctx, m, source, work); err != nil {
		return "", fmt.Errorf("build %s %s: %w", m.Name, m.Version, err)
	}
	return dest, os.Rename(work, dest)
}

func (b Builder) compile(ctx context.Context, m Module, source, dest string) error {
	flags := "-s -w"
	for _, variable := range m.Set {
		flags += " -X " + variable
	}
	args := append([]string{"build", "-v", "-trimpath", "-ldflags", flags, "-o", dest + "/"}, m.Packages...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = source
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=-mod=readonly")
	out, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run go: %w", err)
	}
	last := b.progress(m.Name, out)
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("go build: %w: %s", err, last)
	}
	return nil
}

// progress counts the packages that `go build -v` names, and returns the last
// lines, which hold the reason when it fails.
func (b Builder) progress(name string, out io.Reader) string {
	const every = 20 * time.Second
	count, next, last := 0, time.Now().Add(every), ""
	for lines := bufio.NewScanner(out); lines.Scan(); {
		count++
		last = lines.Text()
		if time.Now().After(next) {
			b.Log("  %s: %d packages compiled or downloaded", name, count)
			next = time.Now().Add(every)
		}
	}
	return last
}

// fingerprint of all that a build depends on: the module and its files, the
// compiler and the machine.
func fingerprint(dir string, m Module) (string, error) {
	sum := sha256.New()
	fmt.Fprintln(sum, runtime.Version(), runtime.GOARCH, m)
	files, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	for _, f := range files {
		content, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(sum, "%s %x\n", f.Name(), sha256.Sum256(content))
	}
	return hex.EncodeToString(sum.Sum(nil))[:8], nil
}
