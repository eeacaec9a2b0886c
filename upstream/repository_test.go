package upstream

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const index = `Package: opennebula
Version: 7.2.0-1
Architecture: amd64
Description: first line
 and a second
 .
 after a paragraph

Package: opennebula-tools
Version: 7.2.0-1

Package: opennebula
Version: 7.0.2-1
`

// site serves a repository whose files a test may change.
type site map[string][]byte

func newSite(t *testing.T, key *openpgp.Entity) site {
	return newSiteOf(t, key, map[string]string{"amd64": index})
}

// newSiteOf has an index for each of some architectures.
func newSiteOf(t *testing.T, key *openpgp.Entity, indexes map[string]string) site {
	release, s := "Suite: stable\nSHA256:\n", site{}
	for architecture, index := range indexes {
		release += fmt.Sprintf(" %x %d opennebula/binary-%s/Packages\n", sha256.Sum256([]byte(index)), len(index), architecture)
		s["/dists/stable/opennebula/binary-"+architecture+"/Packages"] = []byte(index)
	}
	var signed bytes.Buffer
	w, err := clearsign.Encode(&signed, key.PrivateKey, nil)
	require.NoError(t, err)
	_, err = w.Write([]byte(release))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	s["/dists/stable/InRelease"] = signed.Bytes()
	return s
}

func (s site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	content, ok := s[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	_, _ = w.Write(content)
}

func newKey(t *testing.T) (*openpgp.Entity, []byte) {
	key, err := openpgp.NewEntity("test", "", "", nil)
	require.NoError(t, err)
	var b bytes.Buffer
	w, err := armor.Encode(&b, openpgp.PublicKeyType, nil)
	require.NoError(t, err)
	require.NoError(t, key.Serialize(w))
	require.NoError(t, w.Close())
	return key, b.Bytes()
}

func serve(t *testing.T, s site) string {
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return server.URL
}

func TestRepository(t *testing.T) {
	ctx := context.Background()
	key, public := newKey(t)
	repository := NewRepository(serve(t, newSite(t, key)), public, WithRetries(0))

	versions, err := repository.Versions(ctx, "opennebula", "amd64")
	require.NoError(t, err)
	assert.Equal(t, []string{"7.2.0-1", "7.0.2-1"}, versions)
	require.NoError(t, repository.Require(ctx, "7.2.0", "amd64"))
	assert.ErrorContains(t, repository.Require(ctx, "7.9.9", "amd64"), "has no opennebula 7.9.9 for amd64; it has 7.2.0-1, 7.0.2-1")
	assert.ErrorContains(t, repository.Require(ctx, "7.2.0", "arm64"), "has no packages for arm64")
}

func TestArchitectures(t *testing.T) {
	key, public := newKey(t)
	repository := NewRepository(serve(t, newSiteOf(t, key, map[string]string{
		"arm64": index, "amd64": index, "i386": "Package: opennebula\nVersion: 7.2.0-1\n", "riscv64": "",
	})), public, WithRetries(0))
	for _, test := range []struct {
		version string
		names   []string
		want    []string
	}{
		{"7.2.0", []string{"opennebula", "opennebula-tools"}, []string{"amd64", "arm64"}},
		{"7.2.0", []string{"opennebula"}, []string{"amd64", "arm64", "i386"}},
		{"7.0.2", []string{"opennebula", "opennebula-tools"}, nil},
		{"7.2", []string{"opennebula"}, nil},
	} {
		found, err := repository.Architectures(context.Background(), test.version, test.names)
		require.NoError(t, err)
		assert.Equal(t, test.want, found, "%s of %s", test.names, test.version)
	}
}

func TestRepositoryIsRefused(t *testing.T) {
	key, public := newKey(t)
	_, stranger := newKey(t)
	for name, test := range map[string]struct {
		key    []byte
		change func(site)
		want   string
	}{
		"signed by another key": {stranger, func(site) {}, "is not signed by the key given"},
		"no key at all":         {[]byte("hello"), func(site) {}, "is not an armored OpenPGP key"},
		"no InRelease":          {public, func(s site) { delete(s, "/dists/stable/InRelease") }, "answers 404"},
		"InRelease without a signature": {public, func(s site) {
			s["/dists/stable/InRelease"] = []byte("Suite: stable\n")
		}, "is not signed: its InRelease holds no signature"},
		"InRelease changed": {public, func(s site) {
			s["/dists/stable/InRelease"] = bytes.Replace(s["/dists/stable/InRelease"], []byte("stable"), []byte("stabler"), 1)
		}, "is not signed by the key given"},
		"index changed": {public, func(s site) {
			s["/dists/stable/opennebula/binary-amd64/Packages"] = []byte("Package: opennebula\nVersion: 6.6.6\n")
		}, "is not what InRelease says"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, key)
			test.change(s)
			_, err := NewRepository(serve(t, s), test.key, WithRetries(0)).Versions(context.Background(), "opennebula", "amd64")
			assert.ErrorContains(t, err, test.want)
			_, err = NewRepository(serve(t, s), test.key, WithRetries(0)).Architectures(context.Background(), "7.2.0", nil)
			assert.ErrorContains(t, err, test.want)
		})
	}
}

func TestUnreachableRepository(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	_, public := newKey(t)
	err := NewRepository(server.URL, public, WithRetries(0)).Require(context.Background(), "7.2.0", "amd64")
	assert.ErrorIs(t, err, ErrUnreachable)
}
