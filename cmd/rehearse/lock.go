package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/pablodelarco/opennebula-helm/e2e/lab/cluster"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/container"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/network"
)

// cacheFolder keeps what a later rehearsal can use again.
func cacheFolder() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache folder: %w: set XDG_CACHE_HOME", err)
	}
	cache := filepath.Join(base, "opennebula-helm")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", fmt.Errorf("create the cache folder: %w", err)
	}
	return cache, nil
}

// runFolder holds one rehearsal's state, and goes with it.
func runFolder(cache string) string { return filepath.Join(cache, "run") }

// lock is held by the one rehearsal of this machine, and holds its process id.
// The machine has one lab whatever the user's cache, so it lies where all look.
const lockFile = "/run/opennebula-rehearsal.lock"

type lock struct{ file *os.File }

var errLocked = errors.New("a rehearsal is running on this machine")

func takeLock() (*lock, error) {
	file, err := os.OpenFile(lockFile, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the lock: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		file.Close()
		return nil, fmt.Errorf("%w, process %d: wait for it, or take it away with: go run ./cmd/rehearse down", errLocked, lockHolder())
	}
	if err := file.Truncate(0); err != nil {
		return nil, fmt.Errorf("write the lock: %w", err)
	}
	if _, err := file.WriteString(strconv.Itoa(os.Getpid())); err != nil {
		return nil, fmt.Errorf("write the lock: %w", err)
	}
	return &lock{file}, nil
}

func (l *lock) release() {
	_ = os.Remove(lockFile)
	l.file.Close()
}

func lockHolder() int {
	content, _ := os.ReadFile(lockFile)
	pid, _ := strconv.Atoi(strings.TrimSpace(string(content)))
	return pid
}

// down ends a running rehearsal and removes what a killed one left behind.
func down(ctx context.Context) error {
	cache, err := cacheFolder()
	if err != nil {
		return err
	}
	held, err := takeLock()
	if errors.Is(err, errLocked) {
		fmt.Printf("ending the rehearsal, process %d\n", lockHolder())
		held, err = endHolder(ctx)
	}
	if err != nil {
		return err
	}
	defer held.release()
	sweepLab(ctx)
	if err := os.RemoveAll(runFolder(cache)); err != nil {
		return fmt.Errorf("remove the run's folder: %w", err)
	}
	fmt.Printf("Nothing of a rehearsal is running. What it built for later ones is in %s.\n", cache)
	return nil
}

func endHolder(ctx context.Context) (*lock, error) {
	pid := lockHolder()
	if pid <= 1 {
		return nil, fmt.Errorf("the lock %s names no process: end the rehearsal that holds it, and try again", lockFile)
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return nil, fmt.Errorf("end process %d: %w: run it as root", pid, err)
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	for {
		held, err := takeLock()
		if !errors.Is(err, errLocked) {
			return held, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("process %d has not ended within 5 minutes: end it with kill -9 %d, and try again", pid, pid)
		case <-time.After(300 * time.Millisecond):
		}
	}
}

// sweepLab removes what may be left of a lab when a rehearsal was killed: its processes
// and their mounts have ended with it, but for those of the hypervisors.
func sweepLab(ctx context.Context) {
	for _, n := range nodes() {
		container.Sweep(ctx, n.name)
	}
	network.Sweep(ctx)
	cluster.Sweep()
}
