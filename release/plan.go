// Package release plans a release from what upstream offers and what is already
// published. It decides, and does no I/O of its own.
//
// A State is what there is, a Request what was asked for; State.Plan gives the steps
// from one to the other, State.After what there is once one is done, and Run goes on
// until nothing is left to publish. Since each plan is made from the state alone, a run that was
// broken off needs no memory: the next one plans from what it left.
package release

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Kind is what a step does.
type Kind string

// The kinds, in the order in which an image or a chart goes through them. Nothing
// has a tag before all that is above Tag is done.
const (
	Build            Kind = "build"             // the image, or the chart's archive; gives the digest
	Test             Kind = "test"              // all that must pass before anything is pushed: verification, scan, end to end
	Push             Kind = "push"              // by digest, under no tag
	AttestProvenance Kind = "attest provenance" // that this pipeline built it, and of what
	AttestSBOM       Kind = "attest SBOM"
	Sign             Kind = "sign"
	ReadBack         Kind = "read back" // the registry has what was built, signed and attested
	Tag              Kind = "tag"       // under a name that is never moved
	Float            Kind = "move"      // X.Y or latest

	Describe Kind = "describe" // the image, where its registry shows it to people
	Propose  Kind = "propose"  // a pull request for a release; one that is open is brought up to date
	Close    Kind = "close"    // such a pull request
)

// Step is one thing to do. It can be repeated.
type Step struct {
	Kind     Kind
	Artifact Artifact // "" for Describe, Propose and Close
	Version  string   // OpenNebula's, X.Y.Z; of a chart, its own
	// Digest of the image or chart, sha256:…; "" while an earlier step has yet to build it.
	Digest    string
	Tag       string   // to Tag or Float
	Platforms []string // to Build an image for, OS/architecture, in order
	Image     string   // that a chart pins: as Digest
	Reason    string   // a sentence, without its full stop
}

// Plan is what to do, in order. Its first step needs nothing that is not there; when
// that is done, the plan for State.After is the rest.
type Plan struct {
	Steps   []Step
	Reason  string   // for doing nothing; "" where there are steps
	Notices []string // what a person should know, and no step mends; sentences
}

// Skew is how far clocks may differ.
const Skew = 10 * time.Minute

// Plan decides what there is to do. The same state and request give the same plan. A
// request that cannot be met is an error: one sentence, with what to ask for instead.
func (s State) Plan(request Request) (Plan, error) {
	p, err := newPlanner(s, request)
	if err != nil {
		return Plan{}, err
	}
	target, err := p.target()
	if err != nil {
		return Plan{}, err
	}
	p.proposals()
	p.repairs()
	if target != nil {
		err = p.release(*target)
	}
	if err != nil {
		return Plan{}, err
	}
	p.lines()
	p.floats()
	p.description()
	p.withdrawals()
	return p.result(target), nil
}

// planner holds a plan as far as it has come. Its state is that after the steps so
// far, so that each rule sees what those before it decided.
type planner struct {
	State
	request  Request
	releases map[string]Release
	names    []heldName // in order
	refused  map[string]string
	plan     Plan
}

// heldName is an immutable tag with what it names, and what rules ask of all of them.
type heldName struct {
	Name
	digest  string
	version string // X.Y.Z
	line    string // X.Y
}

func hold(name Name, digest string) heldName {
	return heldName{name, digest, name.Version.String(), lineOf(name.Version)}
}

func newPlanner(s State, request Request) (*planner, error) {
	p := &planner{State: s.clone(), request: request, releases: map[string]Release{}, refused: map[string]string{}}
	for _, r := range s.Releases {
		p.releases[r.Version.String()] = r
	}
	for tag, digest := range s.Tags {
		if name, ok := ParseName(tag); ok {
			p.names = append(p.names, hold(name, digest))
		}
	}
	p.sortNames()
	return p, p.check()
}

func (p *planner) sortNames() {
	slices.SortFunc(p.names, func(a, b heldName) int { return a.Compare(b.Name) })
}

