package scan

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The same image, as two scanners tell of it.
func TestRead(t *testing.T) {
	const index = "sha256:bb5608d634db2716a297adbfa6a5dd5d8f8f5a7d0cab73649ea7fbb8c8da544f"
	const manifest = "sha256:ca738abb87a8d58f112d3400ebb079b61ceae7dc290beb34bda735be4b1941d5"
	const config = "sha256:ab5608d634db2716a297adbfa6a5dd5d8f8f5a7d0cab73649ea7fbb8c8da544f"
	libxml2 := Package{Name: "libxml2", Version: "2.9.14+dfsg-1.3~deb12u1", Type: "deb"}
	rexml := Package{Name: "rexml", Version: "3.2.5", Type: "gem", PURL: "pkg:gem/rexml@3.2.5"}
	bash := Package{Name: "bash", Version: "5.2.15-2+b8", Type: "deb", PURL: "pkg:deb/debian/bash@5.2.15-2%2Bb8?arch=amd64&distro=debian-12.11"}
	of := func(p Package, purl string) Package { p.PURL = purl; return p }
	for name, want := range map[string]Report{
		"grype": {
			Scanner: "grype 0.121.2", Image: "docker.io/pablodelarco/opennebula-frontend:7.2.0",
			Digests: []string{index, manifest}, Config: config, System: "debian 12",
			Findings: []Finding{
				{
					ID: "CVE-2026-1001", Aliases: []string{"DSA-9001-1"}, FixedIn: []string{"2.9.14+dfsg-1.3~deb12u2"}, Severity: High,
					Package:  of(libxml2, "pkg:deb/debian/libxml2@2.9.14%2Bdfsg-1.3~deb12u1?arch=amd64&distro=debian-12"),
					Location: "/var/lib/dpkg/status",
				},
				{
					ID: "GHSA-aaaa-bbbb-cccc", Aliases: []string{"CVE-2026-2002"}, FixedIn: []string{"3.3.9"}, Severity: Medium,
					Package: rexml, Location: "/usr/share/one/gems/specifications/rexml-3.2.5.gemspec",
				},
				{
					ID: "CVE-2026-3003", FixedIn: []string{}, Severity: Negligible,
					Package: Package{Name: "bash", Version: "5.2.15-2+b8", Type: "generic", PURL: "pkg:generic/bash@5.2.15-2%2Bb8"},
				},
			},
			Suppressed: []Suppressed{{Why: "ignored in linux-libc-dev", Finding: Finding{
				ID: "CVE-2026-4004", FixedIn: []string{}, Severity: High,
				Package: Package{Name: "linux-libc-dev", Version: "6.1.140-1", Type: "deb", PURL: "pkg:deb/debian/linux-libc-dev@6.1.140-1?arch=amd64&distro=debian-12"},
			}}},
		},
		"trivy": {
			Scanner: "trivy 0.74.0", Image: "docker.io/pablodelarco/opennebula-frontend:7.2.0",
			Digests: []string{index}, Config: config, System: "debian 12.11",
			Findings: []Finding{
				{
					ID: "CVE-2026-1001", Aliases: []string{"DSA-9001-1"}, FixedIn: []string{"2.9.14+dfsg-1.3~deb12u2"}, Severity: High,
					Package: of(libxml2, "pkg:deb/debian/libxml2@2.9.14%2Bdfsg-1.3~deb12u1?arch=amd64&distro=debian-12.11"),
				},
				{ID: "CVE-2026-3003", Severity: Low, Package: bash},
				{
					ID: "CVE-2026-2002", Aliases: []string{"GHSA-aaaa-bbbb-cccc"}, FixedIn: []string{"3.3.9", "3.2.9"}, Severity: Medium,
					Package: rexml, Location: "usr/share/one/gems/specifications/rexml-3.2.5.gemspec",
				},
			},
			Suppressed: []Suppressed{{Why: "ignored: .trivyignore", Finding: Finding{ID: "CVE-2026-4004", Severity: High, Package: rexml}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			report, err := ReadFile("testdata/" + name + ".json")
			require.NoError(t, err)
			assert.Equal(t, want, report)
		})
	}
}

func TestReadIsRefused(t *testing.T) {
	grype, trivy := content(t, "grype.json"), content(t, "trivy.json")
	for name, test := range map[string]struct{ content, want string }{
		"no JSON":                      {"NAME  INSTALLED\n", "it is not JSON"},
		"nothing":                      {"", "it is not JSON"},
		"half a report":                {grype[:len(grype)/2], "it is not JSON"},
		"another document":             {`{"name": "x"}`, "no scanner's report that is known here"},
		"a list":                       {`[]`, "it is not JSON"},
		"SARIF":                        {`{"version": "2.1.0", "runs": []}`, "it is SARIF"},
		"CycloneDX":                    {`{"bomFormat": "CycloneDX"}`, "it is CycloneDX"},
		"another schema of Trivy":      {strings.Replace(trivy, `"SchemaVersion": 2`, `"SchemaVersion": 3`, 1), "schema 3, and 2 is the one"},
		"grype without a system":       {strings.Replace(grype, `{"name": "debian", "version": "12", "idLike": []}`, `{"name": "", "version": "", "idLike": null}`, 1), "found no operating system"},
		"grype that found nothing":     {`{"matches": [], "distro": {"name": "debian", "version": "12"}, "descriptor": {"name": "grype"}}`, "found nothing at all"},
		"trivy without a system":       {strings.Replace(trivy, `"OS"`, `"Os-"`, 1), "found no packages of an operating system"},
		"trivy without packages":       {`{"SchemaVersion": 2, "Metadata": {"OS": {"Family": "debian"}}}`, "found no packages of an operating system"},
		"trivy with libraries alone":   {strings.Replace(trivy, `"os-pkgs"`, `"lang-pkgs"`, 1), "found no packages of an operating system"},
		"a finding without its name":   {strings.Replace(grype, `"id": "CVE-2026-1001"`, `"id": ""`, 1), "its vulnerability 1 lacks a name"},
		"a finding without a package":  {strings.Replace(trivy, `"PkgName": "libxml2",`, ``, 1), "its vulnerability 1 lacks a name, a package"},
		"a list where a text is meant": {strings.Replace(trivy, `"FixedVersion": "2.9.14+dfsg-1.3~deb12u2"`, `"FixedVersion": []`, 1), "has not the form of its scanner's reports"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Read([]byte(test.content))
			assert.ErrorContains(t, err, test.want)
		})
	}
	_, err := ReadFile("testdata/missing.json")
	assert.ErrorContains(t, err, "read the scan: open testdata/missing.json")
}

