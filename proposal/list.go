package proposal

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/google/go-github/v60/github"
)

// Existing is a proposal that is there already.
type Existing struct {
	Version  string // OpenNebula's, X.Y.Z
	URL      string // of its pull request; "" where only the branch is there
	Revision string // of the base that it was made on; "" where only the branch is there
	Refused  bool   // a person has closed it, or merged it
	Held     bool   // a person has pushed to it, or taken the mark off
}

// List finds the proposals that are there: those with a branch, and those of the
// versions given, X.Y.Z, whose branch may be gone. Those that were closed by Close are
// not among them. It asks once, and once or twice for each branch and version.
func (r *Repository) List(ctx context.Context, versions ...string) ([]Existing, error) {
	branches, err := r.branches(ctx, branchPrefix)
	if err != nil {
		return nil, err
	}
	for _, version := range versions {
		branches[Branch(version)] = true
	}
	var all []Existing
	for _, branch := range slices.Sorted(maps.Keys(branches)) {
		existing, err := r.existing(ctx, branch)
		if err != nil {
			return nil, err
		}
		if existing != nil {
			all = append(all, *existing)
		}
	}
	return all, nil
}

// existing is the proposal on a branch; nil where it is none of ours.
func (r *Repository) existing(ctx context.Context, branch string) (*Existing, error) {
	pull, err := r.pull(ctx, branch)
	if err != nil {
		return nil, err
	}
	e := &Existing{
		Version: strings.TrimPrefix(branch, branchPrefix), URL: pull.GetHTMLURL(), Revision: markOf(pull).base,
		Refused: pull.GetState() == "closed",
	}
	if e.Refused {
		return e, nil
	}
	head, err := r.branch(ctx, branch)
	if err != nil {
		return nil, err
	}
	if pull == nil && (head == nil || !head.isOurs()) {
		return nil, nil
	}
	e.Held = held(pull, head) != ""
	return e, nil
}

// ChangelogBranches are those that the changelog is proposed on, or was.
func (r *Repository) ChangelogBranches(ctx context.Context) ([]string, error) {
	branches, err := r.branches(ctx, changelogPrefix)
	return slices.Sorted(maps.Keys(branches)), err
}

// branches are those that proposals may be on, by how their names begin.
func (r *Repository) branches(ctx context.Context, prefix string) (map[string]bool, error) {
	options := &github.ReferenceListOptions{Ref: "heads/" + prefix, ListOptions: github.ListOptions{Page: 1, PerPage: pageSize}}
	branches := map[string]bool{}
	for range maxPages {
		refs, response, err := r.client.Git.ListMatchingRefs(ctx, r.owner, r.name, options)
		if err != nil {
			return nil, r.explain("list the branches of proposals", err)
		}
		if refs == nil {
			return nil, r.malformed("the list of branches")
		}
		for _, ref := range refs {
			branches[strings.TrimPrefix(ref.GetRef(), "refs/heads/")] = true
		}
		if response.NextPage <= options.Page {
			return branches, nil
		}
		options.Page = response.NextPage
	}
	return nil, fmt.Errorf("the branches of %s do not end after %d pages: check the API's URL", r, maxPages)
}

// explain says what was tried, and what to do about GitHub's answer.
func (r *Repository) explain(what string, err error) error {
	if err == nil {
		return nil
	}
	var refused *github.ErrorResponse
	var unanswered *url.Error
	switch {
	case errors.As(err, &refused) && refused.Response != nil:
		return fmt.Errorf("%s in %s: %w", what, r, refusal(refused))
	case errors.As(err, &unanswered):
		return fmt.Errorf("%s in %s: %w", what, r, unanswered.Err)
	default:
		return fmt.Errorf("%s in %s: %w", what, r, err)
	}
}

// refusal is GitHub's answer and the mend, without the request's address.
func refusal(refused *github.ErrorResponse) error {
	said := refused.Message
	for _, detail := range refused.Errors {
		said += ": " + strings.TrimSpace(detail.Resource+" "+detail.Field+" "+detail.Message)
	}
	switch refused.Response.StatusCode {
	case http.StatusUnauthorized:
		return fmt.Errorf("GitHub does not know the token (%s): give another", said)
	case http.StatusForbidden, http.StatusNotFound:
		return fmt.Errorf("GitHub answers %d (%s): check the repository's name, and that the token may write contents and pull requests there", refused.Response.StatusCode, said)
	default:
		return fmt.Errorf("GitHub answers %d (%s)", refused.Response.StatusCode, said)
	}
}

func (r *Repository) malformed(what string) error {
	return fmt.Errorf("GitHub's answer about %s of %s is not one: check the API's URL, or try again later", what, r)
}
