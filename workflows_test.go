package opennebula

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/mattn/go-shellwords"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

// workflow is a file of .github/workflows, as far as it is looked at here; actionlint
// looks at the rest.
type workflow struct {
	name, text  string
	Permissions permissions
	Concurrency *concurrency
	Jobs        map[string]job
}

type job struct {
	Uses        string // another workflow
	Permissions permissions
	Timeout     int `yaml:"timeout-minutes"`
	Concurrency *concurrency
	Steps       []step
}

type step struct {
	where string
	Uses  string
	With  map[string]string
	Run   string
	Shell string
	Env   map[string]string
}

type permissions map[string]string

type concurrency struct {
	Group  string
	Cancel string `yaml:"cancel-in-progress"`
}

func workflows(t *testing.T) []workflow {
	files, err := filepath.Glob(".github/workflows/*.y*ml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	var all []workflow
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		w := workflow{name: filepath.Base(file), text: string(text)}
		require.NoError(t, yaml.Unmarshal(text, &w), file)
		require.NotEmpty(t, w.Jobs, file)
		all = append(all, w)
	}
	return all
}

// runs are the steps that run something themselves.
func (w workflow) runs() []step {
	var all []step
	for name, job := range w.Jobs {
		for _, s := range job.Steps {
			if s.Run != "" {
				s.where = w.name + ", job " + name
				all = append(all, s)
			}
		}
	}
	return all
}

// calls are the words of each command.
func (s step) calls(t *testing.T) [][]string {
	var all [][]string
	for line := range strings.Lines(strings.ReplaceAll(s.Run, "\\\n", " ")) {
		words, err := shellwords.Parse(line) // as far as a pipe
		require.NoError(t, err, s.where)
		if len(words) > 0 {
			all = append(all, words)
		}
	}
	return all
}

var (
	usesLine   = regexp.MustCompile(`(?m)^[ -]*uses: *(.*)$`)
	pinned     = regexp.MustCompile(`^[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$`)
	ownActions = "./.github/"
)

func TestActionsArePinned(t *testing.T) {
	commits := map[string]string{}
	for _, w := range workflows(t) {
		for _, found := range usesLine.FindAllStringSubmatch(w.text, -1) {
			if uses := found[1]; !strings.HasPrefix(uses, ownActions) {
				assert.Regexp(t, pinned, uses, w.name)
				name, commit, _ := strings.Cut(uses, "@")
				if commits[name] == "" {
					commits[name] = commit
				}
				assert.Equal(t, commits[name], commit, "%s in %s is another than elsewhere", name, w.name)
			}
		}
	}
}

// mayWrite is all that any job may change.
var mayWrite = map[string]string{
	"release.yaml release":    "id-token packages",
	"nightly.yaml release":    "id-token packages", // calls the one above
	"nightly.yaml propose":    "contents issues pull-requests",
	"nightly.yaml keep-alive": "actions",
}

func TestJobsMayDoLittle(t *testing.T) {
	for _, w := range workflows(t) {
		if assert.NotNil(t, w.Permissions, "%s has no permissions", w.name) {
			assert.Empty(t, w.Permissions.writes(), "%s: give them to the job that needs them", w.name)
		}
		for name, job := range w.Jobs {
			where := w.name + " " + name
			if assert.NotNil(t, job.Permissions, "%s has no permissions", where) {
				assert.Equal(t, mayWrite[where], strings.Join(job.Permissions.writes(), " "), where)
			}
		}
	}
}