// check refuses what means nothing, and a state that would make everything look outdated.
func (p *planner) check() error {
	if only := p.request.Only; !slices.Contains([]Artifact{"", TheImage, TheChart}, only) {
		return fmt.Errorf("%q is nothing that is released: ask for the %s or the %s only, or for both", only, TheImage, TheChart)
	}
	if channel := p.request.Channel; !slices.Contains([]Channel{"", Stable, Candidate}, channel) {
		return fmt.Errorf("%q is no channel: ask for %s or %s", channel, Stable, Candidate)
	}
	if p.Base == "" || p.Checkout.ImageRevision == "" {
		return fmt.Errorf("the base image's digest (%q) and the last commit of what the image is built of (%q) must both be known: read them before planning",
			p.Base, p.Checkout.ImageRevision)
	}
	for _, name := range p.names {
		if img := p.Images[name.digest]; img.isOurs() && img.Created.After(p.Now.Add(Skew)) {
			return fmt.Errorf("the image %s was created at %s, and this machine's clock says %s: set the clock",
				name, img.Created.UTC().Format(time.RFC3339), p.Now.UTC().Format(time.RFC3339))
		}
	}
	return nil
}

// target is the release that was asked for; nil where there is none to make.
func (p *planner) target() (*Release, error) {
	switch {
	case p.request.Version != "":
		return p.asked()
	case p.request.Channel == Candidate:
		return p.newestCandidate(), nil
	}
	r, ok := p.releases[p.Checkout.Version]
	if !ok {
		return nil, fmt.Errorf("the chart's appVersion %q is no release of OpenNebula: write one of %s", p.Checkout.Version, p.known())
	}
	if r.Channel == Candidate {
		p.refuse(r, fmt.Sprintf("the checkout is for %s, a candidate, which the stable channel never releases", r))
		return nil, nil
	}
	return &r, nil
}

func (p *planner) asked() (*Release, error) {
	r, ok := p.releases[p.request.Version]
	switch {
	case !ok:
		return nil, fmt.Errorf("%q is no release of OpenNebula: ask for one of %s", p.request.Version, p.known())
	case !r.isOffered():
		return nil, fmt.Errorf("%s: ask for one of %s", r.unavailable(), p.known())
	case r.Channel == Candidate && p.request.Channel != Candidate:
		return nil, fmt.Errorf("%s is a candidate: ask for it in the channel %s", r, Candidate)
	case p.request.Only == TheChart && r.Channel == Candidate:
		return nil, fmt.Errorf("no chart is released for %s, which is a candidate: ask for the image only", r)
	case p.request.Only == TheChart && p.request.Version != p.Checkout.Version:
		return nil, fmt.Errorf("this checkout's chart is for OpenNebula %s: ask for that, or take a checkout that is for %s", p.Checkout.Version, p.request.Version)
	}
	return &r, nil
}

// known names the newest releases that can be had.
func (p *planner) known() string {
	offered := p.offered(func(r Release) bool { return r.Channel == Stable || p.request.Channel == Candidate })
	var names []string
	for _, r := range offered[max(0, len(offered)-5):] {
		names = append(names, r.Version.String())
	}
	if len(names) == 0 {
		return "those that upstream has packages for"
	}
	return strings.Join(names, ", ")
}

// offered are upstream's releases of a kind that can be built, in order.
func (p *planner) offered(kind func(Release) bool) []Release {
	var found []Release
	for _, r := range p.releases {
		if r.isOffered() && kind(r) {
			found = append(found, r)
		}
	}
	slices.SortFunc(found, func(a, b Release) int { return a.Version.Compare(b.Version) })
	return found
}

// newestCandidate is nil where a stable release has taken its place.
func (p *planner) newestCandidate() *Release {
	offered := p.offered(func(Release) bool { return true })
	if len(offered) == 0 || offered[len(offered)-1].Channel != Candidate {
		return nil
	}
	return &offered[len(offered)-1]
}

// isNightly tells that nothing in particular was asked for.
func (p *planner) isNightly() bool {
	return p.request.Version == "" && p.request.Channel != Candidate
}

func (p *planner) wants(artifact Artifact) bool {
	return p.request.Only == "" || p.request.Only == artifact
}

// release plans all that belongs to a release, the chart last.
func (p *planner) release(r Release) error {
	if err := p.image(r); err != nil {
		return err
	}
	p.floats()
	switch {
	case !p.wants(TheChart) || r.Withdrawn:
		return nil
	case r.Channel == Candidate:
		p.notice(fmt.Sprintf("no chart is released for %s, which is a candidate", r))
		return nil
	case r.Version.String() != p.Checkout.Version:
		p.notice(fmt.Sprintf("the chart stays: this checkout's is for OpenNebula %s", p.Checkout.Version))
		return nil
	}
	return p.chart()
}

