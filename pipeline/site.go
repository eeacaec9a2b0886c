// Package pipeline joins the packages of this repository to a release: it reads what
// the world looks like, has release/ decide, and carries that out. How an image is
// built and tested its callers know: cmd/release, cmd/rehearse and ci.
package pipeline

import (
	"context"
	"time"

	"github.com/pablodelarco/opennebula-helm/image/hub"
	"github.com/pablodelarco/opennebula-helm/proposal"
	"github.com/pablodelarco/opennebula-helm/registry"
	"github.com/pablodelarco/opennebula-helm/signature"
	"github.com/pablodelarco/opennebula-helm/upstream"
)

// Site is where releases come from and go to.
type Site struct {
	GitHub       *upstream.GitHub       // what OpenNebula has tagged
	Repositories *upstream.Repositories // and packed
	Key          string                 // URL of the key that signs these

	// Base is the digest, today, of the image that ours is built on.
	Base   func(context.Context) (string, error)
	Images *registry.Repository
	Charts *registry.Repository
	Trust  signature.Policy // whose images and charts are ours

	Proposals *proposal.Repository // that releases are proposed to; nil for none
	Hub       *hub.Client          // that shows the image's description; nil where Docker Hub does not have it

	// Updates finds the security updates that an image lacks, by what is attested of it;
	// nil where they are not looked for.
	Updates FindUpdates
	Now     func() time.Time
}
