// Cloud is one program for all that the stand-in packages start. It runs no
// virtual machines.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

var version = "0.0.0" // OpenNebula's; the build sets it

func main() {
	ctx, _ := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	if err := run(ctx, root(os.Getenv("STANDIN_ROOT")), os.Args[1:]); err != nil {
		end := exit{255, err.Error()}
		errors.As(err, &end)
		if end.text != "" {
			fmt.Fprintln(os.Stderr, end.text)
		}
		os.Exit(end.code)
	}
}

func run(ctx context.Context, r root, args []string) error {
	commands := map[string]func(context.Context, root, []string) error{
		"oned": runOned, "onedb": runOnedb, "onehost": runHost, "oneshowback": runShowback, "sched": runSched, "place": runPlace,
		"oneflow": runFlow, "onegate": runGate, "onehem": runHem, "guacd": runGuacd,
	}
	if len(args) == 0 || commands[args[0]] == nil {
		return fmt.Errorf("usage: standin oned|onedb|onehost|oneshowback|sched|place|oneflow|onegate|onehem|guacd; given was %q", args)
	}
	// Not to stdout: the scheduler speaks to oned there.
	fmt.Fprintf(os.Stderr, "%s: stand-in for OpenNebula %s: it runs no virtual machines\n", args[0], version)
	return commands[args[0]](ctx, r, args[1:])
}

// root is the folder that stands for /, so that tests can have their own.
type root string

func (r root) path(absolute string) string { return filepath.Join(string(r), absolute) }

// logger appends to a file of /var/log/one, in oned's format.
type logger struct{ file string }

func (l logger) printf(module, level, format string, args ...any) {
	line := fmt.Sprintf("%s [Z0][%s][%s]: %s\n", time.Now().Format(time.ANSIC), module, level, fmt.Sprintf(format, args...))
	if l.file == "" {
		fmt.Fprint(os.Stderr, line)
		return
	}
	f, err := os.OpenFile(l.file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s (the log cannot be written: %v)\n", line, err)
		return
	}
	defer f.Close()
	fmt.Fprint(f, line)
}
