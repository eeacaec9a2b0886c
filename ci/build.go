package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/pablodelarco/opennebula-helm/chart"
	"github.com/pablodelarco/opennebula-helm/ci/internal/dagger"
	"github.com/pablodelarco/opennebula-helm/image"
	"github.com/pablodelarco/opennebula-helm/pipeline"
	"github.com/pablodelarco/opennebula-helm/upstream"
)

// ImagePlatform is one that images are made for.
type ImagePlatform string

const (
	// 64-bit x86.
	Amd64 ImagePlatform = "linux/amd64"
	// 64-bit ARM.
	Arm64 ImagePlatform = "linux/arm64"
)

// Image is a front-end that was built, for one platform or several.
type Image struct {
	// Release of OpenNebula, X.Y.Z.
	Version string
	// What it was built for.
	Platforms []ImagePlatform
	// +private
	Containers []*dagger.Container
	// +private
	Module *OpennebulaHelm
}

// Build makes the front-end's image.
// +cache="never"
func (m *OpennebulaHelm) Build(
	ctx context.Context,
	// Release of OpenNebula, X.Y.Z; by default the one that the chart is for.
	// +optional
	version string,
	// Platforms to build for; by default 64-bit x86 alone.
	// +optional
	platforms []ImagePlatform,
	// The repository's history, which says what commit the image is of.
	// +defaultPath="/.git"
	history *dagger.Directory,
) (*Image, error) {
	if len(platforms) == 0 {
		platforms = []ImagePlatform{Amd64}
	}
	folder, err := m.export(ctx, history)
	if err != nil {
		return nil, err
	}
	if version == "" {
		if version, err = chart.AppVersion(chart.Find(folder)); err != nil {
			return nil, err
		}
	}
	repository, err := m.repository(ctx, version)
	if err != nil {
		return nil, err
	}
	if err := image.RequirePlatforms(ctx, repository, version, names(platforms)); err != nil {
		return nil, err
	}
	base, err := baseDigest(ctx)
	if err != nil {
		return nil, err
	}
	checkout := pipeline.ReadCheckout(ctx, folder)
	return m.build(ctx, image.Arguments{
		Version: version, Repository: repository.URL, Key: m.Upstream.RepositoryKey, BaseDigest: base,
		Revision: checkout.Image.Hash, Created: checkout.Image.At,
	}, platforms)
}

// names of platforms, as the packages know them.
func names(platforms []ImagePlatform) []string {
	var all []string
	for _, platform := range platforms {
		all = append(all, string(platform))
	}
	return all
}

// repository has the packages of a version.
func (m *OpennebulaHelm) repository(ctx context.Context, version string) (*upstream.Repository, error) {
	v, err := upstream.ParseVersion(version)
	if err != nil {
		return nil, err
	}
	key, err := upstream.FetchKey(ctx, m.Upstream.RepositoryKey)
	if err != nil {
		return nil, err
	}
	repositories, err := upstream.NewRepositories(m.Upstream.Repositories, key)
	if err != nil {
		return nil, err
	}
	return repositories.Of(v, upstream.Debian12), nil
}

// baseDigest is what the base image's name stands for today, wherever the engine asks.
func baseDigest(ctx context.Context) (string, error) {
	reference, err := dag.Container().From(image.BaseName).ImageRef(ctx)
	if err != nil {
		return "", fmt.Errorf("look up the base image %s: %w", image.BaseName, err)
	}
	_, digest, _ := strings.Cut(reference, "@")
	return digest, nil
}

// build makes an image for all platforms at once.
func (m *OpennebulaHelm) build(ctx context.Context, arguments image.Arguments, platforms []ImagePlatform) (*Image, error) {
	made := &Image{Version: arguments.Version, Platforms: platforms, Containers: make([]*dagger.Container, len(platforms)), Module: m}
	group, ctx := errgroup.WithContext(ctx)
	for i, platform := range platforms {
		group.Go(func() error {
			var err error
			made.Containers[i], err = m.buildFor(arguments, platform).Sync(ctx)
			if err != nil {
				return fmt.Errorf("build the image of OpenNebula %s for %s: %w", arguments.Version, platform, plain(err))
			}
			return nil
		})
	}
	return made, group.Wait()
}

func (m *OpennebulaHelm) buildFor(arguments image.Arguments, platform ImagePlatform) *dagger.Container {
	options := dagger.DirectoryDockerBuildOpts{Platform: dagger.Platform(platform)}
	for name, value := range arguments.Map() {
		if value == "" { // the Dockerfile's default, and nothing that Dagger takes
			continue
		}
		options.BuildArgs = append(options.BuildArgs, dagger.BuildArg{Name: name, Value: value})
	}
	return m.Source.Directory("image").DockerBuild(options)
}

// Container is the image for a platform, to run or to look at.
func (i *Image) Container(
	// The platform; by default the first that it was built for.
	// +optional
	platform ImagePlatform,
) (*dagger.Container, error) {
	for n, of := range i.Platforms {
		if platform == "" || platform == of {
			return i.Containers[n], nil
		}
	}
	return nil, fmt.Errorf("the image was not built for %s: name it with --platforms", platform)
}

// AsTarball is the image for all platforms, in OCI's layout.
func (i *Image) AsTarball() *dagger.File {
	return dag.Container().AsTarball(dagger.ContainerAsTarballOpts{
		PlatformVariants: i.Containers, ForcedCompression: dagger.ImageLayerCompressionGzip, MediaTypes: dagger.ImageMediaTypesOcimediaTypes,
	})
}

// index reads the image as it will be published. What it is made of lies in a folder.
func (i *Image) index(ctx context.Context) (v1.ImageIndex, error) {
	archive, err := exported(ctx, i.AsTarball(), "image.tar")
	if err != nil {
		return nil, err
	}
	images, err := image.Load(ctx, archive, filepath.Dir(archive))
	if err != nil {
		return nil, err
	}
	if err := os.Remove(archive); err != nil {
		return nil, fmt.Errorf("remove what was unpacked: %w", err)
	}
	return image.Join(images...)
}
