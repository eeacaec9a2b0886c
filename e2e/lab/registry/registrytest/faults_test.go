package registrytest

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// ask sends one request on a connection of its own and returns the answer's status,
// 0 where there is none, and body.
func ask(t *testing.T, f *Faults, method, path, body string) (int, string, error) {
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+f.Address()+path, strings.NewReader(body))
	require.NoError(t, err)
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	return response.StatusCode, string(content), err
}

func TestFaults(t *testing.T) {
	manifest := "/v2/team/thing/manifests/1"
	for fault, want := range map[Fault]struct {
		status  int
		applied bool
	}{
		"":              {http.StatusCreated, true},
		ServerError:     {http.StatusInternalServerError, false},
		TooManyRequests: {http.StatusTooManyRequests, false},
		Unauthorized:    {http.StatusUnauthorized, false},
		CutBefore:       {0, false},
		CutRequest:      {0, false},
		CutAnswer:       {0, true},
		Lost:            {0, true},
	} {
		t.Run(string(fault), func(t *testing.T) {
			f := Start(t)
			f.Break(1, fault)
			status, _, _ := ask(t, f, http.MethodPut, manifest, `{"schemaVersion": 2}`)
			assert.Equal(t, want.status, status)
			status, body, err := ask(t, f, http.MethodGet, manifest, "")
			require.NoError(t, err)
			assert.Equal(t, want.applied, status == http.StatusOK, body)
			require.Len(t, f.Requests(), 2)
			assert.Len(t, f.Writes(), 1)
		})
	}
}

func TestCutAnswerSendsHalf(t *testing.T) {
	f := Start(t)
	_, _, err := ask(t, f, http.MethodPut, "/v2/team/thing/manifests/1", `{"schemaVersion": 2}`)
	require.NoError(t, err)
	f.Break(1, CutAnswer)
	_, body, err := ask(t, f, http.MethodGet, "/v2/team/thing/manifests/1", "")
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	assert.Equal(t, `{"schemaVe`, body)
}

func TestRequire(t *testing.T) {
	f := Start(t)
	f.Require("somebody", "secret")
	status, _, err := ask(t, f, http.MethodGet, "/v2/", "")
	require.NoError(t, err)
	assert.Equal(t, http.StatusUnauthorized, status)
}

func TestDistribution(t *testing.T) {
	d := StartDistribution(t)
	img, err := random.Image(2048, 2)
	require.NoError(t, err)
	ref, err := name.ParseReference(d.Address() + "/team/thing:1")
	require.NoError(t, err)
	require.NoError(t, remote.Write(ref, img))
	assert.DirExists(t, d.Dir+"/docker/registry/v2/repositories/team/thing")
	assert.NotEmpty(t, d.Writes())
	head, err := remote.Head(ref)
	require.NoError(t, err)
	digest, err := img.Digest()
	require.NoError(t, err)
	assert.Equal(t, digest, head.Digest)
}
