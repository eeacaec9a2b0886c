// Rehearse makes a whole release on this machine and runs it: packages become an
// image, image and chart go to a registry, the chart is installed on a Kubernetes
// cluster, the end-to-end suite asks the result, and what it has passed is released. It
// needs root, a Debian 12 and Go; no Docker, no Dagger, no account.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

func main() {
	// The process ends with the command; there is no one to stop the signals for.
	ctx, _ := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	os.Exit(execute(whileRead(ctx, os.Stdout), os.Args[1:]))
}

// whileRead ends a context once nobody reads a pipe any more (| head), which would
// otherwise end the process with no time to clean up. The signal for it is also sent
// when the other side of a connection goes away, a daily affair for the lab's servers.
func whileRead(parent context.Context, pipe *os.File) context.Context {
	ctx, cancel := context.WithCancel(parent)
	broken := make(chan os.Signal, 1)
	signal.Notify(broken, syscall.SIGPIPE)
	go func() {
		for range broken {
			if isAbandoned(pipe) {
				cancel()
			}
		}
	}()
	return ctx
}

func isAbandoned(pipe *os.File) bool {
	state := []unix.PollFd{{Fd: int32(pipe.Fd())}}
	_, err := unix.Poll(state, 0)
	return err == nil && state[0].Revents&unix.POLLERR != 0
}

// usageError is a command line that cannot be meant.
type usageError struct{ error }

// execute runs the command and returns the process's exit code.
func execute(ctx context.Context, args []string) int {
	cmd := command()
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	var said exitCode
	if errors.As(err, &said) {
		return int(said)
	}
	fmt.Fprintf(os.Stderr, "rehearse: %s\n", oneLine(explain(ctx, err)))
	var usage usageError
	if errors.As(err, &usage) {
		return 2
	}
	return 1
}

// explain replaces what a stage says when it is broken off, and adds what to do
// about a full disk wherever one was met.
func explain(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return errors.New("interrupted; everything that was started has been taken away")
	case isDiskFull(err):
		return fmt.Errorf("%w: free some space, or set XDG_CACHE_HOME to a folder on a larger disk", err)
	default:
		return err
	}
}

// oneLine joins what libraries say in several lines.
func oneLine(err error) string {
	lines := strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' })
	for i, line := range lines {
		lines[i] = strings.TrimSpace(line)
	}
	return strings.Join(lines, "; ")
}

func command() *cobra.Command {
	o := options{}
	cmd := &cobra.Command{
		Use:   "rehearse",
		Short: "Build, publish, install and test OpenNebula's front-end on this machine",
		Long: `Rehearse takes OpenNebula from packages to a running cloud on Kubernetes, on this
machine alone: it builds the image, pushes image and chart to a registry of its
own, installs the chart on a cluster of its own, runs the end-to-end suite, and
releases what has passed, signed and attested, in that registry.

What it builds for itself is kept in the cache folder (XDG_CACHE_HOME, else
~/.cache), below opennebula-helm; everything else is taken away at the end.`,
		Example: `  go run ./cmd/rehearse                          # official packages, or stand-ins without a network
  go run ./cmd/rehearse --packages ~/debs --keep # your packages; leave it running
  go run ./cmd/rehearse --thorough               # and all that happens to a release in its years
  go run ./cmd/rehearse down                     # take away what --keep left`,
		Args:          func(_ *cobra.Command, args []string) error { return noArguments(args) },
		SilenceErrors: true, SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error { return rehearse(cmd.Context(), o) },
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w; --help lists what there is", err)}
	})
	f := cmd.Flags()
	f.StringVar(&o.version, "version", "", "OpenNebula's release, X.Y.Z (default the chart's)")
	f.StringVar(&o.packages, "packages", "", "`folder` of OpenNebula's .deb files")
	f.StringVar(&o.repository, "repository", "", "`URL` of an apt repository laid out as OpenNebula's")
	f.StringVar(&o.key, "key", "", "`URL or file` of the key that signs it (default OpenNebula's own)")
	f.StringVar(&o.image, "image", "", "an image to use instead of building one, `repository@sha256:…`")
	f.StringVar(&o.values, "values", "", "`file` of values for the chart")
	f.StringVar(&o.kubeconfig, "kubeconfig", "", "`file` of a cluster to use instead of the lab's; needs --registry")
	f.StringVar(&o.registry, "registry", "", "registry to push to instead of the lab's alone, `host/path`")
	f.BoolVar(&o.plainHTTP, "plain-http", false, "the registry of --registry or --image has no TLS")
	f.StringVar(&o.network, "network", "10.98.0.0/24", "a free IPv4 /24 for the lab")
	f.Uint16Var(&o.registryPort, "registry-port", 5000, "port of the lab's registry")
	f.Uint16Var(&o.packagesPort, "packages-port", 5001, "port of the lab's package repository")
	f.BoolVar(&o.thorough, "thorough", false, "also install the chart's examples, and upgrade, break, lose and restore releases")
	f.BoolVar(&o.withoutHypervisor, "without-hypervisor", false, "run no virtual machines, which is faster; stand-ins never do")
	f.StringVar(&o.only, "run", "", "run only the tests of the suite that match a `pattern`, as go test -run has it")
	f.StringVar(&o.previous, "previous", "7.0.2", "OpenNebula's release to upgrade from, with --thorough")
	f.StringVar(&o.previousPackages, "previous-packages", "", "`folder` of its .deb files")
	f.StringVar(&o.carried, "carried", "", "`folder` with another front-end's database, as docs/migrate.md makes it: try its migration, with --thorough")
	f.BoolVar(&o.keep, "keep", false, "leave it running; take it away with: rehearse down")
	f.BoolVar(&o.yes, "yes", false, "install missing Debian packages without asking")
	f.BoolVar(&o.keeper, "keeper", false, "run as the background process of --keep")
	_ = f.MarkHidden("keeper")
	cmd.AddCommand(&cobra.Command{
		Use:   "down",
		Short: "Take away what --keep left running, or what a killed rehearsal left behind",
		Args:  func(_ *cobra.Command, args []string) error { return noArguments(args) },
		RunE:  func(cmd *cobra.Command, _ []string) error { return down(cmd.Context()) },
	})
	return cmd
}

func noArguments(args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usageError{fmt.Errorf("there is no command %q; --help lists what there is", args[0])}
}
