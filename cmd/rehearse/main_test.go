package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// compiled is the command as a file, made once for all tests.
var compiled string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "rehearse-")
	if err != nil {
		log.Fatal(err)
	}
	code := 1
	if err := compile(dir); err == nil {
		code = m.Run()
	} else {
		log.Print(err)
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// compile makes the command, in a folder that every user may read.
func compile(dir string) error {
	compiled = filepath.Join(dir, "rehearse")
	if out, err := exec.Command("go", "build", "-o", compiled, ".").CombinedOutput(); err != nil {
		return fmt.Errorf("compile the command: %w: %s", err, out)
	}
	return os.Chmod(dir, 0o755)
}

// program is the compiled command, run as a user runs it.
type program struct{ env []string }

func newProgram() program { return program{env: os.Environ()} }

// outcome of one call.
type outcome struct {
	code   int
	stdout string
	stderr string
}

// run calls the command and waits for its end.
func (p program) run(t *testing.T, args ...string) outcome {
	return p.runUntil(t, "", args...)
}

// runUntil calls the command and interrupts it, as Ctrl-C does, once it has
// printed a line.
func (p program) runUntil(t *testing.T, line string, args ...string) outcome {
	ctx, cancel := context.WithTimeout(t.Context(), 80*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, compiled, args...)
	cmd.Env = p.env
	out := &watcher{want: line, met: func() { _ = cmd.Process.Signal(syscall.SIGINT) }}
	var problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = out, &problem
	err := cmd.Run()
	t.Logf("rehearse %s\n%s%s", strings.Join(args, " "), out.String(), problem.String())
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	return outcome{code: cmd.ProcessState.ExitCode(), stdout: out.String(), stderr: problem.String()}
}

// watcher collects output, and acts once on a line of it.
type watcher struct {
	seen bytes.Buffer
	want string
	met  func()
}

func (w *watcher) Write(p []byte) (int, error) {
	n, err := w.seen.Write(p)
	if w.want != "" && strings.Contains(w.seen.String(), w.want+"\n") {
		w.want = ""
		w.met()
	}
	return n, err
}

func (w *watcher) String() string { return w.seen.String() }

// requireRefusal checks that a call failed with one sentence which holds words.
func requireRefusal(t *testing.T, o outcome, code int, words ...string) {
	require.Equal(t, code, o.code, o.stderr)
	require.Equal(t, 1, strings.Count(o.stderr, "\n"), "one sentence: %s", o.stderr)
	for _, word := range words {
		require.Contains(t, o.stderr, word)
	}
}

func TestUsage(t *testing.T) {
	p := newProgram()
	for name, test := range map[string]struct {
		args  []string
		words []string
	}{
		"unknown flag":            {[]string{"--relase=7.2.0"}, []string{"--relase", "--help"}},
		"unknown command":         {[]string{"up"}, []string{`"up"`, "--help"}},
		"no version":              {[]string{"--version=seven"}, []string{`"seven"`, "give a release as X.Y.Z"}},
		"no image reference":      {[]string{"--image=Not An Image"}, []string{`"Not An Image" is not an image reference`, "write it as"}},
		"image by tag":            {[]string{"--image=example.org/frontend:7.2.0"}, []string{"give the image by digest"}},
		"no network":              {[]string{"--network=10.0.0.0/8"}, []string{`"10.0.0.0/8"`, "give a free IPv4 /24"}},
		"two sources":             {[]string{"--packages=.", "--repository=http://localhost"}, []string{"give one of them"}},
		"cluster, no registry":    {[]string{"--kubeconfig=config"}, []string{"--kubeconfig needs --registry"}},
		"thorough elsewhere":      {[]string{"--thorough", "--kubeconfig=config", "--registry=example.org/team"}, []string{"--thorough", "on the lab's cluster only"}},
		"no previous version":     {[]string{"--thorough", "--previous=six"}, []string{"--previous", `"six"`}},
		"nothing carried":         {[]string{"--thorough", "--carried=."}, []string{"--carried", "manifest", "docs/migrate.md"}},
		"carried for nothing":     {[]string{"--carried=."}, []string{"--carried is for --thorough"}},
		"packages for nothing":    {[]string{"--previous-packages=."}, []string{"--previous-packages is for --thorough"}},
		"registry without folder": {[]string{"--registry=example.org"}, []string{"--registry", "write it as registry.example.org/team"}},
	} {
		t.Run(name, func(t *testing.T) { requireRefusal(t, p.run(t, test.args...), 2, test.words...) })
	}
}

func TestValuesAreCheckedFirst(t *testing.T) {
	p := newProgram()
	file := filepath.Join(t.TempDir(), "values.yaml")
	require.NoError(t, os.WriteFile(file, []byte("sunstoen: {port: 80}\n"), 0o644))
	requireRefusal(t, p.run(t, "--values="+file), 1, file, "sunstoen", "chart/opennebula/values.yaml")

	require.NoError(t, os.WriteFile(file, []byte("- a\n- list\n"), 0o644))
	requireRefusal(t, p.run(t, "--values="+file), 1, file, "not a YAML mapping")
	requireRefusal(t, p.run(t, "--values="+file+".not"), 1, file+".not")
}

func TestOutsideOfACheckout(t *testing.T) {
	p := newProgram()
	t.Chdir(t.TempDir())
	requireRefusal(t, p.run(t), 1, "run it from within one")
}

// A connection that breaks raises the same signal as a reader that goes away.
func TestWhileRead(t *testing.T) {
	read, write, err := os.Pipe()
	require.NoError(t, err)
	defer write.Close()
	ctx := whileRead(t.Context(), write)

	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGPIPE))
	require.Never(t, func() bool { return ctx.Err() != nil }, 100*time.Millisecond, 10*time.Millisecond)
	read.Close()
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGPIPE))
	require.Eventually(t, func() bool { return ctx.Err() != nil }, 10*time.Second, 10*time.Millisecond)
}
