package proposal

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-github/v60/github"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pablodelarco/opennebula-helm/proposal/proposaltest"
	"github.com/pablodelarco/opennebula-helm/upstream"
)

const token = proposaltest.Token

// standin is GitHub, with what is done here to it.
type standin struct{ *proposaltest.GitHub }

func newStandin(t *testing.T, files map[string]string) *standin {
	return &standin{proposaltest.New(t, files)}
}

var files = map[string]string{"chart/Chart.yaml": "appVersion: 7.2.0\n", "chart/run": "#!/bin/sh\n", "README.md": "# It\n"}

func newer() Proposal {
	return Proposal{
		Base: "main", Branch: Branch("7.4.0"), Title: "Release OpenNebula 7.4.0", Body: "What changed:\n\n- all\n", Labels: []string{"release"},
		Files: map[string][]byte{
			"chart/Chart.yaml": []byte("appVersion: 7.4.0\n"), "chart/run": []byte("#!/bin/sh\necho\n"),
			"README.md": []byte("# It\n"), "new.md": []byte("new\n"),
		},
	}
}

func (s *standin) repository(t *testing.T, retries int) *Repository {
	client, err := upstream.NewGitHubClient(upstream.WithAPI(s.URL), upstream.WithToken(token),
		upstream.WithRetries(retries), upstream.WithRetryWait(time.Millisecond), upstream.WithMaxWait(0))
	require.NoError(t, err)
	r, err := New(client, "me/it")
	require.NoError(t, err)
	return r
}

func (s *standin) propose(t *testing.T, p Proposal) Result {
	result, err := s.repository(t, 0).Propose(t.Context(), p)
	require.NoError(t, err)
	return result
}

const (
	first   = "https://github.com/me/it/pull/1"
	changes = `100644 chart/Chart.yaml "appVersion: 7.4.0\n", 100755 chart/run "#!/bin/sh\necho\n", 100644 new.md "new\n"`
)

func TestOpenedOnce(t *testing.T) {
	s := newStandin(t, files)
	assert.Equal(t, Result{Outcome: Opened, URL: first}, s.propose(t, newer()))
	state := s.State()
	assert.Equal(t, []string{
		"heads/release/opennebula-7.4.0: 1 beyond main: " + changes,
		"#1 open: Release OpenNebula 7.4.0, release/opennebula-7.4.0 into main [release]: What changed:\n\n- all\n\n<!-- opennebula-helm proposal: base MAIN text " + newer().fingerprint() + " -->\n",
	}, state)

	changed := s.Changed
	assert.Equal(t, Result{Outcome: Unchanged, URL: first}, s.propose(t, newer()))
	assert.Equal(t, changed, s.Changed, "nothing is written twice")
	assert.Equal(t, state, s.State())
	head := s.Commits[s.Refs["heads/"+newer().Branch]]
	assert.Equal(t, "Release OpenNebula 7.4.0\n\nProposed-Tree: "+head.Tree, head.Message)
}

func TestUpdated(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*standin, *Proposal)
		want   []string // in the state that comes of it
		writes int
	}{
		"a file": {func(_ *standin, p *Proposal) { p.Files["new.md"] = []byte("newer\n") }, []string{`new.md "newer\n"`, "1 beyond main", "#1 open"}, 3},
		"a file less": {func(_ *standin, p *Proposal) { delete(p.Files, "new.md") }, []string{
			`1 beyond main: 100644 chart/Chart.yaml "appVersion: 7.4.0\n", 100755 chart/run "#!/bin/sh\necho\n"` + "\n",
		}, 3},
		"the title": {func(_ *standin, p *Proposal) { p.Title = "OpenNebula 7.4.0" }, []string{"#1 open: OpenNebula 7.4.0,"}, 1},
		"the body":  {func(_ *standin, p *Proposal) { p.Body = "Nothing." }, []string{"[release]: Nothing.\n\n<!--"}, 1},
		"a label":   {func(_ *standin, p *Proposal) { p.Labels = []string{"Release", "upstream"} }, []string{"[release upstream]"}, 1},
		"the base's commit": {func(s *standin, _ *Proposal) { s.Push("main", "more", map[string]string{"more": "more"}) }, []string{
			"1 beyond main: " + changes, "base MAIN text",
		}, 4},
		"the base itself": {func(s *standin, p *Proposal) { s.Refs["heads/next"] = s.Refs["heads/main"]; p.Base = "next" }, []string{"release/opennebula-7.4.0 into next"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s, p := newStandin(t, files), newer()
			s.propose(t, p)
			test.change(s, &p)
			before := s.Changed
			assert.Equal(t, Result{Outcome: Updated, URL: first}, s.propose(t, p))
			assert.Equal(t, test.writes, s.Changed-before)
			for _, want := range test.want {
				assert.Contains(t, strings.Join(s.State(), "\n"), want)
			}
			assert.Len(t, s.Pulls, 1)
			assert.Equal(t, Unchanged, s.propose(t, p).Outcome)
		})
	}
}

