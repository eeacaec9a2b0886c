package pipeline

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pablodelarco/opennebula-helm/chart"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/registry/registrytest"
	"github.com/pablodelarco/opennebula-helm/image"
	"github.com/pablodelarco/opennebula-helm/pipeline/pipelinetest"
	"github.com/pablodelarco/opennebula-helm/proposal"
	"github.com/pablodelarco/opennebula-helm/proposal/proposaltest"
	"github.com/pablodelarco/opennebula-helm/release"
	"github.com/pablodelarco/opennebula-helm/signature"
	"github.com/pablodelarco/opennebula-helm/upstream"
	"github.com/pablodelarco/opennebula-helm/upstream/upstreamtest"
)

// plan surveys the world as it is now.
func (w *world) plan() release.Plan {
	state, err := w.site().Survey(context.Background(), w.checkout, release.Request{})
	require.NoError(w.t, err)
	plan, err := state.Plan(release.Request{})
	require.NoError(w.t, err)
	return plan
}

// release publishes all that is due.
func (w *world) release(request release.Request) error { return w.releaseTo(w.site(), request) }

func (w *world) releaseTo(site *Site, request release.Request) error {
	state, err := site.Survey(context.Background(), w.checkout, request)
	if err != nil {
		return err
	}
	carrier := &Carrier{
		Site: site, Checkout: w.checkout, Maker: w.maker, Signer: w.signer, Work: w.t.TempDir(),
		Run: signature.Run{Builder: "https://example.org/builder"}, Log: func(string, ...any) {},
	}
	_, err = carrier.Carry(context.Background(), state, request)
	return err
}

// published is each tag with what it names and how much is attached to that.
func (w *world) published() map[string]string {
	ctx, found := context.Background(), map[string]string{}
	for _, repository := range []string{pipelinetest.Images, pipelinetest.Charts} {
		r := w.Open(repository)
		tags, err := r.Tags(ctx)
		require.NoError(w.t, err)
		for tag, digest := range tags {
			if strings.HasPrefix(tag, "sha256-") {
				continue // stands in for the referrers API
			}
			hash, err := v1.NewHash(digest)
			require.NoError(w.t, err)
			report, err := signature.Attached(ctx, r, hash, w.signer.Policy())
			require.NoError(w.t, err)
			attached := len(report.Attached)
			for _, of := range report.Images {
				attached += len(of.Attached)
			}
			found[repository+":"+tag] = fmt.Sprintf("%s, %d attached", digest, attached)
		}
	}
	return found
}

// requireWhole fails if a tag names what is not complete.
func (w *world) requireWhole() {
	ctx, r := context.Background(), w.Open(pipelinetest.Images)
	tags, err := r.Tags(ctx)
	require.NoError(w.t, err)
	for tag, digest := range tags {
		if strings.HasPrefix(tag, "sha256-") {
			continue
		}
		_, err := image.VerifyIn(ctx, r, tag)
		require.NoError(w.t, err)
		w.requireSigned(pipelinetest.Images, digest, signature.Signature, signature.SBOM, signature.Provenance)
	}
	charts, err := w.Open(pipelinetest.Charts).Tags(ctx)
	require.NoError(w.t, err)
	for tag, digest := range charts {
		if !strings.HasPrefix(tag, "sha256-") {
			w.requireSigned(pipelinetest.Charts, digest, signature.Signature, signature.Provenance)
		}
	}
}

func (w *world) requireSigned(repository, digest string, kinds ...signature.Kind) {
	hash, err := v1.NewHash(digest)
	require.NoError(w.t, err)
	_, err = signature.Verify(context.Background(), w.Open(repository), hash, w.signer.Policy(), kinds...)
	require.NoError(w.t, err)
}

func registries() map[string]func(testing.TB) *registrytest.Faults {
	return map[string]func(testing.TB) *registrytest.Faults{
		"with the referrers API": pipelinetest.InMemory,
		"of Debian, without":     func(t testing.TB) *registrytest.Faults { return registrytest.StartDistribution(t).Faults },
	}
}

