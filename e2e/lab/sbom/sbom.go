// Package sbom lists what is in an image. It is the lab's stand-in for a scanner such
// as syft, which releases use: it lists Debian packages and nothing else.
package sbom

import (
	"bytes"
	"fmt"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/package-url/packageurl-go"
	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx"
	"github.com/spdx/tools-golang/spdx/v2/common"

	"github.com/pablodelarco/opennebula-helm/image"
	"github.com/pablodelarco/opennebula-helm/signature"
)

// unknown is SPDX's word for what was not looked for.
const unknown = "NOASSERTION"

// Of is the list of an image for one platform, in SPDX 2.3 and JSON. The same image has
// the same list, to the byte.
func Of(img v1.Image) ([]byte, error) {
	digest, err := img.Digest()
	if err != nil {
		return nil, fmt.Errorf("read the image to list: %w", err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("read the configuration of %s: %w", digest, err)
	}
	installed, err := image.InstalledPackages(img)
	if err != nil {
		return nil, fmt.Errorf("list the packages of %s: %w", digest, err)
	}
	var document bytes.Buffer
	err = spdxjson.Write(describe(digest, config.Created.Time, installed), &document)
	return document.Bytes(), err
}

// describe says of an image that it contains packages.
func describe(digest v1.Hash, created time.Time, installed []image.Installed) *spdx.Document {
	whole := packageOf("image", image.Repository, digest.String())
	whole.PackageChecksums = []common.Checksum{{Algorithm: common.SHA256, Value: digest.Hex}}
	document := &spdx.Document{
		SPDXVersion: spdx.Version, SPDXIdentifier: "DOCUMENT", DataLicense: spdx.DataLicense,
		DocumentName: whole.PackageName, DocumentNamespace: signature.Source + "/e2e/lab/sbom/" + digest.Hex,
		CreationInfo: &spdx.CreationInfo{
			Created: created.UTC().Format(time.RFC3339), Creators: []common.Creator{{CreatorType: "Tool", Creator: "e2e/lab/sbom"}},
		},
		Packages:      []*spdx.Package{whole},
		Relationships: []*spdx.Relationship{relation("DOCUMENT", common.TypeRelationshipDescribe, "image")},
	}
	for i, p := range installed {
		id := fmt.Sprintf("package-%d", i+1) // names may have characters that identifiers may not
		document.Packages = append(document.Packages, debian(id, p))
		document.Relationships = append(document.Relationships, relation("image", common.TypeRelationshipContains, id))
	}
	return document
}

func packageOf(id, name, version string) *spdx.Package {
	return &spdx.Package{
		PackageSPDXIdentifier: common.ElementID(id), PackageName: name, PackageVersion: version, PackageDownloadLocation: unknown,
	}
}

// debian is a package, with the URL by which scanners name it.
func debian(id string, p image.Installed) *spdx.Package {
	architecture := packageurl.QualifiersFromMap(map[string]string{"arch": p.Architecture})
	listed := packageOf(id, p.Name, p.Version)
	listed.PackageExternalReferences = []*spdx.PackageExternalReference{{
		Category: common.CategoryPackageManager, RefType: common.TypePackageManagerPURL,
		Locator: packageurl.NewPackageURL(packageurl.TypeDebian, "debian", p.Name, p.Version, architecture, "").ToString(),
	}}
	return listed
}

func relation(from, how, to string) *spdx.Relationship {
	return &spdx.Relationship{
		RefA: common.MakeDocElementID("", from), RefB: common.MakeDocElementID("", to), Relationship: how,
	}
}
