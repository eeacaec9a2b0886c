// Package builder builds images with a BuildKit daemon of its own.
package builder

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/pablodelarco/opennebula-helm/e2e/lab/process"
)

// Config of a builder.
type Config struct {
	Programs string // folder with buildkitd and buildctl
	Cache    string // folder that keeps layers between runs
	State    string // folder for sockets and logs of this run
	Registry string // host:port of a plain-HTTP registry, also asked for docker.io

	// Log takes a line for people, as fmt.Printf does.
	Log func(f string, args ...any)
}

// Builder is a running BuildKit daemon.
type Builder struct {
	config  Config
	daemon  *process.Process
	address string
	lock    *lock
}

// Once builds one image with a daemon that runs only for it, so that the cache is
// free for others in between.
func Once(ctx context.Context, c Config, build Build) (Image, error) {
	b, err := Start(ctx, c)
	if err != nil {
		return Image{}, err
	}
	defer b.Stop()
	return b.Build(ctx, build)
}

// Start runs the daemon and waits until it takes work. Two daemons cannot share a
// cache: it first waits for the end of another one, on this machine, that uses it.
func Start(ctx context.Context, c Config) (*Builder, error) {
	held, err := takeLock(ctx, c.Cache, c.Log)
	if err != nil {
		return nil, err
	}
	b := &Builder{config: c, address: "unix://" + filepath.Join(c.State, "buildkitd.sock"), lock: held}
	if err := b.start(ctx); err != nil {
		b.Stop()
		return nil, err
	}
	return b, nil
}

func (b *Builder) start(ctx context.Context) error {
	c := b.config
	config := filepath.Join(c.State, "buildkitd.toml")
	if err := os.WriteFile(config, []byte(b.daemonConfig()), 0o644); err != nil {
		return fmt.Errorf("write the builder's configuration: %w", err)
	}
	// In namespaces of its own, so that a build's processes and mounts end with
	// the daemon, however that ends.
	cmd := exec.Command("sh", "-c", `mount --make-rprivate / && mount -t proc proc /proc && exec "$@"`, "builder",
		filepath.Join(c.Programs, "buildkitd"), "--config", config, "--addr", b.address, "--root", c.Cache)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID}
	daemon, err := process.Start(c.State, "buildkitd", cmd)
	if err != nil {
		return err
	}
	b.daemon = daemon
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return daemon.Ready(ctx, b.answers)
}

// Stop ends the daemon; its cache stays, and is free for another.
func (b *Builder) Stop() {
	b.daemon.Stop(10 * time.Second)
	b.lock.release()
}

// The build shares the machine's network, to reach an apt repository on its
// loopback.
func (b *Builder) daemonConfig() string {
	return fmt.Sprintf(`[worker.containerd]
  enabled = false
[worker.oci]
  enabled = true
  networkMode = "host"
  gckeepstorage = "20GB"
[registry."docker.io"]
  mirrors = [%q]
[registry.%q]
  http = true
`, b.config.Registry, b.config.Registry)
}

// certificates of this machine, for a build that passes through a proxy which
// inspects TLS.
const certificates = "/etc/ssl/certs/ca-certificates.crt"

// Certificates are the secrets of a build that needs this machine's certificates
// as the file ca-bundle: they are mounted into the build, and not part of the image.
func Certificates() map[string]string {
	if _, err := os.Stat(certificates); err != nil {
		return nil
	}
	return map[string]string{"ca-bundle": certificates}
}

func (b *Builder) answers(ctx context.Context) error {
	return b.buildctl(ctx, nil, "debug", "workers")
}

// Build says what to build.
type Build struct {
	Context    string            // folder of what goes into it
	Dockerfile string            // file below Context; the default is Dockerfile
	Args       map[string]string // build arguments
	NoCache    bool              // run every step, whatever ran before
	Platforms  []string          // OS/architecture; two or more make an index, none is this machine's
	Secrets    map[string]string // id to file
	Repository string            // HOST/PATH that it is pushed to, by digest
	Log        string            // file for the builder's output
}

// Image is what was built and pushed.
type Image struct {
	Reference string // repository@sha256:…
}

// Build builds an image and pushes it without a tag. When a step fails, the error
// ends with what the step said last.
func (b *Builder) Build(ctx context.Context, build Build) (Image, error) {
	metadata := build.Log + ".json"
	folder, file := filepath.Split(filepath.Join(build.Context, cmp.Or(build.Dockerfile, "Dockerfile")))
	args := []string{
		"build", "--progress", "plain", "--frontend", "dockerfile.v0",
		"--local", "context=" + build.Context, "--local", "dockerfile=" + folder, "--opt", "filename=" + file,
		"--output", fmt.Sprintf("type=image,name=%s,push=true,push-by-digest=true,oci-mediatypes=true", build.Repository),
		"--metadata-file", metadata,
	}
	if len(build.Platforms) > 0 {
		args = append(args, "--opt", "platform="+strings.Join(build.Platforms, ","))
	}
	if build.NoCache {
		args = append(args, "--no-cache")
	}
	for _, name := range slices.Sorted(maps.Keys(build.Args)) {
		args = append(args, "--opt", "build-arg:"+name+"="+build.Args[name])
	}
	for _, id := range slices.Sorted(maps.Keys(build.Secrets)) {
		args = append(args, "--secret", "id="+id+",src="+build.Secrets[id])
	}
	log, err := os.Create(build.Log)
	if err != nil {
		return Image{}, fmt.Errorf("create the build's log: %w", err)
	}
	defer log.Close()
	if err := b.buildctl(ctx, log, args...); err != nil {
		return Image{}, fmt.Errorf("build %s: %s", build.Repository, reason(build.Log, err))
	}
	digest, err := readDigest(metadata)
	return Image{Reference: build.Repository + "@" + digest}, err
}

func (b *Builder) buildctl(ctx context.Context, out *os.File, args ...string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(b.config.Programs, "buildctl"),
		append([]string{"--addr", b.address}, args...)...)
	if out != nil {
		cmd.Stdout, cmd.Stderr = out, out
	}
	return cmd.Run()
}

// reason finds in the log of a failed build what our own scripts say, else what
// the builder says, and adds apt's last complaint.
func reason(file string, err error) string {
	content, readErr := os.ReadFile(file)
	if readErr != nil {
		return err.Error()
	}
	said, apt := "", ""
	failure := err.Error()
	for _, line := range strings.Split(string(content), "\n") {
		if _, found, ok := strings.Cut(line, "install-opennebula: "); ok && said == "" {
			said = found
		}
		if _, found, ok := strings.Cut(line, " E: "); ok {
			apt = " (" + found + ")"
		}
		if found, ok := strings.CutPrefix(line, "error: "); ok {
			failure = found
		}
	}
	return cmp.Or(said, failure) + apt
}

func readDigest(file string) (string, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read what the builder reports: %w", err)
	}
	var m struct {
		Digest string `json:"containerimage.digest"`
	}
	if err := json.Unmarshal(content, &m); err != nil || m.Digest == "" {
		return "", fmt.Errorf("the builder reports no digest in %s", file)
	}
	return m.Digest, nil
}
