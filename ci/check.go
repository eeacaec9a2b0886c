package main

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/pablodelarco/opennebula-helm/ci/internal/dagger"
)

// What each check does is in .ci/check, which needs no Dagger; what it runs in is here.
// Each gets no more files than it reads, so that it is done again only if they change.

// Check does all checks at once: the linters and the tests. "dagger check" does the same,
// and tells of each alone.
func (m *OpennebulaHelm) Check(
	ctx context.Context,
	// The whole repository, also what no other function reads.
	// +defaultPath="/"
	// +ignore=[".git", "**/*.tgz"]
	everything *dagger.Directory,
) error {
	return together(
		func() error { return m.Lint(ctx, everything) },
		func() error { return m.Docs(ctx, everything) },
		func() error { return m.Test(ctx) },
	)
}

// Lint does all checks but the tests, at once.
func (m *OpennebulaHelm) Lint(
	ctx context.Context,
	// The whole repository, for the typos in what no other function reads.
	// +defaultPath="/"
	// +ignore=[".git", "**/*.tgz"]
	everything *dagger.Directory,
) error {
	return together(
		func() error { return m.Format(ctx) },
		func() error { return m.Vet(ctx) },
		func() error { return m.LintGo(ctx) },
		func() error { return m.LintChart(ctx) },
		func() error { return m.LintDockerfiles(ctx) },
		func() error { return m.LintShell(ctx) },
		func() error { return m.LintWorkflows(ctx) },
		func() error { return m.Manifests(ctx) },
		func() error { return m.Typos(ctx, everything) },
	)
}

// Format wants all Go files as gofmt writes them.
// +check
func (m *OpennebulaHelm) Format(ctx context.Context) error {
	return check(ctx, "format", m.tools(), m.files("**/*.go"))
}

// Vet has go vet look through the repository's packages.
// +check
func (m *OpennebulaHelm) Vet(ctx context.Context) error {
	return check(ctx, "vet", m.compiled(), m.goFiles())
}

// LintGo has golangci-lint look through the repository's packages and the pipeline's own.
// +check
func (m *OpennebulaHelm) LintGo(ctx context.Context) error {
	generated := dag.CurrentModule().GeneratedContextDirectory()
	return check(ctx, "lint-go", m.compiled(), m.goFiles().WithDirectory("/", generated))
}

// LintChart lints the chart as Helm does, and tests its templates and values.
// +check
func (m *OpennebulaHelm) LintChart(ctx context.Context) error {
	return check(ctx, "lint-chart", m.compiled(), m.Source)
}

// LintDockerfiles has hadolint look through all Dockerfiles.
// +check
func (m *OpennebulaHelm) LintDockerfiles(ctx context.Context) error {
	hadolint := tool(m.Hadolint, hadolintImage).File("/bin/hadolint")
	tools := m.tools().WithFile("/usr/local/bin/hadolint", hadolint)
	return check(ctx, "lint-dockerfiles", tools, m.files("**/Dockerfile", ".hadolint.yaml"))
}

// LintShell has shellcheck look through all shell scripts.
// +check
func (m *OpennebulaHelm) LintShell(ctx context.Context) error {
	return check(ctx, "lint-shell", m.tools(), m.Source)
}

// LintWorkflows has actionlint look through GitHub's workflows.
// It has shellcheck look through their scripts.
// +check
func (m *OpennebulaHelm) LintWorkflows(ctx context.Context) error {
	return check(ctx, "lint-workflows", m.tools(), m.files(".github", ".ci/actionlint", "go.mod"))
}

// Manifests has each supported Kubernetes read what the chart renders, strictly.
// +check
func (m *OpennebulaHelm) Manifests(ctx context.Context) error {
	return check(ctx, "manifests", m.compiled(), m.Source)
}

// Typos looks for frequent misspellings, also in the documentation.
// +check
func (m *OpennebulaHelm) Typos(
	ctx context.Context,
	// The whole repository.
	// +defaultPath="/"
	// +ignore=[".git", "**/*.tgz"]
	everything *dagger.Directory,
) error {
	return check(ctx, "typos", m.tools(), everything)
}