// What people write into title and body stays until there is something new to say.
func TestPeoplesWords(t *testing.T) {
	s, p := newStandin(t, files), newer()
	s.propose(t, p)
	s.Pulls[0].Title, s.Pulls[0].Body = "My title", "My notes\r\n"+s.Pulls[0].Body+"and more"
	assert.Equal(t, Unchanged, s.propose(t, p).Outcome)
	s.Push("main", "more", map[string]string{"more": "more"})
	assert.Equal(t, Updated, s.propose(t, p).Outcome)
	assert.Equal(t, "My title", s.Pulls[0].Title)
	assert.True(t, strings.HasPrefix(s.Pulls[0].Body, "My notes\r\n"), s.Pulls[0].Body)
	assert.True(t, strings.HasSuffix(s.Pulls[0].Body, "-->\nand more"), s.Pulls[0].Body)
	p.Body = "News"
	assert.Equal(t, Updated, s.propose(t, p).Outcome)
	assert.True(t, strings.HasPrefix(s.Pulls[0].Body, "News\n\n<!--"), s.Pulls[0].Body)
}

func TestHeld(t *testing.T) {
	for name, test := range map[string]struct {
		person func(*standin)
		want   Result
	}{
		"pushed to the branch": {
			func(s *standin) { s.Push(Branch("7.4.0"), "a fix", map[string]string{"fix": "fix"}) },
			Result{Held, first, "others have pushed to the branch of #1: merge it or close it by hand"},
		},
		"amended our commit": {func(s *standin) {
			head := s.Commits[s.Refs["heads/"+Branch("7.4.0")]]
			s.Refs["heads/"+Branch("7.4.0")] = s.Record(proposaltest.Commit{Tree: s.StoreTree(map[string]proposaltest.File{"fix": s.Store("100644", "fix")}), Message: head.Message, Parents: head.Parents})
		}, Result{Held, first, "others have pushed to the branch of #1: merge it or close it by hand"}},
		"merged main into the branch": {func(s *standin) {
			head := s.Commits[s.Refs["heads/"+Branch("7.4.0")]]
			s.Refs["heads/"+Branch("7.4.0")] = s.Record(proposaltest.Commit{Tree: head.Tree, Message: head.Message, Parents: []string{head.SHA, s.Refs["heads/main"]}})
		}, Result{Held, first, "others have pushed to the branch of #1: merge it or close it by hand"}},
		"closed it": {
			func(s *standin) { s.Pulls[0].State = "closed" },
			Result{Held, first, "#1 was closed by a person: reopen it to have it kept up to date"},
		},
		"deleted the branch": {
			func(s *standin) { s.DropBranch(Branch("7.4.0")) },
			Result{Held, first, "#1 was closed by a person: reopen it to have it kept up to date"},
		},
		"merged and reverted it": {
			func(s *standin) { s.Pulls[0].State, s.Pulls[0].Merged = "closed", true },
			Result{Held, first, "#1 was merged, and what it changed was changed back: propose it by hand"},
		},
		"took the mark off": {
			func(s *standin) { s.Pulls[0].Body = "Mine" },
			Result{Held, first, "#1 was not opened here, or lost its mark: it is left alone"},
		},
		"made the branch": {func(s *standin) {
			s.Pulls = nil
			s.Push(Branch("7.4.0"), "mine", map[string]string{"mine": "mine"})
		}, Result{Held, "", "others have pushed to the branch: delete it to have the pull request opened"}},
	} {
		t.Run(name, func(t *testing.T) {
			s, p := newStandin(t, files), newer()
			s.propose(t, p)
			test.person(s)
			state, changed := s.State(), s.Changed
			p.Files["new.md"], p.Body = []byte("newer"), "News"
			assert.Equal(t, test.want, s.propose(t, p))
			assert.Equal(t, state, s.State())
			assert.Equal(t, changed, s.Changed)
		})
	}
}

