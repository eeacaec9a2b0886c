package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pablodelarco/opennebula-helm/chart"
	"github.com/pablodelarco/opennebula-helm/e2e/frontend"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/builder"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/cluster"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/images"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/network"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/packages"
	labregistry "github.com/pablodelarco/opennebula-helm/e2e/lab/registry"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/tools"
	"github.com/pablodelarco/opennebula-helm/image"
	"github.com/pablodelarco/opennebula-helm/registry"
	"github.com/pablodelarco/opennebula-helm/release"
	"github.com/pablodelarco/opennebula-helm/upstream"
)

// buildPrograms compiles what the lab runs, once for each version.
func (r *rehearsal) buildPrograms(ctx context.Context) (string, error) {
	modules := []tools.Module{tools.Pause(), tools.BuildKit()}
	if r.options.kubeconfig == "" {
		modules = append(modules, tools.CoreDNS(), tools.Kubernetes())
	}
	b := tools.Builder{
		Source: filepath.Join(r.checkout.Folder, "e2e/lab/tools"), Cache: filepath.Join(r.cache, "programs"), Log: say,
	}
	r.programs = map[string]string{}
	var names []string
	for _, m := range modules {
		folder, err := b.Build(ctx, m)
		if err != nil {
			return "", err
		}
		r.programs[m.Name] = folder
		names = append(names, m.Name+" "+m.Version)
	}
	return strings.Join(names, ", "), nil
}

// startNetwork makes the wire to the lab's node.
func (r *rehearsal) startNetwork(ctx context.Context) (string, error) {
	wire, err := network.New(r.options.network)
	if err != nil {
		return "", err
	}
	if err := wire.Start(ctx); err != nil {
		return "", err
	}
	r.network = wire
	r.later(func() { wire.Stop(context.WithoutCancel(ctx)) })
	return wire.Subnet.String(), nil
}

// startRegistry serves base images, and what is built.
func (r *rehearsal) startRegistry(context.Context) (string, error) {
	var err error
	r.registry, err = labregistry.Start(r.host(r.options.registryPort), filepath.Join(r.state, "registry"))
	if err != nil {
		return "", err
	}
	r.later(r.registry.Stop)
	return r.registry.Address(), nil
}

// serveBaseImages offers under Docker Hub's names what builds and pods begin with.
func (r *rehearsal) serveBaseImages(ctx context.Context) (string, error) {
	archive, err := images.Debian12(ctx, filepath.Join(r.cache, "images"), runtime.GOARCH)
	if err != nil {
		return "", err
	}
	r.base, err = images.PushDebian12(ctx, r.registry.Address(), archive)
	return "debian:12-slim, made with mmdebstrap", err
}

func (r *rehearsal) findPackages(ctx context.Context) (string, error) {
	var err error
	r.source, err = packages.Start(ctx, packages.Config{
		Version: r.options.version, Folder: r.options.packages, Repository: r.options.repository, Key: r.options.key,
		Address: r.host(r.options.packagesPort), Standin: filepath.Join(r.checkout.Folder, "e2e/lab/standin"),
		Cache: r.cache, State: r.state,
	})
	if err != nil {
		return "", err
	}
	r.later(r.source.Stop)
	return r.source.Kind, nil
}

// build runs a build with the lab's builder.
func (r *rehearsal) build(ctx context.Context, b builder.Build) (builder.Image, error) {
	return builder.Once(ctx, builder.Config{
		Programs: r.programs["buildkit"], Cache: filepath.Join(r.cache, "buildkit"),
		State: r.state, Registry: r.registry.Address(), Log: say,
	}, b)
}

func (r *rehearsal) buildImage(ctx context.Context) (string, error) {
	reference, err := r.buildFrontend(ctx, r.options.version, r.source)
	if err != nil {
		return "", err
	}
	return r.publishImage(ctx, reference)
}

// buildFrontend builds the front-end's image of a version, and returns its reference.
func (r *rehearsal) buildFrontend(ctx context.Context, version string, source *packages.Source) (string, error) {
	built, err := r.build(ctx, builder.Build{
		Context: filepath.Join(r.checkout.Folder, "image"),
		Args: image.Arguments{
			Version: version, Repository: source.Repository, Key: source.Key,
			BaseDigest: r.base, Revision: r.checkout.Image.Hash, Created: r.checkout.Image.At,
		}.Map(),
		Secrets:    builder.Certificates(),
		Repository: r.registry.Address() + "/" + defaultPath + "/" + imageName,
		Log:        filepath.Join(r.state, "image-build-"+version+".log"),
	})
	return built.Reference, err
}

