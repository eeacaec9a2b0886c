package chart

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/uuid"
	"sigs.k8s.io/yaml"

	"github.com/pablodelarco/opennebula-helm/registry"
)

// Where and how Artifact Hub looks for what it is told about a repository of charts
// (artifacthub.io/docs, repositories guide, OCI support).
const (
	hubTag    = "artifacthub.io"
	hubConfig = "application/vnd.cncf.artifacthub.config.v1+yaml"
	hubLayer  = "application/vnd.cncf.artifacthub.repository-metadata.layer.v1.yaml"
	hubFile   = "artifacthub-repo.yml"
)

// hubMetadata are the keys of artifacthub-repo.yml that Artifact Hub knows of charts.
type hubMetadata struct {
	RepositoryID string     `json:"repositoryID"`
	Owners       []hubOwner `json:"owners"`
	Ignore       []any      `json:"ignore"`
}

type hubOwner struct {
	Name  string `json:"name"`
	Email string `json:"email"`
}

// PublishMetadata gives a repository the artifacthub-repo.yml of a checkout, by which
// Artifact Hub knows who publishes there. It returns the digest; "" where the file says
// nothing yet. What is there already is not sent.
func PublishMetadata(ctx context.Context, checkout string, to *registry.Repository) (string, error) {
	file := filepath.Join(checkout, "chart", hubFile)
	content, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read what Artifact Hub is to know: %w", err)
	}
	empty, err := checkMetadata(content)
	if empty || err != nil {
		return "", wrapFile(file, err)
	}
	img, err := metadataImage(content)
	if err != nil {
		return "", wrapFile(file, err)
	}
	digest, err := to.Push(ctx, img)
	if err != nil {
		return "", fmt.Errorf("publish %s: %w", file, err)
	}
	return digest.String(), to.Move(ctx, digest, hubTag)
}

func wrapFile(file string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("read %s: %w", file, err)
}

// checkMetadata finds what Artifact Hub would pass over without a word, and whether there
// is anything at all.
func checkMetadata(content []byte) (isEmpty bool, err error) {
	var m hubMetadata
	if err := yaml.UnmarshalStrict(content, &m); err != nil {
		return false, err
	}
	if m.RepositoryID != "" && uuid.Validate(m.RepositoryID) != nil {
		return false, fmt.Errorf("repositoryID %q is not an id as Artifact Hub gives them: copy it from the repository's card there", m.RepositoryID)
	}
	for _, owner := range m.Owners {
		if owner.Email == "" {
			return false, errors.New("an owner has no email, by which Artifact Hub knows people: give it, or take the owner out")
		}
	}
	return m.RepositoryID == "" && len(m.Owners) == 0, nil
}

func metadataImage(content []byte) (v1.Image, error) {
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), hubConfig)
	return mutate.Append(img, mutate.Addendum{
		Layer:       static.NewLayer(content, hubLayer),
		Annotations: map[string]string{"org.opencontainers.image.title": hubFile},
	})
}
