package signature

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx"
	"github.com/spdx/tools-golang/spdx/v2/common"
	"github.com/spdx/tools-golang/spdxlib"
)

// SPDX checks a document that a scanner has made, in SPDX 2.3 and JSON, and returns it
// as the predicate for an SBOM: it must describe the image of a digest, and list
// packages in it.
func SPDX(document []byte, image v1.Hash) (json.RawMessage, error) {
	if err := checkSPDX(document, image); err != nil {
		return nil, fmt.Errorf("the SPDX document for %s is refused: %w", image, err)
	}
	return document, nil
}

func checkSPDX(document []byte, image v1.Hash) error {
	parsed, err := parseSPDX(document)
	if err != nil {
		return err
	}
	described, err := spdxlib.GetDescribedPackageIDs(parsed)
	if err != nil {
		return fmt.Errorf("it does not say what it describes: %w", err)
	}
	isDescribed := func(p *spdx.Package) bool { return slices.Contains(described, p.PackageSPDXIdentifier) }
	if !slices.ContainsFunc(parsed.Packages, func(p *spdx.Package) bool { return isDescribed(p) && mentions(p, image) }) {
		return fmt.Errorf("it describes %s and not this image: scan the image by its digest", names(parsed.Packages, isDescribed))
	}
	if !slices.ContainsFunc(parsed.Packages, func(p *spdx.Package) bool { return !isDescribed(p) }) {
		return errors.New("it lists no packages in the image: see that the scanner could read the image")
	}
	return nil
}

func parseSPDX(document []byte) (*spdx.Document, error) {
	var head struct {
		Version string `json:"spdxVersion"`
	}
	if err := json.Unmarshal(document, &head); err != nil {
		return nil, fmt.Errorf("it is no JSON object: give SPDX in JSON: %w", err)
	}
	if head.Version != spdx.Version {
		return nil, fmt.Errorf("its version is %q: give %s", head.Version, spdx.Version)
	}
	parsed, err := readSPDX(document)
	if err != nil {
		return nil, fmt.Errorf("it is no SPDX document: %w", err)
	}
	if err := complete(parsed); err != nil {
		return nil, err
	}
	if err := spdxlib.ValidateDocument(parsed); err != nil {
		return nil, fmt.Errorf("it is not sound: %w", err)
	}
	return parsed, nil
}

// readSPDX makes an error of the library's panic, which lists with null in them cause.
func readSPDX(document []byte) (parsed *spdx.Document, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = errors.New("one of its lists holds what SPDX does not have there")
		}
	}()
	return spdxjson.Read(bytes.NewReader(document))
}

// complete looks for what SPDX 2.3 demands of each document (its clauses 6 and 7.1),
// which the library does not.
func complete(document *spdx.Document) error {
	for field, have := range map[string]bool{
		"SPDXID DOCUMENT":          document.SPDXIdentifier == "DOCUMENT",
		"dataLicense CC0-1.0":      document.DataLicense == spdx.DataLicense,
		"name":                     document.DocumentName != "",
		"documentNamespace":        document.DocumentNamespace != "",
		"creationInfo.created":     document.CreationInfo != nil && document.CreationInfo.Created != "",
		"creationInfo.creators":    document.CreationInfo != nil && len(document.CreationInfo.Creators) > 0,
		"packages, each of a name": len(document.Packages) > 0 && !slices.ContainsFunc(document.Packages, unnamed),
	} {
		if !have {
			return fmt.Errorf("it lacks %s", field)
		}
	}
	return nil
}

func unnamed(p *spdx.Package) bool {
	return p == nil || p.PackageName == "" || p.PackageSPDXIdentifier == ""
}

// mentions tells whether a package is an image: scanners write the digest as version,
// as checksum, or into the name or a package URL.
func mentions(p *spdx.Package, image v1.Hash) bool {
	texts := []string{p.PackageName, p.PackageVersion}
	for _, reference := range p.PackageExternalReferences {
		texts = append(texts, reference.Locator)
	}
	for _, sum := range p.PackageChecksums {
		if sum.Algorithm == common.SHA256 {
			texts = append(texts, sum.Value)
		}
	}
	texts = append(texts, p.PackageAttributionTexts...)
	return slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(text, image.Hex) })
}

func names(packages []*spdx.Package, which func(*spdx.Package) bool) string {
	var found []string
	for _, p := range packages {
		if which(p) {
			found = append(found, strings.TrimSpace(p.PackageName+" "+p.PackageVersion))
		}
	}
	return strings.Join(found, ", ")
}
