package changes

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"
	"github.com/xi2/xz"
)

// What is read of a package at the most, in bytes, so that one made to fill disk or
// memory is refused.
const (
	maxControl  = 16 << 10 // the control file; parsing takes time by its square
	maxScripts  = 16 << 20 // all that stands beside it
	maxUnpacked = 8 << 30  // all files together
	maxFile     = 8 << 20  // one file that is looked at
	maxFiles    = 20_000   // how many of these
	maxText     = 256 << 10
	maxWindow   = 128 << 20 // of a decompressor
)

// contents are what is looked at of a package.
type contents struct {
	about     about
	conffiles []string        // paths
	files     map[string]file // by path; those that matter says
}

// file is one that a package installs.
type file struct {
	mode     fs.FileMode // permissions
	link     string      // target of a symbolic link
	size     int64
	sum      [sha256.Size]byte
	text     string // as far as it is a text
	readable bool   // it is a text, and not too long to be shown
}

// readDeb reads a package.
func readDeb(r io.ReaderAt) (*contents, error) {
	said, err := readControl(r)
	if err != nil {
		return nil, err
	}
	c := &contents{about: said, files: map[string]file{}}
	if err := eachFile(r, "control.tar", maxScripts, c.addScript); err != nil {
		return nil, err
	}
	return c, eachFile(r, "data.tar", maxUnpacked, c.addFile)
}

// readControl reads what a package says of itself: its control file.
func readControl(r io.ReaderAt) (about, error) {
	var text []byte
	err := eachFile(r, "control.tar", maxScripts, func(h *tar.Header, content io.Reader) (err error) {
		if clean(h.Name) == "/control" {
			text, err = readLimited(content, maxControl)
		}
		return err
	})
	if err != nil {
		return about{}, err
	}
	return parseControl(text)
}

func (c *contents) addScript(h *tar.Header, content io.Reader) error {
	if clean(h.Name) != "/conffiles" {
		return nil
	}
	text, err := readLimited(content, maxText)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		// A word before the path says what becomes of it, as remove-on-upgrade.
		if fields := strings.Fields(line); len(fields) == 1 {
			c.conffiles = append(c.conffiles, clean(fields[0]))
		}
	}
	return nil
}

func (c *contents) addFile(h *tar.Header, content io.Reader) error {
	name := located(h.Name)
	if !matters(name) {
		return nil
	}
	if len(c.files) >= maxFiles {
		return fmt.Errorf("it has more than %d files of configuration", maxFiles)
	}
	f := file{mode: fs.FileMode(h.Mode) & 0o7777}
	switch h.Typeflag {
	case tar.TypeReg:
		if err := f.read(content); err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
	case tar.TypeLink: // to a file before it
		f = c.files[located(h.Linkname)]
	case tar.TypeSymlink:
		f = file{link: h.Linkname}
	default:
		return nil
	}
	c.files[name] = f
	return nil
}

func (f *file) read(content io.Reader) error {
	text, err := readLimited(content, maxFile)
	if err != nil {
		return err
	}
	f.size, f.sum = int64(len(text)), sha256.Sum256(text)
	if len(text) <= maxText && utf8.Valid(text) && !bytes.ContainsRune(text, 0) {
		f.text, f.readable = string(text), true
	}
	return nil
}

// clean is the absolute path of a name in an archive.
func clean(name string) string { return path.Clean("/" + name) }

// located is the path of a file where Debian has it now, whichever of the two names
// of a folder the package takes.
func located(name string) string {
	name = clean(name)
	if strings.HasPrefix(name, "/lib/") {
		return "/usr" + name
	}
	return name
}

// eachFile goes through the files of a member of a package, named without the
// compression's ending.
func eachFile(r io.ReaderAt, member string, limit int64, do func(*tar.Header, io.Reader) error) error {
	packed, ending, err := findMember(r, member)
	if err != nil {
		return err
	}
	unpacked, err := decompress(packed, ending)
	if err != nil {
		return fmt.Errorf("unpack %s%s: %w", member, ending, err)
	}
	defer unpacked.Close()
	bounded := &io.LimitedReader{R: unpacked, N: limit}
	for files := tar.NewReader(bounded); ; {
		header, err := files.Next()
		switch {
		case bounded.N <= 0:
			return fmt.Errorf("%s%s unpacks to more than %d bytes", member, ending, limit)
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read %s%s: %w", member, ending, err)
		}
		if err := do(header, files); err != nil {
			return err
		}
	}
}

// findMember finds a member by the part of its name before the ending. A package is
// an archive of ar: after its first line each member has a header of sixty bytes, of
// which the first sixteen are its name and those from 48 to 58 its size, and begins at
// an even place.
func findMember(r io.ReaderAt, name string) (packed io.Reader, ending string, err error) {
	first, header := make([]byte, len(arBegin)), make([]byte, 60)
	if _, err := r.ReadAt(first, 0); err != nil || string(first) != arBegin {
		return nil, "", errors.New("it does not begin as a package does")
	}
	for at := int64(len(arBegin)); ; {
		if _, err := r.ReadAt(header, at); err != nil {
			return nil, "", fmt.Errorf("it has no %s: it was cut, or is no package", name)
		}
		called := strings.TrimRight(string(header[:16]), " /")
		size, err := strconv.ParseInt(strings.TrimSpace(string(header[48:58])), 10, 64)
		if err != nil || size < 0 {
			return nil, "", fmt.Errorf("its member %q has a size that is no number: it is damaged", called)
		}
		at += int64(len(header))
		if ending, ok := strings.CutPrefix(called, name); ok {
			return bufio.NewReader(io.NewSectionReader(r, at, size)), ending, nil
		}
		at += size + size%2
	}
}

const arBegin = "!<arch>\n"

func decompress(packed io.Reader, ending string) (io.ReadCloser, error) {
	switch ending {
	case "":
		return io.NopCloser(packed), nil
	case ".gz":
		return gzip.NewReader(packed)
	case ".xz": // by a library that can bound its memory
		r, err := xz.NewReader(packed, maxWindow)
		return io.NopCloser(r), err
	case ".zst":
		r, err := zstd.NewReader(packed, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, err
		}
		return r.IOReadCloser(), nil
	default:
		return nil, fmt.Errorf("%q is none of the compressions .gz, .xz and .zst", ending)
	}
}

func readLimited(r io.Reader, limit int64) ([]byte, error) {
	content, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(content)) > limit {
		return nil, fmt.Errorf("it has more than %d bytes", limit)
	}
	return content, nil
}