// Once a person opens again what a person closed, it is kept up to date.
func TestReopened(t *testing.T) {
	s := newStandin(t, files)
	s.propose(t, newer())
	s.Pulls[0].State = "closed"
	assert.Equal(t, Held, s.propose(t, newer()).Outcome)
	s.Pulls[0].State = "open"
	assert.Equal(t, Unchanged, s.propose(t, newer()).Outcome)
}

func TestClose(t *testing.T) {
	s := newStandin(t, files)
	s.propose(t, newer())
	result, err := s.repository(t, 0).Close(t.Context(), newer().Branch, "OpenNebula 7.4.1 takes its place")
	require.NoError(t, err)
	assert.Equal(t, Result{Superseded, first, "OpenNebula 7.4.1 takes its place"}, result)
	require.Len(t, s.State(), 1, "the branch is gone")
	assert.Contains(t, s.State()[0], "#1 closed: ")
	assert.Contains(t, s.State()[0], ": > Closed: OpenNebula 7.4.1 takes its place.\n\nWhat changed:")

	changed := s.Changed
	result, err = s.repository(t, 0).Close(t.Context(), newer().Branch, "again")
	require.NoError(t, err)
	assert.Equal(t, Superseded, result.Outcome)
	assert.Equal(t, changed, s.Changed)

	// What was closed here may be proposed again.
	assert.Equal(t, Result{Outcome: Opened, URL: "https://github.com/me/it/pull/2"}, s.propose(t, newer()))
}

func TestCloseLeavesAlone(t *testing.T) {
	s := newStandin(t, files)
	s.propose(t, newer())
	s.Push(newer().Branch, "a fix", map[string]string{"fix": "fix"})
	state := s.State()
	result, err := s.repository(t, 0).Close(t.Context(), newer().Branch, "a reason")
	require.NoError(t, err)
	assert.Equal(t, Result{Held, first, "others have pushed to the branch of #1: merge it or close it by hand"}, result)
	assert.Equal(t, state, s.State())

	_, err = s.repository(t, 0).Close(t.Context(), "main", "a reason")
	assert.EqualError(t, err, `the branch "main" is none for a proposal: name it release/opennebula-X.Y.Z or release/changelog-X.Y.Z`)
}

// The base has all of it: merged, or done by hand.
func TestNotNeeded(t *testing.T) {
	for name, merge := range map[string]bool{"merged": true, "done by hand": false} {
		t.Run(name, func(t *testing.T) {
			s := newStandin(t, files)
			s.propose(t, newer())
			if merge {
				s.Pulls[0].State, s.Pulls[0].Merged = "closed", true
			}
			s.Push("main", "Release", map[string]string{"chart/Chart.yaml": "appVersion: 7.4.0\n", "chart/run": "#!/bin/sh\necho\n", "new.md": "new\n"})
			assert.Equal(t, Result{Superseded, first, "main has it already"}, s.propose(t, newer()))
			assert.NotContains(t, s.Refs, "heads/"+newer().Branch)
			assert.Equal(t, "closed", s.Pulls[0].State)
		})
	}
}

func TestList(t *testing.T) {
	s := newStandin(t, files)
	s.PageSize = 2
	base := s.Refs["heads/main"]
	for _, version := range []string{"7.4.0", "7.4.1", "7.4.2", "7.4.3", "7.4.4"} {
		p := newer()
		p.Branch = Branch(version)
		s.propose(t, p)
	}
	s.Push(Branch("7.4.1"), "a fix", map[string]string{"fix": "fix"})
	s.DropBranch(Branch("7.4.2"))
	s.Pulls = s.Pulls[:4] // that of 7.4.4 was never opened
	s.Push(Branch("hello"), "a person's", map[string]string{"fix": "fix"})
	r := s.repository(t, 0)
	_, err := r.Close(t.Context(), Branch("7.4.3"), "a reason")
	require.NoError(t, err)

	found, err := r.List(t.Context(), "7.4.2", "7.4.3", "7.6.0")
	require.NoError(t, err)
	assert.Equal(t, []Existing{
		{Version: "7.4.0", URL: first, Revision: base},
		{Version: "7.4.1", URL: "https://github.com/me/it/pull/2", Revision: base, Held: true},
		{Version: "7.4.2", URL: "https://github.com/me/it/pull/3", Revision: base, Refused: true},
		{Version: "7.4.4"},
	}, found)
}

