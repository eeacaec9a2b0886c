package changes

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/textproto"

	"pault.ag/go/debian/dependency"
	"pault.ag/go/debian/version"

	"github.com/pablodelarco/opennebula-helm/upstream"
)

// The fields of a package's control file that name others.
const (
	preDepends = "Pre-Depends"
	depends    = "Depends"
	recommends = "Recommends"
)

var fields = [...]string{preDepends, depends, recommends}

// about is what a package says of itself.
type about struct {
	name, version, architecture string
	relations                   map[string][]dependency.Relation // by field
}

func parseControl(text []byte) (about, error) {
	var a about
	// A control file has the form of a mail's header.
	header, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(text))).ReadMIMEHeader()
	if err != nil && !errors.Is(err, io.EOF) {
		return a, fmt.Errorf("read its control file: %w", err)
	}
	a = about{name: header.Get("Package"), version: header.Get("Version"), architecture: header.Get("Architecture")}
	if a.name == "" || a.architecture == "" {
		return a, errors.New("its control file names no package or no architecture")
	}
	if _, err := version.Parse(a.version); err != nil {
		return a, fmt.Errorf("its version %q is none of Debian's: %w", a.version, err)
	}
	a.relations, err = parseRelations(header)
	return a, err
}

func parseRelations(header textproto.MIMEHeader) (map[string][]dependency.Relation, error) {
	relations := map[string][]dependency.Relation{}
	for _, field := range fields {
		parsed, err := dependency.Parse(header.Get(field))
		if err != nil {
			return nil, fmt.Errorf("its field %s cannot be read: %w", field, err)
		}
		relations[field] = parsed.Relations
	}
	return relations, nil
}

// needs are the names of packages that the release has and that a package of it
// cannot be without. Of alternatives it is the first, as apt has it.
func (a about) needs(release map[string]upstream.Package) []string {
	var names []string
	for _, field := range []string{preDepends, depends} {
		for _, relation := range a.relations[field] {
			for _, p := range relation.Possibilities {
				if _, there := release[p.Name]; there {
					names = append(names, p.Name)
					break
				}
			}
		}
	}
	return names
}
