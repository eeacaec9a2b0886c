package chart

import (
	"fmt"
	"os"
	"strings"

	helm "helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/registry"
)

// Published is a chart in a registry.
type Published struct {
	Reference string // oci://HOST/PATH/opennebula:VERSION
	Digest    string // of its manifest, sha256:…
	Size      int64  // of the archive, in bytes
}

// Push sends an archive to a repository, oci://HOST/PATH/opennebula, under the
// chart's version, and reads it back.
func Push(archive, repository string, plainHTTP bool) (Published, error) {
	content, err := os.ReadFile(archive)
	if err != nil {
		return Published{}, fmt.Errorf("read the chart's archive: %w", err)
	}
	c, err := loader.LoadFile(archive)
	if err != nil {
		return Published{}, fmt.Errorf("read the chart %s: %w", archive, err)
	}
	client, err := newClient(plainHTTP)
	if err != nil {
		return Published{}, err
	}
	reference := repository + ":" + c.Metadata.Version
	pushed, err := client.Push(content, strings.TrimPrefix(reference, "oci://"))
	if err != nil {
		return Published{}, fmt.Errorf("push the chart to %s: %w", reference, err)
	}
	return Published{Reference: reference, Digest: pushed.Manifest.Digest, Size: int64(len(content))},
		readBack(client, reference, pushed.Manifest.Digest)
}

func readBack(client *registry.Client, reference, digest string) error {
	pulled, err := client.Pull(strings.TrimPrefix(reference, "oci://"))
	if err != nil {
		return fmt.Errorf("read back the chart %s: %w", reference, err)
	}
	if pulled.Manifest.Digest != digest {
		return fmt.Errorf("read back the chart %s: the registry has %s, not %s, which was pushed", reference, pulled.Manifest.Digest, digest)
	}
	return nil
}

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
