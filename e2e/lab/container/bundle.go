package container

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/profiles/seccomp"
	"github.com/moby/sys/capability"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// writeBundle writes what runc reads: the container in the words of the OCI.
func (p *Pod) writeBundle(dir string, s Spec) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	user, err := s.user()
	if err != nil {
		return err
	}
	spec := &specs.Spec{
		Version:  specs.Version,
		Hostname: p.name,
		Root:     &specs.Root{Path: s.Root.path, Readonly: !s.Writable},
		Process: &specs.Process{
			Args:            s.command(),
			Env:             slices.Concat(s.Root.config.Env, s.Env),
			Cwd:             s.workingDirectory(),
			User:            specs.User{UID: user, GID: user},
			NoNewPrivileges: true,
			Capabilities:    &specs.LinuxCapabilities{}, // none
		},
		Mounts: s.mounts(),
		Linux:  p.linux(s.Mapped),
	}
	if s.Privileged {
		err = privilege(spec)
	} else {
		// What Docker uses, and RuntimeDefault means, but for a few system calls.
		spec.Linux.Seccomp, err = seccomp.GetDefaultProfile(spec)
	}
	if err != nil {
		return err
	}
	content, err := json.MarshalIndent(spec, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "config.json"), content, 0o644)
}

// privilege lets a container do what this machine may, which is not always all.
func privilege(spec *specs.Spec) error {
	own, err := capability.NewPid2(0)
	if err != nil {
		return fmt.Errorf("read what this machine may do: %w", err)
	}
	if err := own.Load(); err != nil {
		return fmt.Errorf("read what this machine may do: %w", err)
	}
	var all []string
	for _, c := range capability.ListKnown() {
		if own.Get(capability.BOUNDING, c) {
			all = append(all, "CAP_"+strings.ToUpper(c.String()))
		}
	}
	spec.Process.NoNewPrivileges = false
	spec.Process.Capabilities = &specs.LinuxCapabilities{Bounding: all, Effective: all, Permitted: all}
	spec.Root.Readonly = false
	spec.Mounts = append(spec.Mounts, specs.Mount{Destination: "/sys", Type: "sysfs", Source: "sysfs"})
	spec.Linux.Resources = &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{Allow: true, Access: "rwm"}}}
	return nil
}

func (s Spec) command() []string {
	if len(s.Entrypoint) > 0 {
		return slices.Concat(s.Entrypoint, s.Args)
	}
	if len(s.Args) > 0 {
		return slices.Concat(s.Root.config.Entrypoint, s.Args)
	}
	return slices.Concat(s.Root.config.Entrypoint, s.Root.config.Cmd)
}

func (s Spec) workingDirectory() string {
	if s.Root.config.WorkingDir == "" {
		return "/"
	}
	return s.Root.config.WorkingDir
}

func (s Spec) user() (uint32, error) {
	if s.User != 0 || s.Root.config.User == "" {
		return s.User, nil
	}
	name, _, _ := strings.Cut(s.Root.config.User, ":")
	id, err := strconv.ParseUint(name, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("the image's user %q is not a number: %w", name, err)
	}
	return uint32(id), nil
}

func (s Spec) mounts() []specs.Mount {
	mounts := []specs.Mount{
		{Destination: "/proc", Type: "proc", Source: "proc"},
		{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
		{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"}},
		{Destination: "/dev/shm", Type: "tmpfs", Source: "shm", Options: []string{"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}},
	}
	for _, m := range s.Mounts {
		options := []string{"rbind", "rw"}
		if m.ReadOnly {
			options = []string{"rbind", "ro"}
		}
		mounts = append(mounts, specs.Mount{Destination: m.Destination, Type: "bind", Source: m.Source, Options: options})
	}
	return mounts
}

func (p *Pod) linux(mapped bool) *specs.Linux {
	l := &specs.Linux{
		CgroupsPath: "/onelab/" + p.name + "-" + strconv.Itoa(p.count),
		Namespaces: []specs.LinuxNamespace{
			{Type: specs.PIDNamespace}, {Type: specs.MountNamespace}, {Type: specs.IPCNamespace}, {Type: specs.UTSNamespace},
			{Type: specs.NetworkNamespace, Path: p.networkNamespace()},
		},
	}
	if mapped {
		l.Namespaces = append(l.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
		ids := []specs.LinuxIDMapping{{ContainerID: 0, HostID: MapBase, Size: 65536}}
		l.UIDMappings, l.GIDMappings = ids, ids
	}
	return l
}
