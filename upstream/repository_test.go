package upstream

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pablodelarco/opennebula-helm/upstream/upstreamtest"
)

const (
	inReleasePath = "/dists/stable/InRelease"
	indexPath     = "/dists/stable/opennebula/binary-amd64/Packages"
)

var index = upstreamtest.Package("opennebula", "7.2.0-1", "amd64") +
	upstreamtest.Package("opennebula-tools", "7.2.0-1", "all") +
	upstreamtest.Package("opennebula", "7.0.2-1", "amd64")

// nobody is where no server listens. The address of one that was closed would not
// do: the next server may get it.
const nobody = "http://127.0.0.1:1"

// impatient does not wait long for what fails.
var impatient = []Option{WithRetries(1), WithRetryWait(time.Millisecond)}

// newMirror has one repository, with these indexes by architecture.
func newMirror(t *testing.T, indexes map[string]string) (*upstreamtest.Mirror, *Repository) {
	mirror := upstreamtest.NewMirror(t)
	mirror.Put("", upstreamtest.Repository{Indexes: indexes})
	return mirror, NewRepository(mirror.URL, mirror.Public, impatient...)
}

func TestRepository(t *testing.T) {
	mirror, repository := newMirror(t, map[string]string{"amd64": index})

	versions, err := repository.Versions(t.Context(), "opennebula", "amd64")
	require.NoError(t, err)
	assert.Equal(t, []string{"7.2.0-1", "7.0.2-1"}, versions)
	require.NoError(t, repository.Require(t.Context(), "7.2.0", "amd64"))
	assert.ErrorContains(t, repository.Require(t.Context(), "7.9.9", "amd64"), "has no opennebula 7.9.9 for amd64; it has 7.2.0-1, 7.0.2-1")
	assert.ErrorContains(t, repository.Require(t.Context(), "7.2.0", "arm64"), "has no packages for arm64, but for amd64: choose one of these")
	assert.Equal(t, []string{inReleasePath, indexPath}, mirror.Requests(), "each file is read once")
}

func TestPackages(t *testing.T) {
	_, repository := newMirror(t, map[string]string{"amd64": `Package: opennebula
Version: 7.2.0-1
Architecture: amd64
Depends: opennebula-common (= 7.2.0-1),
 libc6 (>= 2.36)
Filename: pool/opennebula/opennebula_7.2.0-1_amd64.deb
Size: 123456
SHA256: 0123
Homepage: https://opennebula.io
`})
	packages, err := repository.Packages(t.Context(), "amd64")
	require.NoError(t, err)
	require.Len(t, packages, 1)
	assert.Equal(t, "https://opennebula.io", packages[0].Fields.Get("homepage"))
	packages[0].Fields = nil
	assert.Equal(t, Package{
		Name: "opennebula", Version: "7.2.0-1", Architecture: "amd64",
		Depends:  "opennebula-common (= 7.2.0-1), libc6 (>= 2.36)",
		Filename: "pool/opennebula/opennebula_7.2.0-1_amd64.deb", Size: 123456, SHA256: "0123",
	}, packages[0])
}

func TestOpen(t *testing.T) {
	mirror, repository := newMirror(t, map[string]string{"amd64": index})
	mirror.Write("/pool/one.deb", []byte("!<arch>"))
	mirror.Next(upstreamtest.Status(502))
	body, err := repository.Open(t.Context(), Package{Filename: "pool/one.deb"})
	require.NoError(t, err)
	defer body.Close()
	content, err := io.ReadAll(body)
	require.NoError(t, err)
	assert.Equal(t, "!<arch>", string(content))

	_, err = repository.Open(t.Context(), Package{Filename: "pool/two.deb"})
	require.ErrorIs(t, err, ErrMissing)
	for _, outside := range []string{"", "/etc/passwd", "../other/one.deb", "pool/../../one.deb"} {
		_, err = repository.Open(t.Context(), Package{Name: "opennebula", Version: "7.2.0-1", Filename: outside})
		assert.ErrorContains(t, err, "which is no path in it", outside)
	}
}

