package pipeline

import (
	"context"
	"fmt"
	"slices"

	"github.com/pablodelarco/opennebula-helm/chart"
	"github.com/pablodelarco/opennebula-helm/image"
	"github.com/pablodelarco/opennebula-helm/proposal"
	"github.com/pablodelarco/opennebula-helm/release"
	"github.com/pablodelarco/opennebula-helm/upstream"
	"github.com/pablodelarco/opennebula-helm/upstream/changes"
)

// proposalBase is the branch that releases are made from.
const proposalBase = "main"

// readProposals finds the pull requests that there are.
func (s *Site) readProposals(ctx context.Context, state *release.State) error {
	state.Proposals = map[string]release.Proposal{}
	if s.Proposals == nil {
		return nil
	}
	existing, err := s.Proposals.List(ctx, newerStable(state)...)
	if err != nil {
		return err
	}
	for _, e := range existing {
		p := release.Proposal{Revision: e.Revision, Refused: e.Refused}
		if e.Held { // a person works on it: there is nothing to bring up to date
			p.Revision = state.Checkout.Revision
		}
		state.Proposals[e.Version] = p
	}
	return nil
}

// newerStable are the releases that may be proposed, X.Y.Z. Their pull requests are asked
// for by name, since a person who closed one may have deleted its branch.
func newerStable(state *release.State) []string {
	current, err := upstream.ParseVersion(state.Checkout.Version)
	if err != nil {
		return nil // the planner says it
	}
	var newer []string
	for _, r := range state.Releases {
		if r.Channel == release.Stable && r.Version.GreaterThan(current) {
			newer = append(newer, r.Version.String())
		}
	}
	return newer
}

// CarryProposals carries out what a plan has of proposals, and leaves all else.
func (c *Carrier) CarryProposals(ctx context.Context, plan release.Plan) error {
	for _, step := range plan.Steps {
		var err error
		switch step.Kind {
		case release.Propose:
			err = c.propose(ctx, step)
		case release.Close:
			err = c.closeProposal(ctx, step)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", step, err)
		}
	}
	return nil
}

func (c *Carrier) propose(ctx context.Context, step release.Step) error {
	if c.Site.Proposals == nil {
		c.Log("OpenNebula %s is not proposed, since no token for GitHub was given", step.Version)
		return nil
	}
	p, err := c.proposal(ctx, step.Version)
	if err != nil {
		return err
	}
	result, err := c.Site.Proposals.Propose(ctx, p)
	if err != nil {
		return err
	}
	c.report(result)
	return nil
}

func (c *Carrier) closeProposal(ctx context.Context, step release.Step) error {
	result, err := c.Site.Proposals.Close(ctx, proposal.Branch(step.Version), step.Reason)
	if err != nil {
		return err
	}
	c.report(result)
	return nil
}

func (c *Carrier) report(result proposal.Result) {
	c.Log("the pull request was %s: %s %s", result.Outcome, result.URL, result.Notice)
}

// proposal is the pull request for a release: the few files that name OpenNebula's
// version, and what changes in its packages.
func (c *Carrier) proposal(ctx context.Context, version string) (proposal.Proposal, error) {
	files, err := chart.Edits(c.Checkout.Folder, version)
	if err != nil {
		return proposal.Proposal{}, err
	}
	state, err := c.Checkout.describe()
	if err != nil {
		return proposal.Proposal{}, err
	}
	found, err := c.Site.changesSince(ctx, state.Version, version, "amd64")
	if err != nil {
		return proposal.Proposal{}, err
	}
	return proposal.Proposal{
		Base: proposalBase, Branch: proposal.Branch(version), Files: files,
		Title: "Release OpenNebula " + version, Body: found.Markdown(changes.BodyLimit), Labels: []string{"release"},
	}, nil
}

// Changes are those between the packages of two releases, for an architecture in
// Debian's words, with upstream's notes.
func (s *Site) Changes(ctx context.Context, from, to, architecture string) (*changes.Changes, error) {
	catalogue, err := s.readBoth(ctx, from, to)
	if err != nil {
		return nil, err
	}
	return s.compare(ctx, catalogue, from, to, architecture)
}

// changesSince are the Changes from a release that was made once. One that upstream has
// withdrawn is to be left all the more: they say that nothing is left to compare.
func (s *Site) changesSince(ctx context.Context, made, to, architecture string) (*changes.Changes, error) {
	catalogue, err := s.readBoth(ctx, made, to)
	if err != nil {
		return nil, err
	}
	gone := catalogue.Withdrawn(made)
	if len(gone) == 0 {
		return s.compare(ctx, catalogue, made, to, architecture)
	}
	after, err := offered(catalogue, to)
	if err != nil {
		return nil, err
	}
	unknown := fmt.Sprintf("%s. What it had is therefore not compared.", gone[0].Reason)
	return &changes.Changes{From: made, To: to, Unknown: unknown, Notes: notesOf(after)}, nil
}

func (s *Site) readBoth(ctx context.Context, from, to string) (*upstream.Catalogue, error) {
	return upstream.ReadCatalogue(ctx, s.GitHub, s.Repositories, upstream.WithVersions(from, to))
}

func (s *Site) compare(ctx context.Context, catalogue *upstream.Catalogue, from, to, architecture string) (*changes.Changes, error) {
	before, err := offered(catalogue, from)
	if err != nil {
		return nil, err
	}
	after, err := offered(catalogue, to)
	if err != nil {
		return nil, err
	}
	found, err := changes.Compare(ctx, s.packagesOf(before, architecture), s.packagesOf(after, architecture), slices.Concat(image.Packages, image.OptionalPackages))
	if err != nil {
		return nil, err
	}
	found.Notes = notesOf(after)
	return found, nil
}

func notesOf(r upstream.Release) changes.Notes { return changes.Notes{Text: r.Notes, URL: r.URL} }

// offered is a release that has packages.
func offered(catalogue *upstream.Catalogue, version string) (upstream.Release, error) {
	found, err := catalogue.Find(version)
	if err == nil && found.Unavailable != "" {
		err = fmt.Errorf("%s: choose another release", found.Unavailable)
	}
	return found, err
}

func (s *Site) packagesOf(r upstream.Release, architecture string) changes.Release {
	repository := s.Repositories.Of(r.Version, upstream.Debian12)
	return changes.Release{Version: r.Version.String(), Source: changes.Repository(repository, architecture)}
}
