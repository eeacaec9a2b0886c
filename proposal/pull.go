package proposal

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/google/go-github/v60/github"
)

const (
	pageSize = 100 // the most that GitHub gives at once
	maxPages = 100 // a list that is longer does not end
	// GitHub refuses a body of more than 65,536 characters.
	longestBody = 65000
)

// mark is what the body of each of our pull requests ends with, unseen.
type mark struct {
	base       string // commit that it was made on
	text       string // fingerprint of the title and body that were written
	superseded bool   // closed here
}

var markPattern = regexp.MustCompile(`<!-- opennebula-helm proposal: base ([0-9a-f]*) text ([0-9a-f]*)( superseded)? -->`)

func (m mark) String() string {
	superseded := ""
	if m.superseded {
		superseded = " superseded"
	}
	return fmt.Sprintf("<!-- opennebula-helm proposal: base %s text %s%s -->", m.base, m.text, superseded)
}

func isMarked(pull *github.PullRequest) bool { return markPattern.MatchString(pull.GetBody()) }

// markOf reads a pull request's last mark: what comes before it may quote one.
func markOf(pull *github.PullRequest) mark {
	all := markPattern.FindAllStringSubmatch(pull.GetBody(), -1)
	if len(all) == 0 {
		return mark{}
	}
	last := all[len(all)-1]
	return mark{base: last[1], text: last[2], superseded: last[3] != ""}
}

// marked is a body with another mark, and otherwise as it is.
func marked(body string, m mark) string {
	all := markPattern.FindAllStringIndex(body, -1)
	if len(all) == 0 {
		return strings.TrimRight(body, "\n") + "\n\n" + m.String() + "\n"
	}
	last := all[len(all)-1]
	return body[:last[0]] + m.String() + body[last[1]:]
}

// fingerprint changes with the title and the body.
func (p Proposal) fingerprint() string {
	sum := sha256.Sum256([]byte(p.Title + "\x00" + p.Body))
	return hex.EncodeToString(sum[:8])
}

// pull finds the newest pull request from a branch: nil where there is none, or where it
// was closed here.
func (r *Repository) pull(ctx context.Context, branch string) (*github.PullRequest, error) {
	options := &github.PullRequestListOptions{
		State: "all", Head: r.owner + ":" + branch, ListOptions: github.ListOptions{Page: 1, PerPage: pageSize},
	}
	var all []*github.PullRequest
	for range maxPages {
		found, response, err := r.client.PullRequests.List(ctx, r.owner, r.name, options)
		if err != nil {
			return nil, r.explain("list the pull requests of "+branch, err)
		}
		if found == nil { // go-github takes an answer that is no list for an empty one
			return nil, r.malformed("the list of pull requests")
		}
		all = append(all, found...)
		if response.NextPage <= options.Page {
			return newest(all, branch), nil
		}
		options.Page = response.NextPage
	}
	return nil, fmt.Errorf("the pull requests of %s do not end after %d pages: check the API's URL", r, maxPages)
}

// newest is the one that is open, or else the last one that was. GitHub leaves the head
// out of account where it does not understand it.
func newest(pulls []*github.PullRequest, branch string) *github.PullRequest {
	pulls = slices.DeleteFunc(pulls, func(p *github.PullRequest) bool {
		return p.GetHead().GetRef() != branch || p.GetState() == "closed" && markOf(p).superseded
	})
	if len(pulls) == 0 {
		return nil
	}
	return slices.MaxFunc(pulls, func(a, b *github.PullRequest) int {
		return cmp.Or(cmp.Compare(a.GetState(), b.GetState()), cmp.Compare(a.GetNumber(), b.GetNumber())) // closed, open
	})
}

// present opens the pull request, or brings its title, body, base and labels up to date.
func (r *Repository) present(ctx context.Context, p Proposal, pull *github.PullRequest, m mark, pushed bool) (Result, error) {
	outcome := Unchanged
	var err error
	switch {
	case pull == nil:
		outcome = Opened
		pull, err = r.open(ctx, p, m)
	case pushed:
		outcome = Updated
		fallthrough
	default:
		edited := p.edit(pull, m)
		if edited != nil {
			outcome = Updated
			err = r.edit(ctx, "update", pull, edited)
		}
	}
	if err != nil {
		return Result{}, err
	}
	labelled, err := r.label(ctx, pull, p.Labels)
	if labelled && outcome == Unchanged {
		outcome = Updated
	}
	return Result{Outcome: outcome, URL: pull.GetHTMLURL()}, err
}