func TestRelease(t *testing.T) {
	for name, start := range registries() {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, start)
			require.NoError(t, w.release(release.Request{}))
			w.requireWhole()
			published := w.published()
			assert.Len(t, published, 4)
			assert.Contains(t, published, "team/charts/opennebula:0.1.0")
			for _, tag := range []string{"7.2", "latest"} {
				assert.Equal(t, published["team/opennebula-frontend:7.2.0"], published["team/opennebula-frontend:"+tag])
			}
			assert.Contains(t, published["team/opennebula-frontend:7.2.0"], ", 6 attached", "three signatures, two lists of packages, one provenance")

			w.Registry.Break(0, "")
			plan := w.plan()
			assert.Empty(t, plan.Steps)
			assert.Equal(t, "OpenNebula 7.2.0 is published as 7.2.0 and the chart is published as 0.1.0, up to date and signed", plan.Reason)
			assert.Empty(t, w.Registry.Writes())
			assert.Equal(t, 1, w.maker.builds)
			assert.Equal(t, 1, w.maker.tests, "the chart was tested with its image")
		})
	}
}

func TestRebuild(t *testing.T) {
	w := newWorld(t, pipelinetest.InMemory)
	require.NoError(t, w.release(release.Request{}))
	first := w.published()
	w.MoveBase("second")
	require.NoError(t, w.release(release.Request{}))
	w.requireWhole()
	second := w.published()
	assert.Equal(t, first["team/opennebula-frontend:7.2.0"], second["team/opennebula-frontend:7.2.0"])
	assert.NotEqual(t, first["team/opennebula-frontend:latest"], second["team/opennebula-frontend:latest"])
	assert.Equal(t, second["team/opennebula-frontend:7.2.0-1"], second["team/opennebula-frontend:latest"])
	assert.Contains(t, second, "team/charts/opennebula:0.1.1")
	plan := w.plan()
	assert.Empty(t, plan.Steps)
}

// An image stays under latest when upstream has nothing of its line any more.
func TestLatestNeverMovesBack(t *testing.T) {
	w := newWorld(t, pipelinetest.InMemory)
	w.Pack("7.4.0", "amd64", "arm64")
	w.GitHub.Set(w.Tags("7.0.2", "7.2.0", "7.4.0"))
	require.NoError(t, w.release(release.Request{}))
	require.NoError(t, w.release(release.Request{Version: "7.4.0"}))
	published := w.published()
	require.Equal(t, published["team/opennebula-frontend:7.4.0"], published["team/opennebula-frontend:latest"])

	w.GitHub.Set(w.Tags("7.0.2", "7.2.0"))
	plan := w.plan()
	assert.Empty(t, plan.Steps, plan.String())
	assert.Equal(t, []string{
		"OpenNebula 7.4.0 was withdrawn by upstream, and 7.4 still names it, since it never moves back: release a later one",
		"OpenNebula 7.4.0 was withdrawn by upstream, and latest still names it, since it never moves back: release a later one",
	}, plan.Notices)
}

// A change to a template makes another chart, and no image.
func TestChartAlone(t *testing.T) {
	w := newWorld(t, pipelinetest.InMemory)
	require.NoError(t, w.release(release.Request{}))
	pipelinetest.Write(t, filepath.Join(w.Checkout, "chart/opennebula/templates/extra.yaml"), "# nothing yet\n")
	w.commit()
	require.NoError(t, w.release(release.Request{}))
	assert.Equal(t, 1, w.maker.builds)
	assert.Equal(t, 2, w.maker.tests)
	assert.Contains(t, w.published(), "team/charts/opennebula:0.2.0", "a new template may make something")
}

// What packaging sets is no change of the chart, and where its image comes from is one.
func TestChartMovesAsItChanges(t *testing.T) {
	w := newWorld(t, pipelinetest.InMemory)
	require.NoError(t, w.release(release.Request{}))
	values := filepath.Join(w.Checkout, "chart/opennebula/values.yaml")
	text, err := os.ReadFile(values)
	require.NoError(t, err)
	pipelinetest.Write(t, values, string(text)+"\n# A note.\n")
	w.commit()
	change := func(site *Site) release.Level {
		state, err := site.Survey(t.Context(), w.checkout, release.Request{})
		require.NoError(t, err)
		return state.Checkout.ChartChange
	}
	assert.Equal(t, release.Patch, change(w.site()))
	elsewhere := w.site()
	elsewhere.Images = w.Open("others/opennebula-frontend")
	assert.Equal(t, release.Minor, change(elsewhere))
}

