package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/google/go-containerregistry/pkg/name"
	"helm.sh/helm/v3/pkg/chartutil"

	"github.com/pablodelarco/opennebula-helm/e2e/frontend"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/network"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/packages"
	"github.com/pablodelarco/opennebula-helm/image"
	"github.com/pablodelarco/opennebula-helm/upstream"
)

// options are the command line, as given.
type options struct {
	version, packages, repository, key string
	image, values                      string
	kubeconfig, registry               string
	plainHTTP                          bool
	network                            string
	registryPort, packagesPort         uint16
	thorough, withoutHypervisor        bool
	only                               string
	previous, previousPackages         string
	carried                            string
	keep, yes, keeper                  bool
}

// check finds what cannot be meant before anything is started.
func (o options) check() error {
	if _, err := upstream.ParseVersion(o.version); err != nil && o.version != "" {
		return usageError{fmt.Errorf("--version: %w", err)}
	}
	if _, err := network.New(o.network); err != nil {
		return usageError{fmt.Errorf("--network: %w", err)}
	}
	if err := (packages.Config{Folder: o.packages, Repository: o.repository}).Check(); err != nil {
		return usageError{err}
	}
	if o.kubeconfig != "" && o.registry == "" {
		return usageError{errors.New("--kubeconfig needs --registry: a cluster elsewhere cannot pull from the lab's registry")}
	}
	if err := o.checkThorough(); err != nil {
		return usageError{err}
	}
	if o.image != "" {
		if err := checkImage(o.image); err != nil {
			return usageError{err}
		}
	}
	if o.registry != "" {
		if _, err := name.NewRepository(o.registry + "/opennebula-frontend"); err != nil || !strings.Contains(o.registry, "/") {
			return usageError{fmt.Errorf("--registry %q is not a place for images; write it as registry.example.org/team", o.registry)}
		}
	}
	return nil
}

func (o options) checkThorough() error {
	if !o.thorough {
		if o.previousPackages != "" {
			return errors.New("--previous-packages is for --thorough, which upgrades from them")
		}
		if o.carried != "" {
			return errors.New("--carried is for --thorough, which migrates it")
		}
		return nil
	}
	if o.kubeconfig != "" {
		return errors.New("--thorough installs, breaks and removes releases in namespaces of its own: it runs on the lab's cluster only, without --kubeconfig")
	}
	if _, err := upstream.ParseVersion(o.previous); err != nil {
		return fmt.Errorf("--previous: %w", err)
	}
	if o.carried == "" {
		return nil
	}
	if _, err := os.Stat(filepath.Join(o.carried, "manifest")); err != nil {
		return fmt.Errorf("--carried: %w: make the folder as docs/migrate.md has it", err)
	}
	return nil
}

// isReleased tells whether a run ends with a release. One into a registry that others
// use would stay there, signed with a key that nobody has; and an image that was given
// was built of another commit than this checkout's, which a release refuses.
func (o options) isReleased() bool { return o.registry == "" && o.image == "" }

// isTakenOver tells whether a virtual machine is taken over from the previous release.
func (o options) isTakenOver() bool { return o.thorough && o.isVirtual() && o.only == "" }

func checkImage(reference string) error {
	ref, err := image.Parse(reference)
	if err != nil {
		return fmt.Errorf("--image: %w", err)
	}
	if _, ok := ref.(name.Digest); !ok {
		return fmt.Errorf("--image %s names a tag, which can move: give the image by digest, %s@sha256:…", reference, ref.Context())
	}
	return nil
}

// chartValues are what the chart is installed with: what the suite needs, and the
// user's own on top.
func (o options) chartValues() (map[string]any, error) {
	values := frontend.PublishedValues()
	if o.values == "" {
		return values, nil
	}
	content, err := os.ReadFile(o.values)
	if err != nil {
		return nil, fmt.Errorf("read --values: %w", err)
	}
	given := map[string]any{}
	if err := yaml.Unmarshal(content, &given); err != nil {
		return nil, fmt.Errorf("read --values %s: it is not a YAML mapping: %w", o.values, err)
	}
	return chartutil.CoalesceTables(given, values), nil
}

// findCheckout is the root of the repository that the current folder is in.
func findCheckout() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the current folder: %w", err)
	}
	for ; ; dir = filepath.Dir(dir) {
		content, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(content), "module github.com/pablodelarco/opennebula-helm\n") {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("this is no checkout of opennebula-helm: run it from within one, which holds the image and the chart")
		}
	}
}