// writes lists what may be written, in order.
func (p permissions) writes() []string {
	var all []string
	for name, access := range p {
		if access == "write" {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}

func TestJobsEnd(t *testing.T) {
	for _, w := range workflows(t) {
		for name, job := range w.Jobs {
			if job.Uses == "" { // GitHub takes no limit there; the job that it calls has one
				assert.NotZero(t, job.Timeout, "%s, job %s has no timeout-minutes", w.name, name)
				assert.True(t, w.Concurrency != nil || job.Concurrency != nil, "%s, job %s has no concurrency", w.name, name)
			}
		}
	}
}

func TestAReleaseIsNeverCancelled(t *testing.T) {
	releases := 0
	for _, w := range workflows(t) {
		for name, job := range w.Jobs {
			if !strings.Contains(mayWrite[w.name+" "+name], "packages") {
				continue
			}
			releases++
			for _, c := range []*concurrency{w.Concurrency, job.Concurrency} {
				if c != nil {
					assert.Equal(t, "false", c.Cancel, "%s, job %s", w.name, name)
				}
			}
		}
	}
	assert.Equal(t, 2, releases)
}

// A job is a checkout, Dagger, and calls of it: all else could not be run at home.
func TestJobsOnlyCallDagger(t *testing.T) {
	for _, w := range workflows(t) {
		for name, job := range w.Jobs {
			if job.Uses != "" {
				assert.FileExists(t, job.Uses, w.name)
				continue
			}
			require.Len(t, job.Steps, 3, "%s, job %s", w.name, name)
			checkout := action(t, job.Steps[0], "actions/checkout")
			assert.Equal(t, "0", checkout["fetch-depth"], "%s, job %s", w.name, name)
			assert.Equal(t, "false", checkout["persist-credentials"], "%s, job %s", w.name, name)
			assert.Equal(t, daggerVersion(t), "v"+action(t, job.Steps[1], "dagger/dagger-for-github")["version"], "%s, job %s", w.name, name)
		}
		for _, s := range w.runs() {
			assert.NotContains(t, s.Run, "${{", "%s: hand it over as a variable", s.where)
			for _, words := range s.calls(t) {
				assert.Equal(t, "dagger", words[0], s.where)
			}
			if _, piped, ok := strings.Cut(s.Run, "|"); ok {
				assert.Equal(t, `tee -a "$GITHUB_STEP_SUMMARY"`, strings.TrimSpace(piped), s.where)
				assert.Equal(t, "bash", s.Shell, "%s: without it, a call that fails is not seen to", s.where)
			}
		}
	}
}

// action returns the inputs of a step that uses one.
func action(t *testing.T, s step, name string) map[string]string {
	require.True(t, strings.HasPrefix(s.Uses, name+"@"), "%q is not %s", s.Uses, name)
	return s.With
}

// daggerVersion is that of the module's engine.
func daggerVersion(t *testing.T) string {
	var described struct{ EngineVersion string }
	readJSON(t, "dagger.json", &described)
	return described.EngineVersion
}

func readJSON(t *testing.T, file string, into any) {
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, into), file)
}

func TestDaggerHasOneVersion(t *testing.T) {
	modules, err := os.ReadFile("ci/go.mod")
	require.NoError(t, err)
	assert.Contains(t, string(modules), "\tdagger.io/dagger "+daggerVersion(t)+"\n")
}

var variable = regexp.MustCompile(`(?:env://|\$\{?)([A-Z][A-Z0-9_]*)`)

// What a call reads from its environment is set there, by the step or by GitHub.
func TestVariablesAreSet(t *testing.T) {
	github := []string{"GITHUB_ACTOR", "GITHUB_SERVER_URL", "GITHUB_WORKFLOW_REF", "GITHUB_RUN_ID", "GITHUB_RUN_ATTEMPT", "GITHUB_REPOSITORY", "GITHUB_STEP_SUMMARY", "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"}
	for _, w := range workflows(t) {
		for _, s := range w.runs() {
			unread := maps.Clone(s.Env)
			for _, found := range variable.FindAllStringSubmatch(s.Run, -1) {
				_, isSet := s.Env[found[1]]
				assert.True(t, isSet || slices.Contains(github, found[1]), "%s: nothing sets %s", s.where, found[1])
				delete(unread, found[1])
			}
			assert.Empty(t, unread, "%s: nothing reads these", s.where)
		}
	}
}
