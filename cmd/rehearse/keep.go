package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// keeperLog is what the background process of --keep prints.
const keeperLog = "keep.log"

// runInBackground runs the same rehearsal in a process that stays when this one
// ends, shows what it prints, and returns when it has come to its end or is kept.
func runInBackground(ctx context.Context, cache string) error {
	out, err := os.Create(filepath.Join(cache, keeperLog))
	if err != nil {
		return fmt.Errorf("create the log of the background process: %w", err)
	}
	defer out.Close()
	kept, notify, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make a pipe to the background process: %w", err)
	}
	defer kept.Close()
	cmd := exec.Command("/proc/self/exe", append(os.Args[1:], "--keeper")...)
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = out, out, []*os.File{notify}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the background process: %w", err)
	}
	notify.Close()
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Signal(syscall.SIGTERM) })
	defer stop()
	if follow(out.Name(), kept) {
		return nil
	}
	// It has said why on its own.
	var exit *exec.ExitError
	if err := cmd.Wait(); errors.As(err, &exit) {
		return exitCode(exit.ExitCode())
	} else if err != nil {
		return fmt.Errorf("run in the background: %w", err)
	}
	return nil
}

// exitCode is the failure of a process that has already said what is wrong.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// follow copies a log to stdout until the process at the other end of the pipe
// says that it stays (true) or ends (false).
func follow(file string, kept io.Reader) bool {
	log, err := os.Open(file)
	if err != nil {
		return false
	}
	defer log.Close()
	said := make(chan bool, 1)
	go func() {
		n, _ := kept.Read(make([]byte, 1))
		said <- n == 1
	}()
	for {
		select {
		case stays := <-said:
			_, _ = io.Copy(os.Stdout, log)
			return stays
		case <-time.After(200 * time.Millisecond):
			_, _ = io.Copy(os.Stdout, log)
		}
	}
}

// stay tells the process in the foreground that it may end, and waits to be ended.
func stay(ctx context.Context) {
	notify := os.NewFile(3, "foreground")
	_, _ = notify.Write([]byte{1})
	notify.Close()
	<-ctx.Done()
}
