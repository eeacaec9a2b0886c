package scan

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const frontend = "opennebula-frontend"

// document is an OpenVEX document of some statements.
func document(statements ...string) string {
	return fmt.Sprintf(`{"@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://github.com/pablodelarco/opennebula-helm/image/vex/test.json",
		"author": "a test", "timestamp": "2026-01-02T03:04:05Z", "version": 1, "statements": [%s]}`, strings.Join(statements, ","))
}

// statement excuses a vulnerability in a package with further fields.
func statement(vulnerability, purl, fields string) string {
	return fmt.Sprintf(`{"vulnerability": {"name": %q}, "products": [{"@id": "pkg:oci/opennebula-frontend", "subcomponents": [{"@id": %q}]}], %s}`,
		vulnerability, purl, fields)
}

const notAffected = `"status": "not_affected", "justification": "vulnerable_code_not_in_execute_path", "status_notes": "expires 2026-12-31: only oneflow parses XML, and none from users"`

func write(t *testing.T, documents ...string) string {
	folder := t.TempDir()
	for i, document := range documents {
		require.NoError(t, os.WriteFile(filepath.Join(folder, fmt.Sprintf("%d.json", i+1)), []byte(document), 0o644))
	}
	return folder
}

func TestReadExcuses(t *testing.T) {
	folder := write(t, document(
		statement("CVE-2026-1", "pkg:deb/debian/libxml2", notAffected),
		statement("CVE-2026-2", "pkg:gem/rexml@3.2.5", `"status": "affected", "action_statement": "Let nobody but oneadmin reach the API", "status_notes": "Expires 2026-03-01"`),
	), document(
		statement("CVE-2026-3", "pkg:npm/x", `"status": "under_investigation", "status_notes": "expires 2026-02-01. Found today"`),
		statement("CVE-2026-4", "pkg:npm/x", `"status": "fixed", "status_notes": "expires 2026-02-01: patched by Debian under the old number"`),
		statement("CVE-2026-5", "pkg:npm/x", `"status": "not_affected", "justification": "component_not_present", "status_notes": "expires 2026-02-01"`),
	))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "README.md"), []byte("# Excuses\n"), 0o644))
	excuses, err := ReadExcuses(folder, frontend)
	require.NoError(t, err)
	var all []string
	for _, e := range excuses {
		all = append(all, strings.TrimPrefix(e.String(), folder+"/")+" until "+e.LastDay()+": "+e.Reason)
	}
	assert.Equal(t, []string{
		"1.json, statement 1 (CVE-2026-1) until 2026-12-31: only oneflow parses XML, and none from users",
		"1.json, statement 2 (CVE-2026-2) until 2026-03-01: Let nobody but oneadmin reach the API",
		"2.json, statement 1 (CVE-2026-3) until 2026-02-01: Found today",
		"2.json, statement 2 (CVE-2026-4) until 2026-02-01: patched by Debian under the old number",
		"2.json, statement 3 (CVE-2026-5) until 2026-02-01: component_not_present",
	}, all)
	assert.Equal(t, time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), excuses[0].Expires)
}

// What stands in the repository is read as the pipeline reads it; so is what its
// README shows.
func TestOwnExcuses(t *testing.T) {
	_, err := ReadExcuses("../vex", frontend)
	assert.NoError(t, err)

	readme, err := os.ReadFile("../vex/README.md")
	require.NoError(t, err)
	_, example, found := strings.Cut(string(readme), "```json\n")
	require.True(t, found)
	example, _, _ = strings.Cut(example, "```")
	excuses, err := ReadExcuses(write(t, example), frontend)
	require.NoError(t, err)
	assert.Equal(t, "only oneflow parses XML, and only what oned sends", excuses[0].Reason)
}

