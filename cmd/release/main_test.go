package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/secure-systems-lab/go-securesystemslib/encrypted"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pablodelarco/opennebula-helm/image"
	"github.com/pablodelarco/opennebula-helm/pipeline/pipelinetest"
	"github.com/pablodelarco/opennebula-helm/proposal/proposaltest"
	"github.com/pablodelarco/opennebula-helm/registry"
	"github.com/pablodelarco/opennebula-helm/upstream/upstreamtest"
)

const password = "correct horse battery staple"

// maintainer has a checkout, a key and a scanner's report, and releases by hand.
type maintainer struct {
	*pipelinetest.World
	t         testing.TB
	key       string   // file of the private key
	public    string   // and of the public one
	images    []string // folders, one for each platform
	documents []string // files: what is in each
	scans     []string // files: what a scanner has found in each
}

func newMaintainer(t *testing.T) *maintainer {
	m := &maintainer{World: pipelinetest.New(t, pipelinetest.InMemory), t: t}
	m.Mirror.Write("/repo2.key", m.Mirror.Public)
	m.Mirror.Put("", upstreamtest.Repository{Suite: "bookworm-security", Component: "main", Endings: []string{".xz"}, Indexes: map[string]string{"amd64": "", "arm64": ""}})
	m.key, m.public = keyFiles(t)
	t.Chdir(m.Checkout)
	for _, name := range []string{"GITHUB_TOKEN", "REGISTRY_USER", "REGISTRY_PASSWORD", "DOCKERHUB_USER", "DOCKERHUB_TOKEN"} {
		t.Setenv(name, "")
	}
	t.Setenv("COSIGN_PASSWORD", password)
	return m
}

