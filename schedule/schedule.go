// Package schedule keeps GitHub from ending the schedules of a quiet repository.
package schedule

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/go-github/v60/github"
)

const (
	pageSize = 100 // the most that GitHub gives at once
	maxPages = 10  // a list that is longer does not end
)

// KeepAlive enables the workflows of a repository, OWNER/NAME, and returns their paths.
// GitHub disables schedules where nothing was committed for 60 days, and counts anew when
// a workflow is enabled, also one that is enabled already:
// https://docs.github.com/actions/how-tos/manage-workflow-runs/disable-and-enable-a-workflow
//
// What a person has disabled stays so. The client's token must be allowed to write
// actions. It can be run again after any failure.
func KeepAlive(ctx context.Context, client *github.Client, repository string) ([]string, error) {
	owner, name, ok := strings.Cut(repository, "/")
	if !ok || owner == "" || name == "" || strings.Contains(name, "/") {
		return nil, fmt.Errorf("%q is no repository on GitHub: write it as owner/name", repository)
	}
	all, err := workflows(ctx, client, owner, name)
	if err != nil {
		return nil, fmt.Errorf("list the workflows of %s: %w", repository, explain(err))
	}
	var enabled []string
	for _, w := range all {
		if !isWanted(w) {
			continue
		}
		if _, err := client.Actions.EnableWorkflowByID(ctx, owner, name, w.GetID()); err != nil {
			return nil, fmt.Errorf("enable %s of %s: %w", w.GetPath(), repository, explain(err))
		}
		enabled = append(enabled, w.GetPath())
	}
	if len(enabled) == 0 {
		return nil, fmt.Errorf("%s has no workflow that is enabled: enable one by hand, or check the repository's name", repository)
	}
	return enabled, nil
}

func workflows(ctx context.Context, client *github.Client, owner, name string) ([]*github.Workflow, error) {
	options := &github.ListOptions{Page: 1, PerPage: pageSize}
	var all []*github.Workflow
	for range maxPages {
		found, response, err := client.Actions.ListWorkflows(ctx, owner, name, options)
		if err != nil {
			return nil, err
		}
		all = append(all, found.Workflows...)
		if response.NextPage <= options.Page {
			return all, nil
		}
		options.Page = response.NextPage
	}
	return nil, fmt.Errorf("they do not end after %d pages: check the API's URL", maxPages)
}

// isWanted leaves out GitHub's own workflows, which no file has, and those that are gone
// or that a person has disabled.
func isWanted(w *github.Workflow) bool {
	return strings.HasPrefix(w.GetPath(), ".github/workflows/") &&
		(w.GetState() == "active" || w.GetState() == "disabled_inactivity")
}

// explain is GitHub's answer and the mend, without the request's address.
func explain(err error) error {
	var refused *github.ErrorResponse
	var unanswered *url.Error
	switch {
	case errors.As(err, &refused) && refused.Response != nil:
		return refusal(refused.Response.StatusCode, refused.Message)
	case errors.As(err, &unanswered):
		return unanswered.Err
	default:
		return err
	}
}

func refusal(status int, said string) error {
	switch status {
	case http.StatusUnauthorized:
		return fmt.Errorf("GitHub does not know the token (%s): give one that may write actions", said)
	case http.StatusForbidden, http.StatusNotFound:
		return fmt.Errorf("GitHub answers %d (%s): check the repository's name, and that the token may write actions there", status, said)
	default:
		return fmt.Errorf("GitHub answers %d (%s)", status, said)
	}
}