// siteWithFix has a security update that all images lack.
func (w *world) siteWithFix() *Site {
	w.Mirror.Put("", upstreamtest.Repository{
		Suite: "bookworm-security", Component: "main", Endings: []string{".xz"}, Indexes: map[string]string{
			"amd64": upstreamtest.Package("libxml2", "2.9.14-2", "amd64"), "arm64": upstreamtest.Package("libxml2", "2.9.14-2", "arm64"),
		},
	})
	keys := filepath.Join(w.t.TempDir(), "keys.asc")
	require.NoError(w.t, os.WriteFile(keys, w.Mirror.Public, 0o644))
	site := w.site()
	site.Updates = DebianUpdates(w.Mirror.URL, keys)
	return site
}

// A run that was broken off has published the image with the fix, and not its chart.
func TestChartOfAFixSaysSo(t *testing.T) {
	w := newWorld(t, pipelinetest.InMemory)
	require.NoError(t, w.release(release.Request{}))
	w.MoveBase("second")
	require.NoError(t, w.release(release.Request{Only: release.TheImage}))
	require.NoError(t, w.releaseTo(w.siteWithFix(), release.Request{Only: release.TheChart}))
	entries, err := chart.Entries(t.Context(), w.Open(pipelinetest.Charts))
	require.NoError(t, err)
	assert.Contains(t, chart.Changelog(entries), "- Security updates of the packages in the image")
}

func TestUpdatesThatAreDue(t *testing.T) {
	w := newWorld(t, pipelinetest.InMemory)
	require.NoError(t, w.release(release.Request{}))
	site := w.siteWithFix()
	state, err := site.Survey(t.Context(), w.checkout, release.Request{})
	require.NoError(t, err)
	plan, err := state.Plan(release.Request{})
	require.NoError(t, err)
	require.NotEmpty(t, plan.Steps)
	assert.Equal(t, "it has 1 pending security update, such as libxml2 2.9.14-1 to 2.9.14-2", plan.Steps[0].Reason)

	site.Updates = DebianUpdates(w.Mirror.URL, "/nowhere")
	_, err = site.Survey(t.Context(), w.checkout, release.Request{})
	assert.ErrorContains(t, err, "install the package debian-archive-keyring")
}

func TestNothingIsPushedThatFails(t *testing.T) {
	w := newWorld(t, pipelinetest.InMemory)
	w.maker.fail = errors.New("no virtual machine boots")
	w.Registry.Break(0, "")
	assert.ErrorContains(t, w.release(release.Request{}), "no virtual machine boots")
	assert.Empty(t, w.Registry.Writes())
}

// At each request that a release sends to the registry, what was asked is done and the
// answer is lost, or the registry fails: the next run ends where one without it does, and
// at no time has a tag named what was not complete.
func TestFailureAnywhere(t *testing.T) {
	clean := newWorld(t, pipelinetest.InMemory)
	clean.Registry.Break(0, "")
	require.NoError(t, clean.release(release.Request{}))
	requests, want := len(clean.Registry.Requests()), len(clean.published())
	require.Greater(t, requests, 50)
	stride := 1
	if testing.Short() {
		stride = 17
	}
	for _, fault := range []registrytest.Fault{registrytest.ServerError, registrytest.Lost} {
		for n := 1; n <= requests; n += stride {
			t.Run(fmt.Sprintf("%s at request %d of %d", fault, n, requests), func(t *testing.T) {
				w := newWorld(t, pipelinetest.InMemory)
				w.Registry.Break(n, fault)
				failed := w.release(release.Request{})
				w.Registry.Break(0, "")
				w.requireWhole()
				if failed != nil {
					require.NoError(t, w.release(release.Request{}), "after: %v", failed)
				}
				w.requireWhole()
				assert.Len(t, w.published(), want)
				plan := w.plan()
				assert.Empty(t, plan.Steps)
			})
		}
	}
}

