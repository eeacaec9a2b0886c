package main

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/pablodelarco/opennebula-helm/ci/internal/dagger"
	"github.com/pablodelarco/opennebula-helm/e2e/enrollment"
	"github.com/pablodelarco/opennebula-helm/image"
)

// nodes are hypervisors that run as services: with KVM where the engine has /dev/kvm, with
// QEMU's emulation where not. They are the image of e2e/lab/images/kvm.
type nodes struct {
	services []*dagger.Service         // in the order of nodeHosts
	list     string                    // of them, as the suite takes it
	keys     map[string]*dagger.Secret // of enrollment.Keys, by their names
}

// stop ends them: another suite starts others by the same names.
func (n *nodes) stop(ctx context.Context) error {
	if n == nil {
		return nil
	}
	for i, service := range n.services {
		if _, err := service.Stop(ctx, dagger.ServiceStopOpts{Kill: true}); err != nil {
			return fmt.Errorf("stop the hypervisor %s: %w", nodeHosts()[i], err)
		}
	}
	return nil
}

// nodeHosts are two, between which virtual machines move.
func nodeHosts() []string { return []string{"kvm-1", "kvm-2"} }

// startNodes starts hypervisors for a release of OpenNebula, which reach the front-end at
// the cluster, and one another by their names.
func (m *OpennebulaHelm) startNodes(ctx context.Context, version string, on *cluster) (*nodes, error) {
	built, err := m.buildNode(ctx, version)
	if err != nil {
		return nil, err
	}
	keys, err := enrollment.NewKeys()
	if err != nil {
		return nil, err
	}
	started := &nodes{services: make([]*dagger.Service, len(nodeHosts())), keys: map[string]*dagger.Secret{}}
	for name, key := range keys.Private() {
		started.keys[name] = dag.SetSecret(name+" of "+keys.Public(), key)
	}
	// The front-end calls itself by the address of the cluster's node, and is known by it.
	frontend, err := lookup(ctx, clusterHost)
	if err != nil {
		return nil, err
	}
	node := built.
		WithServiceBinding(clusterHost, on.service).
		WithEnvVariable("ONEADMIN_PUBLIC_KEY", keys.Public()).
		WithEnvVariable("FRONTEND", frontend).
		WithEnvVariable("FRONTEND_PORT", strconv.Itoa(enrollment.SSHPort)).
		WithEnvVariable("FRONTEND_HOST_KEY", keys.HostPublic()).
		WithExposedPort(80)
	group, within := errgroup.WithContext(ctx)
	for i, host := range nodeHosts() {
		group.Go(func() (err error) {
			started.services[i], err = node.
				WithEnvVariable("BRIDGE_ADDRESS", fmt.Sprintf("172.30.0.%d/24", i+1)).
				WithEnvVariable("PEERS", strings.Join(slices.Delete(nodeHosts(), i, i+1), " ")).
				AsService(dagger.ContainerAsServiceOpts{UseEntrypoint: true, InsecureRootCapabilities: true, NoInit: true}).
				WithHostname(host).Start(within)
			if err != nil {
				return fmt.Errorf("start the hypervisor %s: %w", host, plain(err))
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	started.list, err = nodeList(ctx)
	return started, err
}

// nodeList is how the suite is told of them.
func nodeList(ctx context.Context) (string, error) {
	var all []string
	for _, host := range nodeHosts() {
		address, err := lookup(ctx, host)
		if err != nil {
			return "", err
		}
		all = append(all, host+"="+address)
	}
	return strings.Join(all, ","), nil
}

// lookup is the address of a service that runs, by its host name.
func lookup(ctx context.Context, host string) (string, error) {
	addresses, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return "", fmt.Errorf("find the service %s: %w", host, err)
	}
	return addresses[0], nil
}

// buildNode makes its image, of the same packages as the front-end's.
func (m *OpennebulaHelm) buildNode(ctx context.Context, version string) (*dagger.Container, error) {
	repository, err := m.repository(ctx, version)
	if err != nil {
		return nil, err
	}
	base, err := baseDigest(ctx)
	if err != nil {
		return nil, err
	}
	const dockerfile = "e2e/lab/images/kvm/Dockerfile"
	options := dagger.DirectoryDockerBuildOpts{Dockerfile: dockerfile, Platform: dagger.Platform(Amd64), BuildArgs: []dagger.BuildArg{
		{Name: "BASE_NAME", Value: image.BaseName}, {Name: "BASE_DIGEST", Value: base}, {Name: "ONE_VERSION", Value: version},
		{Name: "ONE_REPOSITORY", Value: repository.URL}, {Name: "ONE_KEY", Value: m.Upstream.RepositoryKey},
	}}
	built, err := m.Source.
		Filter(dagger.DirectoryFilterOpts{Include: []string{"e2e/lab/images/kvm/**", "e2e/lab/images/node/**", "chart/opennebula/files/**"}}).
		DockerBuild(options).Sync(ctx)
	if err != nil {
		return nil, fmt.Errorf("build the hypervisor's image: %w", plain(err))
	}
	return built, nil
}
