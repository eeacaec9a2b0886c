package release

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// property draws a world and a request that can be met in it.
func property(t *testing.T, check func(*rapid.T, State, Request)) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawState(t)
		request := drawRequest(t, s)
		if _, err := s.Plan(request); err != nil {
			request = Request{}
		}
		if _, err := s.Plan(request); err != nil {
			t.Skip(err)
		}
		check(t, s, request)
	})
}

func TestAPlanThatWasCarriedOutLeavesNothingToDo(t *testing.T) {
	property(t, func(t *rapid.T, s State, request Request) {
		end := run(t, s, request, builder{})
		plan, err := end.Plan(request)
		require.NoError(t, err)
		require.Empty(t, plan.Publication().Steps)
		require.NotEmpty(t, plan.Publication().Reason)

		request.Force = false
		plan, err = forget(end, rapid.Bool().Draw(t, "untagged are seen")).Plan(request)
		require.NoError(t, err)
		require.Empty(t, plan.Publication().Steps, "another run finds nothing to do either")
	})
}

// Immutable tags are looked at from outside of the planner's own steps as well.
func TestNoTagIsMovedThatIsImmutable(t *testing.T) {
	property(t, func(t *rapid.T, s State, request Request) {
		end := run(t, s, request, builder{})
		for tag, digest := range s.Tags {
			if _, immutable := ParseName(tag); immutable || !isFloating(tag) {
				require.Equal(t, digest, end.Tags[tag], tag)
			}
		}
		for tag, digest := range s.ChartTags {
			require.Equal(t, digest, end.ChartTags[tag], tag)
		}
	})
}

func isFloating(tag string) bool {
	return slices.Contains([]string{"latest", "6.10", "7.0", "7.2", "7.4", "7.10"}, tag)
}

func TestNothingOfOursIsUnderATagWithoutAllThatProvesWhereItIsFrom(t *testing.T) {
	property(t, func(t *rapid.T, s State, _ Request) {
		end := run(t, s, Request{}, builder{})
		for tag, digest := range end.Tags {
			name, ok := ParseName(tag)
			img := end.Images[digest]
			if ok && img.isOurs() && img.Version == name.Version.String() {
				require.True(t, img.isComplete(), tag)
			}
			if img.Built {
				require.True(t, img.isComplete(), tag)
			}
		}
	})
}

// What a plan says of later steps is what comes, once their time has come.
func TestThePlanAfterAStepIsTheRestOfThePlan(t *testing.T) {
	property(t, func(t *rapid.T, s State, request Request) {
		plan, err := s.Plan(request)
		require.NoError(t, err)
		for len(plan.Steps) > 0 {
			checkStep(t, s, plan.Steps[0])
			s = s.After(plan.Steps[0], builder{}.digest(s, plan.Steps[0]))
			next, err := s.Plan(request)
			require.NoError(t, err)
			require.Equal(t, outline(plan.Steps[1:]), outline(next.Steps))
			plan = next
		}
	})
}

// outline of steps, without digests, which become known in between.
func outline(steps []Step) []Step {
	outlined := []Step{}
	for _, step := range steps {
		step.Digest, step.Image = "", ""
		outlined = append(outlined, step)
	}
	return outlined
}

func TestTheSameWorldHasTheSamePlan(t *testing.T) {
	property(t, func(t *rapid.T, s State, request Request) {
		before := s.clone()
		first, err := s.Plan(request)
		require.NoError(t, err)
		shuffled := s.clone()
		shuffled.Releases = rapid.Permutation(s.Releases).Draw(t, "order")
		second, err := shuffled.Plan(request)
		require.NoError(t, err)
		require.Equal(t, first, second)
		require.Equal(t, before, s, "planning changes nothing")
	})
}

