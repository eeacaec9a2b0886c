package release

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// image brings the image of a release up to date.
func (p *planner) image(r Release) error {
	if !r.isOffered() {
		p.refuse(r, r.unavailable()+": nothing is built for it, and what is published stays")
		return nil
	}
	if !p.wants(TheImage) {
		return nil
	}
	newest, published := p.newest(r.Version.String())
	if published && r.isPastItsEnd(p.Now) && (p.isNightly() || !p.request.Force) {
		if why := p.outdated(r, p.Images[newest.digest], nil); len(why) > 0 {
			p.refuse(r, fmt.Sprintf("%s is past its end of life since %s and stays as it is, though %s", r, r.end(), strings.Join(why, ", and ")))
		}
		return nil
	}
	platforms, err := p.platforms(r)
	if err != nil {
		return err
	}
	why := []string{fmt.Sprintf("%s is not published yet", r)}
	if published {
		why = p.outdated(r, p.Images[newest.digest], platforms)
	}
	if len(why) == 0 {
		return nil
	}
	if lost := without(p.Images[newest.digest].Platforms, platforms); published && len(lost) > 0 {
		p.refuse(r, fmt.Sprintf("%s is not rebuilt for %s alone: those who pull %s on %s would lose it", r, list(platforms), newest, list(lost)))
		return nil
	}
	if made, ok := p.built(r); ok {
		p.publish(made)
		return nil
	}
	if r.isPastItsEnd(p.Now) {
		p.notice(fmt.Sprintf("%s is past its end of life since %s", r, r.end()))
	}
	p.publish(p.add(Step{
		Kind: Build, Artifact: TheImage, Version: r.Version.String(), Platforms: platforms, Reason: strings.Join(why, ", and "),
	}))
	return nil
}

// platforms to build a release for: those asked for, all of which upstream must have.
func (p *planner) platforms(r Release) ([]string, error) {
	wanted := p.request.Platforms
	if len(wanted) == 0 {
		wanted = r.Platforms
	}
	if lacking := without(wanted, r.Platforms); len(lacking) > 0 {
		return nil, fmt.Errorf("%s has no packages for %s: ask for %s", r, list(lacking), list(r.Platforms))
	}
	wanted = slices.Sorted(slices.Values(wanted))
	return slices.Compact(wanted), nil
}

// without are those of some that are not among others.
func without(some, others []string) []string {
	var left []string
	for _, s := range some {
		if !slices.Contains(others, s) {
			left = append(left, s)
		}
	}
	return left
}

// newest is the last image of a version that is published, and ours.
func (p *planner) newest(version string) (heldName, bool) {
	for _, name := range slices.Backward(p.names) {
		if name.version == version && p.isTrusted(name) {
			return name, true
		}
	}
	return heldName{}, false
}

// isTrusted tells whether a name holds an image of its version that is ours.
func (p *planner) isTrusted(name heldName) bool {
	img := p.Images[name.digest]
	return img.isOurs() && img.Version == name.version
}

// outdated says why an image should be built again; nothing where it need not be.
// What this run has built cannot become any newer.
func (p *planner) outdated(r Release, img Image, platforms []string) []string {
	if img.Built {
		return nil
	}
	var why []string
	if p.request.Force {
		why = append(why, "a rebuild was asked for")
	}
	if n := len(img.Pending); n > 0 {
		why = append(why, fmt.Sprintf("it has %s, such as %s", count(n, "pending security update"), img.Pending[0]))
	}
	if img.Base != p.Base {
		why = append(why, fmt.Sprintf("its base image has moved from %s to %s", short(img.Base), short(p.Base)))
	}
	if r.Version.String() == p.Checkout.Version && img.Revision != p.Checkout.ImageRevision {
		why = append(why, fmt.Sprintf("what it is built of has changed since its commit %s", short(img.Revision)))
	}
	if lacking := without(platforms, img.Platforms); len(lacking) > 0 {
		why = append(why, "it lacks "+list(lacking))
	}
	return why
}

func (u Update) String() string { return fmt.Sprintf("%s %s to %s", u.Package, u.Installed, u.Fixed) }

