package load

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Memory of a process that is not shared out, in bytes.
type Memory struct {
	Now, Peak int64 // resident; the peak is of the run
}

// FindProcess is the number of the process of a program in a cgroup of which a word is
// known, such as a pod's UID. All that runs on this machine is looked at, also within
// containers.
func FindProcess(program, word string) (int, error) {
	names, err := filepath.Glob("/proc/[0-9]*/comm")
	if err != nil {
		return 0, fmt.Errorf("list processes: %w", err)
	}
	for _, file := range names {
		name, _ := os.ReadFile(file) // it may have ended
		cgroup, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "cgroup"))
		// systemd's names have another dash.
		if strings.TrimSpace(string(name)) == program && strings.Contains(strings.ReplaceAll(string(cgroup), "_", "-"), word) {
			return strconv.Atoi(filepath.Base(filepath.Dir(file)))
		}
	}
	return 0, fmt.Errorf("no process %s of %s runs on this machine: both are to be measured on one, so give the kubeconfig of a cluster on it", program, word)
}

// RequireSameNice fails where the kernel would prefer one of two oned.
func RequireSameNice(kubernetes, plain Cloud) error {
	var nice []int
	for _, c := range []Cloud{kubernetes, plain} {
		priority, err := unix.Getpriority(unix.PRIO_PROCESS, c.PID)
		if err != nil {
			return fmt.Errorf("read the priority of process %d: %w", c.PID, err)
		}
		nice = append(nice, 20-priority) // the system call has no negative answers
	}
	if nice[0] != nice[1] {
		return fmt.Errorf("oned in Kubernetes has the niceness %d, and the one without %d: run this with the first, such as by nice -n", nice[0], nice[1])
	}
	return nil
}

// forgetPeak lets the kernel note the peak anew.
func forgetPeak(pid int) error {
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0); err != nil {
		return fmt.Errorf("forget the peak of the memory of process %d: %w", pid, err)
	}
	return nil
}

func memoryOf(pid int) (Memory, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return Memory{}, fmt.Errorf("read the memory of process %d: %w", pid, err)
	}
	memory := Memory{Now: field(string(status), "VmRSS:"), Peak: field(string(status), "VmHWM:")}
	if memory.Now == 0 || memory.Peak == 0 {
		return memory, fmt.Errorf("read the memory of process %d: its status does not have it", pid)
	}
	return memory, nil
}

// field of a process's status, which is in KiB, in bytes; 0 where it is not there.
func field(status, name string) int64 {
	_, rest, _ := strings.Cut(status, "\n"+name)
	number, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	value, _ := strconv.ParseInt(number, 10, 64)
	return value << 10
}
