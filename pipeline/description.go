package pipeline

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/pablodelarco/opennebula-helm/image/hub"
	"github.com/pablodelarco/opennebula-helm/release"
	"github.com/pablodelarco/opennebula-helm/signature"
)

// short is what searches on Docker Hub show of the image.
const short = "OpenNebula Community front-end for Kubernetes, one role per container"

// description is the image's README, with links that lead somewhere from elsewhere.
func (c *Checkout) description() (hub.Description, error) {
	file := filepath.Join(c.Folder, readme)
	content, err := os.ReadFile(file)
	if err != nil {
		return hub.Description{}, fmt.Errorf("read the image's description: %w", err)
	}
	full, err := hub.Absolute(string(content), hub.Source{Repository: signature.Source, Revision: c.Readme.Hash, File: readme})
	if err != nil {
		return hub.Description{}, fmt.Errorf("read the image's description %s: %w", file, err)
	}
	return hub.Description{Short: short, Full: full}, nil
}

// readDescription finds what the image's repository on Docker Hub says of itself.
func (s *Site) readDescription(ctx context.Context, checkout *Checkout, state *release.State) error {
	if s.Hub == nil {
		return nil
	}
	wanted, err := checkout.description()
	if err != nil {
		return err
	}
	has, err := s.Hub.Read(ctx, s.Images.Name())
	state.Checkout.Description, state.Description = wanted.Text(), has.Text()
	return err
}

func (c *Carrier) describe(ctx context.Context) error {
	wanted, err := c.Checkout.description()
	if err != nil {
		return err
	}
	_, err = c.Site.Hub.Describe(ctx, c.Site.Images.Name(), wanted)
	return err
}
