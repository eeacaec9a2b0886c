package release

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/Masterminds/semver/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// with changes an image of the settled world.
func with(digest string, change func(*Image)) func(*State) {
	return func(s *State) {
		img := s.Images[digest]
		change(&img)
		s.Images[digest] = img
	}
}

func offer(s *State, version string, change func(*Release)) {
	r := stable(version)
	if change != nil {
		change(&r)
	}
	s.Releases = append(s.Releases, r)
}

// amend changes a release that is offered.
func amend(s *State, version string, change func(*Release)) {
	for i := range s.Releases {
		if s.Releases[i].Version.String() == version {
			change(&s.Releases[i])
		}
	}
}

func withdrawn(r *Release) { r.Withdrawn = true }

func candidate(r *Release) { r.Channel = Candidate }

func ended(r *Release) { r.EndOfLife = today.AddDate(0, -1, 0) }

// nothingPublished is how it all begins.
func nothingPublished(s *State) {
	s.Tags, s.Images, s.ChartTags, s.Charts, s.Description = nil, nil, nil, nil, ""
}

// publishing are the steps of an image until it may have a tag.
func publishing(version, platforms string) []string {
	of := "the image of OpenNebula " + version
	return []string{
		"build " + of + " for " + platforms, "test " + of, "push " + of,
		"attest the provenance of " + of, "attest the packages of " + of, "sign " + of, "read back " + of,
	}
}

const bothPlatforms = "linux/amd64 and linux/arm64"

func chartSteps(version string) []string {
	return []string{"push the chart " + version, "attest the provenance of the chart " + version, "sign the chart " + version, "read back the chart " + version, "tag the chart " + version + " as " + version}
}

func steps(groups ...[]string) []string {
	all := []string{}
	for _, group := range groups {
		all = append(all, group...)
	}
	return all
}

func one(step string) []string { return []string{step} }

// rebuilt is a rebuild of the checkout's image, with the chart that pins it.
func rebuilt(tag string) []string {
	const chart = "0.3.2"
	return steps(publishing("7.2.0", bothPlatforms), []string{
		"tag the image of OpenNebula 7.2.0 as " + tag,
		"move 7.2 to the image of OpenNebula 7.2.0", "move latest to the image of OpenNebula 7.2.0",
		"build the chart " + chart,
	}, chartSteps(chart))
}