func TestArchitectures(t *testing.T) {
	_, repository := newMirror(t, map[string]string{
		"arm64": index, "amd64": index, "i386": upstreamtest.Package("opennebula", "7.2.0-1", "i386"), "riscv64": "",
	})
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
		found, err := repository.Architectures(t.Context(), test.version, test.names)
		require.NoError(t, err)
		assert.Equal(t, test.want, found, "%s of %s", test.names, test.version)
	}
}

func TestTheSmallestIndexThatIsServedIsRead(t *testing.T) {
	for name, test := range map[string]struct {
		endings []string
		unserve []string
		want    string
	}{
		"plain only":                    {[]string{""}, nil, ""},
		"gzip":                          {[]string{"", ".gz"}, nil, ".gz"},
		"all":                           {[]string{"", ".gz", ".xz"}, nil, ".xz"},
		"xz listed and not served":      {[]string{"", ".gz", ".xz"}, []string{".xz"}, ".gz"},
		"only plain is really there":    {[]string{"", ".gz", ".xz"}, []string{".xz", ".gz"}, ""},
		"compressed ones alone, no raw": {[]string{".xz"}, nil, ".xz"},
	} {
		t.Run(name, func(t *testing.T) {
			mirror := upstreamtest.NewMirror(t)
			mirror.Put("", upstreamtest.Repository{Indexes: map[string]string{"amd64": index}, Endings: test.endings})
			for _, ending := range test.unserve {
				mirror.Remove(indexPath + ending)
			}
			repository := NewRepository(mirror.URL, mirror.Public, impatient...)
			found, err := repository.Architectures(t.Context(), "7.2.0", []string{"opennebula"})
			require.NoError(t, err)
			assert.Equal(t, []string{"amd64"}, found)
			requests := mirror.Requests()
			assert.Equal(t, indexPath+test.want, requests[len(requests)-1])
		})
	}
}

func TestRepositoryIsRefused(t *testing.T) {
	stranger := upstreamtest.NewMirror(t).Public
	for name, test := range map[string]struct {
		key    []byte
		change func(*upstreamtest.Mirror)
		want   string
	}{
		"signed by another key": {stranger, func(*upstreamtest.Mirror) {}, "is not signed by the key given"},
		"no key at all":         {[]byte("hello"), func(*upstreamtest.Mirror) {}, "is not an armored OpenPGP key"},
		"no InRelease": {nil, func(m *upstreamtest.Mirror) {
			m.Remove(inReleasePath)
		}, "answers 404"},
		"InRelease without a signature": {nil, func(m *upstreamtest.Mirror) {
			m.Write(inReleasePath, []byte("Suite: stable\n"))
		}, "is not signed: its InRelease holds no signature"},
		"InRelease changed": {nil, func(m *upstreamtest.Mirror) {
			m.Write(inReleasePath, bytes.Replace(m.Read(inReleasePath), []byte("stable"), []byte("stabler"), 1))
		}, "is not signed by the key given"},
		"InRelease truncated": {nil, func(m *upstreamtest.Mirror) {
			m.Write(inReleasePath, m.Read(inReleasePath)[:200])
		}, "InRelease of http"},
		"index changed": {nil, func(m *upstreamtest.Mirror) {
			m.Write(indexPath, bytes.Replace(m.Read(indexPath), []byte("7.2.0"), []byte("6.6.6"), 1))
		}, "is not what InRelease says"},
		"index longer": {nil, func(m *upstreamtest.Mirror) {
			m.Write(indexPath, append(m.Read(indexPath), "Package: more\n"...))
		}, "is not what InRelease says"},
		"index truncated": {nil, func(m *upstreamtest.Mirror) {
			m.Write(indexPath, m.Read(indexPath)[:100])
		}, "is truncated: it has 100 bytes of the"},
		"index listed and not there": {nil, func(m *upstreamtest.Mirror) { m.Remove(indexPath) }, "Packages answers 404"},
		"a package without a version": {nil, func(m *upstreamtest.Mirror) {
			m.Put("", upstreamtest.Repository{Indexes: map[string]string{"amd64": "Package: opennebula\n"}})
		}, "read the index of packages http"},
		"a size that is none": {nil, func(m *upstreamtest.Mirror) {
			m.Put("", upstreamtest.Repository{Indexes: map[string]string{"amd64": "Package: opennebula\nVersion: 7.2.0-1\nSize: big\n"}})
		}, `the size of opennebula 7.2.0-1, "big", is no number of bytes`},
		"expired": {nil, func(m *upstreamtest.Mirror) {
			m.Put("", upstreamtest.Repository{Date: time.Now().Add(-48 * time.Hour), ValidUntil: time.Now().Add(-time.Hour)})
		}, "expired on"},
		"from the future": {nil, func(m *upstreamtest.Mirror) {
			m.Put("", upstreamtest.Repository{Date: time.Now().Add(time.Hour)})
		}, "set the clock"},
	} {
		t.Run(name, func(t *testing.T) {
			mirror, _ := newMirror(t, map[string]string{"amd64": index})
			test.change(mirror)
			if test.key == nil {
				test.key = mirror.Public
			}
			_, err := NewRepository(mirror.URL, test.key, impatient...).Versions(t.Context(), "opennebula", "amd64")
			assert.ErrorContains(t, err, test.want)
		})
	}
}

