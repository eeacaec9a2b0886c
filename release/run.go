package release

import (
	"context"
	"fmt"
	"reflect"
)

// Run carries out what a plan publishes one step at a time, and plans anew after each,
// since a build may turn out to be what is published already. Proposals are left: they
// need rights that publishing does not. What is done with a step, the caller knows: do
// returns the digest that a Build gave, and "" after other steps. Run returns the state
// that it came to, also with an error. A rerun after any error ends where a run without
// it does.
func Run(ctx context.Context, state State, request Request, do func(context.Context, Step) (string, error)) (State, error) {
	var before Step
	for {
		plan, err := state.Plan(request)
		steps := plan.Publication().Steps
		if err != nil || len(steps) == 0 {
			return state, err
		}
		step := steps[0]
		if err := ctx.Err(); err != nil {
			return state, fmt.Errorf("%s: %w", step, err)
		}
		if reflect.DeepEqual(step, before) {
			return state, fmt.Errorf("%s: it was done, and is still to do", step)
		}
		digest, err := do(ctx, step)
		if err != nil {
			return state, fmt.Errorf("%s: %w", step, err)
		}
		if step.Kind == Build && digest == "" {
			return state, fmt.Errorf("%s: the build gave no digest", step)
		}
		state, before = state.After(step, digest), step
	}
}
