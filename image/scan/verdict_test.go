package scan

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pablodelarco/opennebula-helm/release"
)

var today = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

const digest = "sha256:bb5608d634db2716a297adbfa6a5dd5d8f8f5a7d0cab73649ea7fbb8c8da544f"

// finding is one in libxml2, for a platform.
func finding(id string, severity Severity, fixedIn ...string) Finding {
	return Finding{
		ID: id, Aliases: []string{"GHSA-" + id}, Severity: severity, FixedIn: fixedIn,
		Package: Package{Name: "libxml2", Version: "1.0-1", Type: "deb", PURL: "pkg:deb/debian/libxml2@1.0-1?arch=amd64&distro=debian-12"},
	}
}

func reportOf(findings ...Finding) Report {
	return Report{Scanner: "a scanner", Image: "an image", Digests: []string{digest}, System: "debian 12", Findings: findings}
}

func excusesOf(t *testing.T, statements ...string) []Excuse {
	if len(statements) == 0 {
		return nil
	}
	excuses, err := parseExcuses("image/vex/test.json", []byte(document(statements...)), frontend)
	require.NoError(t, err)
	return excuses
}

// summary is what a verdict says, list by list.
func summary(v Verdict) map[string][]string {
	s := map[string][]string{}
	for _, f := range v.Blocking {
		s["blocking"] = append(s["blocking"], f.ID)
	}
	for _, f := range v.Minor {
		s["minor"] = append(s["minor"], f.ID)
	}
	for _, f := range v.Unfixed {
		s["unfixed"] = append(s["unfixed"], f.ID)
	}
	for _, f := range v.Excused {
		s["excused"] = append(s["excused"], f.ID)
	}
	for _, e := range v.StaleExcuses {
		s["stale"] = append(s["stale"], string(e.statement.Vulnerability.Name)+" "+e.Why)
	}
	return s
}

