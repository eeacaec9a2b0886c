// Package chart packages the Helm chart beside it, pushes it to an OCI registry
// and installs it.
package chart

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	helm "helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"sigs.k8s.io/yaml"

	"github.com/pablodelarco/opennebula-helm/image"
)

// Name of the chart, and the last part of its references.
const Name = "opennebula"

// Repository is where released charts are published.
const Repository = "oci://ghcr.io/pablodelarco/charts/" + Name

// Package writes the chart of a folder into dest as NAME-VERSION.tgz, bound to
// one image: its digest becomes the default of the chart's values, its OpenNebula
// release the chart's appVersion. It returns the archive's path.
func Package(folder, dest string, img image.Info) (string, error) {
	c, err := loader.LoadDir(folder)
	if err != nil {
		return "", fmt.Errorf("read the chart %s: %w", folder, err)
	}
	if err := pin(c, img); err != nil {
		return "", fmt.Errorf("pin the chart %s to %s: %w", folder, img.Reference, err)
	}
	if err := c.Validate(); err != nil {
		return "", fmt.Errorf("check the chart %s: %w", folder, err)
	}
	if err := os.MkdirAll(dest, 0o755); err != nil {
		return "", fmt.Errorf("create the folder for the chart's archive: %w", err)
	}
	archive, err := chartutil.Save(c, dest)
	if err != nil {
		return "", fmt.Errorf("write the chart's archive into %s: %w", dest, err)
	}
	return archive, nil
}

func pin(c *helm.Chart, img image.Info) error {
	c.Metadata.AppVersion = img.Version
	if err := pinAnnotation(c, img.Reference); err != nil {
		return err
	}
	registry, repository, ok := strings.Cut(img.Repository, "/")
	if !ok {
		return fmt.Errorf("the image's repository %q names no registry", img.Repository)
	}
	file, err := valuesFile(c)
	if err != nil {
		return err
	}
	for _, set := range []struct{ key, value string }{
		{"registry", registry}, {"repository", repository}, {"tag", ""}, {"digest", img.Digest},
	} {
		file.Data, err = setScalar(file.Data, set.value, "image", set.key)
		if err != nil {
			return fmt.Errorf("%s: %w", file.Name, err)
		}
	}
	c.Values, err = chartutil.ReadValues(file.Data)
	return err
}

// imagesAnnotation lists the chart's images for Artifact Hub, as YAML.
const imagesAnnotation = "artifacthub.io/images"

// listedImage is one of them.
type listedImage struct {
	Name  string `json:"name"`
	Image string `json:"image"`
}

// pinAnnotation names the front-end's image where Artifact Hub looks for it.
func pinAnnotation(c *helm.Chart, reference string) error {
	var listed []listedImage
	if err := yaml.Unmarshal([]byte(c.Metadata.Annotations[imagesAnnotation]), &listed); err != nil {
		return fmt.Errorf("read the annotation %s of Chart.yaml: %w", imagesAnnotation, err)
	}
	i := slices.IndexFunc(listed, func(l listedImage) bool { return l.Name == path.Base(image.Repository) })
	if i < 0 {
		return fmt.Errorf("the annotation %s of Chart.yaml lists no %s", imagesAnnotation, path.Base(image.Repository))
	}
	listed[i].Image = reference
	text, err := yaml.Marshal(listed)
	if err != nil {
		return fmt.Errorf("write the annotation %s: %w", imagesAnnotation, err)
	}
	c.Metadata.Annotations[imagesAnnotation] = string(text)
	return nil
}

// valuesFile as it stands in the chart: with its comments, which are what people
// read.
func valuesFile(c *helm.Chart) (*helm.File, error) {
	for _, file := range c.Raw {
		if file.Name == chartutil.ValuesfileName {
			return file, nil
		}
	}
	return nil, errors.New("it has no values.yaml")
}

// Find returns the chart's folder in a checkout of this repository.
func Find(checkout string) string { return filepath.Join(checkout, "chart", Name) }