func TestPlan(t *testing.T) {
	for name, test := range map[string]struct {
		change  func(*State)
		request Request
		want    []string
		reason  string // part of the first step's, or of that for doing nothing
		notice  string // part of the only one
	}{
		"nothing is due": {
			reason: "OpenNebula 7.2.0 is published as 7.2.0 and the chart is published as 0.3.1, up to date and signed",
		},
		"the first release of all": {
			change: nothingPublished,
			want: steps(publishing("7.2.0", bothPlatforms), []string{
				"tag the image of OpenNebula 7.2.0 as 7.2.0",
				"move 7.2 to the image of OpenNebula 7.2.0", "move latest to the image of OpenNebula 7.2.0",
				"build the chart 0.1.0",
			}, chartSteps("0.1.0"), one("publish the image's description")),
			reason: "OpenNebula 7.2.0 is not published yet",
		},

		// Rebuilds
		"a pending update rebuilds the image, and the chart pins the new one": {
			change: with("sha256:b", func(i *Image) { i.Pending = []Update{{"openssl", "3.0.1", "3.0.2"}, {"zlib", "1", "2"}} }),
			want:   rebuilt("7.2.0-1"),
			reason: "it has 2 pending security updates, such as openssl 3.0.1 to 3.0.2",
		},
		"a new base rebuilds every maintained line": {
			change: func(s *State) { s.Base = "sha256:newer" },
			want: steps(rebuilt("7.2.0-1"), publishing("7.0.2", bothPlatforms), []string{
				"tag the image of OpenNebula 7.0.2 as 7.0.2-1", "move 7.0 to the image of OpenNebula 7.0.2",
			}),
			reason: "its base image has moved from base to newer",
		},
		"a change of what the image is built of rebuilds what the checkout is for": {
			change: func(s *State) { s.Checkout.ImageRevision = "next" },
			want:   rebuilt("7.2.0-1"),
			reason: "what it is built of has changed since its commit commit",
		},
		"a commit elsewhere rebuilds nothing": {
			change: func(s *State) { s.Checkout.Revision = "next" },
			reason: "up to date",
		},
		"an older patch of a line is left": {
			change: func(s *State) {
				s.Tags["7.0.1"], s.Images["sha256:old"] = "sha256:old", image("7.0.1")
				with("sha256:old", func(i *Image) { i.Pending = []Update{{"zlib", "1", "2"}} })(s)
			},
			reason: "up to date",
		},
		"a line past its end is left": {
			change: func(s *State) {
				amend(s, "7.0.2", ended)
				with("sha256:a", func(i *Image) { i.Pending = []Update{{"zlib", "1", "2"}} })(s)
			},
			reason: "up to date",
			notice: "OpenNebula 7.0.2 is past its end of life since 2026-04-01 and stays as it is, though it has 1 pending security update, such as zlib 1 to 2",
		},
		"a line past its end is rebuilt where that is forced": {
			change:  func(s *State) { amend(s, "7.0.2", ended) },
			request: Request{Version: "7.0.2", Force: true, Only: TheImage},
			want: steps(publishing("7.0.2", bothPlatforms), []string{
				"tag the image of OpenNebula 7.0.2 as 7.0.2-1", "move 7.0 to the image of OpenNebula 7.0.2",
			}),
			reason: "a rebuild was asked for",
			notice: "OpenNebula 7.0.2 is past its end of life since 2026-04-01",
		},
		"a forced rebuild gets a name of its own": {
			request: Request{Version: "7.2.0", Force: true},
			want:    rebuilt("7.2.0-1"),
			reason:  "a rebuild was asked for",
		},
		"packages for another platform came later": {
			change: with("sha256:b", func(i *Image) { i.Platforms = both[:1] }),
			want:   rebuilt("7.2.0-1"),
			reason: "it lacks linux/arm64",
		},
		"a rebuild takes no platform away": {
			request: Request{Version: "7.2.0", Force: true, Platforms: both[:1], Only: TheImage},
			reason:  "OpenNebula 7.2.0 is not rebuilt for linux/amd64 alone: those who pull 7.2.0 on linux/arm64 would lose it",
			notice:  "is not rebuilt for linux/amd64 alone",
		},

		// Names
		"a rebuild gets the name after the last": {
			change: func(s *State) {
				s.Tags["7.2.0-1"], s.Tags["7.2.0-2"] = "sha256:x", "sha256:b"
				s.Base = "sha256:newer"
			},
			request: Request{Version: "7.2.0"},
			want:    rebuilt("7.2.0-3"),
		},
		"a name that was deleted is not given again": {
			change: func(s *State) {
				s.Tags["7.2.0-2"], s.Base = "sha256:b", "sha256:newer"
			},
			request: Request{Version: "7.2.0"},
			want:    rebuilt("7.2.0-3"),
		},
		"a name that others took is never moved, and what they pushed never signed": {
			change: func(s *State) {
				nothingPublished(s)
				s.Tags = map[string]string{"7.2.0": "sha256:theirs", "7.2.0-20260101": "sha256:theirs", "latest": "sha256:theirs"}
				s.Images = map[string]Image{"sha256:theirs": {Version: "7.2.0", Platforms: both, Base: "sha256:base", Revision: "commit"}}
			},
			request: Request{Version: "7.2.0", Only: TheImage},
			want: steps(publishing("7.2.0", bothPlatforms), []string{
				"tag the image of OpenNebula 7.2.0 as 7.2.0-1",
				"move 7.2 to the image of OpenNebula 7.2.0", "move latest to the image of OpenNebula 7.2.0",
				"publish the image's description",
			}),
			reason: "OpenNebula 7.2.0 is not published yet",
		},
		"latest stays at a later release": {
			change: func(s *State) {
				nothingPublished(s)
				s.Tags = map[string]string{"7.2.0": "sha256:b", "latest": "sha256:b", "7.2": "sha256:b"}
				s.Images = map[string]Image{"sha256:b": image("7.2.0")}
			},
			request: Request{Version: "7.0.2", Only: TheImage},
			want: steps(publishing("7.0.2", bothPlatforms), []string{
				"tag the image of OpenNebula 7.0.2 as 7.0.2", "move 7.0 to the image of OpenNebula 7.0.2",
				"publish the image's description",
			}),
		},
		"a floating tag that stayed behind catches up": {
			change: func(s *State) { s.Tags["latest"] = "sha256:a" },
			want:   one("move latest to the image of OpenNebula 7.2.0 (b)"),
			reason: "7.2.0 is the last of its kind",
		},
		"what is asked for by its version changes nothing else": {
			change: func(s *State) {
				delete(s.Tags, "7.2")
				s.Base = "sha256:newer"
				with("sha256:b", func(i *Image) { i.SBOM = false })(s)
				offer(s, "7.4.0", nil)
			},
			request: Request{Version: "7.0.2"},
			want: steps(publishing("7.0.2", bothPlatforms), []string{
				"tag the image of OpenNebula 7.0.2 as 7.0.2-1", "move 7.0 to the image of OpenNebula 7.0.2",
			}),
			notice: "the chart stays: this checkout's is for OpenNebula 7.2.0",
		},
		"a floating tag that is ahead stays": {
			change: func(s *State) {
				offer(s, "7.2.1", nil)
				s.Tags["7.2.1"], s.Tags["7.2"], s.Tags["latest"] = "sha256:theirs", "sha256:theirs", "sha256:theirs"
				s.Proposals["7.2.1"] = Proposal{Revision: "head"}
			},
			reason: "up to date",
		},

		// Broken-off runs
		"an image without its packages attested gets only that": {
			change: with("sha256:a", func(i *Image) { i.SBOM = false }),
			want:   one("attest the packages of the image of OpenNebula 7.0.2 (a)"),
		},
		"what a run has built already is not built again": {
			change: func(s *State) {
				with("sha256:b", func(i *Image) { i.Pending = []Update{{"zlib", "1", "2"}} })(s)
				built := image("7.2.0")
				built.Evidence = Evidence{Provenance: true}
				built.Progress = Progress{Built: true, Tested: true}
				s.Images["sha256:new"] = built
			},
			request: Request{Only: TheImage},
			want: []string{
				"attest the packages of the image of OpenNebula 7.2.0 (new)", "sign the image of OpenNebula 7.2.0 (new)",
				"read back the image of OpenNebula 7.2.0 (new)", "tag the image of OpenNebula 7.2.0 (new) as 7.2.0-1",
				"move 7.2 to the image of OpenNebula 7.2.0 (new)", "move latest to the image of OpenNebula 7.2.0 (new)",
			},
		},
		"a build that gave what is published already leaves nothing to do": {
			change: with("sha256:b", func(i *Image) { i.Pending, i.Built = []Update{{"zlib", "1", "2"}}, true }),
			reason: "up to date",
		},

		// Upstream
		"a release that the checkout is not for is proposed": {
			change: func(s *State) { offer(s, "7.2.1", nil); offer(s, "7.4.0", nil) },
			want:   one("propose OpenNebula 7.4.0"),
			reason: "upstream has released it, and this checkout is for 7.2.0",
			notice: "OpenNebula 7.2.1 is out and not published, and this checkout is for 7.2.0: ask for it by its version to publish its image",
		},
		"a release that is proposed already waits": {
			change: func(s *State) { offer(s, "7.4.0", nil); s.Proposals["7.4.0"] = Proposal{Revision: "head"} },
			reason: "up to date",
		},
		"a proposal is brought up to date with the checkout": {
			change: func(s *State) { offer(s, "7.4.0", nil); s.Proposals["7.4.0"] = Proposal{Revision: "old"} },
			want:   one("propose OpenNebula 7.4.0"),
			reason: "its pull request was made on commit old",
		},
		"a proposal is superseded by a later one": {
			change: func(s *State) {
				offer(s, "7.4.0", nil)
				offer(s, "7.4.1", nil)
				s.Proposals["7.4.0"] = Proposal{Revision: "head"}
			},
			want:   []string{"close the proposal of OpenNebula 7.4.0", "propose OpenNebula 7.4.1"},
			reason: "OpenNebula 7.4.1 takes its place",
		},
		"a proposal of a release that was withdrawn is closed": {
			change: func(s *State) { offer(s, "7.4.0", withdrawn); s.Proposals["7.4.0"] = Proposal{Revision: "head"} },
			want:   one("close the proposal of OpenNebula 7.4.0"),
			reason: "upstream has withdrawn it",
		},
		"a proposal that was merged is closed": {
			change: func(s *State) { s.Proposals["7.2.0"] = Proposal{Revision: "head"} },
			want:   one("close the proposal of OpenNebula 7.2.0"),
			reason: "the checkout is for OpenNebula 7.2.0",
		},
		"a proposal that a person closed is not opened again": {
			change: func(s *State) { offer(s, "7.4.0", nil); s.Proposals["7.4.0"] = Proposal{Refused: true} },
			reason: "up to date",
			notice: "OpenNebula 7.4.0 is out, and its pull request was closed by hand: reopen that to have it released",
		},
		"candidates, tags without packages and lines past their end are not proposed": {
			change: func(s *State) {
				offer(s, "7.3.80", candidate)
				offer(s, "7.4.0", func(r *Release) { r.Platforms = nil })
				offer(s, "7.6.0", ended)
			},
			reason: "up to date",
		},
		"a new patch of an older line is said": {
			change: func(s *State) { offer(s, "7.0.3", nil) },
			reason: "up to date",
			notice: "OpenNebula 7.0.3 is out and not published",
		},
		"a new patch of a line past its end is not": {
			change: func(s *State) { amend(s, "7.0.2", ended); offer(s, "7.0.3", ended) },
			reason: "up to date",
		},
		"a release asked for by its version is built, without a chart": {
			change:  func(s *State) { offer(s, "7.4.0", nil) },
			request: Request{Version: "7.4.0"},
			want: steps(publishing("7.4.0", bothPlatforms), []string{
				"tag the image of OpenNebula 7.4.0 as 7.4.0", "move 7.4 to the image of OpenNebula 7.4.0", "move latest to the image of OpenNebula 7.4.0",
			}),
			notice: "the chart stays: this checkout's is for OpenNebula 7.2.0",
		},
		"a release is built for the platforms asked for": {
			change:  func(s *State) { offer(s, "7.4.0", nil) },
			request: Request{Version: "7.4.0", Only: TheImage, Platforms: []string{"linux/arm64", "linux/arm64"}},
			want: steps(publishing("7.4.0", "linux/arm64"), []string{
				"tag the image of OpenNebula 7.4.0 as 7.4.0", "move 7.4 to the image of OpenNebula 7.4.0", "move latest to the image of OpenNebula 7.4.0",
			}),
		},
		"a checkout that is for a release without packages waits": {
			change: func(s *State) {
				offer(s, "7.4.0", func(r *Release) { r.Platforms = nil })
				s.Checkout.Version = "7.4.0"
			},
			reason: "upstream has no packages of OpenNebula 7.4.0: nothing is built for it",
			notice: "upstream has no packages of OpenNebula 7.4.0",
		},

		// Candidates
		"a candidate gets neither a floating tag nor a chart": {
			change:  func(s *State) { offer(s, "7.3.80", candidate); offer(s, "7.3.81", candidate) },
			request: Request{Channel: Candidate},
			want:    steps(publishing("7.3.81", bothPlatforms), one("tag the image of OpenNebula 7.3.81 as 7.3.81")),
			notice:  "no chart is released for OpenNebula 7.3.81, which is a candidate",
		},
		"a candidate before the newest stable release is of no use": {
			change:  func(s *State) { offer(s, "7.1.80", candidate) },
			request: Request{Channel: Candidate},
			reason:  "upstream has no candidate that is newer than its newest stable release",
		},
		"a checkout that is for a candidate releases nothing by night": {
			change: func(s *State) { offer(s, "7.3.80", candidate); s.Checkout.Version = "7.3.80" },
			reason: "the checkout is for OpenNebula 7.3.80, a candidate, which the stable channel never releases",
			notice: "the checkout is for OpenNebula 7.3.80",
		},

		// Withdrawn releases
		"a withdrawn release is not rebuilt, and stays under its tags": {
			change: func(s *State) {
				amend(s, "7.2.0", withdrawn)
				with("sha256:b", func(i *Image) { i.Pending = []Update{{"zlib", "1", "2"}} })(s)
				delete(s.Tags, "latest")
			},
			want:   one("move latest to the image of OpenNebula 7.0.2 (a)"),
			notice: "*",
		},
		"a line goes on with the patch before a withdrawn one": {
			change: func(s *State) {
				offer(s, "7.0.3", withdrawn)
				s.Tags["7.0.3"], s.Tags["7.0"], s.Images["sha256:gone"] = "sha256:gone", "sha256:gone", image("7.0.3")
				with("sha256:a", func(i *Image) { i.Pending = []Update{{"zlib", "1", "2"}} })(s)
			},
			want:   steps(publishing("7.0.2", bothPlatforms), one("tag the image of OpenNebula 7.0.2 as 7.0.2-1")),
			notice: "OpenNebula 7.0.3 was withdrawn by upstream, and 7.0 still names it, since it never moves back: release a later one",
		},

		"a floating tag that holds a withdrawn release by its label alone is told of, and stays": {
			change: func(s *State) {
				offer(s, "7.4.0", withdrawn)
				s.Tags["7.4.0"], s.Tags["7.4"], s.Tags["latest"], s.Images["sha256:gone"] = Unread, Unread, "sha256:gone", image("7.4.0")
			},
			reason: "up to date",
			notice: "OpenNebula 7.4.0 was withdrawn by upstream, and latest still names it, since it never moves back: release a later one",
		},

		// The chart
		"a change of the chart makes no image": {
			change: func(s *State) { s.Checkout.ChartSource, s.Checkout.ChartChange = "sha256:other", Minor },
			want:   steps([]string{"build the chart 0.4.0", "test the chart 0.4.0"}, chartSteps("0.4.0")),
			reason: "the chart has changed since 0.3.1",
		},
		"a chart that a run has built already is not built again": {
			change: func(s *State) {
				s.Checkout.ChartSource = "sha256:other"
				s.Charts["sha256:new"] = Chart{
					Version: "0.3.2", AppVersion: "7.2.0", Image: "sha256:b", Source: "sha256:other", Progress: Progress{Built: true, Tested: true},
				}
			},
			want: chartSteps("0.3.2")[1:],
		},
		"a chart for another OpenNebula moves as that does": {
			change: func(s *State) {
				c := s.Charts["sha256:c"]
				c.AppVersion, c.Image = "7.0.2", "sha256:a"
				s.Charts["sha256:c"] = c
			},
			want:   steps([]string{"build the chart 0.4.0", "test the chart 0.4.0"}, chartSteps("0.4.0")),
			reason: "0.3.1 runs OpenNebula 7.0.2",
		},
		"a version that a person wrote into Chart.yaml is taken": {
			change: func(s *State) { s.Checkout.ChartVersion = "1.0.0" },
			want:   steps([]string{"build the chart 1.0.0", "test the chart 1.0.0"}, chartSteps("1.0.0")),
			reason: "Chart.yaml has a new version, 1.0.0",
		},
		"a version that a person wrote and that promises too much is raised": {
			change: func(s *State) {
				s.Checkout.ChartVersion, s.Checkout.ChartSource, s.Checkout.ChartChange = "0.3.2", "sha256:other", Minor
			},
			want:   steps([]string{"build the chart 0.4.0", "test the chart 0.4.0"}, chartSteps("0.4.0")),
			reason: "the chart has changed since 0.3.1",
		},
		"a chart's version that others took is left to them": {
			change: func(s *State) {
				s.ChartTags["0.3.2"], s.ChartTags["1.0.0-rc.1"], s.ChartTags["sha256-0.sig"] = "sha256:theirs", "sha256:rc", "sha256:sig"
				s.Checkout.ChartSource = "sha256:other"
			},
			want:   steps([]string{"build the chart 0.3.3", "test the chart 0.3.3"}, chartSteps("0.3.3")),
			reason: "the chart has changed since 0.3.1",
		},
		"a chart that others pushed is never taken for ours": {
			change: func(s *State) {
				c := s.Charts["sha256:c"]
				c.Signed = false
				s.Charts["sha256:c"] = c
			},
			want:   steps([]string{"build the chart 0.3.2", "test the chart 0.3.2"}, chartSteps("0.3.2")),
			reason: "no chart is published yet",
		},
		"only the image": {
			change:  func(s *State) { s.Checkout.ChartSource = "sha256:other" },
			request: Request{Only: TheImage},
			reason:  "OpenNebula 7.2.0 is published as 7.2.0, up to date and signed",
		},
		"only the chart": {
			change: func(s *State) {
				s.Base, s.Checkout.ChartSource, s.Description = "sha256:newer", "sha256:other", "old"
				s.Tags["latest"] = "sha256:a"
			},
			request: Request{Only: TheChart},
			want:    steps([]string{"build the chart 0.3.2", "test the chart 0.3.2"}, chartSteps("0.3.2")),
		},
		"only the chart, which is up to date": {
			request: Request{Only: TheChart},
			reason:  "the chart is published as 0.3.1, up to date and signed",
		},

		// Its description
		"the description has changed": {
			change: func(s *State) { s.Checkout.Description = "new" },
			want:   one("publish the image's description"),
			reason: "the image's description has changed",
		},
		"the description holds up no line": {
			change: func(s *State) { s.Base, s.Checkout.Description = "sha256:newer", "new" },
			want: steps(rebuilt("7.2.0-1"), publishing("7.0.2", bothPlatforms), []string{
				"tag the image of OpenNebula 7.0.2 as 7.0.2-1", "move 7.0 to the image of OpenNebula 7.0.2",
				"publish the image's description",
			}),
			reason: "its base image has moved from base to newer",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := settled()
			if test.change != nil {
				test.change(&s)
			}
			plan, err := s.Plan(test.request)
			require.NoError(t, err)
			got := []string{}
			for _, step := range plan.Steps {
				got = append(got, step.String())
				sentence(t, step.Reason)
			}
			assert.Equal(t, steps(test.want), got)
			if len(got) > 0 {
				assert.Empty(t, plan.Reason)
				assert.Contains(t, plan.Steps[0].Reason, test.reason)
			} else {
				sentence(t, plan.Reason)
				assert.Contains(t, plan.Reason, test.reason)
			}
			checkNotices(t, test.notice, plan.Notices)
			run(t, s, test.request, builder{})
		})
	}
}