// One pull request is kept, for the newest release, until a person decides.
func TestPropose(t *testing.T) {
	w := newWorld(t, pipelinetest.InMemory)
	project := w.Project()
	w.PackDebs("7.2.0", "PORT = 2633\n")
	w.PackDebs("7.4.0", "PORT = 2634\n")
	w.GitHub.Set(w.Tags("7.0.2", "7.2.0", "7.4.0"))
	assert.Equal(t, []string{"propose OpenNebula 7.4.0"}, w.propose(project))
	state := project.State()
	require.Len(t, state, 2, "a branch and its pull request")
	assert.True(t, strings.HasPrefix(state[0], "heads/release/opennebula-7.4.0: 1 beyond main: 100644 chart/opennebula/Chart.yaml "), state[0])
	assert.NotContains(t, state[0], ", 100644 ", "no other file is changed")
	chart, err := os.ReadFile(filepath.Join(w.Checkout, "chart/opennebula/Chart.yaml"))
	require.NoError(t, err)
	assert.Contains(t, state[0], fmt.Sprintf("%q", strings.Replace(string(chart), "7.2.0", `"7.4.0"`, 1)))
	assert.Contains(t, state[1], "#1 open: Release OpenNebula 7.4.0, release/opennebula-7.4.0 into main [release]: ")
	assert.Contains(t, state[1], "-PORT = 2633\n+PORT = 2634\n")

	assert.Empty(t, w.propose(project), "it says what it should")
	assert.Equal(t, state, project.State())

	w.PackDebs("7.4.1", "PORT = 2635\n")
	w.GitHub.Set(w.Tags("7.0.2", "7.2.0", "7.4.0", "7.4.1"))
	assert.Equal(t, []string{"close the proposal of OpenNebula 7.4.0", "propose OpenNebula 7.4.1"}, w.propose(project))
	state = project.State()
	require.Len(t, state, 3)
	assert.Contains(t, state[0], "heads/release/opennebula-7.4.1: 1 beyond main: ")
	assert.Contains(t, state[1], "#1 closed: ")
	assert.Contains(t, state[2], "#2 open: Release OpenNebula 7.4.1")
	assert.Contains(t, state[2], "-PORT = 2633\n+PORT = 2635\n")

	// A person closes it, and deletes its branch, as GitHub then offers.
	for _, decide := range []func(){func() { project.Pulls[1].State = "closed" }, func() { project.DropBranch("release/opennebula-7.4.1") }} {
		decide()
		state = project.State()
		assert.Empty(t, w.propose(project))
		assert.Equal(t, state, project.State())
	}
}

// What to leave behind is not there any more to be compared with; what to go to is.
func TestProposeAfterAWithdrawal(t *testing.T) {
	gone := map[string]func(*world){
		"its tag":      func(w *world) { w.GitHub.Set(w.Tags("7.0.2", "7.4.0")) },
		"its packages": func(w *world) { w.Mirror.Remove("/7.2.0/") },
	}
	for name, withdraw := range gone {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, pipelinetest.InMemory)
			require.NoError(t, w.release(release.Request{}))
			project := w.Project()
			w.PackDebs("7.4.0", "PORT = 2634\n")
			w.GitHub.Set(w.Tags("7.0.2", "7.2.0", "7.4.0"))
			withdraw(w)
			assert.Equal(t, []string{"propose OpenNebula 7.4.0"}, w.propose(project))
			state := project.State()
			require.Len(t, state, 2)
			assert.Contains(t, state[1], "#1 open: Release OpenNebula 7.4.0")
			assert.Contains(t, state[1], "What it had is therefore not compared.")
		})
	}
}

// A token that may not propose holds up nothing else.
func TestReleaseWithoutTheRightToPropose(t *testing.T) {
	w := newWorld(t, pipelinetest.InMemory)
	w.Pack("7.4.0", "amd64", "arm64")
	w.GitHub.Set(w.Tags("7.0.2", "7.2.0", "7.4.0"))
	project := w.Project()
	project.Fault = func(_ int, rw http.ResponseWriter, _ func()) bool {
		reads := strings.HasPrefix(project.Asked[len(project.Asked)-1], http.MethodGet)
		if !reads {
			proposaltest.Refuse(rw, http.StatusForbidden, "Resource not accessible by integration")
		}
		return !reads
	}
	site := w.siteOf(project)
	require.NoError(t, w.releaseTo(site, release.Request{}))
	w.requireWhole()
	assert.Len(t, w.published(), 4)

	state, err := site.Survey(t.Context(), w.checkout, release.Request{})
	require.NoError(t, err)
	plan, err := state.Plan(release.Request{})
	require.NoError(t, err)
	require.Len(t, plan.Steps, 1)
	assert.Equal(t, "propose OpenNebula 7.4.0", plan.Steps[0].String(), "it is due still")
}

