package chart

import (
	"fmt"
	"path"
	"slices"

	"github.com/Masterminds/semver/v3"
	helm "helm.sh/helm/v3/pkg/chart"
	"sigs.k8s.io/yaml"

	"github.com/pablodelarco/opennebula-helm/image"
)

// What Artifact Hub reads in Chart.yaml. The key artifacthub.io/signKey is not among
// these: it names a PGP key, and our signatures are cosign's, which Artifact Hub finds in
// the registry.
const (
	imagesAnnotation     = "artifacthub.io/images"                  // YAML
	changesAnnotation    = "artifacthub.io/changes"                 // YAML
	prereleaseAnnotation = "artifacthub.io/prerelease"              // "true"
	securityAnnotation   = "artifacthub.io/containsSecurityUpdates" // "true"
)

// What we read in the manifest of a published chart, into which Helm copies Chart.yaml's
// annotations: so no archive need be read to see what is published.
const (
	contentAnnotation    = "io.github.pablodelarco.opennebula-helm.content"    // see Fingerprint
	imageAnnotation      = "io.github.pablodelarco.opennebula-helm.image"      // the front-end's, HOST/PATH@sha256:…
	appVersionAnnotation = "io.github.pablodelarco.opennebula-helm.appversion" // OpenNebula's
)

// madeAnnotations are written when the chart is packaged.
func madeAnnotations() []string {
	return []string{
		imagesAnnotation, changesAnnotation, prereleaseAnnotation, securityAnnotation,
		contentAnnotation, imageAnnotation, appVersionAnnotation,
	}
}

// listedImage is one of the chart's images.
type listedImage struct {
	Name      string   `json:"name"`
	Image     string   `json:"image"`
	Platforms []string `json:"platforms,omitempty"`
}

// pinAnnotation names the front-end's image where Artifact Hub looks for it.
func pinAnnotation(c *helm.Chart, img image.Info) error {
	var listed []listedImage
	if err := yaml.Unmarshal([]byte(c.Metadata.Annotations[imagesAnnotation]), &listed); err != nil {
		return fmt.Errorf("read the annotation %s of Chart.yaml: %w", imagesAnnotation, err)
	}
	i := slices.IndexFunc(listed, func(l listedImage) bool { return l.Name == path.Base(image.Repository) })
	if i < 0 {
		return fmt.Errorf("the annotation %s of Chart.yaml lists no %s", imagesAnnotation, path.Base(image.Repository))
	}
	listed[i].Image, listed[i].Platforms = img.Reference, img.Platforms
	c.Metadata.Annotations[imageAnnotation] = img.Reference
	c.Metadata.Annotations[appVersionAnnotation] = img.Version
	return annotate(c, imagesAnnotation, listed)
}

// listedChange is a change as Artifact Hub reads it.
type listedChange struct {
	Kind        string `json:"kind"`
	Description string `json:"description"`
}

// describe says what has changed, in the words that Artifact Hub shows.
func describe(c *helm.Chart, changes []Change, security bool) error {
	var listed []listedChange
	if security {
		c.Metadata.Annotations[securityAnnotation] = "true"
		listed = append(listed, listedChange{"security", "Security updates of the packages in the image"})
	}
	for _, change := range changes {
		listed = append(listed, listedChange{change.Kind, change.Text})
	}
	if len(listed) == 0 {
		return nil
	}
	return annotate(c, changesAnnotation, listed)
}

// markPrerelease tells Artifact Hub, which otherwise shows it as any other version.
func markPrerelease(c *helm.Chart) error {
	version, err := semver.StrictNewVersion(c.Metadata.Version)
	if err != nil {
		return fmt.Errorf("the chart's version %q is none: write it as 1.2.3: %w", c.Metadata.Version, err)
	}
	if version.Prerelease() != "" {
		c.Metadata.Annotations[prereleaseAnnotation] = "true"
	}
	return nil
}

func annotate(c *helm.Chart, name string, content any) error {
	text, err := yaml.Marshal(content)
	if err != nil {
		return fmt.Errorf("write the annotation %s: %w", name, err)
	}
	c.Metadata.Annotations[name] = string(text)
	return nil
}
