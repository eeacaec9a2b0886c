package signature

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSPDX(t *testing.T) {
	document := string(spdxOf(aDigest))
	before, packages, _ := strings.Cut(document, `"packages"`)
	first, others, _ := strings.Cut(packages, ",\n    {\"name\": \"bash\"")
	packages, others = `"packages"`+packages, ",\n    {\"name\": \"bash\""+others
	require.Equal(t, document, before+`"packages"`+first+others)
	image := `"versionInfo": "` + aDigest.String() + `"`
	for name, test := range map[string]struct{ old, new, want string }{
		"as it should be":                 {},
		"the digest as checksum":          {image, `"checksums": [{"algorithm": "SHA256", "checksumValue": "` + hex64 + `"}]`, ""},
		"the digest in a package URL":     {image, `"externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": "pkg:oci/thing@sha256%3A` + hex64 + `?arch=amd64"}]`, ""},
		"the digest in the name":          {`"name": "thing", "SPDXID": "SPDXRef-image", ` + image, `"name": "example.org/thing@` + aDigest.String() + `", "SPDXID": "SPDXRef-image"`, ""},
		"of another version of SPDX":      {"SPDX-2.3", "SPDX-2.2", `its version is "SPDX-2.2": give SPDX-2.3`},
		"without a version":               {`"spdxVersion": "SPDX-2.3", `, "", `its version is ""`},
		"no JSON":                         {document, "SPDXVersion: SPDX-2.3", "it is no JSON object"},
		"cut short":                       {document, document[:400], "it is no JSON object"},
		"of another image":                {hex64, strings.Repeat("0", 64), "it describes thing sha256:" + strings.Repeat("0", 64) + " and not this image: scan the image by its digest"},
		"without packages":                {packages, `"packages": []}`, "it lacks packages"},
		"with the image only":             {others, `]}`, "it lists no packages in the image"},
		"describing nothing":              {"DESCRIBES", "OTHER", "it does not say what it describes"},
		"describing what is not there":    {`"relatedSpdxElement": "SPDXRef-image"`, `"relatedSpdxElement": "SPDXRef-none"`, "it is not sound"},
		"without its creator":             {`"creators": ["Tool: test-1"]`, `"creators": []`, "it lacks creationInfo.creators"},
		"without a name":                  {`"name": "thing",`, `"name": "",`, "it lacks"},
		"without the license of its data": {"CC0-1.0", "MIT", "it lacks dataLicense CC0-1.0"},
		"a list with nothing in it":       {`"packages": [`, `"packages": [null,`, "one of its lists holds"},
		"packages that are no list":       {packages, `"packages": "bash"}`, "it is no SPDX document"},
	} {
		t.Run(name, func(t *testing.T) {
			changed := strings.ReplaceAll(document, test.old, test.new)
			if test.old == "" {
				changed = document
			} else {
				require.NotEqual(t, document, changed)
			}
			predicate, err := SPDX([]byte(changed), aDigest)
			if test.want == "" {
				require.NoError(t, err)
				assert.Equal(t, changed, string(predicate))
				return
			}
			require.ErrorContains(t, err, "the SPDX document for "+aDigest.String()+" is refused: ")
			require.ErrorContains(t, err, test.want)
		})
	}
}

func FuzzSPDX(f *testing.F) {
	f.Add(spdxOf(aDigest))
	f.Add([]byte(`{"spdxVersion":"SPDX-2.3","packages":[null,{}],"relationships":[{}]}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, document []byte) {
		predicate, err := SPDX(document, aDigest)
		if err != nil {
			return
		}
		assert.Contains(t, string(predicate), `packages`)
		_, err = newStatement(SBOM, "thing", aDigest, predicate)
		require.NoError(t, err, "what is taken can be attested")
	})
}