// The changelog has one pull request, up to what is published last.
func TestChangelogIsProposed(t *testing.T) {
	w := newWorld(t, pipelinetest.InMemory)
	project := w.Project()
	carry := func() {
		carrier := &Carrier{Site: w.siteOf(project), Checkout: w.checkout, Log: t.Logf}
		require.NoError(t, carrier.CarryChangelog(t.Context()))
	}
	carry()
	assert.Empty(t, project.State(), "nothing is published")

	require.NoError(t, w.release(release.Request{}))
	for range 2 { // the second changes nothing
		carry()
		state := project.State()
		require.Len(t, state, 2, "a branch and its pull request")
		assert.True(t, strings.HasPrefix(state[0], "heads/release/changelog-0.1.0: 1 beyond main: 100644 CHANGELOG.md "), state[0])
		assert.Contains(t, state[0], `\n## 0.1.0 (`)
		assert.Contains(t, state[1], "#1 open: Note chart 0.1.0 in the changelog, release/changelog-0.1.0 into main [changelog]: ")
	}

	values := filepath.Join(w.Checkout, "chart/opennebula/values.yaml")
	text, err := os.ReadFile(values)
	require.NoError(t, err)
	pipelinetest.Write(t, values, string(text)+"\n# A note.\n")
	w.commit()
	require.NoError(t, w.release(release.Request{}))
	carry()
	state := project.State()
	require.Len(t, state, 3)
	assert.Contains(t, state[0], "heads/release/changelog-0.1.1: ")
	assert.Contains(t, state[0], `\n## 0.1.1 (`)
	assert.Contains(t, state[0], `\n## 0.1.0 (`)
	assert.Contains(t, state[1], "#1 closed: ")
	assert.Contains(t, state[2], "#2 open: Note chart 0.1.1")

	// A person merges it, which GitHub's button does with the branch as well.
	project.Pulls[1].State, project.Pulls[1].Merged = "closed", true
	entries, err := chart.Entries(t.Context(), w.site().Charts)
	require.NoError(t, err)
	project.Push("main", "the changelog", map[string]string{"CHANGELOG.md": chart.Changelog(entries)})
	carry()
	assert.NotContains(t, strings.Join(project.State(), "\n"), "heads/release/changelog")
}

// siteOf has a project on GitHub to propose to.
func (w *world) siteOf(project *proposaltest.GitHub) *Site {
	client, err := upstream.NewGitHubClient(upstream.WithAPI(project.URL), upstream.WithToken(proposaltest.Token), upstream.WithRetries(0))
	require.NoError(w.t, err)
	site := w.site()
	site.Proposals, err = proposal.New(client, "me/it")
	require.NoError(w.t, err)
	return site
}

// propose carries out what a survey finds due of proposals, and returns it.
func (w *world) propose(project *proposaltest.GitHub) []string {
	site := w.siteOf(project)
	state, err := site.Survey(context.Background(), w.checkout, release.Request{})
	require.NoError(w.t, err)
	plan, err := state.Plan(release.Request{})
	require.NoError(w.t, err)
	carrier := &Carrier{Site: site, Checkout: w.checkout, Log: w.t.Logf}
	require.NoError(w.t, carrier.CarryProposals(context.Background(), plan))
	var due []string
	for _, step := range plan.Steps {
		if step.Kind == release.Propose || step.Kind == release.Close {
			due = append(due, step.String())
		}
	}
	return due
}

func TestCheckoutIsRefused(t *testing.T) {
	folder := pipelinetest.Checkout(t)
	_, err := OpenCheckout(t.Context(), folder)
	assert.ErrorContains(t, err, "commit")
	pipelinetest.Commit(t, folder)
	pipelinetest.Write(t, filepath.Join(folder, "image/Dockerfile"), "FROM scratch\n")
	_, err = OpenCheckout(t.Context(), folder)
	assert.ErrorContains(t, err, "has changes that no commit has")
	pipelinetest.Commit(t, folder)
	shallow := filepath.Join(t.TempDir(), "shallow")
	pipelinetest.Git(t, folder, "clone", "--quiet", "--depth=1", "file://"+folder, shallow)
	_, err = OpenCheckout(t.Context(), shallow)
	assert.ErrorContains(t, err, "git fetch --unshallow")
	_, err = OpenCheckout(t.Context(), t.TempDir())
	assert.ErrorContains(t, err, "read the history of")
}

// One who knows what there is to release reads the same without asking upstream.
func TestSurveyOfWhatIsPublished(t *testing.T) {
	w := newWorld(t, pipelinetest.InMemory)
	require.NoError(t, w.release(release.Request{}))
	want, err := w.site().Survey(t.Context(), w.checkout, release.Request{})
	require.NoError(t, err)
	site := w.site()
	site.GitHub, site.Repositories, site.Base = nil, nil, nil
	have, err := site.SurveyPublished(t.Context(), w.checkout, want.Releases, want.Base)
	require.NoError(t, err)
	assert.Equal(t, want, have)
}
