package upstreamtest

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/ulikunitz/xz"
)

// Repository is what an apt repository in OpenNebula's layout is to hold.
type Repository struct {
	Indexes    map[string]string // text of Packages, by architecture: see Package
	Date       time.Time         // now, by default
	ValidUntil time.Time         // for ever, by default
	Endings    []string          // of the indexes: "", ".gz", ".xz"; only "" by default

	Suite, Component string // stable and opennebula by default
}

// Package is a stanza of an index.
func Package(name, version, architecture string) string {
	return fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: %s\nDescription: first line\n and a second\n .\n after a paragraph\n\n", name, version, architecture)
}

// Release is a repository that has packages of one release, X.Y.Z, for each of some
// architectures.
func Release(version string, names []string, architectures ...string) Repository {
	r := Repository{Indexes: map[string]string{}}
	for _, architecture := range architectures {
		for _, name := range names {
			r.Indexes[architecture] += Package(name, version+"-1", architecture)
		}
	}
	return r
}

// Mirror serves signed apt repositories, each under a path of its own.
type Mirror struct {
	script
	URL    string
	Public []byte // the key that signs, armored

	key   *openpgp.Entity
	t     testing.TB
	mutex sync.Mutex
	files map[string][]byte // by path
}

// NewMirror serves until the test ends, with a key of its own.
func NewMirror(t testing.TB) *Mirror { return NewMirrorOf(t, nil) }

// NewMirrorOf is one whose key is made with a config, which can set its lifetime, and the
// time at which it was made: 2020, by default.
func NewMirrorOf(t testing.TB, config *packet.Config) *Mirror {
	if config == nil {
		config = &packet.Config{}
	}
	if config.Time == nil {
		config.Time = func() time.Time { return time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC) }
	}
	config.Algorithm = packet.PubKeyAlgoEdDSA // far faster to make than RSA
	key, err := openpgp.NewEntity("test", "", "", config)
	must(t, err)
	m := &Mirror{key: key, t: t, files: map[string][]byte{}}
	m.Public, err = Public(key)
	must(t, err)
	server := httptest.NewServer(m.around(http.HandlerFunc(m.serve)))
	t.Cleanup(server.Close)
	m.URL = server.URL
	return m
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (m *Mirror) serve(w http.ResponseWriter, r *http.Request) {
	m.mutex.Lock()
	content, ok := m.files[r.URL.Path]
	m.mutex.Unlock()
	if !ok {
		http.NotFound(w, r)
		return
	}
	_, _ = w.Write(content)
}

// Put lays out and signs a repository under a path, "/7.2.0/Debian/12" or "".
func (m *Mirror) Put(path string, r Repository) {
	m.t.Helper()
	if len(r.Endings) == 0 {
		r.Endings = []string{""}
	}
	if r.Date.IsZero() {
		r.Date = time.Now()
	}
	suite, component := cmp.Or(r.Suite, "stable"), cmp.Or(r.Component, "opennebula")
	text := "Suite: " + suite + "\nCodename: " + suite + "\nDate: " + date(r.Date)
	if !r.ValidUntil.IsZero() {
		text += "Valid-Until: " + date(r.ValidUntil)
	}
	text += "SHA256:\n"
	for _, architecture := range slices.Sorted(maps.Keys(r.Indexes)) {
		for _, ending := range r.Endings {
			name := component + "/binary-" + architecture + "/Packages" + ending
			content := m.compressed(r.Indexes[architecture], ending)
			text += fmt.Sprintf(" %x %d %s\n", sha256.Sum256(content), len(content), name)
			m.Write(path+"/dists/"+suite+"/"+name, content)
		}
	}
	signed, err := Sign([]byte(text), m.key, &packet.Config{Time: func() time.Time { return r.Date }})
	must(m.t, err)
	m.Write(path+"/dists/"+suite+"/InRelease", signed)
}

func date(t time.Time) string { return t.UTC().Format("Mon, 02 Jan 2006 15:04:05 UTC") + "\n" }

func (m *Mirror) compressed(text, ending string) []byte {
	var b bytes.Buffer
	var w io.WriteCloser
	var err error
	switch ending {
	case ".gz":
		w = gzip.NewWriter(&b)
	case ".xz":
		w, err = xz.NewWriter(&b)
		must(m.t, err)
	default:
		return []byte(text)
	}
	_, err = io.WriteString(w, text)
	must(m.t, err)
	must(m.t, w.Close())
	return b.Bytes()
}

// Read returns the file under a path.
func (m *Mirror) Read(path string) []byte {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return slices.Clone(m.files[path])
}

// Write replaces the file under a path, and signs nothing anew.
func (m *Mirror) Write(path string, content []byte) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.files[path] = content
}

// Remove takes away all files whose path begins so.
func (m *Mirror) Remove(prefix string) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	maps.DeleteFunc(m.files, func(path string, _ []byte) bool { return strings.HasPrefix(path, prefix) })
}