// checkNotices wants one that contains a text, none for "", and any for "*".
func checkNotices(t *testing.T, want string, got []string) {
	for _, notice := range got {
		sentence(t, notice)
	}
	switch want {
	case "*":
	case "":
		assert.Empty(t, got)
	default:
		require.Len(t, got, 1)
		assert.Contains(t, got[0], want)
	}
}

func TestPlanRefusesWithASentence(t *testing.T) {
	for name, test := range map[string]struct {
		change  func(*State)
		request Request
		want    string
	}{
		"an unknown version": {
			request: Request{Version: "9.9.9"},
			want:    `"9.9.9" is no release of OpenNebula: ask for one of 7.0.1, 7.0.2, 7.2.0`,
		},
		"a checkout for an unknown version": {
			change: func(s *State) { s.Checkout.Version = "7.2" },
			want:   `the chart's appVersion "7.2" is no release of OpenNebula: write one of 7.0.1, 7.0.2, 7.2.0`,
		},
		"a release that was withdrawn": {
			change:  func(s *State) { offer(s, "7.4.0", withdrawn) },
			request: Request{Version: "7.4.0"},
			want:    "OpenNebula 7.4.0 was withdrawn by upstream: ask for one of 7.0.1, 7.0.2, 7.2.0",
		},
		"a release without packages": {
			change:  func(s *State) { offer(s, "7.4.0", func(r *Release) { r.Platforms = nil }) },
			request: Request{Version: "7.4.0"},
			want:    "upstream has no packages of OpenNebula 7.4.0: ask for one of 7.0.1, 7.0.2, 7.2.0",
		},
		"a platform without packages": {
			request: Request{Version: "7.2.0", Platforms: []string{"linux/riscv64", "linux/amd64"}},
			want:    "OpenNebula 7.2.0 has no packages for linux/riscv64: ask for linux/amd64 and linux/arm64",
		},
		"a candidate in the stable channel": {
			change:  func(s *State) { offer(s, "7.3.80", candidate) },
			request: Request{Version: "7.3.80"},
			want:    "OpenNebula 7.3.80 is a candidate: ask for it in the channel candidate",
		},
		"a clock that is behind": {
			change: with("sha256:a", func(i *Image) { i.Created = today.Add(time.Hour) }),
			want:   "the image 7.0.2 was created at 2026-05-01T03:00:00Z, and this machine's clock says 2026-05-01T02:00:00Z: set the clock",
		},
		"a chart without its image": {
			change:  nothingPublished,
			request: Request{Only: TheChart},
			want:    "the chart needs the image of OpenNebula 7.2.0, which is not published with all that proves where it is from: release the image as well",
		},
		"the chart of another release": {
			request: Request{Only: TheChart, Version: "7.0.2"},
			want:    "this checkout's chart is for OpenNebula 7.2.0: ask for that, or take a checkout that is for 7.0.2",
		},
		"the chart of a candidate": {
			change:  func(s *State) { offer(s, "7.3.80", candidate) },
			request: Request{Only: TheChart, Version: "7.3.80", Channel: Candidate},
			want:    "no chart is released for OpenNebula 7.3.80, which is a candidate: ask for the image only",
		},
		"a version in Chart.yaml that cannot be released": {
			change: func(s *State) { s.Checkout.ChartVersion = "1.0.0-dev" },
			want:   `the version "1.0.0-dev" in Chart.yaml is not one that can be released: write it as X.Y.Z, such as 1.2.3`,
		},
		"an unknown channel": {
			request: Request{Channel: "nightly"},
			want:    `"nightly" is no channel: ask for stable or candidate`,
		},
		"an unknown artifact": {
			request: Request{Only: "charts"},
			want:    `"charts" is nothing that is released: ask for the image or the chart only, or for both`,
		},
		"a base that is not known": {
			change: func(s *State) { s.Base = "" },
			want:   `the base image's digest ("") and the last commit of what the image is built of ("commit") must both be known: read them before planning`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := settled()
			if test.change != nil {
				test.change(&s)
			}
			_, err := s.Plan(test.request)
			assert.EqualError(t, err, test.want)
		})
	}
}

