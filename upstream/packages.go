package upstream

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/textproto"
	"strconv"

	"github.com/ulikunitz/xz"
)

// Package is one package of a repository's index, as deb822 has it:
// https://wiki.debian.org/DebianRepository/Format
type Package struct {
	Name         string
	Version      string
	Architecture string // Debian's name, or all
	Depends      string // as written
	Filename     string // from the repository's URL on
	Size         int64  // of the file, in bytes; 0 when it is not said
	SHA256       string // of the file, in hexadecimal
	Fields       textproto.MIMEHeader
}

// parsePackages reads the text of an index.
func parsePackages(index []byte) ([]Package, error) {
	stanzas, err := Stanzas(index)
	if err != nil {
		return nil, err
	}
	var packages []Package
	for _, stanza := range stanzas {
		p, err := parsePackage(stanza)
		if err != nil {
			return nil, err
		}
		packages = append(packages, p)
	}
	return packages, nil
}

// Stanzas reads the parts of a Debian control file, such as an index of packages or
// dpkg's status. They have the form of a mail's header; the libraries for control files
// need a module that is no more.
func Stanzas(text []byte) ([]textproto.MIMEHeader, error) {
	reader := textproto.NewReader(bufio.NewReader(bytes.NewReader(text)))
	var stanzas []textproto.MIMEHeader
	for {
		stanza, err := reader.ReadMIMEHeader()
		ended := errors.Is(err, io.EOF)
		if err != nil && !ended {
			return nil, err
		}
		if len(stanza) > 0 {
			stanzas = append(stanzas, stanza)
		}
		if ended {
			return stanzas, nil
		}
	}
}

func parsePackage(fields textproto.MIMEHeader) (Package, error) {
	p := Package{
		Name: fields.Get("Package"), Version: fields.Get("Version"), Architecture: fields.Get("Architecture"),
		Depends: fields.Get("Depends"), Filename: fields.Get("Filename"), SHA256: fields.Get("SHA256"), Fields: fields,
	}
	if p.Name == "" || p.Version == "" {
		return p, fmt.Errorf("a package has no name or no version (Package: %q, Version: %q)", p.Name, p.Version)
	}
	size := fields.Get("Size")
	if size == "" {
		return p, nil
	}
	var err error
	if p.Size, err = strconv.ParseInt(size, 10, 64); err != nil || p.Size < 0 {
		return p, fmt.Errorf("the size of %s %s, %q, is no number of bytes", p.Name, p.Version, size)
	}
	return p, nil
}

// expander reads a compressed file's text.
type expander func([]byte) (io.Reader, error)

// compressions are the endings that an index may have, the smallest first.
var compressions = []struct {
	ending string
	expand expander
}{
	{".xz", func(b []byte) (io.Reader, error) { return xz.NewReader(bytes.NewReader(b)) }},
	{".gz", func(b []byte) (io.Reader, error) { return gzip.NewReader(bytes.NewReader(b)) }},
	{"", func(b []byte) (io.Reader, error) { return bytes.NewReader(b), nil }},
}

// expanded is an index's text. A small file may claim to hold any amount of it.
func expanded(file []byte, expand expander) ([]byte, error) {
	reader, err := expand(file)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(reader, maxAnswer+1))
	if err == nil && len(text) > maxAnswer {
		err = fmt.Errorf("it is larger than %d MB", maxAnswer>>20)
	}
	return text, err
}