func TestSeverity(t *testing.T) {
	for text, want := range map[string]Severity{"HIGH": High, "Negligible": Negligible, "unknown": Unknown} {
		severity, err := ParseSeverity(text)
		require.NoError(t, err)
		assert.Equal(t, want, severity)
		assert.Equal(t, strings.ToLower(text), severity.String())
	}
	_, err := ParseSeverity("dreadful")
	assert.EqualError(t, err, `"dreadful" is not a severity; it is one of unknown, negligible, low, medium, high, critical`)
}

// What is read is whole, and can be judged and written.
func FuzzRead(f *testing.F) {
	for _, file := range []string{"grype.json", "trivy.json"} {
		seed, err := os.ReadFile("testdata/" + file)
		require.NoError(f, err)
		f.Add(seed)
	}
	f.Add([]byte(`{"descriptor": {"name": "grype"}, "distro": {"name": "d"}, "matches": [{}]}`))
	f.Add([]byte(`{"SchemaVersion": 2, "Metadata": {"OS": {}}, "Results": [{"Class": "os-pkgs", "Packages": [{}]}]}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		report, err := Read(content)
		if err != nil {
			return
		}
		for _, finding := range report.Findings {
			assert.NotEmpty(t, finding.ID)
			assert.NotEmpty(t, finding.Package.PURL)
		}
		verdict, err := Judge("opennebula-frontend", []Report{report}, nil, today)
		require.NoError(t, err)
		var page strings.Builder
		require.NoError(t, verdict.Markdown(&page))
		require.NoError(t, verdict.Text(&page))
	})
}

func content(t *testing.T, file string) string {
	content, err := os.ReadFile("testdata/" + file)
	require.NoError(t, err)
	return string(content)
}
