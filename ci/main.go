// The pipeline of OpenNebula on Kubernetes: image, chart and their tests. It runs
// the same on a laptop and in a workflow, and leaves decisions to the packages of
// the repository.
package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/pablodelarco/opennebula-helm/ci/internal/dagger"
	"github.com/pablodelarco/opennebula-helm/image"
	"github.com/pablodelarco/opennebula-helm/upstream"
)

// OpennebulaHelm is the pipeline over one state of the repository.
type OpennebulaHelm struct {
	// The repository, without what no function reads.
	Source *dagger.Directory
	// Go, for the tests.
	Golang *dagger.Container
}

// New takes the repository and, if the defaults will not do, the tools.
func New(
	// The repository.
	// +defaultPath="/"
	// +ignore=[".git", ".github", "**/*.md", "**/*.tgz"]
	source *dagger.Directory,
	// A container with Go, to use instead of the official image.
	// +optional
	golang *dagger.Container,
) *OpennebulaHelm {
	if golang == nil {
		golang = dag.Container().From("docker.io/library/golang:1.26-bookworm")
	}
	return &OpennebulaHelm{Source: source, Golang: golang}
}

// Versions lists the versions of a package that an apt repository has, its
// signature verified.
// +cache="never"
func (m *OpennebulaHelm) Versions(
	ctx context.Context,
	// Release of OpenNebula, X.Y.Z.
	// +default="7.2.0"
	version string,
	// URL of the repository, as in a deb line before "stable opennebula"; by default
	// OpenNebula's own for the release.
	// +optional
	repository string,
	// URL of the key that signs it.
	// +default="https://downloads.opennebula.io/repo/repo2.key"
	key string,
	// Name of the package.
	// +default="opennebula"
	name string,
	// Architecture: amd64 or arm64.
	// +default="amd64"
	architecture string,
) ([]string, error) {
	repository, err := repositoryOf(version, repository)
	if err != nil {
		return nil, err
	}
	armored, err := upstream.Fetch(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("read the key of %s: %w", repository, err)
	}
	return upstream.NewRepository(repository, armored).Versions(ctx, name, architecture)
}

// Build makes the front-end's image.
// +cache="never"
func (m *OpennebulaHelm) Build(
	ctx context.Context,
	// Release of OpenNebula, X.Y.Z.
	// +default="7.2.0"
	version string,
	// URL of the apt repository, as in a deb line before "stable opennebula"; by
	// default OpenNebula's own for the release.
	// +optional
	repository string,
	// URL of the key that signs it.
	// +default="https://downloads.opennebula.io/repo/repo2.key"
	key string,
	// Platform to build for; by default the engine's own.
	// +optional
	platform dagger.Platform,
	// Commit of the repository.
	// +default="unknown"
	revision string,
	// Time of the commit, as 2026-01-02T03:04:05Z; by default now.
	// +optional
	created string,
) (*dagger.Container, error) {
	repository, err := repositoryOf(version, repository)
	if err != nil {
		return nil, err
	}
	at, err := timeOf(created)
	if err != nil {
		return nil, err
	}
	base, err := baseDigest(ctx)
	if err != nil {
		return nil, err
	}
	arguments := image.Arguments{
		Version: version, Repository: repository, Key: key, BaseDigest: base, Revision: revision, Created: at,
	}
	options := dagger.DirectoryDockerBuildOpts{Platform: platform}
	for name, value := range arguments.Map() {
		options.BuildArgs = append(options.BuildArgs, dagger.BuildArg{Name: name, Value: value})
	}
	return m.Source.Directory("image").DockerBuild(options), nil
}

// Test runs the repository's tests, without the lab, which needs a machine.
func (m *OpennebulaHelm) Test(ctx context.Context) (string, error) {
	return m.Golang.
		WithMountedCache("/go/pkg/mod", dag.CacheVolume("go-modules")).
		WithMountedCache("/root/.cache/go-build", dag.CacheVolume("go-build")).
		WithMountedDirectory("/src", m.Source).
		WithWorkdir("/src").
		WithExec([]string{"go", "test", "-count=1", "-short", "./..."}).
		Stdout(ctx)
}

// repositoryOf is the repository given, or OpenNebula's own for a release.
func repositoryOf(version, repository string) (string, error) {
	if _, err := upstream.ParseVersion(version); err != nil {
		return "", err
	}
	if repository != "" {
		return repository, nil
	}
	return fmt.Sprintf(upstream.OfficialRepository, version), nil
}

// timeOf reads a time as labels have it; none is now.
func timeOf(created string) (time.Time, error) {
	if created == "" {
		return time.Now(), nil
	}
	at, err := time.Parse(time.RFC3339, created)
	if err != nil {
		return at, fmt.Errorf("%q is not a time; give it as 2026-01-02T03:04:05Z: %w", created, err)
	}
	return at, nil
}

// baseDigest is what the base image's name stands for today.
func baseDigest(ctx context.Context) (string, error) {
	reference, err := dag.Container().From(image.BaseName).ImageRef(ctx)
	if err != nil {
		return "", fmt.Errorf("look up the base image %s: %w", image.BaseName, err)
	}
	_, digest, _ := strings.Cut(reference, "@")
	return digest, nil
}
