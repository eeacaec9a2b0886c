package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"

	"github.com/pablodelarco/opennebula-helm/ci/internal/dagger"
)

// cluster is a Kubernetes that runs as a service, and the file that says how it is
// reached. That it is k3s is known in this file alone.
type cluster struct {
	service    *dagger.Service
	kubeconfig *dagger.Secret
}

const (
	clusterHost = "kubernetes"
	clusterPort = 6443

	k3sState  = "/var/lib/rancher/k3s"
	k3sTokens = "/etc/rancher/k3s/tokens.csv"
)

// startCluster starts a Kubernetes of one node, whose images come from a registry of the
// engine's, and what is not there from Docker Hub, or before that from a mirror of it.
func (m *OpennebulaHelm) startCluster(ctx context.Context, from *shelf) (*cluster, error) {
	token := rand.Text()
	container := tool(m.Kubernetes, kubernetesImage).
		WithServiceBinding(from.host(), from.service).
		WithNewFile("/etc/rancher/k3s/registries.yaml", k3sRegistries(from.address, m.Mirror)).
		WithMountedSecret(k3sTokens, dag.SetSecret("kubernetes-tokens-"+token, token+`,suite,suite,"system:masters"`)).
		WithExposedPort(clusterPort)
	// Containers' layers cannot lie on those of a container. What an earlier cluster left
	// is of no use to this one, and of two at once the second waits.
	for folder, name := range map[string]string{k3sState: "kubernetes-state", "/var/lib/kubelet": "kubernetes-kubelet"} {
		container = container.WithMountedCache(folder, dag.CacheVolume(name), dagger.ContainerWithMountedCacheOpts{Sharing: dagger.CacheSharingModeLocked})
	}
	// As the container's first process k3s makes room among its cgroups by itself.
	service, err := container.AsService(dagger.ContainerAsServiceOpts{
		Args: k3sCommand(), InsecureRootCapabilities: true, NoInit: true,
	}).WithHostname(clusterHost).Start(ctx)
	if err != nil {
		return nil, fmt.Errorf("start Kubernetes: %w", plain(err))
	}
	return &cluster{service, dag.SetSecret("kubernetes-kubeconfig-"+token, kubeconfig(token))}, nil
}

// k3sCommand empties the node's folders and starts it. The kubelet shows its log to who
// asks the API for the node's. One node needs no packets wrapped for others.
func k3sCommand() []string {
	return []string{
		"sh", "-c", `rm -rf "$0"/* /var/lib/kubelet/* && exec k3s server "$@"`, k3sState,
		"--disable=traefik,metrics-server", "--flannel-backend=host-gw",
		"--kube-apiserver-arg=token-auth-file=" + k3sTokens,
		"--log=/var/log/k3s.log", "--alsologtostderr",
	}
}

// k3sRegistries says where the node gets images from: of what is tested all is in one
// registry, under its own names and under those that it will be published by.
func k3sRegistries(staging, mirror string) string {
	const hub = "docker.io"
	others := []string{"https://registry-1.docker.io"}
	if mirror != "" {
		others = append([]string{strings.TrimSuffix(mirror, "/")}, others...)
	}
	var b strings.Builder
	b.WriteString("mirrors:\n")
	for _, registry := range []string{hub, staging} {
		fmt.Fprintf(&b, "  %q:\n    endpoint: [%q", registry, "http://"+staging)
		for _, other := range others {
			fmt.Fprintf(&b, ", %q", other)
		}
		b.WriteString("]\n")
	}
	return b.String()
}

// kubeconfig of the administrator. The cluster makes its own certificate only when it
// starts, and is reached by nobody but those in this session: it is not checked.
func kubeconfig(token string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Config
clusters:
  - name: suite
    cluster: {server: "https://%s:%d", insecure-skip-tls-verify: true}
users:
  - name: suite
    user: {token: %q}
contexts:
  - name: suite
    context: {cluster: suite, user: suite}
current-context: suite
`, clusterHost, clusterPort, token)
}
