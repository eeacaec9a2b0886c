// Package browser uses Sunstone as a person does: in a Chromium that shows itself to
// nobody.
package browser

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// ErrNone is that there is no Chromium on this machine.
var ErrNone = errors.New("there is no Chromium on this machine")

// Browser is one that shows one page.
type Browser struct {
	ctx  context.Context
	stop func()
}

// Start opens a browser with a profile of its own, which is gone after Stop.
func Start(ctx context.Context) (*Browser, error) {
	program, err := find()
	if err != nil {
		return nil, err
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.WindowSize(1440, 900),
		// Containers have little shared memory, and machines without a screen no GPU.
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.DisableGPU,
	)
	ctx, end := chromedp.NewExecAllocator(ctx, options...)
	ctx, closePage := chromedp.NewContext(ctx)
	b := &Browser{ctx, func() { closePage(); end() }}
	if err := chromedp.Run(ctx); err != nil {
		b.Stop()
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	return b, nil
}

func find() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if program, err := exec.LookPath(name); err == nil {
			return program, nil
		}
	}
	return "", ErrNone
}

// Stop closes it.
func (b *Browser) Stop() { b.stop() }

// patience is how long a page may take to show what is waited for.
const patience = 3 * time.Minute

func (b *Browser) run(what string, actions ...chromedp.Action) error {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		return fmt.Errorf("%s in a browser: %w", what, err)
	}
	return nil
}

// Login at Sunstone's page, as a user with a password, and wait for the dashboard.
func (b *Browser) Login(url, user, password string) error {
	return b.run("log in to "+url,
		navigate(url),
		chromedp.SendKeys(`input[name="user"]`, user),
		chromedp.SendKeys(`input[name="token"]`, password+kb.Enter),
		chromedp.WaitVisible(`[data-cy="header-user-button"]`))
}

// Visit a page, and wait until something is on it, named by a CSS selector.
func (b *Browser) Visit(url, selector string) error {
	return b.run("visit "+url, navigate(url), chromedp.WaitVisible(selector))
}

// navigate to a page, again where the lab has added or removed a network's interface in
// between: the browser gives up whatever it loads then.
func navigate(url string) chromedp.Action {
	return chromedp.ActionFunc(func(ctx context.Context) error {
		for {
			err := chromedp.Navigate(url).Do(ctx)
			if err == nil || !strings.Contains(err.Error(), "ERR_NETWORK_CHANGED") {
				return err
			}
		}
	})
}

// Text of what a CSS selector names.
func (b *Browser) Text(selector string) (string, error) {
	var text string
	err := b.run("read "+selector, chromedp.Text(selector, &text))
	return strings.TrimSpace(text), err
}

// Click on what a CSS selector names.
func (b *Browser) Click(selector string) error {
	return b.run("click on "+selector, chromedp.Click(selector))
}

// Type keys into what a CSS selector names, which is clicked first.
func (b *Browser) Type(selector, keys string) error {
	return b.run("type into "+selector, chromedp.Click(selector), chromedp.KeyEvent(keys))
}

// Brightness of all that is drawn in canvases, such as a console: the sum of what they
// are lit with, so 0 where all is black, and another number when something changes.
func (b *Browser) Brightness() (int64, error) {
	var lit int64
	err := b.run("look at the console", chromedp.Evaluate(`
		Array.from(document.querySelectorAll('canvas')).filter(c => c.width && c.height).reduce((sum, c) => {
			const points = c.getContext('2d').getImageData(0, 0, c.width, c.height).data
			for (let i = 0; i < points.length; i += 4) sum += points[i] + points[i + 1] + points[i + 2]
			return sum
		}, 0)`, &lit))
	return lit, err
}

// Picture of the page, written as PNG.
func (b *Browser) Picture(file string) error {
	var picture []byte
	if err := b.run("take a picture", chromedp.CaptureScreenshot(&picture)); err != nil {
		return err
	}
	if err := os.WriteFile(file, picture, 0o644); err != nil {
		return fmt.Errorf("keep a picture: %w", err)
	}
	return nil
}
