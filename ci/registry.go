package main

import (
	"context"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pablodelarco/opennebula-helm/chart"
	"github.com/pablodelarco/opennebula-helm/ci/internal/dagger"
	"github.com/pablodelarco/opennebula-helm/image"
	"github.com/pablodelarco/opennebula-helm/registry"
)

// shelf is a registry in the engine. Functions and services reach it by the same name.
type shelf struct {
	service *dagger.Service
	address string // HOST:PORT
}

const (
	stagingHost = "registry" // of what is tested, for as long as this call
	trialHost   = "trial"    // of what is released without credentials, from one call to the next
)

// staging is an empty registry.
func (m *OpennebulaHelm) staging(ctx context.Context) (*shelf, error) {
	return start(ctx, tool(m.Registry, registryImage), stagingHost)
}

// trial is the registry that releases without credentials go to.
func (m *OpennebulaHelm) trial(ctx context.Context) (*shelf, error) {
	kept := dag.CacheVolume("opennebula-helm-trial")
	return start(ctx, tool(m.Registry, registryImage).WithMountedCache("/var/lib/registry", kept), trialHost)
}

func start(ctx context.Context, container *dagger.Container, host string) (*shelf, error) {
	const port = 5000
	service, err := container.WithExposedPort(port).AsService(dagger.ContainerAsServiceOpts{UseEntrypoint: true}).WithHostname(host).Start(ctx)
	if err != nil {
		return nil, fmt.Errorf("start a registry: %w", plain(err))
	}
	return &shelf{service: service, address: fmt.Sprintf("%s:%d", host, port)}, nil
}

// images is a repository of front-ends in the registry.
func (s *shelf) images() string { return s.address + "/pablodelarco/opennebula-frontend" }

// charts is a repository of charts.
func (s *shelf) charts() string { return s.address + "/pablodelarco/charts/" + chart.Name }

// add pushes an image, and returns what the registry has then.
func (s *shelf) add(ctx context.Context, index v1.ImageIndex) (image.Info, error) {
	to, err := registry.Open(s.images(), registry.WithPlainHTTP(true))
	if err != nil {
		return image.Info{}, err
	}
	digest, err := to.Push(ctx, index)
	if err != nil {
		return image.Info{}, err
	}
	return image.InspectIn(ctx, to, digest.String())
}

// copy takes an image from another registry.
func (s *shelf) copy(ctx context.Context, from *registry.Repository, digest string) (image.Info, error) {
	to, err := registry.Open(s.images(), registry.WithPlainHTTP(true))
	if err != nil {
		return image.Info{}, err
	}
	if _, err := to.Copy(ctx, from, digest); err != nil {
		return image.Info{}, err
	}
	return image.InspectIn(ctx, to, digest)
}

// addChart packages the checkout's chart, bound to an image, and pushes it.
func (s *shelf) addChart(ctx context.Context, checkout, work string, img image.Info) (chart.Published, error) {
	to, err := registry.Open(s.charts(), registry.WithPlainHTTP(true))
	if err != nil {
		return chart.Published{}, err
	}
	archive, err := chart.Package(chart.Find(checkout), work, img)
	if err != nil {
		return chart.Published{}, err
	}
	return chart.Publish(ctx, archive, to)
}

// host is the name that services bind the registry by.
func (s *shelf) host() string {
	host, _, _ := strings.Cut(s.address, ":")
	return host
}