// What a request's failure leaves is finished by the next run, whether the request was
// carried out or not, and comes to what it would have come to without it.
func TestFailures(t *testing.T) {
	for name, scenario := range map[string]struct {
		before, run func(*standin, *Repository) error
	}{
		"opening": {
			func(*standin, *Repository) error { return nil },
			func(_ *standin, r *Repository) error { _, err := r.Propose(t.Context(), newer()); return err },
		},
		"updating": {
			func(s *standin, r *Repository) error {
				_, err := r.Propose(t.Context(), newer())
				s.Push("main", "more", map[string]string{"more": "more"})
				return err
			},
			func(_ *standin, r *Repository) error {
				p := newer()
				p.Files["new.md"], p.Body, p.Labels = []byte("newer"), "News", []string{"release", "upstream"}
				_, err := r.Propose(t.Context(), p)
				return err
			},
		},
		"superseding": {
			func(_ *standin, r *Repository) error { _, err := r.Propose(t.Context(), newer()); return err },
			func(_ *standin, r *Repository) error {
				p := newer()
				p.Branch, p.Title = Branch("7.4.1"), "Release OpenNebula 7.4.1"
				_, err := r.Propose(t.Context(), p)
				if err == nil {
					_, err = r.Close(t.Context(), Branch("7.4.0"), "OpenNebula 7.4.1 takes its place")
				}
				return err
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			start := func() (*standin, *Repository) {
				s := newStandin(t, files)
				r := s.repository(t, 0)
				require.NoError(t, scenario.before(s, r))
				s.Asked = nil
				return s, r
			}
			s, r := start()
			require.NoError(t, scenario.run(s, r))
			want, requests := s.State(), len(s.Asked)
			require.Greater(t, requests, 6)
			for kind, fail := range failures {
				for n := 1; n <= requests; n++ {
					s, r := start()
					s.Fault = func(at int, w http.ResponseWriter, carryOut func()) bool {
						if at == n {
							fail(w, carryOut)
						}
						return at == n
					}
					if err := scenario.run(s, r); err != nil {
						assert.NotContains(t, err.Error(), token)
						assert.Contains(t, err.Error(), "me/it", "%s at request %d", kind, n)
						s.Fault = nil
						require.NoError(t, scenario.run(s, r), "%s at request %d, %s", kind, n, s.Asked[n-1])
					}
					require.Equal(t, want, s.State(), "%s at request %d, %s", kind, n, s.Asked[n-1])
				}
			}
		})
	}
}

var failures = map[string]func(w http.ResponseWriter, carryOut func()){
	"a server's failure": func(w http.ResponseWriter, _ func()) { proposaltest.Refuse(w, 500, "Server Error") },
	"an answer of a proxy": func(w http.ResponseWriter, _ func()) {
		w.WriteHeader(http.StatusBadGateway)
		_, _ = fmt.Fprint(w, "<html>Bad Gateway</html>")
	},
	"a failure after the deed": func(w http.ResponseWriter, carryOut func()) {
		carryOut()
		proposaltest.Refuse(w, 500, "Server Error")
	},
	"a connection that breaks after the deed": func(_ http.ResponseWriter, carryOut func()) {
		carryOut()
		panic(http.ErrAbortHandler)
	},
	"a rate limit": func(w http.ResponseWriter, _ func()) {
		proposaltest.Refuse(w, 403, "You have exceeded a secondary rate limit")
	},
	"no JSON":               func(w http.ResponseWriter, _ func()) { _, _ = fmt.Fprint(w, "hello") },
	"half of it":            func(w http.ResponseWriter, _ func()) { _, _ = fmt.Fprint(w, `{"number": 1, "tree": [`) },
	"null":                  func(w http.ResponseWriter, _ func()) { _, _ = fmt.Fprint(w, "null") },
	"nothing in particular": func(w http.ResponseWriter, _ func()) { _, _ = fmt.Fprint(w, "{}") },
}

