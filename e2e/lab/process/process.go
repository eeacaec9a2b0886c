// Package process runs the lab's long-lived programs: each with a log of its
// own, ended in order, and with a reason when it dies too early.
package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Process is a running program.
type Process struct {
	name string
	log  string
	cmd  *exec.Cmd
	done chan struct{}
}

// Start runs a program in the background, in a session of its own so that a
// terminal's Ctrl-C ends it in order and not at once. Its output goes to
// dir/name.log. It does not outlive the caller.
func Start(dir, name string, cmd *exec.Cmd) (*Process, error) {
	log := filepath.Join(dir, name+".log")
	out, err := os.Create(log)
	if err != nil {
		return nil, fmt.Errorf("create the log of %s: %w", name, err)
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setsid = true
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p := &Process{name: name, log: log, cmd: cmd, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // the state is read from cmd.ProcessState
		close(p.done)
	}()
	return p, nil
}

// PID of the program.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Stop asks the program to end, and kills it when it has not after the grace.
func (p *Process) Stop(grace time.Duration) {
	if p == nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
		return
	case <-time.After(grace):
	}
	_ = p.cmd.Process.Kill()
	<-p.done
}

// Ready waits until check succeeds. It fails at once when the program ends, and
// with check's last error when the context does.
func (p *Process) Ready(ctx context.Context, check func(context.Context) error) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended (%s): %s; its log is %s", p.name, p.cmd.ProcessState, lastLineOf(p.log), p.log)
		case <-ctx.Done():
			return fmt.Errorf("%s did not become ready: %w; its log is %s", p.name, errors.Join(ctx.Err(), err), p.log)
		case <-tick.C:
		}
	}
}

func lastLineOf(file string) string {
	content, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	return LastLine(content)
}

// LastLine of a program's output, where it says as a rule why it failed.
func LastLine(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}