func (r *Repository) open(ctx context.Context, p Proposal, m mark) (*github.PullRequest, error) {
	pull, _, err := r.client.PullRequests.Create(ctx, r.owner, r.name, &github.NewPullRequest{
		Title: &p.Title, Head: &p.Branch, Base: &p.Base, Body: github.String(marked(fit(p.Body), m)),
		MaintainerCanModify: github.Bool(true),
	})
	if err == nil && pull.GetNumber() == 0 {
		err = r.malformed("the pull request that was opened")
	}
	if err == nil {
		return pull, nil
	}
	// A request whose answer was lost has been carried out all the same.
	if there, findErr := r.pull(ctx, p.Branch); findErr == nil && there.GetState() == "open" && markOf(there) == m {
		return there, nil
	}
	return nil, r.explain("open the pull request for "+p.Branch, err)
}

// edit is what must change in a pull request; nil where nothing must. What people write
// into title and body stays until there is something new to say.
func (p Proposal) edit(pull *github.PullRequest, m mark) *github.PullRequest {
	title, body := pull.GetTitle(), marked(pull.GetBody(), m)
	if markOf(pull).text != m.text {
		title, body = p.Title, marked(fit(p.Body), m)
	}
	if title == pull.GetTitle() && body == pull.GetBody() && p.Base == pull.GetBase().GetRef() {
		return nil
	}
	return &github.PullRequest{Title: &title, Body: &body, Base: &github.PullRequestBranch{Ref: &p.Base}}
}

// label adds the labels that a pull request lacks, and reports whether it lacked any.
func (r *Repository) label(ctx context.Context, pull *github.PullRequest, labels []string) (bool, error) {
	missing := slices.DeleteFunc(slices.Clone(labels), func(name string) bool {
		return slices.ContainsFunc(pull.Labels, func(l *github.Label) bool { return strings.EqualFold(l.GetName(), name) })
	})
	if len(missing) == 0 {
		return false, nil
	}
	labelled, _, err := r.client.Issues.AddLabelsToIssue(ctx, r.owner, r.name, pull.GetNumber(), missing)
	if err == nil && len(labelled) < len(missing) {
		err = r.malformed("the labels")
	}
	return true, r.explain(fmt.Sprintf("label #%d", pull.GetNumber()), err)
}

// closePull says why, and closes, at once: what is half done would seem a person's doing.
func (r *Repository) closePull(ctx context.Context, pull *github.PullRequest, reason string) error {
	m := markOf(pull)
	m.superseded = true
	body := fmt.Sprintf("> Closed: %s.\n\n%s", reason, marked(pull.GetBody(), m))
	return r.edit(ctx, "close", pull, &github.PullRequest{State: github.String("closed"), Body: &body})
}

func (r *Repository) edit(ctx context.Context, what string, pull, edited *github.PullRequest) error {
	now, _, err := r.client.PullRequests.Edit(ctx, r.owner, r.name, pull.GetNumber(), edited)
	if err == nil && now.GetNumber() != pull.GetNumber() {
		err = r.malformed("the pull request")
	}
	return r.explain(fmt.Sprintf("%s #%d", what, pull.GetNumber()), err)
}

// fit cuts a body that GitHub would refuse, at the end of a line, and closes what is
// open there.
func fit(body string) string {
	if len(body) <= longestBody {
		return body
	}
	body = body[:strings.LastIndex(body[:longestBody-500], "\n")+1]
	if strings.Count("\n"+body, "\n```")%2 == 1 {
		body += "```\n"
	}
	open := strings.Count(body, "<details") - strings.Count(body, "</details>")
	return body + strings.Repeat("\n</details>\n", max(0, open)) + "\nThe rest is too long for GitHub.\n"
}
