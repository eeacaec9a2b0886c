package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/pablodelarco/opennebula-helm/ci/internal/dagger"
	"github.com/pablodelarco/opennebula-helm/e2e/report"
	"github.com/pablodelarco/opennebula-helm/registry"
)

// E2e is what the end-to-end suite said, passed or failed.
type E2e struct {
	// What go test -json printed.
	// +private
	Events *dagger.File
	// +private
	Kept *dagger.Directory
}

// EndToEnd runs the end-to-end suite on a Kubernetes that is there for this call alone, which
// gets exactly the image and the chart that are given or built.
// +cache="never"
func (m *OpennebulaHelm) EndToEnd(
	ctx context.Context,
	// The image, as a reference; by default one is built.
	// +optional
	image string,
	// The chart, as a reference, oci://HOST/PATH:X.Y.Z; by default the checkout's, bound
	// to the image.
	// +optional
	chart string,
	// Release of OpenNebula that an image is built of, X.Y.Z; by default the one that the
	// chart is for.
	// +optional
	version string,
	// Do to the chart also what happens to a release in its years, which takes about
	// ten minutes more.
	// +optional
	thorough bool,
	// The chart of an older OpenNebula, as a reference, that the thorough suite upgrades
	// from; without it, it upgrades nothing.
	// +optional
	previous string,
	// Run no virtual machines, which is faster: they need hypervisors of its own.
	// +optional
	withoutHypervisor bool,
	// Pattern of the tests to run, as go test has it; by default all.
	// +optional
	run string,
	// Values to install the chart with, over the suite's own.
	// +optional
	values *dagger.File,
	// The repository's history, which says what commit an image is of.
	// +defaultPath="/.git"
	history *dagger.Directory,
) (*E2e, error) {
	staged, err := m.stageImage(ctx, image, version, history)
	if err != nil {
		return nil, err
	}
	input := suiteInput{staged: staged, virtual: !withoutHypervisor, thorough: thorough, pattern: run, values: values}
	if input.chart, err = m.stageChart(ctx, staged, chart); err != nil {
		return nil, err
	}
	if previous != "" {
		if input.previous, err = staged.shelf.copyChart(ctx, previous); err != nil {
			return nil, err
		}
	}
	return m.runSuite(ctx, input)
}

// Report is a table of the suite's tests and their seconds. It fails where the suite did,
// and says why; Logs has more.
func (e *E2e) Report(ctx context.Context) (string, error) {
	read, err := e.read(ctx)
	if err != nil {
		return "", err
	}
	if err := read.Err(); err != nil {
		fmt.Print(read.Markdown())
		return "", err
	}
	return read.Markdown(), nil
}

// Logs are what the suite printed, and, if it failed, the logs of pods, events and nodes
// in folders of their own.
func (e *E2e) Logs(ctx context.Context) (*dagger.Directory, error) {
	read, err := e.read(ctx)
	if err != nil {
		return nil, err
	}
	return e.Kept.WithNewFile("suite.log", read.Output).WithNewFile("report.md", read.Markdown()), nil
}

func (e *E2e) read(ctx context.Context) (*report.Report, error) {
	events, err := e.Events.Contents(ctx)
	if err != nil {
		return nil, fmt.Errorf("read what the suite printed: %w", err)
	}
	return report.Read(events), nil
}

// stageImage puts an image from elsewhere, or one that is built, into the engine's registry.
func (m *OpennebulaHelm) stageImage(ctx context.Context, reference, version string, history *dagger.Directory) (*stagedImage, error) {
	if reference == "" {
		built, err := m.Build(ctx, version, []ImagePlatform{Amd64}, history)
		if err != nil {
			return nil, err
		}
		return built.stage(ctx)
	}
	if version != "" {
		return nil, errors.New("the image is given, so there is none to build of a version: leave out --image, or --version")
	}
	from, identifier, err := registry.At(reference, registry.WithPlainHTTP(true))
	if err != nil {
		return nil, err
	}
	digest, err := from.Resolve(ctx, identifier)
	if err != nil {
		return nil, err
	}
	at, err := m.staging(ctx)
	if err != nil {
		return nil, err
	}
	info, err := at.copy(ctx, from, digest.String())
	if err != nil {
		return nil, err
	}
	return at.read(ctx, info)
}

// stageChart puts a chart from elsewhere, or the checkout's, beside the image.
func (m *OpennebulaHelm) stageChart(ctx context.Context, staged *stagedImage, reference string) (string, error) {
	if reference != "" {
		return staged.shelf.copyChart(ctx, reference)
	}
	folder, err := m.export(ctx, nil, "chart/**")
	if err != nil {
		return "", err
	}
	published, err := staged.shelf.addChart(ctx, folder, folder, staged.Info)
	return published.Reference, err
}

// copyChart takes a chart from another registry, and returns its reference here.
func (s *shelf) copyChart(ctx context.Context, reference string) (string, error) {
	from, tag, err := registry.At(strings.TrimPrefix(reference, "oci://"), registry.WithPlainHTTP(true))
	if err != nil {
		return "", err
	}
	to, err := registry.Open(s.charts(), registry.WithPlainHTTP(true))
	if err != nil {
		return "", err
	}
	digest, err := to.Copy(ctx, from, tag)
	if err != nil {
		return "", err
	}
	if err := to.Tag(ctx, digest, tag); err != nil {
		return "", err
	}
	return "oci://" + s.charts() + ":" + tag, nil
}