// An image that others pushed may have any date.
func TestPlanReadsNoClockFromWhatOthersPushed(t *testing.T) {
	s := settled()
	s.Tags["7.0.1"], s.Images["sha256:theirs"] = "sha256:theirs", Image{Version: "7.0.1", Created: today.AddDate(100, 0, 0)}
	_, err := s.Plan(Request{})
	assert.NoError(t, err)
	with("sha256:a", func(i *Image) { i.Created = today.Add(Skew) })(&s)
	_, err = s.Plan(Request{})
	assert.NoError(t, err, "clocks differ a little")
}

// One line that cannot be built holds up no other.
func TestPlanLeavesOutALineThatLacksAPlatform(t *testing.T) {
	s := settled()
	s.Base = "sha256:newer"
	amend(&s, "7.0.2", func(r *Release) { r.Platforms = both[:1] })
	plan, err := s.Plan(Request{Platforms: both})
	require.NoError(t, err)
	assert.Equal(t, "7.2.0", plan.Steps[0].Version)
	assert.Equal(t, []string{"OpenNebula 7.0.2 has no packages for linux/arm64: ask for linux/amd64"}, plan.Notices)
}

// What a build turns out to be is taken into account: here, what others had pushed.
func TestRunTakesABuildForWhatItIs(t *testing.T) {
	s := settled()
	nothingPublished(&s)
	s.Tags = map[string]string{"7.2.0": "sha256:same"}
	var done []string
	end, err := Run(context.Background(), s, Request{Only: TheImage}, func(_ context.Context, step Step) (string, error) {
		done = append(done, string(step.Kind))
		if step.Kind == Build {
			return "sha256:same", nil
		}
		return "", nil
	})
	require.NoError(t, err)
	assert.Equal(t, "build test push attest provenance attest SBOM sign move move describe", strings.Join(done, " "))
	assert.Equal(t, map[string]string{"7.2.0": "sha256:same", "7.2": "sha256:same", "latest": "sha256:same"}, end.Tags)
}

