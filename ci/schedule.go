package main

import (
	"context"
	"strings"

	"github.com/pablodelarco/opennebula-helm/ci/internal/dagger"
	"github.com/pablodelarco/opennebula-helm/schedule"
	"github.com/pablodelarco/opennebula-helm/upstream"
)

// KeepAlive tells GitHub that the schedules of a repository's workflows are wanted, which
// it disables where nothing was committed for 60 days. It names those that it kept.
// +cache="never"
func (m *OpennebulaHelm) KeepAlive(
	ctx context.Context,
	// Token for GitHub that may write actions.
	token *dagger.Secret,
	// Repository on GitHub, OWNER/NAME.
	// +default="pablodelarco/opennebula-helm"
	repository string,
	// URL of GitHub's API.
	// +default="https://api.github.com/"
	api string,
) (string, error) {
	secret, err := token.Plaintext(ctx)
	if err != nil {
		return "", err
	}
	client, err := upstream.NewGitHubClient(upstream.WithAPI(api), upstream.WithToken(secret))
	if err != nil {
		return "", err
	}
	kept, err := schedule.KeepAlive(ctx, client, repository)
	return strings.Join(kept, "\n"), err
}
