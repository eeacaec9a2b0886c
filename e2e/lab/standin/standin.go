// Package standin builds stand-ins for OpenNebula's Debian packages, so that the
// image and the chart can be tried on machines that cannot reach OpenNebula's
// apt repository. They have upstream's names, paths, configuration syntax and
// ports, and a daemon that keeps a small part of the API in a real database. They
// boot nothing: a virtual machine runs on OpenNebula's dummy driver only, which is
// a number in a table. What passes with them is the packaging, not OpenNebula.
package standin

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"

	"github.com/Masterminds/semver/v3"
)

// Build writes the stand-in packages of an OpenNebula version (X.Y.Z) as .deb
// files into dir, for this machine's architecture or the one of GOARCH. The source
// is the folder of this package in a checkout.
func Build(ctx context.Context, source, version, dir string) error {
	work, err := os.MkdirTemp("", "standin-")
	if err != nil {
		return fmt.Errorf("create a folder to lay the packages out in: %w", err)
	}
	defer os.RemoveAll(work)
	if err := stage(filepath.Join(source, "tree"), work, version); err != nil {
		return fmt.Errorf("lay the packages out in %s: %w", work, err)
	}
	program := filepath.Join(work, "opennebula/usr/lib/one/standin")
	if err := run(ctx, source, "go", "build", "-trimpath", "-ldflags", "-s -w -X main.version="+version, "-o", program, "./cloud"); err != nil {
		return err
	}
	if err := os.Chmod(program, 0o755); err != nil {
		return err
	}
	packages, err := os.ReadDir(work)
	if err != nil {
		return err
	}
	for _, p := range packages {
		if err := run(ctx, work, "dpkg-deb", "--root-owner-group", "--build", p.Name(), dir); err != nil {
			return err
		}
	}
	return nil
}

// stage copies the trees of all packages, filling in version and architecture.
// Modes are set whatever the umask is. A file that some releases have, and others
// have not, is named by it: name.from-X.Y.Z or name.before-X.Y.Z.
func stage(source, dest, version string) error {
	return filepath.WalkDir(source, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(source, path)
		if err != nil {
			return err
		}
		target := filepath.Join(dest, relative)
		if entry.IsDir() {
			return errors.Join(os.MkdirAll(target, 0o755), os.Chmod(target, 0o755))
		}
		target, in, err := inRelease(target, version)
		if err != nil || !in {
			return err
		}
		return stageFile(path, target, version)
	})
}

var some = regexp.MustCompile(`^(.+)\.(from|before)-(\d+\.\d+\.\d+)$`)

// inRelease says whether a version has the file of a name, and under which name.
func inRelease(name, version string) (plain string, in bool, err error) {
	parts := some.FindStringSubmatch(name)
	if parts == nil {
		return name, true, nil
	}
	v, err := semver.StrictNewVersion(version)
	if err != nil {
		return "", false, fmt.Errorf("read the version %q: %w", version, err)
	}
	reached := !v.LessThan(semver.MustParse(parts[3]))
	return parts[1], reached == (parts[2] == "from"), nil
}

func stageFile(source, target, version string) error {
	info, err := os.Stat(source)
	if err != nil {
		return err
	}
	content, err := os.ReadFile(source)
	if err != nil {
		return err
	}
	content = bytes.ReplaceAll(content, []byte("@VERSION@"), []byte(version))
	content = bytes.ReplaceAll(content, []byte("@ARCH@"), []byte(arch()))
	mode := fs.FileMode(0o644)
	if info.Mode()&0o100 != 0 {
		mode = 0o755
	}
	if err := os.WriteFile(target, content, mode); err != nil {
		return err
	}
	return os.Chmod(target, mode)
}

// arch is the same word for Go and for Debian on all that the image is built for.
func arch() string { return cmp.Or(os.Getenv("GOARCH"), runtime.GOARCH) }

func run(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	// The same sources are the same packages, so that an image built from them is
	// found in the builder's cache.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "SOURCE_DATE_EPOCH=1700000000")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("run %s in %s: %w: %s", cmd, dir, err, out)
	}
	return nil
}
