// Package test holds the tests of the image that need containers, and no cluster:
// they build the image in a lab on this machine's loopback.
package test

import (
	"cmp"
	"context"
	"fmt"
	"hash/crc32"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/stretchr/testify/require"

	"github.com/pablodelarco/opennebula-helm/e2e/lab/builder"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/container"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/images"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/packages"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/registry"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/standin"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/tools"
	"github.com/pablodelarco/opennebula-helm/image"
)

// checkout is the root of the repository, seen from this package.
const checkout = "../.."

// packagesVariable names folders of OpenNebula's .deb files, separated by colons.
// A release that is in none of them is built from stand-ins.
const packagesVariable = "OPENNEBULA_PACKAGES"

// version of OpenNebula that tests build when they have no reason to choose.
func version() string { return cmp.Or(os.Getenv("OPENNEBULA_VERSION"), "7.2.0") }

// What the images say of where they are from, the same in every run.
const revision = "0123456789abcdef0123456789abcdef01234567"

var created = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// Built is an image in the lab's registry.
type Built struct {
	Reference string   // HOST:PORT/PATH@sha256:…, without TLS
	Image     v1.Image // as pulled from there
	Version   string   // of OpenNebula, X.Y.Z
	Real      bool     // made of OpenNebula's own packages, not of stand-ins
}

// laboratory is what the tests of this package share.
type laboratory struct {
	cache, state string
	buildkit     string // folder of the builder's programs
	base         string // digest of the image that the image is built on
	registry     *registry.Registry
	sources      map[string]*packages.Source // by version
	built        map[string]outcome          // by version
	roots        map[string]*container.Root  // unpacked images, by version; and mariadb
}

// outcome of a build that is not tried twice.
type outcome struct {
	Built
	err error
}

var (
	shared laboratory
	begin  = sync.OnceValue(shared.start)
	one    sync.Mutex // held while the lab works for a test
)

func TestMain(m *testing.M) {
	code := m.Run()
	shared.stop()
	os.Exit(code)
}

// requireLab skips where the lab cannot be, and fails where it could but does not
// start.
func requireLab(t *testing.T) *laboratory {
	t.Helper()
	if testing.Short() {
		t.Skip("-short leaves the lab out")
	}
	if os.Geteuid() != 0 {
		t.Skip("the lab needs root")
	}
	for program, from := range map[string]string{
		"apt-ftparchive": "apt-utils", "dpkg-deb": "dpkg", "mmdebstrap": "mmdebstrap", "runc": "runc",
	} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("the lab needs Debian and %s; apt-get install %s", program, from)
		}
	}
	require.NoError(t, begin())
	return &shared
}

// built returns the image of a release, X.Y.Z, which is built once for all tests.
func built(t *testing.T, version string) Built {
	t.Helper()
	l := requireLab(t)
	one.Lock()
	defer one.Unlock()
	o, ok := l.built[version]
	if !ok {
		o.Built, o.err = l.build(t.Context(), version)
		l.built[version] = o
	}
	require.NoError(t, o.err)
	return o.Built
}

func (l *laboratory) start() error {
	l.sources, l.built = map[string]*packages.Source{}, map[string]outcome{}
	l.roots = map[string]*container.Root{}
	base, err := os.UserCacheDir()
	if err != nil {
		return fmt.Errorf("find the cache folder: %w", err)
	}
	l.cache = filepath.Join(base, "opennebula-helm") // as the rehearsal's
	if l.state, err = os.MkdirTemp("", "image-test-"); err != nil {
		return fmt.Errorf("create the lab's folder: %w", err)
	}
	ctx := context.Background()
	compiler := tools.Builder{Source: filepath.Join(checkout, "e2e/lab/tools"), Cache: filepath.Join(l.cache, "programs"), Log: say}
	if l.buildkit, err = compiler.Build(ctx, tools.BuildKit()); err != nil {
		return err
	}
	if l.registry, err = registry.Start("127.0.0.1:0", filepath.Join(l.state, "registry")); err != nil {
		return err
	}
	archive, err := images.Debian12(ctx, filepath.Join(l.cache, "images"), runtime.GOARCH)
	if err != nil {
		return err
	}
	l.base, err = images.PushDebian12(ctx, l.registry.Address(), archive)
	return err
}