// unbuilt stands for the digest of what a step of the plan will build.
const unbuilt = "unbuilt:"

// add puts a step at the end, and its effect into the state. It returns what the
// step is about.
func (p *planner) add(step Step) string {
	if step.Kind == Build {
		step.Digest = unbuilt + string(step.Artifact) + step.Version
	}
	p.plan.Steps = append(p.plan.Steps, step)
	p.apply(step, "")
	if step.Kind == Tag && step.Artifact == TheImage {
		name, _ := ParseName(step.Tag)
		p.names = append(p.names, hold(name, step.Digest))
		p.sortNames()
	}
	return step.Digest
}

// need is a step for an artifact that may be done already.
type need struct {
	kind   Kind
	due    bool
	reason string
}

// addDue adds the steps of an artifact that are due.
func (p *planner) addDue(about Step, needs []need) {
	for _, n := range needs {
		if n.due {
			about.Kind, about.Reason = n.kind, n.reason
			p.add(about)
		}
	}
}

func (p *planner) notice(sentence string) {
	if !slices.Contains(p.plan.Notices, sentence) {
		p.plan.Notices = append(p.plan.Notices, sentence)
	}
}

// refuse says why a release is left as it is.
func (p *planner) refuse(r Release, sentence string) {
	p.refused[r.Version.String()] = sentence
	p.notice(sentence)
}

// description is told once there is an image to describe, and after all else: what people
// read there holds up nothing that they run.
func (p *planner) description() {
	if !p.wants(TheImage) || p.Checkout.Description == "" || p.Checkout.Description == p.Description {
		return
	}
	if slices.ContainsFunc(p.names, func(n heldName) bool { return p.Images[n.digest].isOurs() }) {
		p.add(Step{Kind: Describe, Reason: "the image's description has changed"})
	}
}

// result is the plan, with what is not built yet left open.
func (p *planner) result(target *Release) Plan {
	for i, step := range p.plan.Steps {
		if strings.HasPrefix(step.Digest, unbuilt) {
			p.plan.Steps[i].Digest = ""
		}
		if strings.HasPrefix(step.Image, unbuilt) {
			p.plan.Steps[i].Image = ""
		}
	}
	if len(p.plan.Steps) == 0 {
		p.plan.Reason = p.nothing(target)
	}
	return p.plan
}

// nothing is why there is nothing to do.
func (p *planner) nothing(target *Release) string {
	if target == nil {
		return cmp.Or(p.refused[p.Checkout.Version], "upstream has no candidate that is newer than its newest stable release")
	}
	version := target.Version.String()
	if why := p.refused[version]; why != "" {
		return why
	}
	var done []string
	if image, ok := p.newest(version); ok && p.wants(TheImage) {
		done = append(done, fmt.Sprintf("%s is published as %s", target, image))
	}
	if chart := p.newestChart(); chart != nil && version == p.Checkout.Version && p.wants(TheChart) {
		done = append(done, fmt.Sprintf("the chart is published as %s", chart.Version))
	}
	return strings.Join(done, " and ") + ", up to date and signed"
}

// sorted are the keys of a map, in order.
func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// Proposals is of a plan what is proposed, or no longer.
func (p Plan) Proposals() Plan {
	return p.part(Step.isProposal, "no release is newer than what this checkout is for, and the pull requests there are say what they should")
}

// Publication is of a plan all but its proposals: to publish, no right to write to the
// repository is needed.
func (p Plan) Publication() Plan {
	isPublication := func(s Step) bool { return !s.isProposal() }
	return p.part(isPublication, cmp.Or(p.Reason, "only pull requests are due, which propose keeps"))
}

// part is a plan of some steps of another, with the reason for there being none.
func (p Plan) part(isWanted func(Step) bool, reason string) Plan {
	part := Plan{Notices: p.Notices}
	for _, step := range p.Steps {
		if isWanted(step) {
			part.Steps = append(part.Steps, step)
		}
	}
	if len(part.Steps) == 0 {
		part.Reason = reason
	}
	return part
}

func (s Step) isProposal() bool { return s.Kind == Propose || s.Kind == Close }