// brokenOff carries out some steps, and sees a step's failure before or after it has
// had its effect.
func brokenOff(t *rapid.T, s State, request Request, b builder) State {
	left := rapid.IntRange(0, 12).Draw(t, "steps before it breaks off")
	seen := s
	_, err := Run(context.Background(), s, request, func(_ context.Context, step Step) (string, error) {
		checkStep(t, seen, step)
		fails := left == 0
		left--
		if fails && rapid.Bool().Draw(t, "before its effect") {
			return "", errors.New("broken off")
		}
		digest := b.digest(seen, step)
		seen = seen.After(step, digest)
		if fails {
			return "", errors.New("broken off")
		}
		return digest, nil
	})
	if err != nil {
		require.ErrorContains(t, err, "broken off")
	}
	return forget(seen, rapid.Bool().Draw(t, "untagged are seen"))
}

func TestNoOrderOfFailuresAndRerunsEndsAnywhereElse(t *testing.T) {
	property(t, func(t *rapid.T, s State, request Request) {
		request.Force = false
		want := run(t, s, request, builder{})
		for range rapid.IntRange(1, 6).Draw(t, "runs") {
			s = brokenOff(t, s, request, builder{})
		}
		got := run(t, s, request, builder{})
		require.Equal(t, want.Tags, got.Tags)
		require.Equal(t, want.ChartTags, got.ChartTags)
		require.Equal(t, want.Proposals, got.Proposals)
		require.Equal(t, want.Description, got.Description)
		require.Equal(t, published(want), published(got))
	})
}

// published is what everyone sees.
func published(s State) State {
	s = forget(s, false)
	for digest, img := range s.Images {
		img.Created = today
		s.Images[digest] = img
	}
	return s
}

func TestAWorldThatChangesMeanwhileIsCaughtUpWith(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, b := drawState(t), builder{}
		for range rapid.IntRange(1, 8).Draw(t, "changes") {
			s = change(t, brokenOffIfItCan(t, s, b), &b)
		}
		if _, err := s.Plan(Request{}); err != nil {
			t.Skip(err)
		}
		end := run(t, s, Request{}, b)
		plan, err := forget(end, true).Plan(Request{})
		require.NoError(t, err)
		require.Empty(t, plan.Publication().Steps)
		checkUpToDate(t, end)
	})
}

func brokenOffIfItCan(t *rapid.T, s State, b builder) State {
	if _, err := s.Plan(Request{}); err != nil {
		return s
	}
	return brokenOff(t, s, Request{}, b)
}

// checkUpToDate tells the goal without the planner's words: the checkout's release is
// published from what is there today, under its line's tag, and the chart pins it.
func checkUpToDate(t *rapid.T, s State) {
	r := releaseOf(s, s.Checkout.Version)
	if r.Channel != Stable || !r.isOffered() || r.isPastItsEnd(s.Now) {
		return
	}
	newest := newestTagged(s, s.Checkout.Version)
	if len(without(newest.Platforms, r.Platforms)) > 0 {
		return // it would lose a platform
	}
	require.Equal(t, s.Base, newest.Base)
	require.Equal(t, s.Checkout.ImageRevision, newest.Revision)
	require.Subset(t, newest.Platforms, r.Platforms)
	pinned := false
	for _, digest := range s.ChartTags {
		c := s.Charts[digest]
		pinned = pinned || c.Signed && c.Source == s.Checkout.ChartSource && c.AppVersion == s.Checkout.Version && s.Images[c.Image].Base == s.Base
	}
	require.True(t, pinned, "a chart pins it")
	require.NotEmpty(t, s.Tags[r.line()])
	require.NotEmpty(t, s.Tags["latest"])
}

// newestTagged is the image under a version's highest name that is complete.
func newestTagged(s State, version string) Image {
	var newest Image
	last := -1
	for tag, digest := range s.Tags {
		name, ok := ParseName(tag)
		if ok && name.Version.String() == version && s.Images[digest].isComplete() && s.Images[digest].Version == version && name.Rebuild > last {
			newest, last = s.Images[digest], name.Rebuild
		}
	}
	return newest
}