func (l *laboratory) stop() {
	for _, source := range l.sources {
		source.Stop()
	}
	l.registry.Stop()
	if l.state != "" {
		os.RemoveAll(l.state)
	}
}

func (l *laboratory) build(ctx context.Context, version string) (Built, error) {
	source, err := l.source(ctx, version)
	if err != nil {
		return Built{}, err
	}
	made, err := l.run(ctx, l.imageBuild(version, source, created))
	if err != nil {
		return Built{}, err
	}
	pulled, err := pull(made.Reference)
	return Built{Reference: made.Reference, Image: pulled, Version: version, Real: folderOf(version) != ""}, err
}

// imageBuild is the build of the front-end's image.
func (l *laboratory) imageBuild(version string, source *packages.Source, at time.Time) builder.Build {
	return builder.Build{
		Context: filepath.Join(checkout, "image"),
		Args: image.Arguments{
			Version: version, Repository: source.Repository, Key: source.Key,
			BaseDigest: l.base, Revision: revision, Created: at,
		}.Map(),
		Secrets:    builder.Certificates(),
		Repository: l.registry.Address() + "/team/opennebula-frontend",
		Log:        filepath.Join(l.state, "build-"+version+".log"),
	}
}

// run builds with a daemon of its own, so that others can build between the tests.
func (l *laboratory) run(ctx context.Context, build builder.Build) (builder.Image, error) {
	made, err := builder.Once(ctx, builder.Config{
		Programs: l.buildkit, Cache: filepath.Join(l.cache, "buildkit"),
		State: l.state, Registry: l.registry.Address(), Log: say,
	}, build)
	if err == nil {
		return made, nil
	}
	log, _ := os.ReadFile(build.Log) // there is none where the builder did not start
	lines := strings.Split(strings.TrimSpace(string(log)), "\n")
	return made, fmt.Errorf("%w\n%s", err, strings.Join(lines[max(0, len(lines)-30):], "\n"))
}

// source serves the packages of a release, the first time that they are asked for.
func (l *laboratory) source(ctx context.Context, version string) (*packages.Source, error) {
	if source, ok := l.sources[version]; ok {
		return source, nil
	}
	folder, state := folderOf(version), filepath.Join(l.state, version)
	if folder == "" {
		folder = filepath.Join(state, "standins")
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return nil, fmt.Errorf("create the folder for stand-in packages: %w", err)
		}
		if err := standin.Build(ctx, filepath.Join(checkout, "e2e/lab/standin"), version, folder); err != nil {
			return nil, fmt.Errorf("build stand-in packages: %w", err)
		}
	}
	source, err := packages.Start(ctx, packages.Config{
		Version: version, Folder: folder, Address: packagesAddress(version), Cache: l.cache, State: state,
	})
	if err == nil {
		l.sources[version] = source
	}
	return source, err
}

// folderOf finds OpenNebula's own packages of a release; none is "".
func folderOf(version string) string {
	for _, folder := range filepath.SplitList(os.Getenv(packagesVariable)) {
		if found, _ := filepath.Glob(filepath.Join(folder, "opennebula_"+version+"-*.deb")); len(found) > 0 {
			return folder
		}
	}
	return ""
}

// packagesAddress follows from the version, since an image's build begins with the
// address: a new one is a build from scratch. Where it is taken, any other will do.
func packagesAddress(version string) string {
	port := 20000 + crc32.ChecksumIEEE([]byte(version))%10000
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(int(port)))
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return "127.0.0.1:0"
	}
	listener.Close()
	return address
}

func pull(reference string) (v1.Image, error) {
	ref, err := name.ParseReference(reference, name.Insecure)
	if err != nil {
		return nil, err
	}
	return remote.Image(ref)
}

func say(f string, args ...any) { fmt.Fprintf(os.Stderr, "lab: "+f+"\n", args...) }

// isReal tells whether a release is made of OpenNebula's own packages.
func isReal(version string) bool { return folderOf(version) != "" }