// keyFiles are a private key without a password, which takes a second to try, and its
// public one.
func keyFiles(t *testing.T) (private, public string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	private, public = filepath.Join(t.TempDir(), "cosign.key"), filepath.Join(t.TempDir(), "cosign.pub")
	write(t, private, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	der, err = x509.MarshalPKIXPublicKey(key.Public())
	require.NoError(t, err)
	write(t, public, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	return private, public
}

// seal gives the key a password, as cosign does.
func (m *maintainer) seal() {
	content, err := os.ReadFile(m.key)
	require.NoError(m.t, err)
	block, _ := pem.Decode(content)
	sealed, err := encrypted.Encrypt(block.Bytes, []byte(password))
	require.NoError(m.t, err)
	write(m.t, m.key, pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED SIGSTORE PRIVATE KEY", Bytes: sealed}))
}

func write(t testing.TB, file string, content []byte) {
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
	require.NoError(t, os.WriteFile(file, content, 0o600))
}

// site is the flags that name this world's hosts.
func (m *maintainer) site() []string {
	host := m.Registry.Address() + "/"
	return []string{
		"--images=" + host + pipelinetest.Images, "--charts=" + host + pipelinetest.Charts, "--base=" + host + "debian:" + pipelinetest.BaseTag,
		"--repositories=" + m.Mirror.URL + "/{version}/{distribution}", "--repository-key=" + m.Mirror.URL + "/repo2.key",
		"--github-api=" + m.GitHub.URL, "--debian-security=" + m.Mirror.URL, "--debian-keys=" + m.debianKeys(), "--key=" + m.key,
	}
}

func (m *maintainer) debianKeys() string {
	file := filepath.Join(filepath.Dir(m.key), "debian.asc")
	write(m.t, file, m.Mirror.Public)
	return file
}

// build makes the images that are due, as BuildKit would, with what a scanner says.
func (m *maintainer) build(version string, architectures ...string) {
	base, err := m.Base().Resolve(context.Background(), pipelinetest.BaseTag)
	require.NoError(m.t, err)
	revision := strings.TrimSpace(pipelinetest.Git(m.t, m.Checkout, "log", "-1", "--format=%H", "--", "image/Dockerfile", "image/build", "image/rootfs"))
	arguments := image.Arguments{Version: version, BaseDigest: base.String(), Revision: revision, Created: m.Now.Truncate(1e9)}
	m.images, m.documents, m.scans = nil, nil, nil
	for _, architecture := range architectures {
		img, err := pipelinetest.Image(arguments, "linux/"+architecture)
		require.NoError(m.t, err)
		m.keep(img, architecture)
	}
}

// grype is a report of one vulnerability, with the versions that fix it, as JSON has
// them, and the digest of the image's configuration.
const grype = `{
  "matches": [{
    "vulnerability": {"id": "CVE-2026-1001", "severity": "High", "fix": {"versions": [%s]}},
    "artifact": {"name": "libxml2", "version": "2.9.14-1", "type": "deb", "purl": "pkg:deb/debian/libxml2@2.9.14-1?arch=amd64"}}],
  "source": {"type": "image", "target": {"userInput": "image", "imageID": "%s"}},
  "distro": {"name": "debian", "version": "12"}, "descriptor": {"name": "grype", "version": "0.121.2"}
}`

// keep writes an image, and what tools would make of it.
func (m *maintainer) keep(img v1.Image, architecture string) {
	folder := m.t.TempDir()
	path, err := layout.Write(folder, mustIndex(m.t, img))
	require.NoError(m.t, err)
	digest, err := img.Digest()
	require.NoError(m.t, err)
	document, report := filepath.Join(m.t.TempDir(), architecture+".spdx.json"), filepath.Join(m.t.TempDir(), architecture+".grype.json")
	write(m.t, document, pipelinetest.SPDX(digest.String()))
	config, err := img.ConfigName()
	require.NoError(m.t, err)
	write(m.t, report, []byte(fmt.Sprintf(grype, "", config)))
	m.images, m.documents, m.scans = append(m.images, string(path)), append(m.documents, document), append(m.scans, report)
}

func mustIndex(t testing.TB, img v1.Image) v1.ImageIndex {
	index, err := image.Join(img)
	require.NoError(t, err)
	return index
}

// publish are the arguments that publish what was built.
func (m *maintainer) publish(more ...string) []string {
	args := append([]string{"publish"}, m.images...)
	for _, report := range m.scans {
		args = append(args, "--scan="+report)
	}
	for _, document := range m.documents {
		args = append(args, "--sbom="+document)
	}
	return append(args, more...)
}

// outcome of one call.
type outcome struct {
	code           int
	stdout, stderr string
}

// run calls the command with this world's hosts.
func (m *maintainer) run(args ...string) outcome {
	return call(m.t, append(args, m.site()...)...)
}

// call calls the command as its process would.
func call(t testing.TB, args ...string) outcome {
	stdout, stderr := os.Stdout, os.Stderr
	defer func() { os.Stdout, os.Stderr = stdout, stderr }()
	read := [2]func() string{}
	for i, file := range []**os.File{&os.Stdout, &os.Stderr} {
		*file, read[i] = capture(t)
	}
	o := outcome{code: run(args)}
	o.stdout, o.stderr = read[0](), read[1]()
	t.Logf("release %s\n%s%s", strings.Join(args, " "), o.stdout, o.stderr)
	return o
}

// capture is a file, and what was written to it.
func capture(t testing.TB) (*os.File, func() string) {
	file, err := os.CreateTemp(t.TempDir(), "")
	require.NoError(t, err)
	return file, func() string {
		_, err := file.Seek(0, io.SeekStart)
		require.NoError(t, err)
		content, err := io.ReadAll(file)
		require.NoError(t, err)
		require.NoError(t, file.Close())
		return string(content)
	}
}

// requireRefusal checks that a call failed with one sentence that holds words, and no
// secret.
func requireRefusal(t *testing.T, o outcome, code int, words ...string) {
	t.Helper()
	require.Equal(t, code, o.code, o.stderr)
	last := o.stderr[strings.LastIndex(strings.TrimSuffix(o.stderr, "\n"), "\n")+1:]
	require.True(t, strings.HasPrefix(last, "release: "), "the last line says it: %s", o.stderr)
	for _, word := range words {
		require.Contains(t, last, word)
	}
	for _, secret := range []string{password, "wrong-secret"} {
		require.NotContains(t, o.stdout+o.stderr, secret)
	}
}

func TestUsage(t *testing.T) {
	for name, test := range map[string]struct {
		args  []string
		words []string
	}{
		"no command":          {nil, []string{"--help"}},
		"unknown command":     {[]string{"publis"}, []string{`"publis"`, "--help"}},
		"unknown flag":        {[]string{"plan", "--markdwon"}, []string{"--markdwon", "--help"}},
		"argument of plan":    {[]string{"plan", "7.2.0"}, []string{"plan takes no arguments, and was given 7.2.0"}},
		"nothing to verify":   {[]string{"verify"}, []string{"verify takes REFERENCE, and was given none"}},
		"no reference":        {[]string{"verify", "Not A Reference"}, []string{`"Not A Reference" is not a reference`, "write it as"}},
		"one release":         {[]string{"changes", "7.2.0"}, []string{"changes takes FROM TO, and was given 7.2.0"}},
		"nothing to judge":    {[]string{"scan"}, []string{"takes one REPORT or several"}},
		"no severity":         {[]string{"scan", "--threshold=bad", "report.json"}, []string{"--threshold", `"bad"`}},
		"no version":          {[]string{"plan", "--version=seven"}, []string{"--version", `"seven"`}},
		"no channel":          {[]string{"plan", "--channel=beta"}, []string{`"beta"`, "give stable or candidate"}},
		"no artifact":         {[]string{"publish", "--only=both"}, []string{`"both"`, "give image or chart"}},
		"proposing as nobody": {[]string{"propose"}, []string{"GITHUB_TOKEN is empty"}},
		"half of a sigstore":  {[]string{"verify", "--signing-config=file", "example.org/team/image:1"}, []string{"--signing-config needs --trusted-root"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("GITHUB_TOKEN", "")
			requireRefusal(t, call(t, test.args...), 2, test.words...)
		})
	}
	o := call(t, "--help")
	assert.Zero(t, o.code)
	assert.Contains(t, o.stdout, "REGISTRY_PASSWORD")
}

func TestRelease(t *testing.T) {
	m := newMaintainer(t)
	o := m.run("plan")
	require.Zero(t, o.code)
	assert.Contains(t, o.stdout, "16 steps")
	assert.Contains(t, m.run("plan", "--markdown").stdout, "1. **build the image of OpenNebula 7.2.0 for linux/amd64 and linux/arm64**: ")

	m.build("7.2.0", "amd64", "arm64")
	o = m.run(m.publish()...)
	require.Zero(t, o.code)
	images := m.Registry.Address() + "/" + pipelinetest.Images
	lines := strings.Split(strings.TrimSpace(o.stdout), "\n")
	assert.Contains(t, o.stdout, "published "+images+":7.2.0@sha256:")
	assert.Contains(t, o.stdout, "published "+m.Registry.Address()+"/"+pipelinetest.Charts+":0.1.0@sha256:")
	assert.Contains(t, lines[len(lines)-1], "next: go run ./cmd/release verify "+images+"@sha256:")

	m.Registry.Break(0, "")
	for _, args := range [][]string{m.publish(), {"publish"}, {"plan"}} {
		o = m.run(args...)
		require.Zero(t, o.code)
		assert.Equal(t, "nothing to do: OpenNebula 7.2.0 is published as 7.2.0 and the chart is published as 0.1.0, up to date and signed\n", o.stdout)
	}
	assert.Empty(t, m.Registry.Writes())

	for _, args := range [][]string{m.site(), {"--trusted-key=" + m.public}} {
		o = call(t, append(args, "verify", images+":7.2.0")...)
		require.Zero(t, o.code)
		assert.Contains(t, o.stdout, "is OpenNebula 7.2.0, built of ")
		assert.Contains(t, o.stdout, "verified: whole, signed")
	}
	_, stranger := keyFiles(t)
	requireRefusal(t, call(t, "verify", "--trusted-key="+stranger, images+":7.2.0"), 1, "has no signature by the key", "do not use it")

	o = m.run("versions")
	require.Zero(t, o.code)
	assert.Regexp(t, `(?m)^VERSION +CHANNEL +DATE +END OF LIFE +PLATFORMS +PUBLISHED AS$`, o.stdout)
	assert.Regexp(t, `(?m)^7\.2\.0 +stable +\d{4}-\d\d-\d\d +- +linux/amd64 linux/arm64 +7\.2\.0$`, o.stdout)
	assert.NotContains(t, o.stdout, "7.0.2")
	assert.Regexp(t, `(?m)^7\.0\.2 +stable .* not asked for +-$`, m.run("versions", "--all").stdout)
}

// An image that somebody else puts under the tag is refused, and the next release leaves
// that tag to them.
func TestTampered(t *testing.T) {
	m := newMaintainer(t)
	m.build("7.2.0", "amd64", "arm64")
	require.Zero(t, m.run(m.publish()...).code)
	images := m.Open(pipelinetest.Images)
	m.build("7.2.0", "amd64")
	loaded, err := image.Load(t.Context(), m.images[0], "")
	require.NoError(t, err)
	digest, err := images.Push(t.Context(), mustIndex(t, loaded[0]))
	require.NoError(t, err)
	require.NoError(t, images.Move(t.Context(), digest, "7.2.0"))
	requireRefusal(t, m.run("verify", images.Name()+":7.2.0"), 1, digest.String(), "has no signature", "do not use it")

	m.build("7.2.0", "amd64", "arm64")
	o := m.run(m.publish()...)
	require.Zero(t, o.code)
	assert.Contains(t, o.stdout, "published "+images.Name()+":7.2.0-1@sha256:")
	held, err := images.Resolve(t.Context(), "7.2.0")
	require.NoError(t, err)
	assert.Equal(t, digest, held)
}

func TestPublishIsRefused(t *testing.T) {
	m := newMaintainer(t)
	m.build("7.2.0", "amd64", "arm64")
	vulnerable := filepath.Join(t.TempDir(), "grype.json")
	config := imageConfig(t, m.images[0])
	write(t, vulnerable, fmt.Appendf(nil, grype, `"2.9.14-2"`, config))
	m.Registry.Break(0, "")
	for name, test := range map[string]struct {
		args  []string
		words []string
	}{
		"no images":                {[]string{"publish"}, []string{"no IMAGE was given", "linux/amd64 and linux/arm64"}},
		"a platform lacks":         {[]string{"publish", m.images[0]}, []string{"is to be released for linux/amd64 and linux/arm64"}},
		"no scan":                  {[]string{"publish", m.images[0], m.images[1], "--sbom=" + m.documents[0], "--sbom=" + m.documents[1]}, []string{"linux/amd64", "no --scan is of sha256:", "run grype"}},
		"scan of another image":    {[]string{"publish", m.images[0], m.images[1], "--scan=" + m.scans[1]}, []string{"no --scan is of sha256:"}},
		"no SBOM":                  {[]string{"publish", m.images[0], m.images[1], "--scan=" + m.scans[0], "--scan=" + m.scans[1]}, []string{"linux/amd64", "no --sbom is of sha256:", "make one"}},
		"the scan does not pass":   {m.publish("--scan=" + vulnerable), []string{"the scan did not pass"}},
		"no scan file":             {m.publish("--scan=nothere.json"), []string{"nothere.json"}},
		"no SBOM file":             {m.publish("--sbom=nothere.json"), []string{"nothere.json"}},
		"no layout":                {m.publish("chart"), []string{"chart is not an image in OCI's layout", "docker buildx build"}},
		"unknown version":          {m.publish("--version=9.9.9"), []string{`"9.9.9" is no release of OpenNebula: ask for one of 7.2.0`}},
		"version without packages": {m.publish("--version=7.0.2"), []string{"upstream has no packages of OpenNebula 7.0.2"}},
		"platform without":         {m.publish("--platform=linux/riscv64"), []string{"has no packages for linux/riscv64: ask for linux/amd64 and linux/arm64"}},
		"no key":                   {m.publish("--key=nothere.key"), []string{"nothere.key"}},
		"a public key":             {m.publish("--key=" + m.public), []string{"give a private key"}},
	} {
		t.Run(name, func(t *testing.T) {
			requireRefusal(t, call(t, append(m.site(), test.args...)...), 1, test.words...)
		})
	}
	m.seal()
	require.Zero(t, m.run("plan").code, "the password opens it")
	t.Setenv("COSIGN_PASSWORD", "wrong-secret")
	requireRefusal(t, m.run(m.publish()...), 1, "the password does not open it", "COSIGN_PASSWORD")
	assert.Empty(t, m.Registry.Writes(), "nothing is pushed that is refused")
}

func imageConfig(t testing.TB, folder string) v1.Hash {
	loaded, err := image.Load(context.Background(), folder, "")
	require.NoError(t, err)
	config, err := loaded[0].ConfigName()
	require.NoError(t, err)
	return config
}

// What was built elsewhere, at another time or of another commit is not what is due.
func TestImagesOfAnotherTime(t *testing.T) {
	m := newMaintainer(t)
	m.build("7.0.2", "amd64", "arm64")
	requireRefusal(t, m.run(m.publish()...), 1, `label org.opencontainers.image.version is "7.0.2", and "7.2.0" is to be released`)
	m.build("7.2.0", "amd64", "arm64")
	m.MoveBase("second")
	requireRefusal(t, m.run(m.publish()...), 1, "org.opencontainers.image.base.digest", "on today's base image")
	m.Now = m.Now.AddDate(0, 0, 1)
	m.build("7.2.0", "amd64", "arm64")
	requireRefusal(t, m.run(m.publish()...), 1, "the image was created at", "this machine's clock says", "set the clock")
	write(t, "image/Dockerfile", []byte("FROM scratch\n"))
	requireRefusal(t, m.run(m.publish()...), 1, "image/Dockerfile", "commit them")
	pipelinetest.Commit(t, m.Checkout)
	requireRefusal(t, m.run(m.publish()...), 1, "org.opencontainers.image.revision", "build it from this commit")
	t.Chdir(t.TempDir())
	requireRefusal(t, m.run("plan"), 1, "not a git repository")
}

// After a failure the same command goes on.
func TestPublishAgain(t *testing.T) {
	m := newMaintainer(t)
	m.build("7.2.0", "amd64", "arm64")
	m.Registry.Answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	requireRefusal(t, m.run(m.publish()...), 1, "push the image", "the same command again goes on from there")
	m.Registry.Answer(nil)
	require.Zero(t, m.run(m.publish("--only=image")...).code)
	assert.NotContains(t, m.run("plan").stdout, "image of")
	o := m.run("publish", "--only=chart")
	require.Zero(t, o.code, "a chart needs no image")
	assert.Contains(t, o.stdout, pipelinetest.Charts+":0.1.0@sha256:")
}

func TestLogins(t *testing.T) {
	m := newMaintainer(t)
	images := m.Registry.Address() + "/" + pipelinetest.Images
	elsewhere := []string{"plan", "--base=" + otherRegistry(t, m)}
	m.Registry.Require("someone", "right-secret")
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	requireRefusal(t, m.run("plan"), 1, "without a login", "docker login "+m.Registry.Address())
	t.Setenv("REGISTRY_USER", "someone")
	requireRefusal(t, m.run("plan"), 1, "of REGISTRY_USER and REGISTRY_PASSWORD one is empty")
	t.Setenv("REGISTRY_PASSWORD", "wrong-secret")
	requireRefusal(t, m.run("plan"), 1, "does not take these credentials")
	t.Setenv("REGISTRY_PASSWORD", "right-secret")
	o := call(t, append(m.site(), elsewhere...)...)
	require.Zero(t, o.code)
	assert.NotContains(t, o.stdout+o.stderr, "right-secret")
	requireRefusal(t, m.run("verify", images+":7.2.0"), 1, images+":7.2.0 is not published", "release versions")
	requireRefusal(t, call(t, append(m.site(), "plan", "--charts=charts.example.org/team/opennebula")...), 1, "two registries", "docker login")
	t.Setenv("GITHUB_TOKEN", "wrong-secret")
	requireRefusal(t, call(t, append(m.site(), "propose", elsewhere[1])...), 1, "pablodelarco/opennebula-helm", "check the repository's name, and that the token may write contents and pull requests there")
	assert.Contains(t, m.GitHub.Tokens(), "wrong-secret")
	t.Setenv("DOCKERHUB_USER", "someone")
	requireRefusal(t, m.run("plan"), 1, "DOCKERHUB_TOKEN")
}

// otherRegistry has a base image that is read without a login.
func otherRegistry(t *testing.T, m *maintainer) string {
	other := pipelinetest.InMemory(t)
	to, err := registry.Open(other.Address() + "/debian")
	require.NoError(t, err)
	digest, err := to.Copy(t.Context(), m.Base(), pipelinetest.BaseTag)
	require.NoError(t, err)
	require.NoError(t, to.Move(t.Context(), digest, "12"))
	return other.Address() + "/debian:12"
}

func TestUpstreamChanges(t *testing.T) {
	m := newMaintainer(t)
	m.Mirror.Remove("/7.2.0")
	requireRefusal(t, m.run("versions"), 1, "no release of OpenNebula has packages")
	m.Pack("7.2.0", "amd64", "arm64")
	m.build("7.2.0", "amd64", "arm64")
	require.Zero(t, m.run(m.publish()...).code)
	m.Pack("7.0.2", "amd64")
	m.GitHub.Set(m.Tags("7.0.0", "7.0.2"))
	o := m.run("plan")
	require.Zero(t, o.code)
	assert.Contains(t, o.stdout, "7.2.0 was withdrawn by upstream")
	m.GitHub.Set(m.Tags("7.0.2"))
	o = m.run("versions")
	require.Zero(t, o.code)
	assert.Contains(t, o.stdout, "no release is of a line that is maintained; --all lists the others")
	requireRefusal(t, m.run(m.publish("--version=7.2.0", "--force")...), 1, "7.2.0")
}

func TestChanges(t *testing.T) {
	m := newMaintainer(t)
	m.PackDebs("7.0.2", "PORT = 2633\n")
	m.PackDebs("7.2.0", "PORT = 2634\n")
	o := m.run("changes", "7.0.2", "7.2.0")
	require.Zero(t, o.code)
	assert.Contains(t, o.stdout, "/etc/one/oned.conf")
	assert.Contains(t, o.stdout, "+PORT = 2634")
	assert.NotEmpty(t, strings.TrimSpace(o.stderr), "a summary")
	requireRefusal(t, m.run("changes", "7.0.2", "9.9.9"), 1, "9.9.9")
	requireRefusal(t, m.run("changes", "7.0.2", "seven"), 1, "seven")
	requireRefusal(t, m.run("changes", "7.0.2", "7.2.0", "--architecture=riscv64"), 1, "riscv64")
}

func TestPropose(t *testing.T) {
	m := newMaintainer(t)
	m.GitHub.Set(m.Tags("7.0.2", "7.2.0", "7.4.0"))
	m.PackDebs("7.2.0", "PORT = 2633\n")
	m.PackDebs("7.4.0", "PORT = 2634\n")
	assert.Contains(t, m.run("plan").stdout, "propose OpenNebula 7.4.0")
	o := m.run("publish")
	requireRefusal(t, o, 1, "no IMAGE was given")
	assert.NotContains(t, o.stdout, "propose OpenNebula", "it publishes only")
	project := m.Project()
	t.Setenv("GITHUB_TOKEN", proposaltest.Token)
	args := append(m.site(), "propose", "--project=me/it", "--github-api="+both(t, m.GitHub.URL, project.URL))
	o = call(t, args...)
	require.Zero(t, o.code, o.stderr)
	assert.Contains(t, o.stderr, "the pull request was opened: https://github.com/me/it/pull/1")
	require.Len(t, project.Pulls, 1)
	assert.Equal(t, "Release OpenNebula 7.4.0", project.Pulls[0].Title)
	assert.Contains(t, project.Pulls[0].Body, "+PORT = 2634")
	state := project.State()
	o = call(t, args...)
	require.Zero(t, o.code, o.stderr)
	assert.Contains(t, o.stdout, "nothing to do: no release is newer")
	assert.Equal(t, state, project.State())
	assert.NotContains(t, o.stdout+o.stderr, proposaltest.Token)
}

// both is one API of OpenNebula's project and of ours, as GitHub's is.
func both(t *testing.T, upstream, project string) string {
	mux := http.NewServeMux()
	for path, address := range map[string]string{"/repos/OpenNebula/": upstream, "/": project} {
		to, err := url.Parse(address)
		require.NoError(t, err)
		mux.Handle(path, httputil.NewSingleHostReverseProxy(to))
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

func TestScan(t *testing.T) {
	reports := testdata(t)
	empty := t.TempDir()
	for _, report := range reports {
		o := call(t, "scan", "--excuses="+empty, report)
		requireRefusal(t, o, 1, "the scan did not pass")
		assert.Contains(t, o.stdout, "CVE-2026-1001")
	}
	passing := filepath.Join(t.TempDir(), "grype.json")
	write(t, passing, fmt.Appendf(nil, grype, "", "sha256:none"))
	o := call(t, "scan", "--excuses="+empty, passing)
	require.Zero(t, o.code)
	assert.Contains(t, o.stdout, "Scan passed")
	requireRefusal(t, call(t, "scan", "--excuses="+empty, passing, reports[0]), 1, "the scan did not pass")
	write(t, passing, fmt.Appendf(nil, grype, `"2.9.14-2"`, "sha256:none"))
	requireRefusal(t, call(t, "scan", "--excuses="+empty, passing), 1)
	require.Zero(t, call(t, "scan", "--excuses="+empty, "--threshold=critical", passing).code)
	requireRefusal(t, call(t, "scan", "--excuses=nothere", passing), 1, "nothere", "a checkout")
	requireRefusal(t, call(t, "scan", "--excuses="+empty, "nothere.json"), 1, "nothere.json")
}

// testdata are the reports of both scanners.
func testdata(t *testing.T) []string {
	var files []string
	for _, name := range []string{"grype.json", "trivy.json"} {
		file, err := filepath.Abs("../../image/scan/testdata/" + name)
		require.NoError(t, err)
		files = append(files, file)
	}
	return files
}
