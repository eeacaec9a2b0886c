package chart

import (
	"fmt"
	"strings"

	helm "helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/registry"
)

// load reads a chart: oci://… with a version from its registry, else a folder or
// an archive.
func load(reference string, plainHTTP bool) (*helm.Chart, error) {
	remote, ok := strings.CutPrefix(reference, "oci://")
	if !ok {
		c, err := loader.Load(reference)
		if err != nil {
			return nil, fmt.Errorf("read the chart %s: %w", reference, err)
		}
		return c, nil
	}
	client, err := newClient(plainHTTP)
	if err != nil {
		return nil, err
	}
	pulled, err := client.Pull(remote)
	if err != nil {
		return nil, fmt.Errorf("pull the chart %s: %w", reference, err)
	}
	c, err := loader.LoadArchive(strings.NewReader(string(pulled.Chart.Data)))
	if err != nil {
		return nil, fmt.Errorf("read the chart %s: %w", reference, err)
	}
	return c, nil
}

func newClient(plainHTTP bool) (*registry.Client, error) {
	var options []registry.ClientOption
	if plainHTTP {
		options = append(options, registry.ClientOptPlainHTTP())
	}
	client, err := registry.NewClient(options...)
	if err != nil {
		return nil, fmt.Errorf("make a registry client: %w", err)
	}
	return client, nil
}