// Who publishes may have no right to propose.
func TestProposalsHoldUpNoPublication(t *testing.T) {
	s := settled()
	offer(&s, "7.4.0", nil)
	s.Proposals["7.2.0"] = Proposal{Revision: "head"}
	plan, err := s.Plan(Request{})
	require.NoError(t, err)
	assert.Len(t, plan.Steps, 2, "one to close, and one to open")
	assert.Equal(t, "nothing to do: only pull requests are due, which propose keeps\n", plan.Publication().String())

	s.Checkout.Description = "new"
	plan, err = s.Plan(Request{})
	require.NoError(t, err)
	assert.Len(t, plan.Proposals().Steps, 2)
	assert.Equal(t, "  1. publish the image's description: the image's description has changed\n1 step\n", plan.Publication().String())
	end := run(t, s, Request{}, builder{})
	assert.Equal(t, "new", end.Description)
	assert.Equal(t, s.Proposals, end.Proposals)

	plan, err = settled().Plan(Request{})
	require.NoError(t, err)
	assert.Equal(t, plan, plan.Publication(), "the reason stays")
}

func TestRunStopsAtAFailure(t *testing.T) {
	s := settled()
	s.Base = "sha256:newer"
	broken := errors.New("no space left")
	end, err := Run(context.Background(), s, Request{}, func(_ context.Context, step Step) (string, error) {
		if step.Kind == Push {
			return "", broken
		}
		return builder{}.digest(s, step), nil
	})
	require.ErrorIs(t, err, broken)
	assert.Regexp(t, `^push the image of OpenNebula 7.2.0 \([0-9a-f]{12}\): no space left$`, err.Error())
	assert.Len(t, end.Images, 3, "what was built is known")

	_, err = Run(context.Background(), s, Request{}, func(context.Context, Step) (string, error) { return "", nil })
	assert.ErrorContains(t, err, "the build gave no digest")

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = Run(ctx, s, Request{}, func(context.Context, Step) (string, error) { panic("it was canceled") })
	assert.ErrorIs(t, err, context.Canceled)
}

