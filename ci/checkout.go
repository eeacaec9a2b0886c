package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/pablodelarco/opennebula-helm/ci/internal/dagger"
	"github.com/pablodelarco/opennebula-helm/pipeline"
)

// export lays what is released, with its history, into a folder of this function's own,
// where the packages find it as on any machine; given patterns, no more than those files.
func (m *OpennebulaHelm) export(ctx context.Context, history *dagger.Directory, patterns ...string) (string, error) {
	if len(patterns) == 0 {
		patterns = []string{"image/**", "chart/**"}
	}
	folder, err := os.MkdirTemp("", "checkout-")
	if err != nil {
		return "", fmt.Errorf("make a folder for the checkout: %w", err)
	}
	wanted := m.Source.Filter(dagger.DirectoryFilterOpts{Include: patterns})
	if history != nil {
		wanted = wanted.WithDirectory(".git", history)
	}
	if _, err := wanted.Export(ctx, folder); err != nil {
		return "", fmt.Errorf("take the checkout: %w", err)
	}
	return folder, nil
}

// checkout is one that can be released: all of it is in a commit.
func (m *OpennebulaHelm) checkout(ctx context.Context, history *dagger.Directory) (*pipeline.Checkout, error) {
	folder, err := m.export(ctx, history)
	if err != nil {
		return nil, err
	}
	return pipeline.OpenCheckout(ctx, folder)
}

// exported writes a file where the packages can read it, and returns its path.
func exported(ctx context.Context, file *dagger.File, name string) (string, error) {
	folder, err := os.MkdirTemp("", "")
	if err != nil {
		return "", fmt.Errorf("make a folder for %s: %w", name, err)
	}
	path := filepath.Join(folder, name)
	if _, err := file.Export(ctx, path); err != nil {
		return "", fmt.Errorf("take %s: %w", name, err)
	}
	return path, nil
}
