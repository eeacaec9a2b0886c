package image

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pablodelarco/opennebula-helm/registry"
)

// Entrypoint is the program that every container of the image begins with.
var Entrypoint = []string{"/usr/bin/tini", "--", "opennebula-frontend"}

// Report is what Verify has found to be so.
type Report struct {
	Reference string // HOST/PATH:TAG or HOST/PATH@sha256:…
	Digest    string // of the image or index, sha256:…
	Labels
	Platforms []PlatformReport // in the index's order; of an image, one
}

// PlatformReport is the part of a report that is one platform's.
type PlatformReport struct {
	Platform string // OS/architecture, as linux/amd64
	Digest   string // of the image, sha256:…
	Size     int64  // of the compressed layers, in bytes
}

// Verify reads a published image, or an index of images for several platforms, and
// fails unless it is what its tag says: X.Y.Z, X.Y.Z-N, X.Y or latest is of that
// release; and each image in it is complete, for the platform that it is listed
// for, runs as oneadmin what a front-end runs, and has all labels, which say the
// same on every platform. A reference by digest has no tag to be compared.
func Verify(ctx context.Context, reference string, options ...registry.Option) (Report, error) {
	p, err := read(ctx, reference, options...)
	if err != nil {
		return Report{}, err
	}
	return p.verify(ctx)
}

// VerifyIn is Verify of a tag or digest in a repository.
func VerifyIn(ctx context.Context, repository *registry.Repository, tagOrDigest string) (Report, error) {
	p, err := readFrom(ctx, repository, tagOrDigest)
	if err != nil {
		return Report{}, err
	}
	return p.verify(ctx)
}

func (p *published) verify(ctx context.Context) (Report, error) {
	report := Report{Reference: p.reference(), Digest: p.digest.String()}
	for _, i := range p.images {
		labels, platform, err := verifyImage(ctx, p.repository, i)
		if err != nil {
			return Report{}, p.refused(i.platform, err)
		}
		if len(report.Platforms) > 0 {
			if differing := labels.difference(report.Labels); differing != "" {
				return Report{}, p.refused(i.platform, errors.New("its label "+differing))
			}
		}
		report.Labels = labels
		report.Platforms = append(report.Platforms, platform)
	}
	if p.identifier != report.Digest {
		if err := verifyTag(p.identifier, report.Version); err != nil {
			return Report{}, fmt.Errorf("image %s: %w: move the tag, or take it away", report.Reference, err)
		}
	}
	return report, nil
}

// refused says what is wrong with an image; that it could not be read is not.
func (p *published) refused(platform string, err error) error {
	err = p.repository.Explain(err)
	var unread *registry.Error
	if errors.As(err, &unread) && !errors.Is(err, registry.ErrNotFound) {
		return fmt.Errorf("verify the image %s, %s: %w", p.reference(), platform, err)
	}
	return fmt.Errorf("image %s, %s: %w: do not use it; build and publish it again, for all platforms at once", p.reference(), platform, err)
}

func verifyImage(ctx context.Context, repository *registry.Repository, i platformImage) (Labels, PlatformReport, error) {
	found := PlatformReport{Platform: i.platform}
	config, err := i.image.ConfigFile()
	if err != nil {
		return Labels{}, found, fmt.Errorf("read its configuration: %w", err)
	}
	if err := verifyConfig(config, i.platform); err != nil {
		return Labels{}, found, err
	}
	labels, err := readLabels(config.Config.Labels)
	if err != nil {
		return Labels{}, found, err
	}
	if found.Size, err = verifyLayers(ctx, repository, i.image, len(config.RootFS.DiffIDs)); err != nil {
		return Labels{}, found, err
	}
	digest, err := i.image.Digest()
	found.Digest = digest.String()
	return labels, found, err
}

func verifyConfig(config *v1.ConfigFile, platform string) error {
	switch {
	case platformOf(config) != platform:
		return fmt.Errorf("its configuration is for %s", platformOf(config))
	case config.OS != "linux" || config.Architecture == "":
		return errors.New("front-ends run on Linux, on an architecture that is named")
	case config.Config.User != User:
		return fmt.Errorf("it runs as %q, not as %s", config.Config.User, User)
	case !slices.Equal(config.Config.Entrypoint, Entrypoint):
		return fmt.Errorf("its entrypoint is %q, not %q", config.Config.Entrypoint, Entrypoint)
	default:
		return nil
	}
}

// verifyLayers asks the registry for each layer without reading it, and returns the
// bytes of all.
func verifyLayers(ctx context.Context, repository *registry.Repository, img v1.Image, want int) (int64, error) {
	manifest, err := img.Manifest()
	if err != nil {
		return 0, fmt.Errorf("read its manifest: %w", err)
	}
	if len(manifest.Layers) != want {
		return 0, fmt.Errorf("it has %d layers, and its configuration %d", len(manifest.Layers), want)
	}
	var total int64
	for n, layer := range manifest.Layers {
		size, err := repository.BlobSize(ctx, layer.Digest)
		if err != nil {
			return 0, fmt.Errorf("layer %d of %d, %s, cannot be had: %w", n+1, want, layer.Digest, err)
		}
		if size != layer.Size {
			return 0, fmt.Errorf("layer %d of %d, %s, has %d bytes, and %d in the manifest", n+1, want, layer.Digest, size, layer.Size)
		}
		total += size
	}
	return total, nil
}

var (
	releaseTag = regexp.MustCompile(`^(\d+\.\d+\.\d+)(-\d+)?$`)
	minorTag   = regexp.MustCompile(`^\d+\.\d+$`)
)

// verifyTag compares a tag with the release, X.Y.Z, that an image says it is.
func verifyTag(tag, version string) error {
	of := releaseTag.FindStringSubmatch(tag)
	switch {
	case tag == "latest":
		return nil
	case of != nil && of[1] == version:
		return nil
	case minorTag.MatchString(tag) && strings.HasPrefix(version, tag+"."):
		return nil
	case of != nil || minorTag.MatchString(tag):
		return fmt.Errorf("its label %s is %s, which the tag %s does not name", VersionLabel, version, tag)
	default:
		return fmt.Errorf("the tag %s is none of X.Y.Z, X.Y.Z-N, X.Y and latest, which images have", tag)
	}
}