// With a client that tries again, one run is enough.
func TestRetries(t *testing.T) {
	s := newStandin(t, files)
	s.Fault = func(at int, w http.ResponseWriter, carryOut func()) bool {
		if at%2 == 1 {
			carryOut()
			proposaltest.Refuse(w, 502, "Bad Gateway")
		}
		return at%2 == 1
	}
	result, err := s.repository(t, 2).Propose(t.Context(), newer())
	require.NoError(t, err)
	assert.Equal(t, first, result.URL)
	assert.Len(t, s.Pulls, 1)
	assert.Contains(t, s.State()[0], "1 beyond main: "+changes)
}

func TestProposalIsRefused(t *testing.T) {
	s := newStandin(t, files)
	for name, test := range map[string]struct {
		change func(*Proposal)
		want   string
	}{
		"another branch":   {func(p *Proposal) { p.Branch = "main" }, `the branch "main" is none for a proposal`},
		"no title":         {func(p *Proposal) { p.Title = "" }, "needs a base and a title"},
		"no file":          {func(p *Proposal) { p.Files = nil }, "changes no file"},
		"a path outside":   {func(p *Proposal) { p.Files["../x"] = nil }, `"../x" is no path in a repository`},
		"an absolute path": {func(p *Proposal) { p.Files["/etc/x"] = nil }, `"/etc/x" is no path`},
		"no text":          {func(p *Proposal) { p.Files["x"] = []byte{0xff} }, "x is not text in UTF-8"},
		"no such base":     {func(p *Proposal) { p.Base = "trunk" }, "me/it has no branch trunk"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newer()
			test.change(&p)
			_, err := s.repository(t, 0).Propose(t.Context(), p)
			assert.ErrorContains(t, err, test.want)
		})
	}
	for _, name := range []string{"", "me", "/it", "me/", "me/it/more"} {
		_, err := New(github.NewClient(nil), name)
		assert.ErrorContains(t, err, "write it as owner/name")
	}
}

func TestWrongToken(t *testing.T) {
	s := newStandin(t, files)
	r := s.repository(t, 0)
	r.client = github.NewClient(nil).WithAuthToken("ghs_other")
	r.client.BaseURL, _ = url.Parse(s.URL + "/")
	_, err := r.Propose(t.Context(), newer())
	assert.EqualError(t, err, "read the branch main in me/it: GitHub does not know the token (Bad credentials): give another")
	s.Fault = func(at int, w http.ResponseWriter, _ func()) bool {
		if s.Asked[at-1] == "POST /repos/me/it/git/trees" {
			proposaltest.Refuse(w, 403, "Resource not accessible by integration")
			return true
		}
		return false
	}
	_, err = s.repository(t, 0).Propose(t.Context(), newer())
	assert.EqualError(t, err, "write the changed files in me/it: GitHub answers 403 (Resource not accessible by integration): check the repository's name, and that the token may write contents and pull requests there")
}

// A body that GitHub would refuse is cut where it can be.
func TestLongBody(t *testing.T) {
	s, p := newStandin(t, files), newer()
	p.Body = "<details>\n\n```diff\n" + strings.Repeat("+ an added line\n", 10000) + "```\n\n</details>\n"
	s.propose(t, p)
	body := s.Pulls[0].Body
	assert.Contains(t, body, "+ an added line\n```\n\n</details>\n\nThe rest is too long for GitHub.\n\n<!-- opennebula-helm proposal")
	assert.Equal(t, Unchanged, s.propose(t, p).Outcome)
}

func TestBlobName(t *testing.T) {
	for _, content := range []string{"", "hello\n", "äöü"} {
		git := exec.Command("git", "hash-object", "--stdin")
		git.Stdin = strings.NewReader(content)
		want, err := git.Output()
		if errors.Is(err, exec.ErrNotFound) {
			t.Skip("git is not here")
		}
		require.NoError(t, err)
		assert.Equal(t, strings.TrimSpace(string(want)), blobName([]byte(content)))
	}
}

// A mark is found again in whatever people make of a body.
func FuzzMark(f *testing.F) {
	f.Add("What changed", "0123abc", "ff", true)
	f.Add("<!-- opennebula-helm proposal: base 1 text 2 -->\r\n<!--", "", "", false)
	f.Fuzz(func(t *testing.T, body, base, text string, superseded bool) {
		if strings.Trim(base+text, "0123456789abcdef") != "" {
			return
		}
		m := mark{base, text, superseded}
		once := marked(body, m)
		assert.Equal(t, m, markOf(&github.PullRequest{Body: &once}))
		assert.Equal(t, once, marked(once, m))
	})
}
