package pipeline

import (
	"context"
	"errors"
	"fmt"

	"github.com/pablodelarco/opennebula-helm/chart"
	"github.com/pablodelarco/opennebula-helm/proposal"
	"github.com/pablodelarco/opennebula-helm/registry"
)

// changelogFile is of the repository, and written by nobody else.
const changelogFile = "CHANGELOG.md"

// Changelog is Markdown of what is published.
func (s *Site) Changelog(ctx context.Context) (string, error) {
	entries, err := chart.Entries(ctx, s.Charts)
	return chart.Changelog(entries), err
}

// CarryChangelog keeps one pull request, which brings the changelog up to date with what
// is published; none where it is, or where nothing is.
func (c *Carrier) CarryChangelog(ctx context.Context) error {
	if c.Site.Proposals == nil {
		return nil
	}
	entries, err := chart.Entries(ctx, c.Site.Charts)
	if errors.Is(err, registry.ErrDenied) {
		// Registries say this as well to who has no login of what is not there yet.
		c.Log("the changelog stays as it is: %v", err)
		return nil
	}
	if err != nil || len(entries) == 0 {
		return err
	}
	newest := entries[0].Version.Version
	if err := c.closeChangelogs(ctx, newest); err != nil {
		return err
	}
	result, err := c.Site.Proposals.Propose(ctx, proposal.Proposal{
		Base: proposalBase, Branch: proposal.ChangelogBranch(newest),
		Files:  map[string][]byte{changelogFile: []byte(chart.Changelog(entries))},
		Title:  "Note chart " + newest + " in the changelog",
		Body:   fmt.Sprintf("Chart %s is published. This is `dagger call changelog`, and nothing else.", newest),
		Labels: []string{"changelog"},
	})
	if err != nil {
		return fmt.Errorf("propose the changelog of chart %s: %w", newest, err)
	}
	if result.URL != "" {
		c.report(result)
	}
	return nil
}

// closeChangelogs closes pull requests of older versions: the newest has theirs too.
func (c *Carrier) closeChangelogs(ctx context.Context, newest string) error {
	branches, err := c.Site.Proposals.ChangelogBranches(ctx)
	if err != nil {
		return err
	}
	for _, branch := range branches {
		if branch == proposal.ChangelogBranch(newest) {
			continue
		}
		result, err := c.Site.Proposals.Close(ctx, branch, "that of chart "+newest+" takes its place")
		if err != nil {
			return err
		}
		c.report(result)
	}
	return nil
}
