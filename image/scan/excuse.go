package scan

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/openvex/go-vex/pkg/vex"
	"github.com/package-url/packageurl-go"
)

// longestExcuse is the time from a statement to its expiry: nothing is excused for
// good.
const longestExcuse = 366 * 24 * time.Hour

// expiry begins an excuse's status_notes. OpenVEX has no expiry of its own, and
// parsers drop fields that it does not know.
var expiry = regexp.MustCompile(`^[Ee]xpires (\d{4}-\d{2}-\d{2})(?:[:.,;]\s*|$)`)

// Excuse is an OpenVEX statement that says, for a time, why a vulnerability with a
// fix does not hold up a release.
type Excuse struct {
	File      string // that it stands in
	Number    int    // of the statement in the file, from 1
	Reason    string
	Expires   time.Time // the moment after its last day, in UTC
	statement vex.Statement
}

// String names the excuse: file, number and vulnerability.
func (e Excuse) String() string {
	return fmt.Sprintf("%s, statement %d (%s)", e.File, e.Number, e.statement.Vulnerability.Name)
}

// LastDay is the last one on which it counts, YYYY-MM-DD.
func (e Excuse) LastDay() string { return e.Expires.AddDate(0, 0, -1).Format(time.DateOnly) }

// covers tells whether the excuse is for a finding in a product, given by its package
// URL.
func (e Excuse) covers(product string, f Finding) bool {
	for _, name := range f.names() {
		if e.statement.Matches(name, product, []string{f.Package.PURL}) {
			return true
		}
	}
	return false
}

// ReadExcuses reads the statements of all *.json files of a folder, image/vex. It
// fails, naming file and statement, for one that lacks its product (an image called
// image, such as opennebula-frontend, and in it a package), its reason or its expiry.
func ReadExcuses(folder, image string) ([]Excuse, error) {
	// A folder that is not there would excuse nothing, silently.
	if _, err := os.Stat(folder); err != nil {
		return nil, fmt.Errorf("read the excuses: %w", err)
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		return nil, fmt.Errorf("list the excuses of %s: %w", folder, err)
	}
	var all []Excuse
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read the excuses: %w", err)
		}
		excuses, err := parseExcuses(file, content, image)
		if err != nil {
			return nil, err
		}
		all = append(all, excuses...)
	}
	return all, nil
}

func parseExcuses(file string, content []byte, image string) ([]Excuse, error) {
	document, err := vex.Parse(content)
	if err != nil {
		return nil, fmt.Errorf("%s is not OpenVEX as JSON: %w", file, err)
	}
	if err := checkDocument(document); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	var excuses []Excuse
	for i, statement := range document.Statements {
		e := Excuse{File: file, Number: i + 1, statement: statement}
		if err := e.complete(*document.Timestamp, image); err != nil {
			return nil, fmt.Errorf("%s: %w", e, err)
		}
		excuses = append(excuses, e)
	}
	return excuses, nil
}

func checkDocument(document *vex.VEX) error {
	switch {
	case document.Context != vex.ContextLocator():
		return fmt.Errorf("its @context is %q: write an OpenVEX document, with %s", document.Context, vex.ContextLocator())
	case document.ID == "" || document.Author == "" || document.Version == 0:
		return errors.New("it lacks @id, author or version, which OpenVEX wants: write them")
	case document.Timestamp == nil:
		return errors.New("it has no timestamp, which OpenVEX wants: write the time at which it was stated")
	case len(document.Statements) == 0:
		return errors.New("it has no statements: take it away")
	default:
		return nil
	}
}

// complete checks the statement and reads what an excuse must have.
func (e *Excuse) complete(stated time.Time, image string) error {
	s := e.statement
	if s.Vulnerability.Name == "" {
		return errors.New("it names no vulnerability: write its name, such as CVE-2026-1234")
	}
	if err := s.Validate(); err != nil {
		return fmt.Errorf("%w: see the fields of each status in image/vex/README.md", err)
	}
	if err := checkProducts(s.Products, image); err != nil {
		return err
	}
	for _, at := range []*time.Time{s.Timestamp, s.LastUpdated} {
		if at != nil {
			stated = *at
		}
	}
	if err := e.readExpiry(stated); err != nil {
		return err
	}
	note := strings.TrimSpace(expiry.ReplaceAllString(s.StatusNotes, ""))
	e.Reason = cmp.Or(s.ImpactStatement, s.ActionStatement, note, string(s.Justification))
	if e.Reason == "" {
		return fmt.Errorf("it gives no reason: write one into status_notes, behind the expiry, as \"expires %s: …\"", e.LastDay())
	}
	return nil
}

func checkProducts(products []vex.Product, image string) error {
	want := "pkg:oci/" + image
	if len(products) == 0 {
		return fmt.Errorf("it names no product: write %s, and in it the package as a subcomponent", want)
	}
	for _, product := range products {
		purl, err := packageurl.FromString(product.ID)
		if err != nil || purl.Type != packageurl.TypeOCI || purl.Name != image {
			return fmt.Errorf("its product is %q: write %s, with a digest if it is for one build alone", product.ID, want)
		}
		if len(product.Subcomponents) == 0 {
			return fmt.Errorf("its product %s names no package: write its package URL, such as pkg:deb/debian/libxml2, as a subcomponent", product.ID)
		}
		for _, part := range product.Subcomponents {
			if _, err := packageurl.FromString(part.ID); err != nil {
				return fmt.Errorf("its subcomponent %q is no package URL: write one, such as pkg:deb/debian/libxml2", part.ID)
			}
		}
	}
	return nil
}

func (e *Excuse) readExpiry(stated time.Time) error {
	match := expiry.FindStringSubmatch(e.statement.StatusNotes)
	if match == nil {
		return errors.New("it has no expiry: begin its status_notes with one, as \"expires 2026-12-31: …\"")
	}
	day, err := time.Parse(time.DateOnly, match[1])
	if err != nil {
		return fmt.Errorf("it expires on %s, which is no day: write one as 2026-12-31", match[1])
	}
	if day.Sub(stated) > longestExcuse {
		return fmt.Errorf("it expires on %s, more than a year after it was stated (%s): choose a day within a year, and look at it again then",
			match[1], stated.UTC().Format(time.DateOnly))
	}
	e.Expires = day.AddDate(0, 0, 1)
	return nil
}
