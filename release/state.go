package release

import (
	"fmt"
	"time"

	"github.com/Masterminds/semver/v3"
)

// State is what a plan is made from: what upstream has, what is published, and the
// checkout that it would be made of. Callers read it; nothing here does.
type State struct {
	Now      time.Time
	Releases []Release // upstream's, in any order
	Base     string    // digest of the base image today, sha256:…
	Checkout Checkout

	Tags   map[string]string // of the image's repository, whoever set them: tag to digest, or Unread
	Images map[string]Image  // by digest: those under tags, and others if they are known

	ChartTags map[string]string // of the chart's repository: likewise
	Charts    map[string]Chart  // by digest

	Proposals   map[string]Proposal // by OpenNebula's version, X.Y.Z
	Description string              // the image's, where it is published: its text or a fingerprint
}

// Unread stands for the digest of a tag that nobody looked up, since nothing depends on it:
// of thousands of tags, that they are taken is enough.
const Unread = "unread"

// Channel is how finished a release is.
type Channel string

// The channels of upstream.
const (
	Stable    Channel = "stable"
	Candidate Channel = "candidate" // betas and release candidates
)

// Release is one of OpenNebula's.
type Release struct {
	Version   *semver.Version // X.Y.Z
	Channel   Channel
	Platforms []string  // OS/architecture for which it has all packages; none while it is only a tag
	EndOfLife time.Time // of its line, X.Y; zero where none is set
	Withdrawn bool      // upstream has taken it back
}

func (r Release) String() string { return "OpenNebula " + r.Version.String() }

func (r Release) line() string { return lineOf(r.Version) }

func lineOf(v *semver.Version) string { return fmt.Sprintf("%d.%d", v.Major(), v.Minor()) }

func (r Release) isPastItsEnd(now time.Time) bool {
	return !r.EndOfLife.IsZero() && now.After(r.EndOfLife)
}

func (r Release) end() string { return r.EndOfLife.UTC().Format(time.DateOnly) }

// isOffered tells whether it can be built from upstream's packages.
func (r Release) isOffered() bool { return !r.Withdrawn && len(r.Platforms) > 0 }

func (r Release) unavailable() string {
	if r.Withdrawn {
		return r.String() + " was withdrawn by upstream"
	}
	return fmt.Sprintf("upstream has no packages of %s", r)
}

// Checkout is the state of our repository.
type Checkout struct {
	Version  string // of OpenNebula that it is for, the chart's appVersion
	Revision string // commit
	// ImageRevision is the last commit that touched what the image is built of. An image is
	// labelled with it, and with its time, so that a change elsewhere makes no other image.
	ImageRevision string
	ChartSource   string // fingerprint of what the chart holds, without what packaging sets
	ChartVersion  string // as written in Chart.yaml
	ChartChange   Level  // from the newest published chart; None counts as Patch where there is one
	Description   string // of the image: as State has it; "" is not to be published
}

// Image is one by digest. Its labels are those of all of its platforms.
type Image struct {
	Version   string    // OpenNebula's, X.Y.Z; label
	Revision  string    // last commit of what it is built of; label
	Base      string    // digest of the base image; label
	Created   time.Time // label
	Platforms []string  // OS/architecture
	Pending   []Update  // security updates that Debian or OpenNebula has for it
	Evidence
	Progress
}

// Update is a package that has a fix.
type Update struct{ Package, Installed, Fixed string }

// Evidence is what proves where an image comes from. It counts only when it was
// verified against this pipeline's identity.
type Evidence struct{ Provenance, SBOM, Signature bool }

func (e Evidence) isComplete() bool { return e.Provenance && e.SBOM && e.Signature }

func (e Evidence) any() bool { return e.Provenance || e.SBOM || e.Signature }

// Progress is what the running release did to an image or a chart. What is read
// from a registry has none.
type Progress struct {
	Built    bool // by this run, whatever else had the same digest
	Local    bool // not pushed yet
	Tested   bool
	ReadBack bool // complete, compared with what was built
}

// isOurs tells what this pipeline made from what others pushed. What is not ours is
// never signed, and counts as a name taken only.
func (i Image) isOurs() bool { return i.Built || i.any() }

// Chart is a packaged chart by digest.
type Chart struct {
	Version    string // X.Y.Z
	AppVersion string // OpenNebula's
	Image      string // digest that it pins
	Source     string // fingerprint, as Checkout has it
	Signed     bool   // by this pipeline's identity
	Provenance bool   // attested by it
	Progress
}

// Proposal is a pull request for a release that the checkout is not for. Those that
// were closed because another took their place are not listed.
type Proposal struct {
	Revision string // commit that it was made on
	Refused  bool   // closed by a person
}

// Artifact is what is released.
type Artifact string

// The artifacts, by the names that people give them.
const (
	TheImage Artifact = "image"
	TheChart Artifact = "chart"
)

// Request is what was asked for. The zero one is the nightly run: whatever is due.
type Request struct {
	Version   string   // X.Y.Z; "" is the checkout's, and all published lines that upstream maintains
	Channel   Channel  // "" is stable
	Platforms []string // OS/architecture; none is all that upstream has
	Force     bool     // build images again that are up to date
	Only      Artifact // "" is both
}
