package upstream

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/google/go-github/v60/github"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pablodelarco/opennebula-helm/upstream/upstreamtest"
)

func FuzzParseVersion(f *testing.F) {
	for _, text := range []string{"7.2.0", "6.99.90", "7.2", "7.2.0-1", "v7.2.0", "07.2.0", "7.2.0\n", "99999999999999999999.0.0", ""} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		version, err := ParseVersion(text)
		if err != nil {
			assert.Nil(t, version)
			return
		}
		assert.Equal(t, text, version.String(), "what is taken is written in one way only")
		line, err := ParseLine(LineOf(version).String())
		require.NoError(t, err)
		assert.Equal(t, LineOf(version), line)
	})
}

func FuzzParseTag(f *testing.F) {
	for _, tag := range realTags(f) {
		f.Add(tag.name)
	}
	f.Fuzz(func(t *testing.T, tag string) {
		version, channel, ok := Classify(tag)
		if !ok {
			assert.Empty(t, channel)
			return
		}
		assert.Equal(t, tag, tagPrefix+version.String())
		assert.Equal(t, IsCandidate(version), channel == Candidate)
	})
}

func FuzzPackages(f *testing.F) {
	f.Add([]byte(index))
	f.Add([]byte("Package: opennebula\nVersion: 7.2.0-1\nSize: 12\nDepends: a,\n b\n\n\n\nPackage: x\nVersion: 1"))
	f.Add([]byte(": \n\n"))
	f.Add([]byte(" a\n"))
	f.Add([]byte("Package: opennebula\nVersion: 1\nSize: -1\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		packages, err := parsePackages(text)
		if err != nil {
			return
		}
		for _, p := range packages {
			assert.NotEmpty(t, p.Name)
			assert.NotEmpty(t, p.Version)
			assert.GreaterOrEqual(t, p.Size, int64(0))
		}
	})
}

// Whatever a compressed index is, it is read or refused within bounds.
func FuzzCompressedIndex(f *testing.F) {
	mirror := upstreamtest.NewMirror(f)
	mirror.Put("", upstreamtest.Repository{Indexes: map[string]string{"amd64": index}, Endings: []string{"", ".gz", ".xz"}})
	for i, compression := range compressions {
		f.Add(mirror.Read(indexPath+compression.ending), uint8(i))
	}
	f.Fuzz(func(t *testing.T, file []byte, which uint8) {
		text, err := expanded(file, compressions[int(which)%len(compressions)].expand)
		if err == nil {
			assert.LessOrEqual(t, len(text), maxAnswer)
		}
	})
}

// No change to a signed InRelease is taken, but for what is around the signed text.
func FuzzInRelease(f *testing.F) {
	mirror := upstreamtest.NewMirror(f)
	at := day("2026-08-01")
	mirror.Put("", upstreamtest.Repository{Indexes: map[string]string{"amd64": index}, Date: at})
	signed := mirror.Read(inReleasePath)
	keys, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(mirror.Public))
	require.NoError(f, err)
	original, err := verifyInRelease(signed, keys, "it", at)
	require.NoError(f, err)
	f.Add(signed)
	f.Add(signed[:len(signed)/2])
	f.Add(append([]byte("before\n"), append(slices.Clone(signed), "after\n"...)...))
	f.Add(bytes.Replace(signed, []byte("amd64"), []byte("arm64"), 1))
	f.Add(append(slices.Clone(signed), signed...))
	f.Add([]byte("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n-----BEGIN PGP SIGNATURE-----\n-----END PGP SIGNATURE-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		read, err := verifyInRelease(text, keys, "it", at)
		if err == nil {
			assert.Equal(t, original, read)
		}
	})
}

// What stands in an InRelease is read or refused, once it is signed.
func FuzzInReleaseText(f *testing.F) {
	key, err := openpgp.NewEntity("test", "", "", &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA})
	require.NoError(f, err)
	f.Add([]byte("Suite: stable\nDate: Sat, 03 Oct 2026 10:00:00 UTC\nSHA256:\n 00 1 opennebula/binary-amd64/Packages\n 00 1 opennebula/binary-arm64/Packages.xz\n"))
	f.Add([]byte("Date: yesterday\n"))
	f.Add([]byte("Valid-Until: Sat, 3 Oct 2026 10:00:00 +0000\nSHA256: 00 -1 x\n"))
	f.Add([]byte("SHA256:\n 00 1\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		read, err := parseInRelease(text)
		if err != nil {
			return
		}
		for _, architecture := range read.architectures("opennebula") {
			assert.Regexp(t, `^[a-z0-9]+$`, architecture)
		}
		for _, file := range read.files {
			assert.GreaterOrEqual(t, file.size, int64(0))
		}
		if len(text) > 1000 {
			return // signing takes its time
		}
		signed, err := upstreamtest.Sign(text, key, nil)
		require.NoError(t, err)
		_, _ = verifyInRelease(signed, openpgp.EntityList{key}, "it", time.Now())
	})
}

// answering says one thing to all requests.
type answering []byte

func (a answering) RoundTrip(request *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Status: "200 OK", Header: http.Header{}, Request: request,
		Body: io.NopCloser(bytes.NewReader(a)),
	}, nil
}

func FuzzGitHubAnswer(f *testing.F) {
	f.Add([]byte(`[{"ref":"refs/tags/release-7.2.0","object":{"type":"commit","sha":"1"}}]`))
	f.Add([]byte(`[{"tag_name":"release-7.2.0","ref":"refs/tags/release-7.2.0","published_at":"2026-04-03T00:00:00Z","prerelease":true,"body":"x"}]`))
	f.Add([]byte(`[null,{}]`))
	f.Add([]byte(`{"message":"Not Found"}`))
	f.Add([]byte(`[{"ref":"refs/tags/release-7.2.0","published_at":"yesterday"}]`))
	f.Add([]byte(``))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		hub, err := NewGitHub()
		require.NoError(t, err)
		hub.client = github.NewClient(&http.Client{Transport: patient{answering(answer), hub.settings}})
		releases, err := hub.Releases(t.Context())
		if err != nil {
			assert.ErrorContains(t, err, "OpenNebula/one")
			assert.NotErrorIs(t, err, ErrUnreachable)
			return
		}
		assert.NotEmpty(t, releases)
		for _, r := range releases {
			assert.Equal(t, r.Tag, tagPrefix+r.Version.String())
			assert.Contains(t, []Channel{Stable, Candidate}, r.Channel)
		}
		DefaultPolicy().Status(releases, day("2026-08-01"))
	})
}
