package chart

import (
	"cmp"
	"fmt"
	"strings"

	helm "helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
)

// Image is an image that the chart pulls beside the front-end's.
type Image struct {
	Repository string // without a registry
	Tag        string
}

// ImageAt is the image at a path of the chart's values, such as backup.s3.image or,
// of a subchart, mariadb.image. Values given win over the chart's own.
func ImageAt(folder string, given map[string]any, path string) (Image, error) {
	c, err := load(folder, false)
	if err != nil {
		return Image{}, err
	}
	values, err := chartutil.CoalesceValues(c, given)
	if err != nil {
		return Image{}, fmt.Errorf("read the values of the chart %s: %w", folder, err)
	}
	table, err := values.Table(path)
	if err != nil {
		return Image{}, fmt.Errorf("the chart %s has no image at %s: %w", folder, path, err)
	}
	repository, _ := table["repository"].(string)
	tag, _ := table["tag"].(string)
	image := Image{repository, cmp.Or(tag, appVersion(c, path))}
	if image.Repository == "" || image.Tag == "" {
		return Image{}, fmt.Errorf("the chart %s has no repository or no tag at %s", folder, path)
	}
	return image, nil
}

// appVersion of the subchart that a path begins with, which is the default of its tags.
func appVersion(c *helm.Chart, path string) string {
	name, _, _ := strings.Cut(path, ".")
	for _, dependency := range c.Dependencies() {
		if dependency.Name() == name {
			return dependency.Metadata.AppVersion
		}
	}
	return c.Metadata.AppVersion
}
