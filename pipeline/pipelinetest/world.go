// Package pipelinetest has all that a release touches, served over HTTP, and images that
// are as small as they can be.
package pipelinetest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	ggcr "github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/stretchr/testify/require"

	"github.com/pablodelarco/opennebula-helm/e2e/lab/registry/registrytest"
	"github.com/pablodelarco/opennebula-helm/image"
	"github.com/pablodelarco/opennebula-helm/proposal/proposaltest"
	"github.com/pablodelarco/opennebula-helm/registry"
	"github.com/pablodelarco/opennebula-helm/upstream/upstreamtest"
)

// Where the registry has what a release reads and writes.
const (
	Images  = "team/opennebula-frontend"
	Charts  = "team/charts/opennebula"
	base    = "debian"
	BaseTag = "12-slim"
)

// World is what a release finds outside of its process.
type World struct {
	GitHub   *upstreamtest.GitHub
	Mirror   *upstreamtest.Mirror // a repository for each version, under /VERSION/Debian/12
	Registry *registrytest.Faults
	Checkout string // a folder: this repository's chart, the image's Dockerfile and what describes it, committed
	Now      time.Time

	t testing.TB
}

// New has OpenNebula 7.0.2 and 7.2.0 tagged, the latter packed for two architectures,
// and nothing published.
func New(t testing.TB, registries func(testing.TB) *registrytest.Faults) *World {
	w := &World{t: t, Mirror: upstreamtest.NewMirror(t), Registry: registries(t), Now: time.Now()}
	w.GitHub = upstreamtest.NewGitHub(t, w.Tags("7.0.2", "7.2.0"))
	w.Pack("7.2.0", "amd64", "arm64")
	w.Checkout = Checkout(t)
	Commit(t, w.Checkout)
	w.MoveBase("first")
	return w
}

// InMemory is a registry with the referrers API.
func InMemory(t testing.TB) *registrytest.Faults {
	return registrytest.Start(t, ggcr.WithReferrersSupport(true))
}

// Tags are those of releases, X.Y.Z, a month apart, the last a month ago.
func (w *World) Tags(versions ...string) []upstreamtest.Tag {
	var tags []upstreamtest.Tag
	for i, version := range versions {
		tags = append(tags, upstreamtest.Tag{Name: "release-" + version, Date: w.Now.AddDate(0, i-len(versions), 0)})
	}
	return tags
}

// Pack has a release in the apt repositories, for architectures in Debian's words.
func (w *World) Pack(version string, architectures ...string) {
	w.Mirror.Put("/"+version+"/Debian/12", upstreamtest.Release(version, image.Packages, architectures...))
}

// PackDebs has a release of real packages in the apt repositories, for amd64, with one
// file: oned's configuration.
func (w *World) PackDebs(version, oned string) {
	folder, repository := w.t.TempDir(), upstreamtest.Repository{Indexes: map[string]string{}}
	for _, name := range image.Packages {
		root, file := filepath.Join(folder, name), filepath.Join(folder, name+".deb")
		stanza := fmt.Sprintf("Package: %s\nVersion: %s-1\nArchitecture: amd64\n", name, version)
		Write(w.t, filepath.Join(root, "DEBIAN/control"), stanza+"Maintainer: test <test@example.org>\nDescription: of a test\n")
		if name == "opennebula" {
			Write(w.t, filepath.Join(root, "etc/one/oned.conf"), oned)
		}
		out, err := exec.Command("dpkg-deb", "--build", "--root-owner-group", "-Znone", root, file).CombinedOutput()
		require.NoError(w.t, err, string(out))
		content, err := os.ReadFile(file)
		require.NoError(w.t, err)
		w.Mirror.Write("/"+version+"/Debian/12/pool/"+name+".deb", content)
		repository.Indexes["amd64"] += stanza + fmt.Sprintf("Filename: pool/%s.deb\nSize: %d\nSHA256: %x\n\n", name, len(content), sha256.Sum256(content))
	}
	w.Mirror.Put("/"+version+"/Debian/12", repository)
}

// Project is GitHub's side of the checkout: its branch main is what is committed there.
func (w *World) Project() *proposaltest.GitHub {
	files := map[string]string{}
	for _, name := range strings.Fields(Git(w.t, w.Checkout, "ls-files")) {
		content, err := os.ReadFile(filepath.Join(w.Checkout, name))
		require.NoError(w.t, err)
		files[name] = string(content)
	}
	project := proposaltest.New(w.t, files)
	project.SetHead("main", strings.TrimSpace(Git(w.t, w.Checkout, "rev-parse", "HEAD")))
	return project
}

// MoveBase gives the base image another digest.
func (w *World) MoveBase(content string) {
	img, err := mutate.AppendLayers(empty.Image, static.NewLayer([]byte(content), types.DockerLayer))
	require.NoError(w.t, err)
	digest, err := w.Base().Push(context.Background(), img)
	require.NoError(w.t, err)
	require.NoError(w.t, w.Base().Move(context.Background(), digest, BaseTag))
}

// Base is the repository of the base image, whose tag is BaseTag.
func (w *World) Base() *registry.Repository { return w.Open(base) }

// BaseDigest is what the base image's tag stands for.
func (w *World) BaseDigest(ctx context.Context) (string, error) {
	digest, err := w.Base().Resolve(ctx, BaseTag)
	return digest.String(), err
}

// Open is a repository by its path. What fails is not tried again.
func (w *World) Open(path string) *registry.Repository {
	r, err := registry.Open(w.Registry.Address()+"/"+path, registry.WithRetries(0, 0))
	require.NoError(w.t, err)
	return r
}

// Checkout is a new folder with this repository's chart, the image's Dockerfile and what
// describes it, in which nothing is committed yet.
func Checkout(t testing.TB) string {
	_, here, _, _ := runtime.Caller(0)
	root, folder := filepath.Join(filepath.Dir(here), "../.."), t.TempDir()
	require.NoError(t, os.CopyFS(filepath.Join(folder, "chart/opennebula"), os.DirFS(filepath.Join(root, "chart/opennebula"))))
	for _, file := range []string{"image/Dockerfile", "image/README.md", "image/vex/README.md", "chart/artifacthub-repo.yml"} {
		content, err := os.ReadFile(filepath.Join(root, file))
		require.NoError(t, err)
		Write(t, filepath.Join(folder, file), string(content))
	}
	Git(t, folder, "init", "--quiet")
	return folder
}

// Commit all that is in a checkout.
func Commit(t testing.TB, folder string) {
	Git(t, folder, "add", "--all")
	Git(t, folder, "commit", "--quiet", "--message=change", "--date=2026-01-02T03:04:05Z")
}

// Git runs in a folder, and returns what it prints.
func Git(t testing.TB, folder string, args ...string) string {
	cmd := exec.Command("git", append([]string{"-c", "user.name=test", "-c", "user.email=test@example.org"}, args...)...)
	cmd.Dir = folder
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	return string(out)
}

// Write a file, and the folders that it is in.
func Write(t testing.TB, file, content string) {
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
	require.NoError(t, os.WriteFile(file, []byte(content), 0o644))
}
