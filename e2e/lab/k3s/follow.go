package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// follower copies what the programs' logs in a folder get, line by line.
type follower struct {
	folder string
	to     io.Writer
	logs   map[string]*bufio.Reader
	half   map[string]string // lines whose end is yet to come
	end    context.CancelFunc
	done   chan struct{}
}

func follow(ctx context.Context, folder string, to io.Writer) *follower {
	ctx, end := context.WithCancel(context.WithoutCancel(ctx))
	f := &follower{
		folder: folder, to: to, logs: map[string]*bufio.Reader{}, half: map[string]string{},
		end: end, done: make(chan struct{}),
	}
	go f.run(ctx)
	return f
}

// stop copies the rest.
func (f *follower) stop() {
	f.end()
	<-f.done
}

func (f *follower) run(ctx context.Context) {
	defer close(f.done)
	for {
		f.copy()
		select {
		case <-ctx.Done():
			f.copy()
			return
		case <-time.After(500 * time.Millisecond):
		}
	}
}

func (f *follower) copy() {
	files, _ := filepath.Glob(filepath.Join(f.folder, "*.log")) // the pattern is a good one
	for _, file := range files {
		log, ok := f.logs[file]
		if !ok {
			opened, err := os.Open(file)
			if err != nil {
				continue // the next time
			}
			log = bufio.NewReader(opened)
			f.logs[file] = log
		}
		f.copyLines(strings.TrimSuffix(filepath.Base(file), ".log"), log)
	}
}

func (f *follower) copyLines(name string, log *bufio.Reader) {
	for {
		text, err := log.ReadString('\n')
		line := f.half[name] + text
		if err != nil {
			f.half[name] = line
			return
		}
		f.half[name] = ""
		fmt.Fprintf(f.to, "%s: %s", name, line)
	}
}