// tryOnCluster runs the suite on an image with the checkout's chart.
func (m *OpennebulaHelm) tryOnCluster(ctx context.Context, staged *stagedImage, checkout string) error {
	published, err := staged.shelf.addChart(ctx, checkout, checkout, staged.Info)
	if err != nil {
		return err
	}
	ran, err := m.runSuite(ctx, suiteInput{staged: staged, chart: published.Reference, virtual: true})
	if err != nil {
		return err
	}
	said, err := ran.Report(ctx)
	fmt.Print(said)
	return err
}

// suiteInput is what the suite runs on: all of it is in one registry of the engine's.
type suiteInput struct {
	staged   *stagedImage
	chart    string // oci://…, with a version
	previous string // oci://…, with a version; "" is none
	virtual  bool   // with hypervisors
	thorough bool
	pattern  string       // of tests; "" is all
	values   *dagger.File // nil is none
}

// runSuite runs it. A suite that failed is no error here: what it found says so.
func (m *OpennebulaHelm) runSuite(ctx context.Context, input suiteInput) (*E2e, error) {
	suite := m.compileSuite(input.virtual)
	var on *cluster
	var virtual *nodes
	group, within := errgroup.WithContext(ctx)
	group.Go(func() error {
		if _, err := suite.Sync(within); err != nil {
			return fmt.Errorf("compile the suite: %w", plain(err))
		}
		return nil
	})
	group.Go(func() (err error) {
		if on, err = m.startCluster(within, input.staged.shelf); err == nil && input.virtual {
			virtual, err = m.startNodes(within, input.staged.Version, on)
		}
		return err
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	const events, logs = "/suite.json", "/logs"
	ran, err := input.place(suite, on, virtual).
		WithDirectory(logs, dag.Directory()).
		WithExec(input.command(logs, virtual), dagger.ContainerWithExecOpts{RedirectStdout: events, Expect: dagger.ReturnTypeAny}).
		Sync(ctx)
	if err != nil {
		return nil, fmt.Errorf("run the suite: %w", err)
	}
	if _, err := on.service.Stop(ctx); err != nil {
		return nil, fmt.Errorf("stop Kubernetes: %w", err)
	}
	if err := virtual.stop(ctx); err != nil {
		return nil, err
	}
	return &E2e{Events: ran.File(events), Kept: ran.Directory(logs)}, nil
}

// plain is why something in a container failed, in its own last words. The engine would
// show all that it printed, and leave out what was tried.
func plain(err error) error {
	var failed *dagger.ExecError
	if !errors.As(err, &failed) {
		return err
	}
	said := strings.TrimSpace(failed.Stdout + "\n" + failed.Stderr)
	return fmt.Errorf("exit code %d: %s", failed.ExitCode, said[strings.LastIndex(said, "\n")+1:])
}

// place puts the suite where it reaches all that it asks.
func (i suiteInput) place(suite *dagger.Container, on *cluster, virtual *nodes) *dagger.Container {
	suite = suite.
		WithServiceBinding(i.staged.shelf.host(), i.staged.shelf.service).
		WithServiceBinding(clusterHost, on.service).
		WithMountedSecret(suiteKubeconfig, on.kubeconfig)
	if virtual != nil {
		for n, host := range nodeHosts() {
			suite = suite.WithServiceBinding(host, virtual.services[n])
		}
		for name, key := range virtual.keys {
			suite = suite.WithMountedSecret(path.Join(suiteKeys, name), key)
		}
	}
	if i.values != nil {
		suite = suite.WithFile(suiteValues, i.values)
	}
	return suite
}

const (
	suiteBinary     = "/usr/local/bin/suite"
	suiteKubeconfig = "/run/secrets/kubeconfig"
	suiteKeys       = "/run/secrets/ssh"
	suiteValues     = "/values.yaml"
)

// compileSuite makes the suite a program, which stays where it was compiled. It opens
// consoles of virtual machines in a browser.
func (m *OpennebulaHelm) compileSuite(virtual bool) *dagger.Container {
	in := tool(m.Golang, golangImage)
	if virtual {
		in = install(in, "chromium")
	}
	return withGoCaches(in).
		WithDirectory("/src", m.Source).
		WithWorkdir("/src/e2e").
		WithExec([]string{"go", "test", "-c", "-o", suiteBinary, "."})
}

// command runs the compiled suite as go test -json would.
func (i suiteInput) command(logs string, virtual *nodes) []string {
	command := []string{
		"go", "tool", "test2json", "-t", suiteBinary, "-test.v=test2json", "-test.timeout=2h", "-test.run=" + i.pattern,
		"-kubeconfig=" + suiteKubeconfig, "-image=" + i.staged.Reference, "-chart=" + i.chart, "-plain-http", "-logs=" + logs,
	}
	if virtual != nil {
		command = append(command, "-hypervisors="+virtual.list, "-ssh-keys="+suiteKeys, "-pictures="+path.Join(logs, "pictures"))
	}
	if i.values != nil {
		command = append(command, "-values="+suiteValues)
	}
	if i.thorough {
		command = append(command, "-thorough", "-previous-chart="+i.previous)
	}
	return command
}
