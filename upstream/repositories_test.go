package upstream

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/Masterminds/semver/v3"
	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pablodelarco/opennebula-helm/upstream/upstreamtest"
)

func TestRepositoriesOfAMirror(t *testing.T) {
	for template, want := range map[string]string{
		OfficialRepositories:                         "https://downloads.opennebula.io/repo/7.2.0/Ubuntu/24.04",
		"https://mirror/{line}/{distribution}/":      "https://mirror/7.2/Ubuntu/24.04",
		"http://mirror:81/{distribution}/{version}/": "http://mirror:81/Ubuntu/24.04/7.2.0",
		"http://mirror/all":                          "http://mirror/all",
	} {
		repositories, err := NewRepositories(template, nil)
		require.NoError(t, err)
		repository := repositories.Of(semver.MustParse("7.2.0"), Ubuntu2404)
		assert.Equal(t, want, repository.URL)
		assert.Same(t, repository, repositories.Of(semver.MustParse("7.2.0"), Ubuntu2404))
	}
	assert.Equal(t, "https://downloads.opennebula.io/repo/%s/Debian/12", OfficialRepository)
}

func TestWrongTemplates(t *testing.T) {
	for template, want := range map[string]string{
		"":                         "is not the URL of repositories",
		"mirror/{version}":         "is not the URL of repositories",
		"http://mirror/{release}":  "has other {words} than",
		"http://mirror/{version}}": "has other {words} than",
	} {
		_, err := NewRepositories(template, nil)
		assert.ErrorContains(t, err, want, template)
		assert.ErrorContains(t, err, "write it as "+OfficialRepositories)
	}
}

func TestCheckKey(t *testing.T) {
	public := upstreamtest.NewMirror(t).Public
	keys, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(public))
	require.NoError(t, err)
	fingerprint := hex.EncodeToString(keys[0].PrimaryKey.Fingerprint)

	require.NoError(t, CheckKey(public, fingerprint))
	assert.ErrorContains(t, CheckKey(public, OfficialFingerprint), "not "+OfficialFingerprint)
	assert.ErrorContains(t, CheckKey([]byte("<html>"), OfficialFingerprint), "is not an armored OpenPGP key")
	assert.ErrorContains(t, CheckKey(nil, OfficialFingerprint), "is not an armored OpenPGP key")
}

func TestFetchKey(t *testing.T) {
	mirror := upstreamtest.NewMirror(t)
	mirror.Write("/key.asc", mirror.Public)
	key, err := FetchKey(t.Context(), mirror.URL+"/key.asc", impatient...)
	require.NoError(t, err)
	assert.Equal(t, mirror.Public, key)
	_, err = FetchKey(t.Context(), mirror.URL+"/none.asc", impatient...)
	assert.ErrorContains(t, err, "read the key of the repositories: "+mirror.URL+"/none.asc answers 404")
}
