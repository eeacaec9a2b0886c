package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pablodelarco/opennebula-helm/chart"
	"github.com/pablodelarco/opennebula-helm/e2e/enrollment"
	"github.com/pablodelarco/opennebula-helm/e2e/frontend"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/hypervisor"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/network"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/packages"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/registry"
	"github.com/pablodelarco/opennebula-helm/image"
	"github.com/pablodelarco/opennebula-helm/pipeline"
)

const (
	releaseName = "opennebula" // of the chart, and its namespace

	imageName   = "opennebula-frontend"
	defaultPath = "pablodelarco" // in the lab's registry, as on Docker Hub
)

// rehearsal is one run: what it was asked, and what its stages have made so far.
type rehearsal struct {
	options      options
	checkout     *pipeline.Checkout
	cache, state string
	values       map[string]any

	network     *network.Network
	registry    *registry.Registry
	source      *packages.Source // nil where an image was given
	base        string           // digest of the image that the image is built on
	programs    map[string]string
	image       image.Info
	chart       chart.Published
	previous    chart.Published // of the release to upgrade from, with --thorough
	kubeconfig  string
	keys        *enrollment.Keys     // for SSH, that the hypervisors let in
	hypervisors []hypervisor.Machine // none where no virtual machine can run

	stages []stage
	undo   []func()
}

// rehearse checks the command line and the machine, and then runs all stages.
func rehearse(ctx context.Context, o options) error {
	if err := o.check(); err != nil {
		return err
	}
	checkout, err := findCheckout()
	if err != nil {
		return err
	}
	if o.version == "" {
		if o.version, err = chart.AppVersion(chart.Find(checkout)); err != nil {
			return err
		}
	}
	if o.carried != "" { // for the suite, which runs in another folder
		if o.carried, err = filepath.Abs(o.carried); err != nil {
			return fmt.Errorf("find --carried: %w", err)
		}
	}
	values, err := o.chartValues()
	if err != nil {
		return err
	}
	if err := chart.Check(chart.Find(checkout), values); err != nil {
		return fmt.Errorf("--values %s: %w", o.values, err)
	}
	if err := requireMachine(ctx, o); err != nil {
		return err
	}
	cache, err := cacheFolder()
	if err != nil {
		return err
	}
	if err := requireSpace(cache); err != nil {
		return err
	}
	if o.keep && !o.keeper {
		return runInBackground(ctx, cache)
	}
	held, err := takeLock()
	if err != nil {
		return err
	}
	defer held.release()
	if o.kubeconfig == "" {
		sweepLab(ctx)
	}
	if err := os.RemoveAll(runFolder(cache)); err != nil {
		return fmt.Errorf("remove what an earlier run left: %w", err)
	}
	r := &rehearsal{options: o, checkout: pipeline.ReadCheckout(ctx, checkout), cache: cache, state: runFolder(cache), values: values, kubeconfig: o.kubeconfig}
	return r.run(ctx)
}

func (r *rehearsal) run(ctx context.Context) error {
	if err := os.MkdirAll(r.state, 0o755); err != nil {
		return fmt.Errorf("create the folder of this run: %w", err)
	}
	defer r.cleanUp()
	if err := r.runStages(ctx); err != nil {
		return r.keepLogs(ctx, err)
	}
	if err := r.report(ctx); err != nil {
		return err
	}
	if r.options.keep {
		stay(ctx)
	}
	return nil
}

func (r *rehearsal) runStages(ctx context.Context) error {
	for _, s := range []struct {
		name string
		skip bool
		run  func(context.Context) (string, error)
	}{
		{"programs", false, r.buildPrograms},
		{"network", r.options.kubeconfig != "", r.startNetwork},
		{"registry", false, r.startRegistry},
		{"packages", r.options.image != "", r.findPackages},
		{"base images", false, r.serveBaseImages},
		{"image", r.options.image != "", r.buildImage},
		{"image", r.options.image == "", r.useImage},
		{"chart", false, r.publishChart},
		{"cluster", r.options.kubeconfig != "", r.startCluster},
		{"other images", r.options.kubeconfig != "", r.buildOtherImages},
		{"previous release", !r.options.thorough, r.publishPrevious},
		{"hypervisors", !r.options.isVirtual(), r.startHypervisors},
		{"takeover", !r.options.isTakenOver(), r.takeOver},
		{"install", false, r.install},
		{"suite", false, r.runSuite},
		{"release", !r.options.isReleased(), r.release},
	} {
		if s.skip {
			continue
		}
		fmt.Printf("%s\n", s.name)
		start := time.Now()
		what, err := s.run(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		r.stages = append(r.stages, stage{s.name, time.Since(start), what})
		if what != "" {
			say("%s", what)
		}
	}
	return nil
}

// later registers what takes a stage's work away again, last first.
func (r *rehearsal) later(undo func()) { r.undo = append(r.undo, undo) }

func (r *rehearsal) cleanUp() {
	for i := len(r.undo) - 1; i >= 0; i-- {
		r.undo[i]()
	}
	_ = os.RemoveAll(r.state)
}

// keepLogs saves what a failed run leaves to read, and adds where to the error.
func (r *rehearsal) keepLogs(ctx context.Context, failure error) error {
	if ctx.Err() != nil {
		return failure
	}
	folder := filepath.Join(r.cache, "failed")
	if err := os.RemoveAll(folder); err != nil {
		return errors.Join(failure, err)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return errors.Join(failure, err)
	}
	if r.kubeconfig != "" {
		ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		_ = frontend.Logs(ctx, r.kubeconfig, releaseName, folder) // the failure may be the cluster's own
	}
	logs, _ := filepath.Glob(filepath.Join(r.state, "*.log"))
	for _, log := range logs {
		_ = os.Rename(log, filepath.Join(folder, filepath.Base(log)))
	}
	return fmt.Errorf("%w (logs of the run: %s)", failure, folder)
}

// report prints the table, and how to log in.
func (r *rehearsal) report(ctx context.Context) error {
	f, err := frontend.Find(ctx, r.kubeconfig, releaseName, releaseName)
	if err != nil {
		return err
	}
	sunstone, err := f.Sunstone(ctx)
	if err != nil {
		return err
	}
	username, password := f.Login()
	fmt.Println()
	printTable(os.Stdout, r.stages)
	fmt.Printf("\nOpenNebula %s ran and passed the suite, from %s.\n\n", r.image.Version, r.origin())
	fmt.Printf("  image     %s\n  chart     %s\n  Sunstone  %s\n  login     %s / %s\n\n", r.image.Reference, r.chart.Reference, sunstone.URL(), username, password)
	if r.options.keep {
		fmt.Printf("It keeps running. For kubectl and helm: export KUBECONFIG=%s\n", r.kubeconfig)
		fmt.Printf("Run the suite again with: go test ./e2e -count=1 -v -timeout=2h -run=TestFrontend %s\n", strings.Join(r.suiteFlags(), " "))
		fmt.Println("Take it away with: go run ./cmd/rehearse down")
	} else {
		fmt.Println("It is being taken away now; --keep leaves it running.")
	}
	return nil
}

func (r *rehearsal) origin() string {
	if r.source == nil {
		return "the image given"
	}
	return r.source.Kind
}

// host is where this machine serves a port to the builder and, if there is one, to
// the lab's node.
func (r *rehearsal) host(port uint16) string {
	address := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	if r.network != nil {
		address = r.network.Address(1)
	}
	return netip.AddrPortFrom(address, port).String()
}
