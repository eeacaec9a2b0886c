package changes

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"

	"github.com/pablodelarco/opennebula-helm/upstream"
)

// maxPackage is far above what the largest package of OpenNebula weighs, in bytes.
const maxPackage = 2 << 30

// Source has the packages of one distribution and architecture, of one release or
// of several.
type Source interface {
	// Packages lists all there are.
	Packages(ctx context.Context) ([]upstream.Package, error)
	// Open reads a package's file, the .deb. What is read is held against the
	// package's Size and SHA256 by who reads it.
	Open(ctx context.Context, p upstream.Package) (io.ReadCloser, error)
}

// Repository is a source of the packages that an apt repository has for an
// architecture, each held against the signed index.
func Repository(r *upstream.Repository, architecture string) Source {
	return repository{r, architecture}
}

type repository struct {
	*upstream.Repository
	architecture string
}

func (r repository) Packages(ctx context.Context) ([]upstream.Package, error) {
	packages, err := r.Repository.Packages(ctx, r.architecture)
	if err != nil {
		return nil, err
	}
	for _, p := range packages {
		if p.SHA256 == "" || p.Size == 0 {
			return nil, fmt.Errorf("the index of %s has no SHA256 or no size for %s %s: such a package cannot be verified; choose another repository", r.Repository, p.Name, p.Version)
		}
	}
	return packages, nil
}

// Folder is a source of the .deb files in a folder, of which those for an
// architecture, and for all, count.
func Folder(path, architecture string) Source { return folder{path, architecture} }

type folder struct{ path, architecture string }

func (f folder) Packages(ctx context.Context) ([]upstream.Package, error) {
	files, err := filepath.Glob(filepath.Join(f.path, "*.deb"))
	if err != nil {
		return nil, fmt.Errorf("list the packages of the folder %s: %w", f.path, err)
	}
	var found []upstream.Package
	for _, file := range files {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		p, err := describe(file)
		if err != nil {
			return nil, err
		}
		if p.Architecture == f.architecture || p.Architecture == "all" {
			found = append(found, p)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("the folder %s has no .deb files for %s: give the folder that holds OpenNebula's packages", f.path, f.architecture)
	}
	return found, nil
}

func (f folder) Open(_ context.Context, p upstream.Package) (io.ReadCloser, error) {
	return os.Open(filepath.Join(f.path, filepath.Base(p.Filename)))
}

// describe reads what a package's file says of itself.
func describe(file string) (upstream.Package, error) {
	opened, err := os.Open(file)
	if err != nil {
		return upstream.Package{}, fmt.Errorf("open the package %s: %w", file, err)
	}
	defer opened.Close()
	info, err := opened.Stat()
	if err != nil {
		return upstream.Package{}, fmt.Errorf("read the package %s: %w", file, err)
	}
	said, err := readControl(opened)
	if err != nil {
		return upstream.Package{}, fmt.Errorf("the package %s is not a readable .deb file: %w", file, err)
	}
	return upstream.Package{
		Name: said.name, Version: said.version, Architecture: said.architecture,
		Filename: filepath.Base(file), Size: info.Size(),
	}, nil
}

// tries are how often a package is read that breaks off on its way.
const tries = 3

// errBroken is a package that did not come whole.
var errBroken = errors.New("it did not come whole")

// open copies a package into a file without a name, since a .deb is read here and
// there, and fails unless it is what its source's index says.
func open(ctx context.Context, s Source, p upstream.Package) (*os.File, error) {
	out, err := os.CreateTemp("", "package-")
	if err != nil {
		return nil, fmt.Errorf("create a file for the package %s: %w", p.Filename, err)
	}
	err = os.Remove(out.Name())
	for try := 0; err == nil || errors.Is(err, errBroken) && try < tries; try++ {
		if err = fill(ctx, out, s, p); err == nil {
			return out, nil
		}
	}
	out.Close()
	return nil, fmt.Errorf("read the package %s: %w", p.Filename, err)
}

// fill a file, from its begin, with a package.
func fill(ctx context.Context, out *os.File, s Source, p upstream.Package) error {
	in, err := s.Open(ctx, p)
	if err != nil {
		return err
	}
	defer in.Close()
	if _, err := out.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := out.Truncate(0); err != nil {
		return err
	}
	return copyPackage(out, in, p)
}

func copyPackage(out io.Writer, in io.Reader, p upstream.Package) error {
	limit := int64(maxPackage)
	if p.Size > 0 && p.Size < limit {
		limit = p.Size
	}
	sum := sha256.New()
	size, err := io.Copy(io.MultiWriter(out, sum), io.LimitReader(in, limit+1))
	if err != nil {
		return fmt.Errorf("%w: after %d bytes: %w", errBroken, size, err)
	}
	return checkPackage(p, size, sum)
}

func checkPackage(p upstream.Package, size int64, sum hash.Hash) error {
	switch {
	case p.Size > 0 && size < p.Size:
		return fmt.Errorf("%w: it ends after %d of %d bytes; try again", errBroken, size, p.Size)
	case p.Size > 0 && size > p.Size:
		return fmt.Errorf("it has more than the %d bytes that the index says: the repository is being changed or was tampered with; try again later", p.Size)
	case size > maxPackage:
		return fmt.Errorf("it has more than %d bytes, which no package of OpenNebula has", int64(maxPackage))
	case p.SHA256 != "" && hex.EncodeToString(sum.Sum(nil)) != p.SHA256:
		return errors.New("its SHA256 is not what the index says: the repository is being changed or was tampered with; try again later")
	default:
		return nil
	}
}