// A key that expires while the repository stays is what people meet years later.
func TestExpiredKey(t *testing.T) {
	mirror := upstreamtest.NewMirrorOf(t, &packet.Config{KeyLifetimeSecs: 3600, Time: time.Now})
	mirror.Put("", upstreamtest.Repository{Indexes: map[string]string{"amd64": index}})
	require.NoError(t, NewRepository(mirror.URL, mirror.Public, impatient...).Require(t.Context(), "7.2.0", "amd64"))

	later := WithClock(func() time.Time { return time.Now().Add(24 * time.Hour) })
	err := NewRepository(mirror.URL, mirror.Public, append(impatient, later)...).Require(t.Context(), "7.2.0", "amd64")
	assert.ErrorContains(t, err, "has expired")
	assert.ErrorContains(t, err, "give its current one")
}

func TestKeyThatIsNewerThanTheClock(t *testing.T) {
	mirror := upstreamtest.NewMirrorOf(t, &packet.Config{Time: time.Now})
	yesterday := time.Now().Add(-24 * time.Hour)
	mirror.Put("", upstreamtest.Repository{Indexes: map[string]string{"amd64": index}, Date: yesterday})
	clock := WithClock(func() time.Time { return yesterday })
	err := NewRepository(mirror.URL, mirror.Public, append(impatient, clock)...).Require(t.Context(), "7.2.0", "amd64")
	assert.ErrorContains(t, err, "was made later than this machine's clock says")
}

func TestSlightlyWrongClockIsForgiven(t *testing.T) {
	mirror := upstreamtest.NewMirror(t)
	mirror.Put("", upstreamtest.Repository{Indexes: map[string]string{"amd64": index}, ValidUntil: time.Now().Add(time.Hour)})
	for _, off := range []time.Duration{-5 * time.Minute, 0, 5 * time.Minute} {
		clock := WithClock(func() time.Time { return time.Now().Add(off) })
		err := NewRepository(mirror.URL, mirror.Public, append(impatient, clock)...).Require(t.Context(), "7.2.0", "amd64")
		assert.NoError(t, err, "%s", off)
	}
}

func TestUnreachableRepository(t *testing.T) {
	_, err := NewRepository(nobody, upstreamtest.NewMirror(t).Public, impatient...).Versions(t.Context(), "opennebula", "amd64")
	assert.ErrorIs(t, err, ErrUnreachable)
	assert.NotErrorIs(t, err, ErrMissing)
}

