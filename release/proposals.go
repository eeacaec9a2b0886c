package release

import "fmt"

// proposals keeps one pull request: for the newest stable release, where that is
// after what the checkout is for.
func (p *planner) proposals() {
	if !p.isNightly() || p.request.Only != "" {
		return
	}
	current := p.releases[p.Checkout.Version]
	newer := p.offered(func(r Release) bool {
		return r.Channel == Stable && !r.isPastItsEnd(p.Now) && r.Version.GreaterThan(current.Version)
	})
	wanted := ""
	if len(newer) > 0 {
		wanted = newer[len(newer)-1].Version.String()
	}
	for _, version := range sorted(p.Proposals) {
		if version != wanted && !p.Proposals[version].Refused {
			p.add(Step{Kind: Close, Version: version, Reason: p.whyClosed(version, wanted)})
		}
	}
	if wanted != "" {
		p.propose(wanted)
	}
}

func (p *planner) whyClosed(version, wanted string) string {
	switch {
	case p.releases[version].Withdrawn:
		return "upstream has withdrawn it"
	case wanted != "":
		return fmt.Sprintf("OpenNebula %s takes its place", wanted)
	}
	return fmt.Sprintf("the checkout is for OpenNebula %s", p.Checkout.Version)
}

func (p *planner) propose(version string) {
	made, exists := p.Proposals[version]
	switch {
	case made.Refused:
		p.notice(fmt.Sprintf("OpenNebula %s is out, and its pull request was closed by hand: reopen that to have it released", version))
	case !exists:
		p.add(Step{Kind: Propose, Version: version, Reason: fmt.Sprintf("upstream has released it, and this checkout is for %s", p.Checkout.Version)})
	case made.Revision != p.Checkout.Revision:
		p.add(Step{Kind: Propose, Version: version, Reason: fmt.Sprintf("its pull request was made on commit %s", short(made.Revision))})
	}
}