func TestExcuseIsRefused(t *testing.T) {
	fine := document(statement("CVE-2026-1", "pkg:deb/debian/libxml2", notAffected))
	for name, test := range map[string]struct{ old, new, want string }{
		"no product":            {`[{"@id": "pkg:oci/opennebula-frontend", "subcomponents": [{"@id": "pkg:deb/debian/libxml2"}]}]`, `[]`, "statement 1 (CVE-2026-1): it names no product: write pkg:oci/opennebula-frontend"},
		"another product":       {"pkg:oci/opennebula-frontend", "pkg:oci/mariadb", `statement 1 (CVE-2026-1): its product is "pkg:oci/mariadb"`},
		"a product in words":    {"pkg:oci/opennebula-frontend", "our image", `its product is "our image"`},
		"no package":            {`, "subcomponents": [{"@id": "pkg:deb/debian/libxml2"}]`, ``, "names no package"},
		"a package in words":    {"pkg:deb/debian/libxml2", "libxml2", `its subcomponent "libxml2" is no package URL`},
		"no vulnerability":      {"CVE-2026-1", "", "names no vulnerability"},
		"no expiry":             {"expires 2026-12-31: ", "", "statement 1 (CVE-2026-1): it has no expiry: begin its status_notes with one"},
		"an expiry behind":      {"expires 2026-12-31: only", "only until it expires 2026-12-31: ", "it has no expiry"},
		"an expiry of no day":   {"2026-12-31", "2026-02-30", "it expires on 2026-02-30, which is no day"},
		"an expiry too far":     {"2026-12-31", "2027-01-04", "more than a year after it was stated (2026-01-02)"},
		"no justification":      {`"justification": "vulnerable_code_not_in_execute_path", `, ``, "either justification or impact statement must be defined"},
		"a justification made":  {"vulnerable_code_not_in_execute_path", "it is fine", "invalid justification value"},
		"no reason":             {`"status": "not_affected", "justification": "vulnerable_code_not_in_execute_path", "status_notes": "expires 2026-12-31: only oneflow parses XML, and none from users"`, `"status": "fixed", "status_notes": "expires 2026-12-31"`, "statement 1 (CVE-2026-1): it gives no reason"},
		"a status made up":      {"not_affected", "wontfix", "invalid status value"},
		"another context":       {"https://openvex.dev/ns/v0.2.0", "https://example.org", `1.json: its @context is "https://example.org"`},
		"no author":             {`"author": "a test", `, ``, "it lacks @id, author or version"},
		"no time":               {`"timestamp": "2026-01-02T03:04:05Z", `, ``, "it has no timestamp"},
		"a time that is none":   {"2026-01-02T03:04:05Z", "yesterday", "1.json is not OpenVEX as JSON"},
		"no JSON":               {`{"@context"`, `"@context"`, "1.json is not OpenVEX as JSON"},
		"no statement":          {`"statements": [`, `"statements": [], "more": [`, "it has no statements"},
		"a duplicate of a year": {`"status": "not_affected"`, `"timestamp": "2025-01-01T00:00:00Z", "status": "not_affected"`, "more than a year after it was stated (2025-01-01)"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, fine, test.old)
			_, err := ReadExcuses(write(t, strings.Replace(fine, test.old, test.new, 1)), frontend)
			assert.ErrorContains(t, err, test.want)
			assert.ErrorContains(t, err, "1.json")
		})
	}
	_, err := ReadExcuses(filepath.Join(t.TempDir(), "vex"), frontend)
	assert.ErrorContains(t, err, "read the excuses: stat")
}

func FuzzParseExcuses(f *testing.F) {
	f.Add([]byte(document(statement("CVE-2026-1", "pkg:deb/debian/libxml2", notAffected))))
	f.Add([]byte(document(`{}`)))
	f.Add([]byte(`{"@context": "https://openvex.dev/ns/v0.2.0", "statements": [{}]}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		excuses, err := parseExcuses("x.json", content, frontend)
		if err != nil {
			assert.Contains(t, err.Error(), "x.json")
			return
		}
		for _, e := range excuses {
			assert.NotEmpty(t, e.Reason)
			assert.False(t, e.Expires.IsZero())
			e.covers("pkg:oci/opennebula-frontend", Finding{ID: "CVE-2026-1", Package: Package{PURL: "pkg:deb/debian/libxml2@1"}})
		}
	})
}
