package pipelinetest

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/pablodelarco/opennebula-helm/image"
)

// Image has nothing but what its configuration says. The same arguments make the same
// image.
func Image(a image.Arguments, platform string) (v1.Image, error) {
	content := fmt.Sprint(a, platform)
	img, err := mutate.AppendLayers(empty.Image, static.NewLayer([]byte(content), types.OCILayer))
	if err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, _ = strings.Cut(platform, "/")
	config.RootFS.DiffIDs[0] = v1.Hash{Algorithm: "sha256", Hex: fmt.Sprintf("%x", sha256.Sum256([]byte(content)))}
	config.Config = v1.Config{User: image.User, Entrypoint: image.Entrypoint, Labels: map[string]string{
		image.TitleLabel: "title", image.DescriptionLabel: "description", image.URLLabel: "url", image.SourceLabel: "source",
		image.LicensesLabel: "licenses", image.VersionLabel: a.Version, image.RevisionLabel: a.Revision,
		image.CreatedLabel: a.Created.Format(time.RFC3339), image.BaseNameLabel: image.BaseName, image.BaseDigestLabel: a.BaseDigest,
	}}
	return mutate.ConfigFile(img, config)
}

// SPDX is a document such as scanners make of an image, by its digest, sha256:…, with
// one package.
func SPDX(digest string) []byte {
	return []byte(strings.ReplaceAll(spdx, "DIGEST", strings.TrimPrefix(digest, "sha256:")))
}

const spdx = `{
  "spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "dataLicense": "CC0-1.0", "name": "image",
  "documentNamespace": "https://example.org/DIGEST", "creationInfo": {"created": "2026-01-02T03:04:05Z", "creators": ["Tool: test"]},
  "packages": [
    {"name": "image", "SPDXID": "SPDXRef-image", "versionInfo": "sha256:DIGEST", "downloadLocation": "NOASSERTION",
     "checksums": [{"algorithm": "SHA256", "checksumValue": "DIGEST"}]},
    {"name": "libxml2", "SPDXID": "SPDXRef-libxml2", "versionInfo": "2.9.14-1", "downloadLocation": "NOASSERTION",
     "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
       "referenceLocator": "pkg:deb/debian/libxml2@2.9.14-1?arch=amd64"}]}],
  "relationships": [
    {"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": "SPDXRef-image"},
    {"spdxElementId": "SPDXRef-image", "relationshipType": "CONTAINS", "relatedSpdxElement": "SPDXRef-libxml2"}]
}`