// Docs holds the documentation against the code: its links, commands, values and diagrams.
// +check
func (m *OpennebulaHelm) Docs(
	ctx context.Context,
	// The whole repository.
	// +defaultPath="/"
	// +ignore=[".git", "**/*.tgz"]
	everything *dagger.Directory,
) error {
	return check(ctx, "docs", m.compiled(), everything)
}

// Test runs the repository's tests, without the lab, which needs a machine, and without
// those of the documentation.
// +check
func (m *OpennebulaHelm) Test(ctx context.Context) error {
	return check(ctx, "test", m.compiled(), m.Source)
}

// files are those of the repository that match, and the checks themselves.
func (m *OpennebulaHelm) files(patterns ...string) *dagger.Directory {
	return m.Source.Filter(dagger.DirectoryFilterOpts{Include: append(patterns, ".ci/check")})
}

// goFiles are what compiling needs. Files that a package embeds have to be named here.
func (m *OpennebulaHelm) goFiles() *dagger.Directory {
	return m.files("**/*.go", "**/go.mod", "**/go.sum", "ci/roles.sh", ".ci/lint", ".golangci.yml")
}

// compiled are the tools after Go has compiled all packages, so that the checks do not
// each compile the same at the same time. Those say themselves what does not compile.
func (m *OpennebulaHelm) compiled() *dagger.Container {
	return m.tools().
		WithMountedDirectory("/src", m.goFiles()).
		WithWorkdir("/src").
		WithExec([]string{"go", "build", "./..."}, dagger.ContainerWithExecOpts{Expect: dagger.ReturnTypeAny}).
		WithoutMount("/src")
}

// tools is Go on Debian, with what it fetched and compiled before, and what the checks
// need of Debian.
func (m *OpennebulaHelm) tools() *dagger.Container {
	installed := install(tool(m.Golang, golangImage), "apt-utils", "codespell", "git", "nodejs", "openssh-client", "ruby", "shellcheck", "sqlite3")
	return withGoCaches(installed).
		WithMountedCache("/root/.cache/golangci-lint", dag.CacheVolume("golangci-lint"))
}

// withGoCaches has what Go fetched and compiled before.
func withGoCaches(in *dagger.Container) *dagger.Container {
	return in.
		WithMountedCache("/go/pkg/mod", dag.CacheVolume("go-modules")).
		WithMountedCache("/root/.cache/go-build", dag.CacheVolume("go-build"))
}

// install adds packages of Debian.
func install(in *dagger.Container, packages ...string) *dagger.Container {
	one := dagger.ContainerWithMountedCacheOpts{Sharing: dagger.CacheSharingModeLocked}
	command := "rm -f /etc/apt/apt.conf.d/docker-clean && apt-get update -qq && " +
		"DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends " + strings.Join(packages, " ")
	return in.
		WithMountedCache("/var/cache/apt", dag.CacheVolume("apt"), one).
		WithMountedCache("/var/lib/apt/lists", dag.CacheVolume("apt-lists"), one).
		WithExec([]string{"sh", "-c", command}).
		WithoutMount("/var/cache/apt").
		WithoutMount("/var/lib/apt/lists")
}

// check does one check of .ci/check. Its error is all that the check printed, whose last
// line is its verdict.
func check(ctx context.Context, name string, tools *dagger.Container, source *dagger.Directory) error {
	_, err := tools.
		WithMountedDirectory("/src", source).
		WithWorkdir("/src").
		WithExec([]string{".ci/check", name}).
		Sync(ctx)
	var failed *dagger.ExecError
	if errors.As(err, &failed) {
		return errors.New(strings.TrimSpace(failed.Stdout + "\n" + failed.Stderr))
	}
	return err
}

// together does all at once, and has the errors of each.
func together(checks ...func() error) error {
	found := make([]error, len(checks))
	var all sync.WaitGroup
	for i, check := range checks {
		all.Go(func() { found[i] = check() })
	}
	all.Wait()
	return errors.Join(found...)
}
