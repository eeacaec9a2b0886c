package chart

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	helm "helm.sh/helm/v3/pkg/chart"
	helmregistry "helm.sh/helm/v3/pkg/registry"

	"github.com/pablodelarco/opennebula-helm/registry"
)

const chartLayer = helmregistry.ChartLayerMediaType

// Version is a published version of the chart. Of what this package did not package, all
// but version and digest are "".
type Version struct {
	Version    string // X.Y.Z, as the tag
	Digest     string // of its manifest, sha256:…
	AppVersion string // OpenNebula's, X.Y.Z
	Image      string // digest of the image that it is bound to, sha256:…
	Content    string // see Fingerprint
}

// Versions lists what a repository has under tags that are versions, the highest first;
// none where there is no such repository yet.
func Versions(ctx context.Context, from *registry.Repository) ([]string, error) {
	tags, err := from.TagNames(ctx)
	if err != nil {
		return nil, err
	}
	var versions []*semver.Version
	for _, tag := range tags {
		if version, err := semver.StrictNewVersion(tag); err == nil {
			versions = append(versions, version)
		}
	}
	slices.SortFunc(versions, func(a, b *semver.Version) int { return b.Compare(a) })
	names := make([]string, len(versions))
	for i, version := range versions {
		names[i] = version.String()
	}
	return names, nil
}

// ReadVersion reads what a published version says of itself, in one request.
func ReadVersion(ctx context.Context, from *registry.Repository, tag string) (Version, error) {
	descriptor, err := from.Get(ctx, tag)
	if err != nil {
		return Version{}, err
	}
	version := Version{Version: tag, Digest: descriptor.Digest.String()}
	version.describe(descriptor.Manifest)
	return version, nil
}

// describe reads what Package wrote. A version that it did not write is taken all the
// same, so what cannot be read is left out.
func (v *Version) describe(manifest []byte) {
	parsed, err := v1.ParseManifest(bytes.NewReader(manifest))
	if err != nil || parsed.Config.MediaType != helmregistry.ConfigMediaType {
		return
	}
	said := parsed.Annotations
	reference, err := name.NewDigest(said[imageAnnotation])
	if err != nil || said[contentAnnotation] == "" || said[appVersionAnnotation] == "" {
		return
	}
	v.AppVersion, v.Image, v.Content = said[appVersionAnnotation], reference.DigestStr(), said[contentAnnotation]
}

// Last reads the chart with the highest version that a repository has, candidates left
// out; nil where there is none.
func Last(ctx context.Context, from *registry.Repository) (*helm.Chart, error) {
	versions, err := Versions(ctx, from)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(versions, func(v string) bool { return !strings.Contains(v, "-") })
	if i < 0 {
		return nil, nil
	}
	return Pull(ctx, from, versions[i])
}

// Pull reads a published chart by its version or digest.
func Pull(ctx context.Context, from *registry.Repository, versionOrDigest string) (*helm.Chart, error) {
	archive, err := pullArchive(ctx, from, versionOrDigest)
	if err != nil {
		return nil, err
	}
	c, _, err := unpack(archive)
	if err != nil {
		return nil, fmt.Errorf("read the chart %s of %s: %w", versionOrDigest, from.Name(), err)
	}
	return c, nil
}
