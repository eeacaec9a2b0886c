// Package proposal keeps the pull request for a release: opened once, updated when
// what it holds changes, closed when it is not needed any more. It never touches a
// branch to which a person has pushed, nor opens again what a person has closed.
package proposal

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/google/go-github/v60/github"
)

// One of these begins the names of all branches that are touched here, and of no other.
const (
	branchPrefix    = "release/opennebula-"
	changelogPrefix = "release/changelog-"
)

// Branch is the one on which a release of OpenNebula, X.Y.Z, is proposed.
func Branch(version string) string { return branchPrefix + version }

// ChangelogBranch is the one on which the changelog is proposed, up to a version of the
// chart, X.Y.Z.
func ChangelogBranch(version string) string { return changelogPrefix + version }

func isProposal(branch string) bool {
	return strings.HasPrefix(branch, branchPrefix) || strings.HasPrefix(branch, changelogPrefix)
}

// Proposal is a pull request as it should be.
type Proposal struct {
	Base   string            // branch to merge into, such as main
	Branch string            // to be made, as Branch or ChangelogBranch names it
	Files  map[string][]byte // path in the repository to content, as text in UTF-8
	Title  string            // also of the commit
	Body   string            // Markdown
	Labels []string          // made where the repository does not have them
}

// Outcome is what came of a proposal.
type Outcome string

// The outcomes.
const (
	Opened     Outcome = "opened"
	Updated    Outcome = "updated"
	Unchanged  Outcome = "unchanged"
	Superseded Outcome = "superseded" // closed, or not needed
	Held       Outcome = "held"       // a person has decided, and nothing was touched
)

// Result is an outcome, and where to see it.
type Result struct {
	Outcome Outcome
	URL     string // of the pull request; "" where there is none
	Notice  string // why, where the outcome alone does not say it
}

// Repository is one on GitHub that proposals are made to.
type Repository struct {
	client      *github.Client
	owner, name string
}

// New takes a client, which retries and identifies itself, and a repository, OWNER/NAME.
// The client's token must be allowed to write contents and pull requests.
func New(client *github.Client, repository string) (*Repository, error) {
	owner, name, ok := strings.Cut(repository, "/")
	if !ok || owner == "" || name == "" || strings.Contains(name, "/") {
		return nil, fmt.Errorf("%q is no repository on GitHub: write it as owner/name", repository)
	}
	return &Repository{client: client, owner: owner, name: name}, nil
}

// String is OWNER/NAME.
func (r *Repository) String() string { return r.owner + "/" + r.name }

// Propose makes the pull request what it should be, with one commit beyond the base. It
// can be run again after any failure. It is Superseded where the base has all of it
// already, and Held where a person has closed the pull request, merged and reverted it,
// or pushed to its branch.
func (r *Repository) Propose(ctx context.Context, p Proposal) (Result, error) {
	if err := p.check(); err != nil {
		return Result{}, err
	}
	base, err := r.branch(ctx, p.Base)
	if err == nil && base == nil {
		err = fmt.Errorf("%s has no branch %s, or the token may not read it: choose the one to merge into", r, p.Base)
	}
	if err != nil {
		return Result{}, err
	}
	wanted, err := r.edited(ctx, base, p.Files)
	if err != nil {
		return Result{}, err
	}
	if len(wanted.edits) == 0 {
		return r.Close(ctx, p.Branch, p.Base+" has it already")
	}
	return r.propose(ctx, p, wanted)
}

func (r *Repository) propose(ctx context.Context, p Proposal, wanted tree) (Result, error) {
	pull, err := r.pull(ctx, p.Branch)
	if err != nil {
		return Result{}, err
	}
	head, err := r.branch(ctx, p.Branch)
	if err != nil {
		return Result{}, err
	}
	if notice := held(pull, head); notice != "" {
		return Result{Held, pull.GetHTMLURL(), notice}, nil
	}
	pushed, err := r.push(ctx, p, head, wanted)
	if err != nil {
		return Result{}, err
	}
	return r.present(ctx, p, pull, mark{base: wanted.base.sha, text: p.fingerprint()}, pushed)
}

// held says why nothing may be touched; "" where all may be.
func held(pull *github.PullRequest, head *commit) string {
	switch {
	case !pull.GetMergedAt().IsZero():
		return fmt.Sprintf("#%d was merged, and what it changed was changed back: propose it by hand", pull.GetNumber())
	case pull.GetState() == "closed":
		return fmt.Sprintf("#%d was closed by a person: reopen it to have it kept up to date", pull.GetNumber())
	case pull != nil && !isMarked(pull):
		return fmt.Sprintf("#%d was not opened here, or lost its mark: it is left alone", pull.GetNumber())
	case head != nil && !head.isOurs() && pull != nil:
		return fmt.Sprintf("others have pushed to the branch of #%d: merge it or close it by hand", pull.GetNumber())
	case head != nil && !head.isOurs():
		return "others have pushed to the branch: delete it to have the pull request opened"
	default:
		return ""
	}
}

// Close closes the pull request of a branch with a reason, a clause such as "OpenNebula
// 7.4.1 takes its place", and deletes the branch. It is Superseded also where there was
// nothing to close, and Held where a person has pushed to the branch.
func (r *Repository) Close(ctx context.Context, branch, reason string) (Result, error) {
	if !isProposal(branch) {
		return Result{}, notOurs(branch)
	}
	pull, err := r.pull(ctx, branch)
	if err != nil {
		return Result{}, err
	}
	head, err := r.branch(ctx, branch)
	if err != nil {
		return Result{}, err
	}
	result := Result{Superseded, pull.GetHTMLURL(), reason}
	if pull.GetState() == "open" {
		if notice := held(pull, head); notice != "" {
			return Result{Held, pull.GetHTMLURL(), notice}, nil
		}
		// The branch goes last: GitHub closes a pull request that has none, and would
		// not say that it was not a person.
		if err := r.closePull(ctx, pull, reason); err != nil {
			return Result{}, err
		}
	}
	if head == nil || !head.isOurs() {
		return result, nil
	}
	return result, r.deleteBranch(ctx, branch)
}

func notOurs(branch string) error {
	return fmt.Errorf("the branch %q is none for a proposal: name it %sX.Y.Z or %sX.Y.Z", branch, branchPrefix, changelogPrefix)
}

func (p Proposal) check() error {
	if !isProposal(p.Branch) {
		return notOurs(p.Branch)
	}
	if p.Base == "" || p.Title == "" {
		return errors.New("a proposal needs a base and a title: give both")
	}
	if len(p.Files) == 0 {
		return fmt.Errorf("the proposal %q changes no file: give those that it changes", p.Title)
	}
	for name, content := range p.Files {
		if path.IsAbs(name) || path.Clean(name) != name || strings.HasPrefix(name, "../") {
			return fmt.Errorf("%q is no path in a repository: write it as chart/opennebula/Chart.yaml", name)
		}
		if !utf8.Valid(content) {
			return fmt.Errorf("%s is not text in UTF-8: propose text files only", name)
		}
	}
	return nil
}
