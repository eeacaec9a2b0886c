package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"
)

// writeHosts turns k3s' registries.yaml into what containerd reads: for each registry a
// folder that says where else its images are looked for, first.
func writeHosts(file, folder string) error {
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the registries: %w", err)
	}
	var config struct {
		Mirrors map[string]struct {
			Endpoint []string `json:"endpoint"`
		} `json:"mirrors"`
	}
	if err := yaml.UnmarshalStrict(text, &config); err != nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	for registry, mirror := range config.Mirrors {
		var hosts strings.Builder
		for _, endpoint := range mirror.Endpoint {
			fmt.Fprintf(&hosts, "[host.%q]\n  capabilities = [\"pull\", \"resolve\"]\n", endpoint)
		}
		if err := os.MkdirAll(filepath.Join(folder, registry), 0o755); err != nil {
			return fmt.Errorf("create a folder for the registry %s: %w", registry, err)
		}
		if err := os.WriteFile(filepath.Join(folder, registry, "hosts.toml"), []byte(hosts.String()), 0o644); err != nil {
			return fmt.Errorf("write what containerd reads about the registry %s: %w", registry, err)
		}
	}
	return nil
}
