package main

import "github.com/pablodelarco/opennebula-helm/ci/internal/dagger"

// The images of the tools, each by its digest. Renovate moves them, and nothing else
// names them.
const (
	golangImage     = "docker.io/library/golang:1.26-bookworm@sha256:d9c68c2c51161e12fd77e4c6320687c9cd86e1af1e3ad6e6cd63ff970641453c"
	hadolintImage   = "docker.io/hadolint/hadolint:v2.15.1@sha256:32dac94127fd60b7b7e3fbfc65e1383b9b5e25c9bfd7b8536de7a539fe68a12d"
	syftImage       = "docker.io/anchore/syft:v1.54.1@sha256:3eb5379ba7b409c3f4069b686110527af0c47df993fa5c10d13e7cf34f49b1aa"
	grypeImage      = "docker.io/anchore/grype:v0.120.0@sha256:5c88961f4130e830542d441c7ed6c78baa28e799163abac53d2be4923fb5ab7d"
	registryImage   = "docker.io/library/registry:3@sha256:ddf754342cfc8acc51a56d5d0ab6af06826461864460636d8bd5c546dab2a7b8"
	kubernetesImage = "docker.io/rancher/k3s:v1.36.4-k3s1@sha256:edad48e12bf81c3a09ac1c05c0c0ffaaa22145980b989d6fae84543a76b83657"
)

// tool is the container given, or one of an image.
func tool(given *dagger.Container, image string) *dagger.Container {
	if given != nil {
		return given
	}
	return dag.Container().From(image)
}
