// Release does the steps of a release that a maintainer may want alone: see what
// OpenNebula has and what is due, judge scans, publish what was built, verify what is
// published.
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
)

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	cmd := command()
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if ctx.Err() != nil {
		err = errors.New("interrupted: the same command again goes on where this one ended")
	}
	fmt.Fprintf(os.Stderr, "release: %s\n", oneLine(err))
	var usage usageError
	if errors.As(err, &usage) {
		return 2
	}
	return 1
}

// oneLine joins what libraries say in several lines.
func oneLine(err error) string {
	return strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\t' }), "; ")
}

// usageError is a command line that means nothing.
type usageError struct{ error }

func command() *cobra.Command {
	s := settings{}
	cmd := &cobra.Command{
		Use:   "release",
		Short: "See what there is to release, publish it, and verify what is published",
		Long: `Release does the steps of a release one at a time. Each can be run again after any
failure, and changes nothing that is right already.

Registries are logged in to as docker login has it; where images and charts are in
one registry, REGISTRY_USER and REGISTRY_PASSWORD do as well. GitHub is read without a token or with GITHUB_TOKEN, which
proposing needs. With DOCKERHUB_USER and DOCKERHUB_TOKEN the image's description on
Docker Hub is kept as well.`,
		Example: `  go run ./cmd/release versions                # what OpenNebula has released
  go run ./cmd/release changes 7.0.2 7.2.0     # what differs between two releases
  go run ./cmd/release plan                    # what is due, and why
  go run ./cmd/release verify docker.io/pablodelarco/opennebula-frontend:7.2.0`,
		SilenceErrors: true, SilenceUsage: true,
		Args: cobra.ArbitraryArgs, // so that a command that there is not comes to RunE
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("there is no command %q; --help lists what there is", args[0])}
			}
			return usageError{errors.New("give a command; --help lists what there is")}
		},
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w; --help lists what there is", err)}
	})
	s.addTo(cmd.PersistentFlags())
	cmd.AddCommand(versions(&s), changesBetween(&s), plan(&s), publish(&s), verify(&s), judge(), propose(&s), changelog(&s))
	return cmd
}

// exactly wants some arguments, by their names.
func exactly(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		return usageError{fmt.Errorf("%s takes %s, and was given %s; --help says more", cmd.Name(), listed(names, "no arguments"), listed(args, "none"))}
	}
}

func atLeastOne(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return nil
		}
		return usageError{fmt.Errorf("%s takes one %s or several; --help says more", cmd.Name(), name)}
	}
}

// listed is an enumeration, or what is said of none.
func listed(texts []string, none string) string {
	if len(texts) == 0 {
		return none
	}
	return strings.Join(texts, " ")
}

// say tells of progress, apart from what a command was asked for.
func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
