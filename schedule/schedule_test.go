package schedule

import (
	"cmp"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pablodelarco/opennebula-helm/proposal/proposaltest"
	"github.com/pablodelarco/opennebula-helm/upstream"
)

func workflow(path, state string) *proposaltest.Workflow {
	return &proposaltest.Workflow{Path: path, State: state}
}

func keepAlive(t *testing.T, g *proposaltest.GitHub, token, repository string) ([]string, error) {
	client, err := upstream.NewGitHubClient(upstream.WithAPI(g.URL), upstream.WithToken(token),
		upstream.WithRetries(1), upstream.WithRetryWait(time.Millisecond), upstream.WithMaxWait(0))
	require.NoError(t, err)
	return KeepAlive(t.Context(), client, repository)
}

func TestWhatIsWantedIsEnabled(t *testing.T) {
	g := proposaltest.New(t, nil)
	g.PageSize = 2 // so that there are several pages
	g.Workflows = []*proposaltest.Workflow{
		workflow(".github/workflows/nightly.yaml", "active"),
		workflow(".github/workflows/weekly.yaml", "disabled_inactivity"),
		workflow(".github/workflows/old.yaml", "disabled_manually"),
		workflow(".github/workflows/gone.yaml", "deleted"),
		workflow("dynamic/pages/pages-build-deployment", "active"),
	}
	enabled, err := keepAlive(t, g, proposaltest.Token, "me/it")
	require.NoError(t, err)
	assert.Equal(t, []string{".github/workflows/nightly.yaml", ".github/workflows/weekly.yaml"}, enabled)

	var states []string
	var times []int
	for _, w := range g.Workflows {
		states, times = append(states, w.State), append(times, w.Enabled)
	}
	assert.Equal(t, []string{"active", "active", "disabled_manually", "deleted", "active"}, states)
	assert.Equal(t, []int{1, 1, 0, 0, 0}, times)
}

func TestLostAnswersAreAskedForAgain(t *testing.T) {
	g := proposaltest.New(t, nil)
	g.Workflows = []*proposaltest.Workflow{workflow(".github/workflows/nightly.yaml", "active")}
	g.Fault = func(n int, w http.ResponseWriter, carryOut func()) bool {
		if n != 2 {
			return false
		}
		carryOut()
		w.WriteHeader(http.StatusBadGateway)
		return true
	}
	enabled, err := keepAlive(t, g, proposaltest.Token, "me/it")
	require.NoError(t, err)
	assert.Equal(t, []string{".github/workflows/nightly.yaml"}, enabled)
}

func TestRefusals(t *testing.T) {
	const nightly = ".github/workflows/nightly.yaml"
	refuse := func(status int, said string) func(int, http.ResponseWriter, func()) bool {
		return func(n int, w http.ResponseWriter, _ func()) bool {
			if n > 1 {
				proposaltest.Refuse(w, status, said)
			}
			return n > 1
		}
	}
	for name, test := range map[string]struct {
		token, repository, state string
		fault                    func(int, http.ResponseWriter, func()) bool
		want                     string
	}{
		"another token":    {token: "ghs_other", want: "list the workflows of me/it: GitHub does not know the token (Bad credentials): give one that may write actions"},
		"a token too weak": {fault: refuse(403, "Resource not accessible by integration"), want: "enable " + nightly + " of me/it: GitHub answers 403 (Resource not accessible by integration): check the repository's name, and that the token may write actions there"},
		"another failure":  {fault: refuse(422, "Unprocessable"), want: "enable " + nightly + " of me/it: GitHub answers 422 (Unprocessable)"},
		"no repository":    {repository: "me/other", want: "list the workflows of me/other: GitHub answers 404 (Not Found): check the repository's name, and that the token may write actions there"},
		"no name of one":   {repository: "it", want: `"it" is no repository on GitHub: write it as owner/name`},
		"nothing enabled":  {state: "disabled_manually", want: "me/it has no workflow that is enabled: enable one by hand, or check the repository's name"},
	} {
		t.Run(name, func(t *testing.T) {
			g := proposaltest.New(t, nil)
			g.Workflows = []*proposaltest.Workflow{workflow(nightly, cmp.Or(test.state, "active"))}
			g.Fault = test.fault
			_, err := keepAlive(t, g, cmp.Or(test.token, proposaltest.Token), cmp.Or(test.repository, "me/it"))
			assert.EqualError(t, err, test.want)
		})
	}
}

func TestAListThatDoesNotEnd(t *testing.T) {
	g := proposaltest.New(t, nil)
	for range 20 {
		g.Workflows = append(g.Workflows, workflow(".github/workflows/nightly.yaml", "active"))
	}
	g.PageSize = 1
	_, err := keepAlive(t, g, proposaltest.Token, "me/it")
	assert.EqualError(t, err, "list the workflows of me/it: they do not end after 10 pages: check the API's URL")
}

func TestAnAPIThatDoesNotAnswer(t *testing.T) {
	g := proposaltest.New(t, nil)
	g.URL = "http://127.0.0.1:1"
	_, err := keepAlive(t, g, proposaltest.Token, "me/it")
	require.ErrorContains(t, err, "list the workflows of me/it: dial tcp 127.0.0.1:1: connect: connection refused")
	assert.NotContains(t, err.Error(), proposaltest.Token)
}