// publishPrevious makes image and chart of the release that the suite upgrades from. It
// is this checkout's chart, with that release's image.
func (r *rehearsal) publishPrevious(ctx context.Context) (string, error) {
	version, state := r.options.previous, filepath.Join(r.state, "previous")
	source, err := packages.Start(ctx, packages.Config{
		Version: version, Folder: r.options.previousPackages,
		Address: r.host(r.options.packagesPort + 1), Standin: filepath.Join(r.checkout.Folder, "e2e/lab/standin"),
		Cache: r.cache, State: state,
	})
	if err != nil {
		return "", err
	}
	defer source.Stop()
	reference, err := r.buildFrontend(ctx, version, source)
	if err != nil {
		return "", err
	}
	info, err := image.Inspect(ctx, reference, plain)
	if err != nil {
		return "", err
	}
	r.previous, err = r.pushChart(ctx, state, info, r.registry.Address()+"/"+defaultPath+"/charts/previous/"+chart.Name, true)
	return version + ", from " + source.Kind, err
}

// useImage takes the image that was given.
func (r *rehearsal) useImage(ctx context.Context) (string, error) {
	return r.publishImage(ctx, r.options.image)
}

// publishImage copies an image to where it is wanted, and gives it its tags there.
func (r *rehearsal) publishImage(ctx context.Context, reference string) (string, error) {
	info, err := image.Inspect(ctx, reference, plain)
	if err != nil {
		return "", err
	}
	if want := r.repositoryOf(imageName); info.Repository != want {
		if err := copyImage(ctx, info, want); err != nil {
			return "", err
		}
		if info, err = image.Inspect(ctx, want+"@"+info.Digest, plain); err != nil {
			return "", err
		}
	}
	r.image = info
	tags, err := r.tagImage(ctx, info)
	if err != nil {
		return "", err
	}
	for _, tag := range tags {
		if _, err := image.Verify(ctx, info.Repository+":"+tag, plain); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%s compressed, tagged %s", megabytes(info.Size), strings.Join(tags, ", ")), r.mirror(ctx)
}

func (r *rehearsal) tagImage(ctx context.Context, info image.Info) ([]string, error) {
	version, err := upstream.ParseVersion(info.Version)
	if err != nil {
		return nil, err
	}
	repository, digest, err := at(ctx, info.Reference)
	if err != nil {
		return nil, err
	}
	published, err := repository.Tags(ctx)
	if err != nil {
		return nil, err
	}
	tags := release.NameImage(version, info.Digest, published)
	if err := repository.Tag(ctx, digest, tags.Version); err != nil {
		return nil, err
	}
	for _, tag := range tags.Floating {
		if err := repository.Move(ctx, digest, tag); err != nil {
			return nil, err
		}
	}
	return tags.All(), nil
}

// plain is tried after TLS, so that it serves both.
var plain = registry.WithPlainHTTP(true)

// at is the repository and the digest of a reference.
func at(ctx context.Context, reference string) (*registry.Repository, v1.Hash, error) {
	repository, identifier, err := registry.At(reference, plain)
	if err != nil {
		return nil, v1.Hash{}, err
	}
	digest, err := repository.Resolve(ctx, identifier)
	return repository, digest, err
}

func copyImage(ctx context.Context, info image.Info, repository string) error {
	from, err := registry.Open(info.Repository, plain)
	if err != nil {
		return err
	}
	to, err := registry.Open(repository, plain)
	if err != nil {
		return err
	}
	_, err = to.Copy(ctx, from, info.Digest)
	return err
}

// mirror copies an image that was pushed elsewhere into the lab's registry, which
// the lab's cluster asks for everything.
func (r *rehearsal) mirror(ctx context.Context) error {
	if r.options.registry == "" || r.options.kubeconfig != "" {
		return nil
	}
	_, path, _ := strings.Cut(r.image.Repository, "/")
	return copyImage(ctx, r.image, r.registry.Address()+"/"+path)
}

// repositoryOf is where an artifact is pushed: the registry given, or the lab's.
func (r *rehearsal) repositoryOf(name string) string {
	if r.options.registry != "" {
		return r.options.registry + "/" + name
	}
	return r.registry.Address() + "/" + defaultPath + "/" + name
}

// isPlain tells whether the registry that artifacts are pushed to has no TLS.
func (r *rehearsal) isPlain() bool { return r.options.registry == "" || r.options.plainHTTP }

func (r *rehearsal) publishChart(ctx context.Context) (string, error) {
	var err error
	r.chart, err = r.pushChart(ctx, r.state, r.image, r.repositoryOf("charts/"+chart.Name), r.isPlain())
	if err != nil {
		return "", err
	}
	summary := fmt.Sprintf("%s, %.1f kB", r.chart.Reference, float64(r.chart.Size)/1e3)
	if r.chart.Already {
		summary += ", unchanged since an earlier rehearsal"
	}
	return summary, nil
}

// pushChart packages the checkout's chart in a folder, bound to an image, and publishes it
// in a repository, HOST/PATH: under its next version there, or, where nothing has changed
// since an earlier rehearsal, not again.
func (r *rehearsal) pushChart(ctx context.Context, folder string, img image.Info, repository string, plainHTTP bool) (chart.Published, error) {
	to, err := registry.Open(repository, registry.WithPlainHTTP(plainHTTP))
	if err != nil {
		return chart.Published{}, err
	}
	last, err := chart.Last(ctx, to)
	if err != nil {
		return chart.Published{}, err
	}
	candidate, err := chart.Bind(chart.Find(r.checkout.Folder), img)
	if err != nil {
		return chart.Published{}, err
	}
	decision, err := chart.Decide(last, candidate)
	if err != nil {
		return chart.Published{}, err
	}
	if decision.Level == chart.None {
		return chart.Lookup(ctx, to, decision.Version)
	}
	archive, err := chart.Package(chart.Find(r.checkout.Folder), folder, img, chart.At(r.checkout.Head.At), chart.As(decision))
	if err != nil {
		return chart.Published{}, err
	}
	return chart.Publish(ctx, archive, to)
}

func (r *rehearsal) startCluster(ctx context.Context) (string, error) {
	pause, err := images.PushPause(ctx, r.registry.Address(), filepath.Join(r.programs["pause"], "pause"))
	if err != nil {
		return "", err
	}
	c, err := cluster.Start(ctx, cluster.Config{
		Kubernetes: r.programs["kubernetes"], CoreDNS: r.programs["coredns"], Pause: r.programs["pause"],
		State: r.state, Network: r.network, Registry: r.registry.Address(), PauseImage: pause,
	})
	if err != nil {
		return "", err
	}
	r.later(c.Stop)
	r.kubeconfig = c.Kubeconfig()
	return "Kubernetes " + tools.Kubernetes().Version + " on one node, " + c.NodeAddress(), nil
}

// buildOtherImages makes the lab's own of what the chart pulls beside the front-end's,
// under the official ones' names: those whose sources are in e2e/lab/images.
func (r *rehearsal) buildOtherImages(ctx context.Context) (string, error) {
	var made []string
	for _, other := range []struct{ name, values string }{
		{"mariadb", "mariadb.image"}, {"rclone", "backup.s3.image"},
	} {
		wanted, err := chart.ImageAt(chart.Find(r.checkout.Folder), r.values, other.values)
		if err != nil {
			return "", err
		}
		built, err := r.build(ctx, builder.Build{
			Context:    filepath.Join(r.checkout.Folder, "e2e/lab/images", other.name),
			Repository: r.registry.Address() + "/" + wanted.Repository,
			Log:        filepath.Join(r.state, other.name+"-build.log"),
		})
		if err != nil {
			return "", err
		}
		repository, digest, err := at(ctx, built.Reference)
		if err != nil {
			return "", err
		}
		if err := repository.Move(ctx, digest, wanted.Tag); err != nil {
			return "", err
		}
		made = append(made, wanted.Repository+":"+wanted.Tag)
	}
	return strings.Join(made, ", ") + ", stand-ins for the official ones", nil
}

func (r *rehearsal) install(ctx context.Context) (string, error) {
	if err := frontend.CreateNamespace(ctx, r.kubeconfig, releaseName); err != nil {
		return "", err
	}
	if r.options.kubeconfig != "" {
		r.later(func() { r.removeNamespace(context.WithoutCancel(ctx)) })
	}
	if err := frontend.CreateCertificate(ctx, r.kubeconfig, releaseName); err != nil {
		return "", err
	}
	if r.keys != nil {
		if err := frontend.CreateKeys(ctx, r.kubeconfig, releaseName, releaseName, r.keys); err != nil {
			return "", err
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go r.showWaiting(ctx)
	err := chart.Install(ctx, chart.Release{
		Kubeconfig: r.kubeconfig, Namespace: releaseName, Name: releaseName,
		Chart: r.chart.Reference, PlainHTTP: r.isPlain(), Values: r.values, Timeout: 10 * time.Minute,
	})
	if err != nil {
		if waiting, _ := frontend.Waiting(ctx, r.kubeconfig, releaseName); waiting != "" {
			return "", fmt.Errorf("%w; not ready: %s", err, waiting)
		}
		return "", err
	}
	return "release " + releaseName + ", ready", nil
}

// removeNamespace takes away what a cluster that stays was given.
func (r *rehearsal) removeNamespace(ctx context.Context) {
	if err := frontend.DeleteNamespace(ctx, r.kubeconfig, releaseName); err != nil {
		fmt.Fprintf(os.Stderr, "rehearse: %s\n", oneLine(err))
	}
}

// showWaiting says from time to time what an installation waits for.
func (r *rehearsal) showWaiting(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(15 * time.Second):
		}
		if waiting, err := frontend.Waiting(ctx, r.kubeconfig, releaseName); err == nil && waiting != "" {
			say("waiting for %s", waiting)
		}
	}
}

// takeOver runs the part of the suite that needs the hypervisors for a release of its own,
// which is gone when the next one comes.
func (r *rehearsal) takeOver(ctx context.Context) (string, error) {
	if r.keys == nil {
		return "none: without hypervisors, the suite upgrades releases of its own", nil
	}
	folder := filepath.Join(r.state, "ssh")
	if err := r.keys.Write(folder); err != nil {
		return "", err
	}
	return r.runTests(ctx, "^TestTakeover$", append(r.suiteFlags(), "-installed=false", "-ssh-keys="+folder))
}

// runSuite runs the end-to-end tests as anyone would, against the release.
func (r *rehearsal) runSuite(ctx context.Context) (string, error) {
	return r.runTests(ctx, r.options.only, r.suiteFlags())
}

func (r *rehearsal) runTests(ctx context.Context, pattern string, flags []string) (string, error) {
	args := append([]string{"test", "./e2e", "-count=1", "-json", "-timeout=2h", "-run=" + pattern}, flags...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = r.checkout.Folder
	// With the tests that it compiled and started: go ends without them.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", fmt.Errorf("run the suite: %w", err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		return "", fmt.Errorf("run the suite: %w", err)
	}
	seen, err := r.followSuite(out)
	ended := cmd.Wait()
	if err != nil {
		return "", err
	}
	if err := seen.Err(); err != nil {
		return "", err
	}
	if ended != nil {
		return "", fmt.Errorf("run the suite: %w", ended)
	}
	return seen.Summary(), nil
}

func (r *rehearsal) suiteFlags() []string {
	flags := []string{
		"-kubeconfig=" + r.kubeconfig, "-namespace=" + releaseName, "-release=" + releaseName,
		"-image=" + r.image.Reference, "-installed",
		fmt.Sprintf("-plain-http=%t", r.isPlain()),
		fmt.Sprintf("-stand-ins=%t", r.source != nil && !r.source.Real),
	}
	if len(r.hypervisors) > 0 {
		flags = append(flags, "-hypervisors="+r.hypervisorList(), "-pictures="+filepath.Join(r.cache, "pictures"))
	}
	if !r.options.thorough {
		return flags
	}
	flags = append(flags, "-thorough", "-chart="+r.chart.Reference, "-previous-chart="+r.previous.Reference,
		"-logs="+filepath.Join(r.cache, "failed"))
	if r.options.carried != "" {
		flags = append(flags, "-carried="+r.options.carried)
	}
	return flags
}
