package chart

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"helm.sh/helm/v3/pkg/action"
	helm "helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/cli"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"
)

// Release is the chart installed in a cluster.
type Release struct {
	Kubeconfig string // file
	Namespace  string // created when missing
	Name       string
	Chart      string // oci://… with a version, a folder or an archive
	PlainHTTP  bool   // the chart's registry has no TLS
	Values     map[string]any
	Timeout    time.Duration // until everything is ready
}

// Install installs a release and waits until all of it is ready.
func Install(ctx context.Context, r Release) error {
	c, config, err := r.open()
	if err != nil {
		return err
	}
	install := action.NewInstall(config)
	install.ReleaseName, install.Namespace, install.CreateNamespace = r.Name, r.Namespace, true
	install.Wait, install.Timeout = true, r.Timeout
	if _, err := install.RunWithContext(ctx, c, r.Values); err != nil {
		return fmt.Errorf("install the chart %s: %w", r.Chart, oneSentence(err))
	}
	return nil
}

// Upgrade replaces the chart and the values of a release, and waits until all of it
// is ready. Where the chart's own check refuses, the release stays as it was, and the
// error has what the check said.
func Upgrade(ctx context.Context, r Release) error {
	c, config, err := r.open()
	if err != nil {
		return err
	}
	said := collectHooks(config)
	upgrade := action.NewUpgrade(config)
	upgrade.Namespace, upgrade.Wait, upgrade.Timeout = r.Namespace, true, r.Timeout
	if _, err := upgrade.RunWithContext(ctx, r.Name, c, r.Values); err != nil {
		return fmt.Errorf("upgrade the release %s to the chart %s: %w", r.Name, r.Chart, said.explain(oneSentence(err)))
	}
	return nil
}

// Rollback takes a release back to one of its revisions, counted from 1, and waits
// until it is ready. Refusals are as for Upgrade.
func Rollback(r Release, revision int) error {
	config, err := r.configuration()
	if err != nil {
		return err
	}
	said := collectHooks(config)
	rollback := action.NewRollback(config)
	rollback.Version, rollback.Wait, rollback.Timeout = revision, true, r.Timeout
	if err := rollback.Run(r.Name); err != nil {
		return fmt.Errorf("roll the release %s back to revision %d: %w", r.Name, revision, said.explain(err))
	}
	return nil
}

// Test runs the chart's own tests on a release, as `helm test` does, and returns what
// they print.
func Test(r Release) (string, error) {
	config, err := r.configuration()
	if err != nil {
		return "", err
	}
	test := action.NewReleaseTesting(config)
	test.Namespace, test.Timeout = r.Namespace, r.Timeout
	tested, err := test.Run(r.Name)
	var log bytes.Buffer
	if tested != nil {
		err = errors.Join(err, test.GetPodLogs(&log, tested))
	}
	if err != nil {
		return log.String(), fmt.Errorf("test the release %s: %w: %s", r.Name, err, log.String())
	}
	return log.String(), nil
}

// hookLog is what the chart's hooks print where they fail.
type hookLog struct{ bytes.Buffer }

func collectHooks(config *action.Configuration) *hookLog {
	log := &hookLog{}
	config.SetHookOutputFunc(func(string, string, string) io.Writer { return log })
	return log
}

// explain adds what a hook said to the error that it made.
func (l *hookLog) explain(err error) error {
	if said := strings.TrimSpace(l.String()); said != "" {
		return fmt.Errorf("%w: %s", err, strings.ReplaceAll(said, "\n", "; "))
	}
	return err
}

// Check renders the chart in a folder with values, without a cluster. Its error
// names the values that the chart's schema refuses.
func Check(folder string, values map[string]any) error {
	_, err := Render(folder, values)
	return err
}

