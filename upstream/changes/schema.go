package changes

import (
	"fmt"
	"regexp"
	"slices"

	"pault.ag/go/debian/version"
)

// Versions are those of the database's two schemas: of the tables that a federation
// shares, and of those of one cloud. They are empty where the packages do not tell.
type Versions struct {
	Local, Shared string // as 7.2.0
}

// Schema says what an update does to the database.
type Schema struct {
	From, To  Versions
	Migrators []string // that take the database there, as "local 7.0.0 → 7.2.0"
	Missing   []string // migrators that the packages would need for that, and lack
}

func (s Schema) changes() bool { return s.From != s.To }

// Known tells that the packages of both releases say which schema they want.
func (s Schema) Known() bool {
	return s.From.Local != "" && s.From.Shared != "" && s.To.Local != "" && s.To.Shared != ""
}

// Back tells that the later release wants an earlier schema, to which nothing leads.
func (s Schema) Back() bool {
	return s.Known() && (older(s.To.Local, s.From.Local) || older(s.To.Shared, s.From.Shared))
}

// What database_schema.rb says, in Ruby.
var (
	latestLocal  = regexp.MustCompile(`(?m)^\s*LATEST_LOCAL_DB_VERSION\s*=\s*['"]([0-9.]+)['"]`)
	latestShared = regexp.MustCompile(`(?m)^\s*LATEST_DB_VERSION\s*=\s*['"]([0-9.]+)['"]`)
)

func compareSchemas(before, after *held) Schema {
	s := Schema{From: before.schema(), To: after.schema()}
	if s.Known() && !s.Back() {
		migrators := after.migrators()
		s.follow("local", migrators["local"], s.From.Local, s.To.Local)
		s.follow("shared", migrators["shared"], s.From.Shared, s.To.Shared)
	}
	return s
}

// follow goes from one schema to the next, as onedb does.
func (s *Schema) follow(kind string, migrators map[string]string, from, to string) {
	for from != to {
		next, there := migrators[from]
		if !there || !older(from, next) {
			s.Missing = append(s.Missing, fmt.Sprintf("%s %s → %s", kind, from, to))
			return
		}
		s.Migrators = append(s.Migrators, fmt.Sprintf("%s %s → %s", kind, from, next))
		from = next
	}
}

// schema is what a release's programs want; where they do not say it, what its
// migrators lead to.
func (h *held) schema() Versions {
	text := h.files[schemaFile].text
	v := Versions{Local: submatch(latestLocal, text), Shared: submatch(latestShared, text)}
	migrators := h.migrators()
	if v.Local == "" {
		v.Local = highest(migrators["local"])
	}
	if v.Shared == "" {
		v.Shared = highest(migrators["shared"])
	}
	return v
}

func submatch(r *regexp.Regexp, text string) string {
	if match := r.FindStringSubmatch(text); match != nil {
		return match[1]
	}
	return ""
}

// migrators are by local or shared, and by the schema that they begin at, the schema
// that they lead to.
func (h *held) migrators() map[string]map[string]string {
	found := map[string]map[string]string{"local": {}, "shared": {}}
	for path := range h.files {
		if match := migratorName.FindStringSubmatch(path); match != nil {
			found[match[1]][match[2]] = match[3]
		}
	}
	return found
}

func highest(migrators map[string]string) string {
	var targets []string
	for _, to := range migrators {
		targets = append(targets, to)
	}
	if len(targets) == 0 {
		return ""
	}
	return slices.MaxFunc(targets, compareVersions)
}

func older(a, b string) bool { return compareVersions(a, b) < 0 }

// compareVersions compares versions of digits and dots.
func compareVersions(a, b string) int {
	return version.Compare(version.Version{Version: a}, version.Version{Version: b})
}
