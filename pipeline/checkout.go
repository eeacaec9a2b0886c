package pipeline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/pablodelarco/opennebula-helm/chart"
	"github.com/pablodelarco/opennebula-helm/release"
)

// Checkout is this repository as it lies in a folder, with its history.
type Checkout struct {
	Folder string
	Head   Commit
	Image  Commit // the last that touched what the image is built of: a change elsewhere makes no other image
	Readme Commit // the last that touched the image's README: one elsewhere makes no other description
}

// readme describes the image.
const readme = "image/README.md"

// imageSources are all files and folders that the image is built of. What else is in
// image/ tests it, describes it, or reads it.
func imageSources() []string { return []string{"image/Dockerfile", "image/build", "image/rootfs"} }

// Commit is one by its hash, with its time.
type Commit struct {
	Hash string
	At   time.Time
}

// OpenCheckout reads where a folder's history is at. What is published must say which
// commit it is of: a checkout without its whole history, or with changes in what is
// published that are not committed, is an error.
func OpenCheckout(ctx context.Context, folder string) (*Checkout, error) {
	c := &Checkout{Folder: folder}
	shallow, err := c.git(ctx, "rev-parse", "--is-shallow-repository")
	if err != nil {
		return nil, err
	}
	if shallow == "true" {
		return nil, fmt.Errorf("the checkout %s is shallow, so that its last change of the image cannot be told: run git fetch --unshallow", folder)
	}
	changed, err := c.git(ctx, "status", "--porcelain", "--", "image", "chart/"+chart.Name)
	if err != nil {
		return nil, err
	}
	if changed != "" {
		return nil, fmt.Errorf("the checkout %s has changes that no commit has, such as %q: commit them, or put them away with git stash", folder, firstLine(changed))
	}
	if c.Head, err = c.last(ctx); err != nil {
		return nil, err
	}
	if c.Image, err = c.last(ctx, imageSources()...); err != nil {
		return nil, err
	}
	c.Readme, err = c.last(ctx, readme)
	return c, err
}

// noCommit is how git writes that there is none.
const noCommit = "0000000000000000000000000000000000000000"

// ReadCheckout reads a folder as OpenCheckout does, but also one with changes that no
// commit has, or without git: nothing of it can be published.
func ReadCheckout(ctx context.Context, folder string) *Checkout {
	c := &Checkout{Folder: folder}
	c.Head, c.Image, c.Readme = c.lastOrNow(ctx), c.lastOrNow(ctx, imageSources()...), c.lastOrNow(ctx, readme)
	return c
}

func (c *Checkout) lastOrNow(ctx context.Context, paths ...string) Commit {
	commit, err := c.last(ctx, paths...)
	if err != nil {
		return Commit{Hash: noCommit, At: time.Now().UTC().Truncate(time.Second)}
	}
	return commit
}

// last is the last commit that touched one of some paths; without any, the one that is
// checked out: with a path, git leaves out a merge that is the same as what it merged.
func (c *Checkout) last(ctx context.Context, paths ...string) (Commit, error) {
	out, err := c.git(ctx, append([]string{"log", "-1", "--format=%H %ct", "--"}, paths...)...)
	if err != nil {
		return Commit{}, err
	}
	var commit Commit
	var seconds int64
	if _, err := fmt.Sscan(out, &commit.Hash, &seconds); err != nil {
		return Commit{}, fmt.Errorf("the checkout %s has no commit of %s: take one of this repository", c.Folder, strings.Join(paths, ", "))
	}
	commit.At = time.Unix(seconds, 0).UTC()
	return commit, nil
}

func (c *Checkout) git(ctx context.Context, args ...string) (string, error) {
	var out, said bytes.Buffer
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = c.Folder, &out, &said
	err := cmd.Run()
	if errors.Is(err, exec.ErrNotFound) {
		return "", fmt.Errorf("read the history of %s: git is not installed: install it", c.Folder)
	}
	if err != nil {
		return "", fmt.Errorf("read the history of %s: git %s: %s", c.Folder, args[0], firstLine(said.String()))
	}
	return strings.TrimSpace(out.String()), nil
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}

// chart is the chart's folder.
func (c *Checkout) chart() string { return chart.Find(c.Folder) }

// describe is the checkout in the planner's words; how its chart differs from what is
// published is not known yet.
func (c *Checkout) describe() (release.Checkout, error) {
	source, err := chart.Read(c.chart())
	if err != nil {
		return release.Checkout{}, err
	}
	fingerprint, err := chart.Fingerprint(source)
	if err != nil {
		return release.Checkout{}, err
	}
	return release.Checkout{
		Version: source.Metadata.AppVersion, Revision: c.Head.Hash, ImageRevision: c.Image.Hash,
		ChartSource: fingerprint, ChartVersion: source.Metadata.Version,
	}, nil
}
