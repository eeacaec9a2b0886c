package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// runAsInit runs this program again, since the first process of a container has to take
// the ended children of others, and returns the exit code of what it ran.
func runAsInit() int {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	child, err := os.StartProcess("/proc/self/exe", os.Args, &os.ProcAttr{Files: []*os.File{os.Stdin, os.Stdout, os.Stderr}})
	if err != nil {
		fmt.Fprintf(os.Stderr, "k3s: start the server: %v\n", err)
		return 1
	}
	go func() {
		for s := range signals {
			_ = child.Signal(s) // it may have ended
		}
	}()
	for {
		var status syscall.WaitStatus
		switch pid, err := syscall.Wait4(-1, &status, 0, nil); {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			fmt.Fprintf(os.Stderr, "k3s: wait for the server: %v\n", err)
			return 1
		case pid == child.Pid && status.Signaled():
			return 128 + int(status.Signal())
		case pid == child.Pid:
			return status.ExitStatus()
		}
	}
}
