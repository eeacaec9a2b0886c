package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pablodelarco/opennebula-helm/image"
	"github.com/pablodelarco/opennebula-helm/image/scan"
	"github.com/pablodelarco/opennebula-helm/pipeline"
	"github.com/pablodelarco/opennebula-helm/release"
	"github.com/pablodelarco/opennebula-helm/signature"
)

// publication is a release of images that were built elsewhere.
type publication struct {
	request          request
	documents, scans []string
}

func (p *publication) run(ctx context.Context, s *settings, sources []string) error {
	made, err := p.read()
	if err != nil {
		return err
	}
	carrier, state, plan, err := s.plan(ctx, p.request)
	if err != nil {
		return err
	}
	due := plan.Publication()
	fmt.Print(due.String())
	if len(due.Steps) == 0 {
		return nil
	}
	work, err := os.MkdirTemp("", "release-")
	if err != nil {
		return fmt.Errorf("make a folder for what is published: %w", err)
	}
	defer os.RemoveAll(work)
	if made.images, err = s.load(ctx, sources, work); err != nil {
		return err
	}
	if carrier.Signer, err = s.signer(ctx, carrier.Site.Trust); err != nil {
		return err
	}
	carrier.Maker, carrier.Run, carrier.Work = made, thisRun(), work
	done, err := carrier.Carry(ctx, state, p.request.Request)
	report, left := carrier.Report(state, done, p.request.Request)
	for _, reference := range slices.Concat(report.Images, report.Charts) {
		fmt.Println("published", reference)
	}
	if err != nil {
		return fmt.Errorf("%w; what is published so far stays, and the same command again goes on from there", err)
	}
	if left != nil {
		return left
	}
	fmt.Print(report.Left.String())
	if len(report.Images) > 0 {
		_, digest, _ := strings.Cut(report.Images[0], "@")
		fmt.Printf("next: go run ./cmd/release verify %s@%s\n", s.config.Images, digest)
	}
	return nil
}

// read reads the files that are given, so that nothing has begun if one is not there.
func (p *publication) read() (*files, error) {
	made := &files{}
	for _, file := range p.documents {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read --sbom: %w", err)
		}
		made.documents = append(made.documents, content)
	}
	for _, file := range p.scans {
		report, err := scan.ReadFile(file)
		if err != nil {
			return nil, err
		}
		made.scans = append(made.scans, report)
	}
	return made, nil
}

// load reads the images of all sources.
func (s *settings) load(ctx context.Context, sources []string, work string) ([]v1.Image, error) {
	var images []v1.Image
	for i, source := range sources {
		found, err := image.Load(ctx, source, filepath.Join(work, strconv.Itoa(i)), s.access(source)...)
		if err != nil {
			return nil, err
		}
		images = append(images, found...)
	}
	return images, nil
}

// thisRun is what GitHub Actions says of a run, or that it is none.
func thisRun() signature.Run {
	run := signature.Run{Builder: signature.Source + "/cmd/release", Started: time.Now().UTC()}
	server, repository := os.Getenv("GITHUB_SERVER_URL"), os.Getenv("GITHUB_REPOSITORY")
	if server != "" && repository != "" {
		run.Builder = server + "/" + os.Getenv("GITHUB_WORKFLOW_REF")
		run.Invocation = fmt.Sprintf("%s/%s/actions/runs/%s/attempts/%s", server, repository, os.Getenv("GITHUB_RUN_ID"), os.Getenv("GITHUB_RUN_ATTEMPT"))
	}
	return run
}

// files has what was made elsewhere.
type files struct {
	images    []v1.Image
	documents [][]byte
	scans     []scan.Report
}

var _ pipeline.Maker = (*files)(nil)

// Build joins the images of a version, and fails unless they are what is wanted.
func (f *files) Build(_ context.Context, arguments image.Arguments, platforms []string) (v1.ImageIndex, error) {
	if len(f.images) == 0 {
		return nil, fmt.Errorf("no IMAGE was given: build one for each of %s, and name them", strings.Join(platforms, " and "))
	}
	index, err := image.Join(f.images...)
	if err != nil {
		return nil, err
	}
	if err := image.Matches(index, arguments, platforms); err != nil {
		return nil, err
	}
	return index, madeBefore(index, time.Now())
}

// madeBefore fails of an image from the future: no later release would come after it.
func madeBefore(index v1.ImageIndex, now time.Time) error {
	manifest, err := index.IndexManifest()
	if err != nil {
		return fmt.Errorf("read the index: %w", err)
	}
	created, err := time.Parse(time.RFC3339, manifest.Annotations[image.CreatedLabel])
	if err != nil {
		return fmt.Errorf("the image's label %s: %w: build it with this repository's Dockerfile", image.CreatedLabel, err)
	}
	if created.After(now.Add(release.Skew)) {
		return fmt.Errorf("the image was created at %s, and this machine's clock says %s: set the clock that is wrong, and build it again if that was the builder's",
			created.Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	return nil
}

// Test judges the scans of an image. Each image in it must have its own, and its document
// too, which comes to be needed only once it is pushed. A chart was tested with its image.
func (f *files) Test(_ context.Context, built pipeline.Built) error {
	if built.Index == nil {
		return nil
	}
	if err := f.haveAll(built.Index); err != nil {
		return err
	}
	return judgeScans(f.scans, ownExcuses)
}

func (f *files) haveAll(index v1.ImageIndex) error {
	manifest, err := index.IndexManifest()
	if err != nil {
		return fmt.Errorf("read the index: %w", err)
	}
	for _, of := range manifest.Manifests {
		img, err := index.Image(of.Digest)
		if err != nil {
			return fmt.Errorf("read the image for %s: %w", of.Platform, err)
		}
		if err := f.have(img, of.Digest); err != nil {
			return fmt.Errorf("the image for %s: %w", of.Platform, err)
		}
	}
	return nil
}

// have fails unless an image has a scan and a document.
func (f *files) have(img v1.Image, digest v1.Hash) error {
	config, err := img.ConfigName()
	if err != nil {
		return err
	}
	isOf := func(r scan.Report) bool {
		return slices.Contains(r.Digests, digest.String()) || r.Config == config.String()
	}
	if !slices.ContainsFunc(f.scans, isOf) {
		return fmt.Errorf("no --scan is of %s (its configuration is %s), and what nobody has scanned is not published: run grype -o json or trivy image --format json on it", digest, config)
	}
	document, err := f.document(digest)
	if err != nil {
		return err
	}
	_, err = signature.SPDX(document, digest)
	return err
}

// SBOM is the document of an image among those given.
func (f *files) SBOM(_ context.Context, reference string) ([]byte, error) {
	_, text, _ := strings.Cut(reference, "@")
	digest, err := v1.NewHash(text)
	if err != nil {
		return nil, err
	}
	return f.document(digest)
}

// document is found by the image's digest, which it names.
func (f *files) document(of v1.Hash) ([]byte, error) {
	for _, document := range f.documents {
		if bytes.Contains(document, []byte(of.Hex)) {
			return document, nil
		}
	}
	return nil, fmt.Errorf("no --sbom is of %s: make one of that image, as syft -o spdx-json does", of)
}

// ownExcuses is the folder of this repository's own, from its top.
const ownExcuses = "image/vex"

// judgeScans weighs scans against the excuses of a folder, says what came of it, and
// fails unless they pass.
func judgeScans(reports []scan.Report, excuses string, options ...scan.Option) error {
	err := scan.Review(os.Stdout, filepath.Base(image.Repository), reports, excuses, time.Now(), options...)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: run it in the top folder of a checkout", err)
	}
	return err
}
