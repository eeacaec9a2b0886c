// Package chart decides the version of the Helm chart beside it, packages it, publishes
// it in an OCI registry and installs it.
package chart

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	helm "helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"

	"github.com/pablodelarco/opennebula-helm/image"
)

// Name of the chart, and the last part of its references.
const Name = "opennebula"

// Repository is where released charts are published: oci:// and this, for Helm.
const Repository = "ghcr.io/pablodelarco/charts/" + Name

// PackageOption changes what Package writes.
type PackageOption func(*packaging)

type packaging struct {
	at       time.Time
	version  string
	changes  []Change
	security bool
}

// At sets the time of the archive's files: that of the commit, as a rule. It is the
// beginning of 1970 else.
func At(t time.Time) PackageOption { return func(p *packaging) { p.at = t } }

// As sets the version that was decided, with the changes that lead to it. It is the
// version of Chart.yaml else, with the changes that are written there.
func As(d Decision) PackageOption {
	return func(p *packaging) { p.version, p.changes = d.Version, d.Changes }
}

// WithSecurityUpdates marks a chart whose image has packages with security updates that
// the one before it had not.
func WithSecurityUpdates() PackageOption { return func(p *packaging) { p.security = true } }

// Package writes the chart of a folder into dest as NAME-VERSION.tgz, bound to an image
// as by Bind. It returns the archive's path. The same chart, image and options give the
// same bytes, wherever and whenever.
func Package(folder, dest string, img image.Info, options ...PackageOption) (string, error) {
	p := packaging{at: time.Unix(0, 0)}
	for _, option := range options {
		option(&p)
	}
	c, err := Bind(folder, img)
	if err != nil {
		return "", err
	}
	if err := p.apply(c); err != nil {
		return "", fmt.Errorf("package the chart %s: %w", folder, err)
	}
	return writeArchive(c, dest, p.at)
}

func (p packaging) apply(c *helm.Chart) error {
	if p.version != "" {
		c.Metadata.Version = p.version
	}
	if err := markPrerelease(c); err != nil {
		return err
	}
	if err := describe(c, p.changes, p.security); err != nil {
		return err
	}
	fingerprint, err := Fingerprint(c)
	if err != nil {
		return err
	}
	c.Metadata.Annotations[contentAnnotation] = fingerprint
	return nil
}

// Bind reads the chart of a folder and binds it to one image: its digest becomes the
// default of the chart's values, its OpenNebula release the chart's appVersion.
func Bind(folder string, img image.Info) (*helm.Chart, error) {
	c, err := Read(folder)
	if err != nil {
		return nil, err
	}
	if err := pin(c, img); err != nil {
		return nil, fmt.Errorf("pin the chart %s to %s: %w", folder, img.Reference, err)
	}
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("check the chart %s: %w", folder, err)
	}
	return c, nil
}

// Read the chart of a folder, as it stands there.
func Read(folder string) (*helm.Chart, error) {
	c, err := loader.LoadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("read the chart %s: %w", folder, err)
	}
	return c, nil
}

func pin(c *helm.Chart, img image.Info) error {
	c.Metadata.AppVersion = img.Version
	if err := pinAnnotation(c, img); err != nil {
		return err
	}
	registry, repository, ok := strings.Cut(img.Repository, "/")
	if !ok {
		return fmt.Errorf("the image's repository %q names no registry", img.Repository)
	}
	i := slices.IndexFunc(c.Raw, func(f *helm.File) bool { return f.Name == chartutil.ValuesfileName })
	if i < 0 {
		return errors.New("it has no values.yaml")
	}
	file := c.Raw[i]
	pins := map[string]string{"registry": registry, "repository": repository, "tag": "", "digest": img.Digest}
	for _, key := range imagePins() {
		var err error
		if file.Data, err = setScalar(file.Data, pins[key], "image", key); err != nil {
			return fmt.Errorf("%s: %w", file.Name, err)
		}
	}
	var err error
	c.Values, err = chartutil.ReadValues(file.Data)
	return err
}

// Find returns the chart's folder in a checkout of this repository.
func Find(checkout string) string { return filepath.Join(checkout, "chart", Name) }
