package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/pablodelarco/opennebula-helm/image"
	"github.com/pablodelarco/opennebula-helm/registry"
	"github.com/pablodelarco/opennebula-helm/release"
	"github.com/pablodelarco/opennebula-helm/upstream"
)

// WriteVersions writes a table of what OpenNebula has released, where it is packaged and
// what of it is published; without all, only of lines that are maintained.
func (s *Site) WriteVersions(ctx context.Context, w io.Writer, all bool) error {
	catalogue, err := upstream.ReadCatalogue(ctx, s.GitHub, s.Repositories, upstream.WithPackages(image.Packages...))
	if err != nil {
		return err
	}
	published, err := s.Images.TagNames(ctx)
	unlisted := errors.Is(err, registry.ErrDenied)
	if err != nil && !unlisted {
		return err
	}
	shown := slices.DeleteFunc(slices.Clone(catalogue.Releases), func(r upstream.Release) bool { return !all && !r.Checked })
	if len(shown) == 0 {
		_, err := fmt.Fprintln(w, "no release is of a line that is maintained; --all lists the others")
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "VERSION\tCHANNEL\tDATE\tEND OF LIFE\tPLATFORMS\tPUBLISHED AS")
	for _, r := range shown {
		fmt.Fprintln(table, row(r, catalogue.Lines, published))
	}
	if err := table.Flush(); err != nil || !unlisted {
		return err
	}
	// Docker Hub says the same of what is not there yet, and of what only some may read.
	_, err = fmt.Fprintf(w, "\n%s is not there yet, or only those with a login may list it.\n", s.Images.Name())
	return err
}

// row of a table of releases, its cells set apart by tabs.
func row(r upstream.Release, lines []upstream.LineStatus, published []string) string {
	return strings.Join([]string{
		r.Version.String(), string(r.Channel), dated(r.Date), end(r, lines), platforms(r), cell(namesOf(r, published), "-"),
	}, "\t")
}

// platforms that have packages; of lines that are not maintained nobody has asked.
func platforms(r upstream.Release) string {
	if !r.Checked {
		return "not asked for"
	}
	return cell(r.Platforms(), "none yet")
}

func dated(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Format(time.DateOnly)
}

func end(r upstream.Release, lines []upstream.LineStatus) string {
	for _, line := range lines {
		if line.Line == upstream.LineOf(r.Version) {
			return dated(line.EndOfLife)
		}
	}
	return "-"
}

// namesOf are the tags that a release is published under, X.Y.Z and X.Y.Z-N.
func namesOf(r upstream.Release, published []string) []string {
	var names []release.Name
	for _, tag := range published {
		if name, ok := release.ParseName(tag); ok && name.Version.Equal(r.Version) {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, release.Name.Compare)
	tags := make([]string, len(names))
	for i, name := range names {
		tags[i] = name.String()
	}
	return tags
}

// cell is an enumeration, or what is said of none.
func cell(texts []string, none string) string {
	if len(texts) == 0 {
		return none
	}
	return strings.Join(texts, " ")
}
