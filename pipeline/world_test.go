package pipeline

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/stretchr/testify/require"

	"github.com/pablodelarco/opennebula-helm/e2e/lab/registry/registrytest"
	"github.com/pablodelarco/opennebula-helm/image"
	"github.com/pablodelarco/opennebula-helm/pipeline/pipelinetest"
	"github.com/pablodelarco/opennebula-helm/signature"
	"github.com/pablodelarco/opennebula-helm/upstream"
)

// world is all that a release touches.
type world struct {
	*pipelinetest.World
	t        testing.TB
	signer   *signature.Signer
	checkout *Checkout
	maker    *maker
}

func newWorld(t testing.TB, registries func(testing.TB) *registrytest.Faults) *world {
	key, err := signature.GenerateKey()
	require.NoError(t, err)
	signer, err := signature.WithKey(key)
	require.NoError(t, err)
	w := &world{World: pipelinetest.New(t, registries), t: t, signer: signer, maker: &maker{}}
	w.checkout, err = OpenCheckout(context.Background(), w.Checkout)
	require.NoError(t, err)
	return w
}

// site is as a process finds it that has just begun.
func (w *world) site() *Site {
	github, err := upstream.NewGitHub(upstream.WithAPI(w.GitHub.URL), upstream.WithRetries(0))
	require.NoError(w.t, err)
	repositories, err := upstream.NewRepositories(w.Mirror.URL+"/{version}/{distribution}", w.Mirror.Public, upstream.WithRetries(0))
	require.NoError(w.t, err)
	return &Site{
		GitHub: github, Repositories: repositories, Key: w.Mirror.URL + "/repo2.key",
		Base: w.BaseDigest, Images: w.Open(pipelinetest.Images), Charts: w.Open(pipelinetest.Charts),
		Trust: w.signer.Policy(), Now: func() time.Time { return w.Now },
	}
}

// commit all that is in the checkout, and open it again.
func (w *world) commit() {
	pipelinetest.Commit(w.t, w.Checkout)
	var err error
	w.checkout, err = OpenCheckout(context.Background(), w.Checkout)
	require.NoError(w.t, err)
}

// maker counts what it makes and tests.
type maker struct {
	mu            sync.Mutex
	builds, tests int
	fail          error // of tests
}

func (m *maker) Build(_ context.Context, arguments image.Arguments, platforms []string) (v1.ImageIndex, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.builds++
	var images []v1.Image
	for _, platform := range platforms {
		built, err := pipelinetest.Image(arguments, platform)
		if err != nil {
			return nil, err
		}
		images = append(images, built)
	}
	index, err := image.Join(images...)
	if err != nil {
		return nil, err
	}
	return index, image.Matches(index, arguments, platforms)
}

func (m *maker) Test(context.Context, Built) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tests++
	return m.fail
}

func (m *maker) SBOM(_ context.Context, reference string) ([]byte, error) {
	_, digest, _ := strings.Cut(reference, "@")
	return pipelinetest.SPDX(digest), nil
}
