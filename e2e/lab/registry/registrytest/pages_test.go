package registrytest

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPagesOfTags(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 4} {
		t.Run(fmt.Sprintf("%d tags, 2 on a page", n), func(t *testing.T) {
			f := Start(t)
			var want []string
			for i := range n {
				want = append(want, fmt.Sprint(i))
				_, _, err := ask(t, f, http.MethodPut, "/v2/team/thing/manifests/"+fmt.Sprint(i), `{"schemaVersion": 2}`)
				require.NoError(t, err)
			}
			repository, err := name.NewRepository(f.Address() + "/team/thing")
			require.NoError(t, err)
			tags, err := remote.List(repository, remote.WithPageSize(2))
			if n == 0 {
				assert.ErrorContains(t, err, "NAME_UNKNOWN")
				return
			}
			require.NoError(t, err)
			assert.Equal(t, want, tags)
		})
	}
}
