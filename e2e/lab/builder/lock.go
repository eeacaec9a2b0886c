package builder

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// lock is held by the one daemon that may use a cache folder.
type lock struct{ file *os.File }

// takeLock waits until no other process builds with the cache folder, and says so
// once. It fails when the context ends.
func takeLock(ctx context.Context, cache string, say func(f string, args ...any)) (*lock, error) {
	if err := os.MkdirAll(cache, 0o700); err != nil {
		return nil, fmt.Errorf("create the builder's cache folder: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(cache, "in-use.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock of the builder's cache: %w", err)
	}
	for waiting := false; ; waiting = true {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return &lock{file}, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			file.Close()
			return nil, fmt.Errorf("lock the builder's cache %s: %w", cache, err)
		}
		if !waiting {
			say("another build on this machine uses %s; waiting for its end", cache)
		}
		select {
		case <-ctx.Done():
			file.Close()
			return nil, fmt.Errorf("wait for the end of another build, which uses %s: %w", cache, ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// release lets the next one in. The file stays: another may be waiting at it.
func (l *lock) release() { l.file.Close() }
