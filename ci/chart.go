package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/pablodelarco/opennebula-helm/chart"
	"github.com/pablodelarco/opennebula-helm/ci/internal/dagger"
	"github.com/pablodelarco/opennebula-helm/image"
	"github.com/pablodelarco/opennebula-helm/pipeline"
	"github.com/pablodelarco/opennebula-helm/registry"
)

// Chart packages the chart, bound to an image that is published.
// +cache="never"
func (m *OpennebulaHelm) Chart(
	ctx context.Context,
	// The image, HOST/PATH:TAG or HOST/PATH@sha256:…; by default that of the chart's release
	// of OpenNebula, where releases go.
	// +optional
	of string,
	// Its registry has no TLS.
	// +optional
	plainHTTP bool,
	// The repository's history, which says when the chart was last changed.
	// +defaultPath="/.git"
	history *dagger.Directory,
) (*dagger.File, error) {
	folder, err := m.export(ctx, history)
	if err != nil {
		return nil, err
	}
	var info image.Info
	if of != "" {
		info, err = image.Inspect(ctx, of, registry.WithPlainHTTP(plainHTTP))
	} else {
		info, err = m.released(ctx, folder)
	}
	if err != nil {
		return nil, err
	}
	return packageChart(ctx, folder, info)
}

// released is the image of the checkout's release, where releases go.
func (m *OpennebulaHelm) released(ctx context.Context, folder string) (image.Info, error) {
	version, err := chart.AppVersion(chart.Find(folder))
	if err != nil {
		return image.Info{}, err
	}
	s, err := m.open(ctx)
	if err != nil {
		return image.Info{}, err
	}
	info, err := image.InspectIn(ctx, s.Images, version)
	if err != nil {
		return info, fmt.Errorf("the chart needs an image that is published: %w; release it, name another by --of, or take build chart", err)
	}
	return info, nil
}

// Chart packages the checkout's chart, bound to this image as it will be published.
// +cache="never"
func (i *Image) Chart(
	ctx context.Context,
	// Repository that the image will be in, HOST/PATH.
	// +default="docker.io/pablodelarco/opennebula-frontend"
	repository string,
	// The repository's history, which says when the chart was last changed.
	// +defaultPath="/.git"
	history *dagger.Directory,
) (*dagger.File, error) {
	folder, err := i.Module.export(ctx, history)
	if err != nil {
		return nil, err
	}
	index, err := i.index(ctx)
	if err != nil {
		return nil, err
	}
	digest, err := index.Digest()
	if err != nil {
		return nil, fmt.Errorf("read the image that was built: %w", err)
	}
	return packageChart(ctx, folder, image.Info{
		Reference: repository + "@" + digest.String(), Repository: repository, Digest: digest.String(), Version: i.Version,
	})
}

// packageChart gives the chart of a checkout as a file.
func packageChart(ctx context.Context, folder string, of image.Info) (*dagger.File, error) {
	const made = "chart" // within what the engine takes from this function
	if err := os.MkdirAll(made, 0o755); err != nil {
		return nil, fmt.Errorf("make a folder for the chart: %w", err)
	}
	archive, err := chart.Package(chart.Find(folder), made, of, chart.At(pipeline.ReadCheckout(ctx, folder).Head.At))
	if err != nil {
		return nil, err
	}
	return dag.CurrentModule().WorkdirFile(filepath.Join(made, filepath.Base(archive))), nil
}
