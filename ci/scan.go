package main

import (
	"context"
	_ "embed"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pablodelarco/opennebula-helm/ci/internal/dagger"
	"github.com/pablodelarco/opennebula-helm/image"
	"github.com/pablodelarco/opennebula-helm/image/scan"
	"github.com/pablodelarco/opennebula-helm/registry"
)

// Verify fails unless the image is whole, labelled as what it is, and each of its roles
// starts. It says what was found.
// +cache="never"
func (i *Image) Verify(ctx context.Context) (string, error) {
	staged, err := i.stage(ctx)
	if err != nil {
		return "", err
	}
	report, err := image.Verify(ctx, staged.Reference, registry.WithPlainHTTP(true))
	if err != nil {
		return "", err
	}
	var said strings.Builder
	fmt.Fprintf(&said, "OpenNebula %s, built of %s\n", report.Version, report.Revision)
	for n, platform := range report.Platforms {
		fmt.Fprintf(&said, "%s: %s, %.1f MB compressed\n", platform.Platform, platform.Digest, float64(platform.Size)/1e6)
		if err := i.tryRoles(ctx, n); err != nil {
			return "", err
		}
	}
	return said.String(), nil
}

// Sbom lists what is in the image for a platform: an SPDX document, as JSON.
// +cache="never"
func (i *Image) Sbom(
	ctx context.Context,
	// The platform; by default the first that it was built for.
	// +optional
	platform ImagePlatform,
) (*dagger.File, error) {
	if _, err := i.Container(platform); err != nil {
		return nil, err
	}
	staged, err := i.stage(ctx)
	if err != nil {
		return nil, err
	}
	for _, of := range staged.platforms {
		if platform == "" || string(platform) == of.Platform {
			document, err := i.Module.sbom(ctx, staged.shelf, staged.Repository+"@"+of.Digest, nil)
			// The registry that Syft reads is gone when the caller reads the file.
			return dag.File("sbom.spdx.json", document), err
		}
	}
	return nil, fmt.Errorf("the image has nothing for %s", platform)
}

// Scan fails if the image has a vulnerability that has a fix, and that nothing in
// image/vex excuses. It says what was found.
// +cache="never"
func (i *Image) Scan(ctx context.Context) (string, error) {
	staged, err := i.stage(ctx)
	if err != nil {
		return "", err
	}
	return i.Module.scan(ctx, staged)
}

// stagedImage is one in a registry of the engine's, for what is to be tested.
type stagedImage struct {
	image.Info
	shelf     *shelf
	platforms []image.PlatformReport
}

// stage puts the image where services and tools can take it from.
func (i *Image) stage(ctx context.Context) (*stagedImage, error) {
	index, err := i.index(ctx)
	if err != nil {
		return nil, err
	}
	at, err := i.Module.staging(ctx)
	if err != nil {
		return nil, err
	}
	info, err := at.add(ctx, index)
	if err != nil {
		return nil, err
	}
	return at.read(ctx, info)
}

// read is what the registry has of an image.
func (s *shelf) read(ctx context.Context, info image.Info) (*stagedImage, error) {
	report, err := image.Verify(ctx, info.Reference, registry.WithPlainHTTP(true))
	return &stagedImage{info, s, report.Platforms}, err
}

// sbom has Syft read an image, from a registry of the engine's or from elsewhere.
func (m *OpennebulaHelm) sbom(ctx context.Context, at *shelf, reference string, login *Login) (string, error) {
	const document = "/tmp/sbom.spdx.json"
	syft := tool(m.Syft, syftImage)
	if at != nil {
		syft = syft.WithServiceBinding(at.host(), at.service).WithEnvVariable("SYFT_REGISTRY_INSECURE_USE_HTTP", "true")
	}
	if login != nil {
		// For whichever registry it reads: it knows Docker Hub by another name than people do.
		syft = syft.WithEnvVariable("SYFT_REGISTRY_AUTH_USERNAME", login.User).
			WithSecretVariable("SYFT_REGISTRY_AUTH_PASSWORD", login.Password)
	}
	listed, err := syft.WithExec([]string{"registry:" + reference, "--quiet", "--output", "spdx-json=" + document},
		dagger.ContainerWithExecOpts{UseEntrypoint: true}).File(document).Contents(ctx)
	if err != nil {
		return "", fmt.Errorf("list with Syft what is in %s: %w", reference, plain(err))
	}
	return listed, nil
}

// scan has Grype look at each platform's image, and judges what it finds.
func (m *OpennebulaHelm) scan(ctx context.Context, staged *stagedImage) (string, error) {
	reports := make([]scan.Report, len(staged.platforms))
	group, within := errgroup.WithContext(ctx)
	for n, platform := range staged.platforms {
		group.Go(func() error {
			found, err := m.grype(staged.shelf, staged.Repository+"@"+platform.Digest).Contents(within)
			if err != nil {
				return fmt.Errorf("scan the image for %s with Grype: %w", platform.Platform, plain(err))
			}
			reports[n], err = scan.Read([]byte(found))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return "", err
	}
	folder, err := m.export(ctx, nil, "image/vex/**")
	if err != nil {
		return "", err
	}
	var said strings.Builder
	err = scan.Review(&said, filepath.Base(image.Repository), reports, filepath.Join(folder, "image/vex"), time.Now())
	if err != nil {
		fmt.Print(said.String())
	}
	return said.String(), err
}

func (m *OpennebulaHelm) grype(at *shelf, reference string) *dagger.File {
	const report = "/tmp/grype.json"
	// The scans of two platforms at once would both write its database into an empty cache.
	one := dagger.ContainerWithMountedCacheOpts{Sharing: dagger.CacheSharingModeLocked}
	return tool(m.Grype, grypeImage).
		WithEnvVariable("XDG_CACHE_HOME", "/cache").WithMountedCache("/cache", dag.CacheVolume("grype"), one).
		WithServiceBinding(at.host(), at.service).WithEnvVariable("GRYPE_REGISTRY_INSECURE_USE_HTTP", "true").
		WithEnvVariable("TODAY", time.Now().Format(time.DateOnly)). // what is known changes by the day
		WithExec([]string{"registry:" + reference, "--quiet", "--output", "json=" + report},
			dagger.ContainerWithExecOpts{UseEntrypoint: true}).File(report)
}

// roles starts each role in the image, and probes it.
//
//go:embed roles.sh
var roles string

// tryRoles fails unless each role starts in the image for the n-th platform.
func (i *Image) tryRoles(ctx context.Context, n int) error {
	out, err := i.Containers[n].WithNewFile("/tmp/roles.sh", roles, dagger.ContainerWithNewFileOpts{Permissions: 0o755}).
		WithExec([]string{"/tmp/roles.sh"}).Stdout(ctx)
	fmt.Print(out)
	if err != nil {
		return fmt.Errorf("start each role in the image for %s: %w", i.Platforms[n], plain(err))
	}
	return nil
}