// Render returns the manifests and the notes of the chart in a folder, as
// `helm template` does.
func Render(folder string, values map[string]any) (string, error) {
	rendered, err := render(folder, values, newest)
	if err != nil {
		return "", err
	}
	return manifests(rendered) + "---\n" + rendered.Info.Notes, nil
}

// Manifests returns what the chart in a folder makes for a cluster of one
// Kubernetes release, such as 1.34: the objects, and those of its hooks.
func Manifests(folder string, values map[string]any, kubernetes string) (string, error) {
	rendered, err := render(folder, values, kubernetes)
	if err != nil {
		return "", err
	}
	return manifests(rendered), nil
}

// newest release of Kubernetes that the chart is tested on.
const newest = "1.34"

func render(folder string, values map[string]any, kubernetes string) (*release.Release, error) {
	c, err := load(folder, false)
	if err != nil {
		return nil, err
	}
	version, err := chartutil.ParseKubeVersion(kubernetes)
	if err != nil {
		return nil, fmt.Errorf("%q is no release of Kubernetes: %w", kubernetes, err)
	}
	install := action.NewInstall(&action.Configuration{Log: discard})
	install.ReleaseName, install.Namespace = Name, Name
	install.DryRun, install.ClientOnly, install.Replace = true, true, true
	install.KubeVersion = version
	rendered, err := install.Run(c, values)
	if err != nil {
		return nil, oneSentence(err)
	}
	return rendered, nil
}

func manifests(r *release.Release) string {
	all := r.Manifest
	for _, hook := range r.Hooks {
		all += "---\n" + hook.Manifest + "\n"
	}
	return all
}

// Uninstall takes a release away and waits until it is gone; it is no error if
// there is none. Volumes and generated Secrets stay.
func Uninstall(r Release) error {
	config, err := r.configuration()
	if err != nil {
		return err
	}
	uninstall := action.NewUninstall(config)
	uninstall.Wait, uninstall.Timeout = true, r.Timeout
	_, err = uninstall.Run(r.Name)
	if err != nil && !errors.Is(err, driver.ErrReleaseNotFound) {
		return fmt.Errorf("uninstall the release %s: %w", r.Name, err)
	}
	return nil
}

// open reads the chart and the way to the cluster.
func (r Release) open() (*helm.Chart, *action.Configuration, error) {
	c, err := load(r.Chart, r.PlainHTTP)
	if err != nil {
		return nil, nil, err
	}
	config, err := r.configuration()
	return c, config, err
}

func (r Release) configuration() (*action.Configuration, error) {
	settings := cli.New()
	settings.KubeConfig = r.Kubeconfig
	settings.SetNamespace(r.Namespace)
	config := &action.Configuration{}
	if err := config.Init(settings.RESTClientGetter(), r.Namespace, "secret", discard); err != nil {
		return nil, fmt.Errorf("use the kubeconfig %s: %w", r.Kubeconfig, err)
	}
	return config, nil
}

func discard(string, ...any) {}

// schemaRefusal is how Helm begins a list of what the schema refuses.
const schemaRefusal = "values don't meet the specifications of the schema(s) in the following chart(s):"

// oneSentence turns Helm's list of refused values into one line.
func oneSentence(err error) error {
	list, ok := strings.CutPrefix(err.Error(), schemaRefusal)
	if !ok {
		return err
	}
	var refused []string
	of := Name
	for _, line := range strings.Split(list, "\n") {
		if item, ok := strings.CutPrefix(strings.TrimLeft(line, " "), "- "); ok {
			refused = append(refused, inChart(of, item))
		} else if name, ok := strings.CutSuffix(line, ":"); ok {
			of = name
		}
	}
	return fmt.Errorf("the values do not fit the chart: %s; chart/opennebula/values.yaml lists what there is", strings.Join(refused, "; "))
}

// inChart says where a refused value of a chart is in the parent's values.
func inChart(name, item string) string {
	if name == Name {
		return item
	}
	return strings.Replace(item, "at '", "at '/"+name, 1)
}