func TestJudge(t *testing.T) {
	excuse := func(name, purl string) string { return statement(name, purl, notAffected) }
	for name, test := range map[string]struct {
		findings []Finding
		excuses  []string
		options  []Option
		passed   bool
		want     map[string][]string
	}{
		"nothing found": {nil, nil, nil, true, map[string][]string{}},
		"a fix is there": {
			[]Finding{finding("CVE-1", Low, "1.0-2")}, nil, nil, false,
			map[string][]string{"blocking": {"CVE-1"}},
		},
		"no fix is there": {
			[]Finding{finding("CVE-1", Critical)}, nil, nil, true,
			map[string][]string{"unfixed": {"CVE-1"}},
		},
		"excused": {
			[]Finding{finding("CVE-1", Critical, "1.0-2")}, []string{excuse("CVE-1", "pkg:deb/debian/libxml2")}, nil, true,
			map[string][]string{"excused": {"CVE-1"}},
		},
		"excused by another name": {
			[]Finding{finding("CVE-1", Critical, "1.0-2")}, []string{excuse("GHSA-CVE-1", "pkg:deb/debian/libxml2@1.0-1")}, nil, true,
			map[string][]string{"excused": {"CVE-1"}},
		},
		"excused in another version": {
			[]Finding{finding("CVE-1", Critical, "1.0-2")}, []string{excuse("CVE-1", "pkg:deb/debian/libxml2@0.9-1")}, nil, false,
			map[string][]string{"blocking": {"CVE-1"}, "stale": {"CVE-1 matches nothing that was found"}},
		},
		"excused in another package": {
			[]Finding{finding("CVE-1", Critical, "1.0-2")}, []string{excuse("CVE-1", "pkg:deb/debian/libxslt")}, nil, false,
			map[string][]string{"blocking": {"CVE-1"}, "stale": {"CVE-1 matches nothing that was found"}},
		},
		"another one excused": {
			[]Finding{finding("CVE-1", Critical, "1.0-2")}, []string{excuse("CVE-2", "pkg:deb/debian/libxml2")}, nil, false,
			map[string][]string{"blocking": {"CVE-1"}, "stale": {"CVE-2 matches nothing that was found"}},
		},
		"excused in this build": {
			[]Finding{finding("CVE-1", Critical, "1.0-2")},
			[]string{strings.Replace(excuse("CVE-1", "pkg:deb/debian/libxml2"), "opennebula-frontend", "opennebula-frontend@"+digest, 1)}, nil, true,
			map[string][]string{"excused": {"CVE-1"}},
		},
		"excused in another build": {
			[]Finding{finding("CVE-1", Critical, "1.0-2")},
			[]string{strings.Replace(excuse("CVE-1", "pkg:deb/debian/libxml2"), "opennebula-frontend", "opennebula-frontend@sha256:"+strings.Repeat("0", 64), 1)}, nil, false,
			map[string][]string{"blocking": {"CVE-1"}, "stale": {"CVE-1 matches nothing that was found"}},
		},
		"an excuse that nothing needs": {
			nil, []string{excuse("CVE-1", "pkg:deb/debian/libxml2")}, nil, false,
			map[string][]string{"stale": {"CVE-1 matches nothing that was found"}},
		},
		"an excuse for what has no fix": {
			[]Finding{finding("CVE-1", Critical)}, []string{excuse("CVE-1", "pkg:deb/debian/libxml2")}, nil, true,
			map[string][]string{"excused": {"CVE-1"}},
		},
		"an excuse that is over": {
			[]Finding{finding("CVE-1", Critical, "1.0-2")},
			[]string{strings.Replace(excuse("CVE-1", "pkg:deb/debian/libxml2"), "2026-12-31", "2026-05-31", 1)}, nil, false,
			map[string][]string{"blocking": {"CVE-1"}, "stale": {"CVE-1 expired after 2026-05-31"}},
		},
		"an excuse on its last day": {
			[]Finding{finding("CVE-1", Critical, "1.0-2")},
			[]string{strings.Replace(excuse("CVE-1", "pkg:deb/debian/libxml2"), "2026-12-31", "2026-06-01", 1)}, nil, true,
			map[string][]string{"excused": {"CVE-1"}},
		},
		"an excuse that replaces one that is over": {
			[]Finding{finding("CVE-1", Critical, "1.0-2")},
			[]string{strings.Replace(excuse("CVE-1", "pkg:deb/debian/libxml2"), "2026-12-31", "2026-05-31", 1), excuse("CVE-1", "pkg:deb/debian/libxml2")}, nil, false,
			map[string][]string{"excused": {"CVE-1"}, "stale": {"CVE-1 expired after 2026-05-31"}},
		},
		"two excuses for one": {
			[]Finding{finding("CVE-1", Critical, "1.0-2")},
			[]string{excuse("CVE-1", "pkg:deb/debian/libxml2"), excuse("GHSA-CVE-1", "pkg:deb/debian/libxml2")}, nil, true,
			map[string][]string{"excused": {"CVE-1"}},
		},
		"below the threshold": {
			[]Finding{finding("CVE-1", Medium, "1.0-2"), finding("CVE-2", High, "1.0-2"), finding("CVE-3", Unknown, "1.0-2"), finding("CVE-4", Critical, "1.0-2")},
			nil, []Option{WithThreshold(High)}, false,
			map[string][]string{"minor": {"CVE-1"}, "blocking": {"CVE-4", "CVE-2", "CVE-3"}},
		},
		"all below the threshold": {
			[]Finding{finding("CVE-1", Medium, "1.0-2")}, nil, []Option{WithThreshold(High)}, true,
			map[string][]string{"minor": {"CVE-1"}},
		},
		"the same found twice": {
			[]Finding{finding("CVE-1", Low, "1.0-2"), finding("CVE-1", Low, "1.0-2")}, nil, nil, false,
			map[string][]string{"blocking": {"CVE-1"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			verdict, err := Judge(frontend, []Report{reportOf(test.findings...)}, excusesOf(t, test.excuses...), today, test.options...)
			require.NoError(t, err)
			assert.Equal(t, test.passed, verdict.Passed())
			assert.Equal(t, test.want, summary(verdict))
		})
	}
}

// An excuse may be needed on one platform alone.
func TestJudgePlatforms(t *testing.T) {
	const other = "sha256:cc5608d634db2716a297adbfa6a5dd5d8f8f5a7d0cab73649ea7fbb8c8da544f"
	amd64, arm64 := reportOf(finding("CVE-1", High, "1.0-2"), finding("CVE-2", High, "1.0-2")), reportOf(finding("CVE-2", High, "1.0-2"))
	arm64.Digests = []string{other}
	arm64.Findings[0].Package.PURL = strings.Replace(arm64.Findings[0].Package.PURL, "amd64", "arm64", 1)
	verdict, err := Judge(frontend, []Report{amd64, arm64}, excusesOf(t,
		statement("CVE-1", "pkg:deb/debian/libxml2", notAffected), statement("CVE-2", "pkg:deb/debian/libxml2?arch=amd64", notAffected),
	), today)
	require.NoError(t, err)
	assert.Equal(t, map[string][]string{"excused": {"CVE-1", "CVE-2"}, "blocking": {"CVE-2"}}, summary(verdict))
}

// Of two scanners that see the same package, the one counts that knows of a fix.
func TestJudgeScannersThatDiffer(t *testing.T) {
	with, without := reportOf(finding("CVE-1", High, "1.0-2")), reportOf(finding("CVE-1", High))
	for _, reports := range [][]Report{{with, without}, {without, with}} {
		verdict, err := Judge(frontend, reports, nil, today)
		require.NoError(t, err)
		assert.False(t, verdict.Passed())
		assert.Equal(t, map[string][]string{"blocking": {"CVE-1"}, "unfixed": {"CVE-1"}}, summary(verdict))
	}
}

func TestJudgeNothing(t *testing.T) {
	_, err := Judge(frontend, nil, nil, today)
	assert.ErrorContains(t, err, "there is no scan to judge")
}

// What two scanners say of one image is one verdict, and reads as it did.
func TestRendering(t *testing.T) {
	var reports []Report
	for _, file := range []string{"testdata/grype.json", "testdata/trivy.json"} {
		report, err := ReadFile(file)
		require.NoError(t, err)
		reports = append(reports, report)
	}
	verdict, err := Judge(frontend, reports, excusesOf(t,
		statement("CVE-2026-2002", "pkg:gem/rexml", `"status": "affected", "action_statement": "Let only people | you trust_ log in", "status_notes": "expires 2026-08-01"`),
		statement("CVE-2025-9999", "pkg:gem/rexml", notAffected),
	), today)
	require.NoError(t, err)
	var text, page strings.Builder
	require.NoError(t, verdict.Text(&text))
	require.NoError(t, verdict.Markdown(&page))
	golden(t, "verdict.txt", text.String())
	golden(t, "verdict.md", page.String())
}

func TestAdvice(t *testing.T) {
	gem := finding("CVE-1", High, "2")
	gem.Package = Package{Name: "rexml", Version: "1", Type: "gem"}
	for name, test := range map[string]struct {
		verdict Verdict
		want    string
	}{
		"passed": {Verdict{Unfixed: []Finding{gem}}, "Nothing to do: nothing that has a fix is left without an excuse."},
		"Debian": {Verdict{Blocking: []Finding{finding("CVE-1", High, "2"), finding("CVE-2", High, "2")}}, "Build the image again, for Debian has fixed libxml2. What cannot be updated needs an excuse, as image/vex/README.md has it."},
		"a gem":  {Verdict{Blocking: []Finding{gem}}, "Update rexml. What cannot be updated needs an excuse, as image/vex/README.md has it."},
		"stale":  {Verdict{StaleExcuses: make([]StaleExcuse, 2)}, "Take away, or state anew, 2 excuses in image/vex."},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, test.want, test.verdict.Advice()) })
	}
}

// golden compares with a file of testdata, which UPDATE_GOLDEN=1 writes anew.
func golden(t *testing.T, file, got string) {
	if os.Getenv("UPDATE_GOLDEN") != "" {
		require.NoError(t, os.WriteFile(filepath.Join("testdata", file), []byte(got), 0o644))
	}
	assert.Equal(t, content(t, file), got)
}

func TestUpdates(t *testing.T) {
	report, err := ReadFile("testdata/trivy.json")
	require.NoError(t, err)
	more := reportOf(finding("CVE-2", Low, "1.0-3"), finding("CVE-1", Low, "1.0-2"), finding("CVE-3", Low))
	assert.Equal(t, []release.Update{
		{Package: "libxml2", Installed: "1.0-1", Fixed: "1.0-2"},
		{Package: "libxml2", Installed: "1.0-1", Fixed: "1.0-3"},
		{Package: "libxml2", Installed: "2.9.14+dfsg-1.3~deb12u1", Fixed: "2.9.14+dfsg-1.3~deb12u2"},
	}, Updates([]Report{report, more, report}))
}
