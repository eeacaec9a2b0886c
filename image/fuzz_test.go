package image

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/stretchr/testify/require"

	images "github.com/pablodelarco/opennebula-helm/registry"
)

// handled is a transport that a handler answers, without a network.
type handled struct{ http.Handler }

func (h handled) RoundTrip(r *http.Request) (*http.Response, error) {
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, r)
	response := answer.Result()
	response.Request = r
	return response, nil
}

// put uploads a blob, or a manifest where there is a media type.
func put(server http.Handler, path, content, mediaType string) (digest, size string) {
	hash, _, err := v1.SHA256(strings.NewReader(content))
	if err != nil {
		panic(err) // reading a text does not fail
	}
	request := httptest.NewRequest(http.MethodPost, path+"?digest="+hash.String(), strings.NewReader(content))
	if mediaType != "" {
		request = httptest.NewRequest(http.MethodPut, path, strings.NewReader(content))
		request.Header.Set("Content-Type", mediaType)
	}
	server.ServeHTTP(httptest.NewRecorder(), request)
	return hash.String(), strconv.Itoa(len(content))
}

// A registry's manifests and configurations are by whoever pushed them. What is taken
// for a front-end must be one, and anything else be refused in a sentence.
func FuzzVerify(f *testing.F) {
	config := `{"os":"linux","architecture":"amd64","config":{"User":"` + User + `","Entrypoint":["/usr/bin/tini","--","opennebula-frontend"],"Labels":{` +
		`"` + strings.Join(labelNames, `":"7.2.0","`) + `":"7.2.0","` + CreatedLabel + `":"2026-01-02T03:04:05Z","` + BaseDigestLabel + `":"sha256:` + strings.Repeat("0", 64) + `"}},"rootfs":{"type":"layers","diff_ids":[]}}`
	f.Add(config, `{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"DIGEST","size":SIZE},"layers":[]}`, false)
	f.Add(`{}`, `{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"DIGEST","size":SIZE,"platform":{}}]}`, true)
	f.Add(`[]`, `{"manifests":[{"platform":null},{"digest":"sha256:zz"}]}`, true)
	f.Fuzz(func(t *testing.T, config, manifest string, index bool) {
		server := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
		digest, size := put(server, "/v2/a/b/blobs/uploads/", config, "")
		manifest = strings.NewReplacer("DIGEST", digest, "SIZE", size).Replace(manifest)
		mediaType := "application/vnd.oci.image.manifest.v1+json"
		if index {
			mediaType = "application/vnd.oci.image.index.v1+json"
		}
		put(server, "/v2/a/b/manifests/7.2.0", manifest, mediaType)
		report, err := Verify(t.Context(), "registry.example.org/a/b:7.2.0", images.WithTransport(handled{server}), images.WithRetries(0, 0))
		if err != nil {
			require.Contains(t, err.Error(), "registry.example.org/a/b:7.2.0")
			return
		}
		require.Equal(t, "7.2.0", report.Version)
		require.NotEmpty(t, report.Platforms)
	})
}