// built is the image of a release that this run has made, of today's packages. Where
// an earlier run left one without a tag, building it again gives the same digest, and
// what it has already is not done twice.
func (p *planner) built(r Release) (string, bool) {
	for _, digest := range sorted(p.Images) {
		if img := p.Images[digest]; img.Built && img.Version == r.Version.String() {
			return digest, true
		}
	}
	return "", false
}

// repairs adds what published images of ours lack: a run was broken off, or
// something was deleted.
func (p *planner) repairs() {
	if !p.wants(TheImage) {
		return
	}
	for _, name := range slices.Clone(p.names) {
		isAsked := p.isNightly() || name.version == p.request.Version
		if isAsked && p.isTrusted(name) && !p.Images[name.digest].isComplete() {
			p.complete(name.digest)
		}
	}
}

// complete adds all that an image lacks to be given a tag.
func (p *planner) complete(digest string) {
	img := p.Images[digest]
	p.addDue(Step{Artifact: TheImage, Version: img.Version, Digest: digest}, []need{
		{Test, !img.Tested && !img.any(), "nothing is pushed that has not passed"},
		{Push, img.Local, "it is attested and signed before it has a tag"},
		{AttestProvenance, !img.Provenance, "its provenance is not attested"},
		{AttestSBOM, !img.SBOM, "its packages are not attested"},
		{Sign, !img.Signature, "it is not signed"},
	})
}

// publish gives an image its name, after everything that proves where it is from.
func (p *planner) publish(digest string) {
	p.complete(digest)
	img := p.Images[digest]
	name, why := p.nextName(img.Version), "it is complete"
	if name.Rebuild > 0 {
		why = "it is complete, and names before this one are taken and never moved"
	}
	p.addDue(Step{Artifact: TheImage, Version: img.Version, Digest: digest, Tag: name.String()}, []need{
		{ReadBack, !img.ReadBack, "nothing gets a tag that is not there as it was built"},
		{Tag, true, why},
	})
}

// nextName is the name for another image of a version: after all of ours, and free.
func (p *planner) nextName(version string) Name {
	if newest, ok := p.newest(version); ok {
		return firstFree(newest.Name, p.Tags)
	}
	return firstFree(Name{Version: semver.MustParse(version)}, p.Tags)
}

// lines brings the latest published patch of each maintained line up to date, the
// newest first. What fails for one of them is said, and does not hold up the others.
func (p *planner) lines() {
	if !p.isNightly() || !p.wants(TheImage) {
		return
	}
	for _, published := range p.latestPatches() {
		p.sayNewerPatch(published)
		if err := p.image(published); err != nil {
			p.refuse(published, err.Error())
		}
		p.floats()
	}
}

// latestPatches are the last stable releases of each line that are published, the
// newest first.
func (p *planner) latestPatches() []Release {
	last := map[string]Release{}
	for _, name := range p.names {
		r, known := p.releases[name.version]
		if known && r.Channel == Stable && !r.Withdrawn && p.isTrusted(name) {
			last[r.line()] = r
		}
	}
	var found []Release
	for _, r := range last {
		found = append(found, r)
	}
	slices.SortFunc(found, func(a, b Release) int { return b.Version.Compare(a.Version) })
	return found
}

// sayNewerPatch tells of a patch that is neither published nor proposed.
func (p *planner) sayNewerPatch(published Release) {
	newer := p.offered(func(r Release) bool {
		return r.Channel == Stable && r.line() == published.line() && r.Version.GreaterThan(published.Version)
	})
	if len(newer) == 0 || published.isPastItsEnd(p.Now) {
		return
	}
	last := newer[len(newer)-1]
	if _, proposed := p.Proposals[last.Version.String()]; proposed {
		return
	}
	p.notice(fmt.Sprintf("%s is out and not published, and this checkout is for %s: ask for it by its version to publish its image",
		last, p.Checkout.Version))
}

// count is a number of things, in English.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// list is an enumeration, in English.
func list(things []string) string {
	if n := len(things); n > 1 {
		return strings.Join(things[:n-1], ", ") + " and " + things[n-1]
	}
	return strings.Join(things, "")
}

// short is as much of a digest or commit as people read.
func short(hash string) string {
	hash = strings.TrimPrefix(hash, "sha256:")
	return cmp.Or(hash[:min(len(hash), 12)], "none")
}
