package release

import (
	"fmt"
	"slices"

	"github.com/pablodelarco/opennebula-helm/upstream"
)

// floats moves X.Y and latest to the last image that is complete, stable and not
// withdrawn; never back.
func (p *planner) floats() {
	if !p.wants(TheImage) {
		return
	}
	best := map[string]heldName{}
	for _, name := range p.names { // in order, so the last stays
		if p.mayFloat(name) {
			best[name.line], best[latest] = name, name
		}
	}
	for _, tag := range sorted(best) {
		name := best[tag]
		isAsked := p.isNightly() || name.version == p.request.Version
		if isAsked && p.isForward(tag, name) {
			p.add(Step{
				Kind: Float, Artifact: TheImage, Version: name.version, Digest: name.digest, Tag: tag,
				Reason: fmt.Sprintf("%s is the last of its kind", name),
			})
		}
	}
}

func (p *planner) mayFloat(name heldName) bool {
	r, known := p.releases[name.version]
	return known && r.Channel == Stable && !r.Withdrawn && p.isTrusted(name) && p.Images[name.digest].isComplete()
}

// isForward tells whether a name comes after what a floating tag holds, within its
// line.
func (p *planner) isForward(tag string, name heldName) bool {
	if p.Tags[tag] == name.digest {
		return false
	}
	return !slices.ContainsFunc(p.namesOf(p.Tags[tag]), func(held heldName) bool {
		return (tag == latest || tag == held.line) && name.Compare(held.Name) <= 0
	})
}

// namesOf are those of a digest, by tags and by its label. What has no tag, or is not
// ours, comes before all rebuilds of its version: others count as they like.
func (p *planner) namesOf(digest string) []heldName {
	var found []heldName
	if v, err := upstream.ParseVersion(p.Images[digest].Version); err == nil {
		found = append(found, hold(Name{v, -1}, digest))
	}
	for _, name := range p.names {
		if name.digest != digest {
			continue
		}
		if !p.isTrusted(name) {
			name.Rebuild = -1
		}
		found = append(found, name)
	}
	return found
}

// leadsTo tells whether a tag names an image of a version.
func (p *planner) leadsTo(tag, version string) bool {
	held := p.Tags[tag]
	return held != Unread && slices.ContainsFunc(p.namesOf(held), func(n heldName) bool { return n.version == version })
}

// withdrawals tells of floating tags that name what upstream has withdrawn.
func (p *planner) withdrawals() {
	for _, name := range p.names {
		r := p.releases[name.version]
		if !r.Withdrawn {
			continue
		}
		for _, tag := range []string{r.line(), latest} {
			if p.leadsTo(tag, name.version) {
				p.notice(fmt.Sprintf("%s was withdrawn by upstream, and %s still names it, since it never moves back: release a later one", r, tag))
			}
		}
	}
}
