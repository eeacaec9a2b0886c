package container

import (
	"context"
	"os/exec"
	"strings"
	"time"
)

// EndTime is what a container that is ended has to give back what would outlive it, such
// as the kernel's loop devices.
const EndTime = 10 * time.Second

// Sweep ends those containers of pods of a name that a killed run has left.
func Sweep(ctx context.Context, name string) {
	out, _ := exec.CommandContext(ctx, "runc", "list", "--quiet").Output() // there may be no runc
	for _, id := range strings.Fields(string(out)) {
		if strings.HasPrefix(id, name+"-") {
			end(ctx, id)
		}
	}
}

// end a container by runc's name for it.
func end(ctx context.Context, id string) {
	running := exec.CommandContext(ctx, "runc", "kill", id, "TERM").Run() == nil
	for latest := time.Now().Add(EndTime); running && time.Now().Before(latest); {
		time.Sleep(100 * time.Millisecond)
		running = exec.CommandContext(ctx, "runc", "kill", id, "0").Run() == nil
	}
	_ = exec.CommandContext(ctx, "runc", "delete", "--force", id).Run()
}