func TestWhatFailsByChanceIsTriedAgain(t *testing.T) {
	for name, test := range map[string]struct {
		answer   upstreamtest.Answer
		want     string
		expected error
	}{
		"the server's failure":       {upstreamtest.Status(502), "answers 502 Bad Gateway", ErrUnreachable},
		"too many requests":          {upstreamtest.Status(429), "answers 429 Too Many Requests", ErrUnreachable},
		"an answer that breaks off":  {upstreamtest.CutOff("-----BEGIN"), "the answer breaks off after 10 bytes", ErrUnreachable},
		"who may not read":           {upstreamtest.Status(403), "check the user and password", nil},
		"something not for packages": {upstreamtest.Status(418), "it is not an apt repository", nil},
	} {
		t.Run(name, func(t *testing.T) {
			mirror, repository := newMirror(t, map[string]string{"amd64": index})
			mirror.Next(test.answer, test.answer)
			err := repository.Require(t.Context(), "7.2.0", "amd64")
			assert.ErrorContains(t, err, test.want)
			if test.expected == nil {
				return
			}
			require.ErrorIs(t, err, test.expected)
			mirror.Next(test.answer)
			assert.NoError(t, repository.Require(t.Context(), "7.2.0", "amd64"), "a failure is not kept")
		})
	}
}

func TestSilentRepository(t *testing.T) {
	mirror, _ := newMirror(t, map[string]string{"amd64": index})
	mirror.Next(upstreamtest.Silence(time.Second), upstreamtest.Silence(time.Second))
	short := append([]Option{WithTimeout(50 * time.Millisecond)}, impatient...)
	err := NewRepository(mirror.URL, mirror.Public, short...).Require(t.Context(), "7.2.0", "amd64")
	require.ErrorIs(t, err, ErrUnreachable)
	assert.Regexp(t, "deadline exceeded|Timeout", err.Error(), "which of the two net/http says is a race within it")
}

func TestBrokenCompression(t *testing.T) {
	for _, compression := range compressions[:2] {
		_, err := expanded([]byte("Package: opennebula"), compression.expand)
		assert.ErrorContains(t, err, "header", compression.ending)
	}
}

// A small file that holds far more than any index has.
func TestOverblownIndex(t *testing.T) {
	var file bytes.Buffer
	w := gzip.NewWriter(&file)
	for range maxAnswer>>20 + 1 {
		_, err := w.Write(make([]byte, 1<<20))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	_, err := expanded(file.Bytes(), compressions[1].expand)
	assert.ErrorContains(t, err, "it is larger than 64 MB")
}

func TestPasswordOfAMirrorIsNotShown(t *testing.T) {
	mirror, _ := newMirror(t, map[string]string{"amd64": index})
	location := strings.Replace(mirror.URL, "http://", "http://me:hunter2@", 1)
	for _, answer := range []upstreamtest.Answer{upstreamtest.Status(401), upstreamtest.Status(404), upstreamtest.Status(500), upstreamtest.CutOff(""), upstreamtest.Content("x")} {
		mirror.Next(answer, answer)
		err := NewRepository(location, mirror.Public, impatient...).Require(t.Context(), "7.2.0", "amd64")
		require.ErrorContains(t, err, "me:xxxxx@")
		assert.NotContains(t, err.Error(), "hunter2")
	}
	_, err := Fetch(t.Context(), "http://me:hunter2@127.0.0.1:port/")
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "hunter2")
}

func TestManyAskAtOnceAndItIsReadOnce(t *testing.T) {
	mirror, repository := newMirror(t, map[string]string{"amd64": index})
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { assert.NoError(t, repository.Require(context.Background(), "7.2.0", "amd64")) })
	}
	all.Wait()
	assert.Len(t, mirror.Requests(), 2)
}
