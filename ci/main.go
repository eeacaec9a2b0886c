// The pipeline of OpenNebula on Kubernetes: it builds, checks, tests and releases the
// image of the front-end and its Helm chart.
//
// The same functions run on a laptop, for a pull request and at night. Without
// credentials a release goes into a registry of the engine's own.
package main

import (
	"github.com/pablodelarco/opennebula-helm/ci/internal/dagger"
)

// OpennebulaHelm is the pipeline over one state of the repository.
type OpennebulaHelm struct {
	// The repository, without what no function reads.
	Source *dagger.Directory
	// +private
	Upstream Upstream
	// +private
	Mirror string
	// +private
	Registries Registries
	// +private
	Signing Signing

	// Tools given in place of the images of ci/images.go. Those are looked up by the
	// function that needs them, and by no other.

	// +private
	Golang *dagger.Container
	// +private
	Hadolint *dagger.Container
	// +private
	Syft *dagger.Container
	// +private
	Grype *dagger.Container
	// +private
	Registry *dagger.Container
	// +private
	Kubernetes *dagger.Container
}

// New takes the repository and, if the defaults will not do, the tools.
func New(
	// The repository.
	// +defaultPath="/"
	// +ignore=[".git", "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs", "**/*.tgz"]
	source *dagger.Directory,
	// URL of OpenNebula's apt repositories, in which {version} and {distribution} stand
	// for a release's; another one than OpenNebula's own is a mirror.
	// +default="https://downloads.opennebula.io/repo/{version}/{distribution}"
	repositories string,
	// URL of the key that signs them.
	// +default="https://downloads.opennebula.io/repo/repo2.key"
	repositoryKey string,
	// URL of GitHub's API; another one than GitHub's own is a mirror.
	// +default="https://api.github.com/"
	githubAPI string,
	// URL of Debian's repository of security updates; another one than Debian's own is a
	// mirror.
	// +default="http://deb.debian.org/debian-security"
	debianSecurity string,
	// URL of a registry that clusters ask for Docker Hub's images, before Docker Hub.
	// +optional
	mirror string,
	// A container with Go, git and a shell, to use instead of the official image.
	// +optional
	golang *dagger.Container,
	// A container with hadolint, to use instead of its own image.
	// +optional
	hadolint *dagger.Container,
	// A container with Syft, which lists what is in an image, to use instead of its own.
	// +optional
	syft *dagger.Container,
	// A container with Grype, which finds vulnerabilities, to use instead of its own.
	// +optional
	grype *dagger.Container,
	// A container with a registry, to use instead of the official image.
	// +optional
	registry *dagger.Container,
	// A container with k3s, to use instead of its own image.
	// +optional
	kubernetes *dagger.Container,
) *OpennebulaHelm {
	return &OpennebulaHelm{
		Source: source,
		Upstream: Upstream{
			Repositories: repositories, RepositoryKey: repositoryKey, GithubAPI: githubAPI, DebianSecurity: debianSecurity,
		},
		Mirror: mirror,
		Golang: golang, Hadolint: hadolint, Syft: syft, Grype: grype, Registry: registry, Kubernetes: kubernetes,
	}
}
