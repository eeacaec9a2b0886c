package packages

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp"

	"github.com/pablodelarco/opennebula-helm/upstream/upstreamtest"
)

// repository is an apt repository in a folder, laid out as upstream's.
type repository struct {
	folder string
	sum    string // of all its packages
}

// index lays out the .deb files of a folder as a signed repository in another.
func index(ctx context.Context, packages, folder string, key *openpgp.Entity) (repository, error) {
	r := repository{folder: folder}
	if err := linkPackages(packages, filepath.Join(folder, "pool", "opennebula")); err != nil {
		return r, err
	}
	architectures, err := architecturesOf(packages)
	if err != nil {
		return r, err
	}
	dist, sum := filepath.Join(folder, "dists", "stable"), sha256.New()
	for _, architecture := range architectures {
		list, err := ftparchive(ctx, folder, "--arch", architecture, "packages", "pool")
		if err != nil {
			return r, err
		}
		if err := writeFile(filepath.Join(dist, "opennebula", "binary-"+architecture, "Packages"), list); err != nil {
			return r, err
		}
		sum.Write(list)
	}
	r.sum = hex.EncodeToString(sum.Sum(nil))[:12]
	release, err := ftparchive(ctx, folder,
		"-o", "APT::FTPArchive::Release::Suite=stable", "-o", "APT::FTPArchive::Release::Codename=stable",
		"-o", "APT::FTPArchive::Release::Components=opennebula",
		"-o", "APT::FTPArchive::Release::Architectures="+strings.Join(architectures, " "),
		"release", "dists/stable")
	if err != nil {
		return r, err
	}
	signed, err := upstreamtest.Sign(release, key, nil)
	if err != nil {
		return r, err
	}
	return r, writeFile(filepath.Join(dist, "InRelease"), signed)
}

// architecturesOf are those that the names of a folder's packages end in, and this
// machine's; packages for all are for each of these.
func architecturesOf(packages string) ([]string, error) {
	debs, err := filepath.Glob(filepath.Join(packages, "*.deb"))
	if err != nil {
		return nil, fmt.Errorf("list packages: %w", err)
	}
	found := []string{runtime.GOARCH}
	for _, deb := range debs {
		name := strings.TrimSuffix(deb, ".deb")
		if of := name[strings.LastIndexByte(name, '_')+1:]; of != "all" && !strings.ContainsAny(of, "/") {
			found = append(found, of)
		}
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}

func linkPackages(from, to string) error {
	debs, err := filepath.Glob(filepath.Join(from, "*.deb"))
	if err != nil {
		return fmt.Errorf("list packages: %w", err)
	}
	if len(debs) == 0 {
		return fmt.Errorf("%s holds no .deb files: give the folder that holds OpenNebula's packages", from)
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return fmt.Errorf("create the repository's folder: %w", err)
	}
	for _, deb := range debs {
		if err := place(deb, filepath.Join(to, filepath.Base(deb))); err != nil {
			return fmt.Errorf("add a package to the repository: %w", err)
		}
	}
	return nil
}

// place a file where it is to be served: by a hard link, or a copy on another disk. Of a
// symbolic link apt-ftparchive may name the target.
func place(from, to string) error {
	if os.Link(from, to) == nil {
		return nil
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

func ftparchive(ctx context.Context, folder string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "apt-ftparchive", args...)
	cmd.Dir = folder
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("index packages with apt-ftparchive: %w: %s", err, bytes.TrimSpace(problem.Bytes()))
	}
	return out.Bytes(), nil
}

func writeFile(file string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("create a folder of the repository: %w", err)
	}
	if err := os.WriteFile(file, content, 0o644); err != nil {
		return fmt.Errorf("write a file of the repository: %w", err)
	}
	return nil
}
