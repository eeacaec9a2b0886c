package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/pablodelarco/opennebula-helm/e2e/frontend"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/browser"
)

// Sunstone in a browser, down to the console of a virtual machine: its screen goes by VNC
// to guacd, and from there through FireEdge to a canvas, and what is typed goes back.
func (s *Suite) TestConsoleInSunstone() {
	machine := s.hypervisors()[0]
	ctx := s.context(15 * time.Minute)
	b := s.browser(ctx)
	g := s.bootGuest(ctx, "e2e-console", machine)
	defer g.terminate()

	sunstone, err := s.frontend.Sunstone(ctx)
	s.Require().NoError(err)
	username, password := s.frontend.Login()
	s.Require().NoError(b.Login(sunstone.URL(), username, password))
	s.Require().NoError(frontend.Eventually(ctx, func() error { return counts(b) }))
	s.picture(b, "dashboard")
	s.Require().NoError(b.Visit(sunstone.URL()+"/vm", fmt.Sprintf(`[role="row"][data-cy$="-%d"], [data-cy="vm-%d"]`, g.id, g.id)))
	s.picture(b, "virtual-machines")

	s.Require().NoError(b.Visit(fmt.Sprintf("%s/guacamole/%d/vnc", sunstone.URL(), g.id), `[data-cy="state"]`))
	s.connectConsole(ctx, b)
	before := s.litConsole(ctx, b)
	s.Require().NoError(b.Type(`[tabindex="0"]:has(canvas)`, "echo typed on the console | tee /typed\r"))
	g.waitFor("cat /typed", "typed on the console")
	s.NoError(frontend.Eventually(ctx, func() error {
		after, err := b.Brightness()
		if err == nil && after == before {
			err = errors.New("the console shows nothing of what was typed")
		}
		return err
	}))
	s.litConsole(ctx, b)
	s.picture(b, "console")
}

var digits = regexp.MustCompile(`\d+`)

// counts tells whether the dashboard has found out how many there are of each of four. Of
// each there is one that belongs to the guest; until it has asked, it says 0.
func counts(b *browser.Browser) error {
	text, err := b.Text(`[data-cy="dashboard-widget-total-sunstone-resources"]`)
	numbers := digits.FindAllString(text, -1)
	if err == nil && (len(numbers) < 4 || slices.Contains(numbers, "0")) {
		err = fmt.Errorf("the dashboard has not all numbers yet: %q", text)
	}
	return err
}

// connectConsole as a person does, who connects again where that failed: Sunstone gives
// its way to the hypervisor, a tunnel by SSH, one second to come about.
func (s *Suite) connectConsole(ctx context.Context, b *browser.Browser) {
	s.Require().NoError(frontend.Eventually(ctx, func() error {
		state, err := b.Text(`[data-cy="state"]`)
		if err != nil || state == "Connected" {
			return err
		}
		if state == "Disconnected" {
			s.T().Log("seen: the console is disconnected at once, and connected again")
			if err := b.Click(`[data-cy$="-reconnect-button"]`); err != nil {
				return err
			}
			time.Sleep(5 * time.Second) // a second click would begin anew
		}
		return fmt.Errorf("the console is %q", state)
	}))
}

// litConsole waits until there is something on it, and it stands still.
func (s *Suite) litConsole(ctx context.Context, b *browser.Browser) int64 {
	var last int64
	s.Require().NoError(frontend.Eventually(ctx, func() error {
		lit, err := b.Brightness()
		same := lit == last
		if last = lit; err == nil && (lit == 0 || !same) {
			err = errors.New("the console shows nothing, or changes still")
		}
		return err
	}))
	return last
}

// browser that ends with the test, where there is one.
func (s *Suite) browser(ctx context.Context) *browser.Browser {
	b, err := browser.Start(ctx)
	if errors.Is(err, browser.ErrNone) {
		s.T().Skip(err)
	}
	s.Require().NoError(err)
	s.T().Cleanup(b.Stop)
	return b
}

// picture is kept where -pictures says.
func (s *Suite) picture(b *browser.Browser, name string) {
	if *pictures == "" {
		return
	}
	s.Require().NoError(os.MkdirAll(*pictures, 0o755))
	s.Require().NoError(b.Picture(filepath.Join(*pictures, name+".png")))
}