func TestNextChart(t *testing.T) {
	for _, test := range []struct {
		previous string
		change   Level
		want     string
	}{
		{"0.3.1", None, "0.3.1"},
		{"0.3.1", Patch, "0.3.2"},
		{"0.3.1", Minor, "0.4.0"},
		{"0.3.1", Major, "0.4.0"},
		{"1.3.1", Patch, "1.3.2"},
		{"1.3.1", Minor, "1.4.0"},
		{"1.3.1", Major, "2.0.0"},
	} {
		assert.Equal(t, test.want, NextChart(semver.MustParse(test.previous), test.change).String(), test)
	}
	assert.Equal(t, "none patch minor major", fmt.Sprint(None, " ", Patch, " ", Minor, " ", Major))
}

func TestPlanIsReadable(t *testing.T) {
	s := settled()
	s.Checkout.ChartSource = "sha256:other"
	offer(&s, "7.0.3", nil)
	plan, err := s.Plan(Request{})
	require.NoError(t, err)
	assert.Equal(t, `  1. build the chart 0.3.2: the chart has changed since 0.3.1
  2. test the chart 0.3.2: nothing is pushed that has not passed with its image
  3. push the chart 0.3.2: it is attested and signed before it has a tag
  4. attest the provenance of the chart 0.3.2: its provenance is not attested
  5. sign the chart 0.3.2: it is not signed
  6. read back the chart 0.3.2: nothing gets a tag that is not there as it was built
  7. tag the chart 0.3.2 as 0.3.2: it is complete
note: OpenNebula 7.0.3 is out and not published, and this checkout is for 7.2.0: ask for it by its version to publish its image
7 steps: 1 build and 1 new tag
`, plan.String())

	plan.Steps = plan.Steps[:1]
	plan.Steps[0].Reason = "it has <img> and *_[`\\"
	assert.Equal(t, "1. **build the chart 0.3.2**: it has &lt;img> and \\*\\_\\[\\`\\\\\n"+`
> [!NOTE]
> OpenNebula 7.0.3 is out and not published, and this checkout is for 7.2.0: ask for it by its version to publish its image

1 step: 1 build
`, plan.Markdown())

	idle := Plan{Reason: "all is well"}
	assert.Equal(t, "nothing to do: all is well\n", idle.String())
	assert.Equal(t, "nothing to do: all is well\n", idle.Markdown())
}

// BenchmarkPlan has 200 releases and 2,000 tags, all of them due for a rebuild.
func BenchmarkPlan(b *testing.B) {
	s := settled()
	for line := range 20 {
		for patch := range 10 {
			version := fmt.Sprintf("8.%d.%d", line, patch)
			offer(&s, version, nil)
			for n := range 10 {
				tag, digest := version, fmt.Sprintf("sha256:%s-%d", version, n)
				if n > 0 {
					tag = fmt.Sprintf("%s-%d", version, n)
				}
				s.Tags[tag], s.Images[digest] = digest, image(version)
			}
		}
	}
	for name, base := range map[string]string{"nothing due": "sha256:base", "every line due": "sha256:newer"} {
		b.Run(name, func(b *testing.B) {
			s.Base = base
			for b.Loop() {
				_, err := s.Plan(Request{})
				require.NoError(b, err)
			}
		})
	}
}
