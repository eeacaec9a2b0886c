package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"

	"github.com/pablodelarco/opennebula-helm/image"
	"github.com/pablodelarco/opennebula-helm/image/scan"
	"github.com/pablodelarco/opennebula-helm/pipeline"
	"github.com/pablodelarco/opennebula-helm/registry"
	"github.com/pablodelarco/opennebula-helm/release"
	"github.com/pablodelarco/opennebula-helm/signature"
	"github.com/pablodelarco/opennebula-helm/upstream/changes"
)

func versions(s *settings) *cobra.Command {
	all := false
	cmd := &cobra.Command{
		Use: "versions", Short: "List what OpenNebula has released, and where it is packaged and published",
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			site, err := s.site(cmd.Context())
			if err != nil {
				return err
			}
			return site.WriteVersions(cmd.Context(), os.Stdout, all)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "also of lines that are not maintained any more")
	return cmd
}

func publish(s *settings) *cobra.Command {
	p := publication{}
	cmd := &cobra.Command{
		Use: "publish [IMAGE...]", Short: "Publish image and chart: sign, attest, read back, tag",
		Long: `Publish carries out the plan, but for pull requests, which propose keeps. The images
were built elsewhere: one for each platform, or an index of them. An IMAGE is a folder
in OCI's layout, a tar file of one, or a reference in another registry. None is needed
for a chart alone. Nothing is pushed unless the scan passes.

--sbom gives an SPDX document for each image, --scan what Grype or Trivy found in
it. What is published already is not sent again.`,
		RunE: func(cmd *cobra.Command, args []string) error { return p.run(cmd.Context(), s, args) },
	}
	f := cmd.Flags()
	p.request.addTo(f)
	f.StringArrayVar(&p.documents, "sbom", nil, "`file` with an SPDX document of one image, as JSON; once for each platform")
	f.StringArrayVar(&p.scans, "scan", nil, "`file` of what Grype or Trivy found in one image, as JSON; once for each platform")
	return cmd
}

func verify(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "verify REFERENCE", Short: "Verify a published image: whole, labelled, signed and attested",
		Args: exactly("REFERENCE"),
		RunE: func(cmd *cobra.Command, args []string) error { return verifyImage(cmd.Context(), s, args[0]) },
	}
}

func verifyImage(ctx context.Context, s *settings, reference string) error {
	repository, tagOrDigest, err := registry.At(reference, s.access(reference)...)
	if err != nil {
		return usageError{err}
	}
	policy, err := s.policy(ctx)
	if err != nil {
		return err
	}
	if _, err := repository.Resolve(ctx, tagOrDigest); errors.Is(err, registry.ErrNotFound) {
		return fmt.Errorf("%s is not published: give another tag; release versions lists those that are", reference)
	}
	report, err := image.VerifyIn(ctx, repository, tagOrDigest)
	if err != nil {
		return err
	}
	digest, err := v1.NewHash(report.Digest)
	if err != nil {
		return err
	}
	if _, err := signature.Verify(ctx, repository, digest, policy, signature.Signature, signature.SBOM, signature.Provenance); err != nil {
		return err
	}
	fmt.Printf("%s is OpenNebula %s, built of %s on %s\n", report.Reference, report.Version, report.Revision, report.Created.Format(time.DateOnly))
	for _, platform := range report.Platforms {
		fmt.Printf("%s: %s, %.1f MB compressed\n", platform.Platform, platform.Digest, float64(platform.Size)/1e6)
	}
	fmt.Printf("verified: whole, signed, with its packages and its provenance attested; use it as %s@%s\n", repository.Name(), report.Digest)
	return nil
}

func changesBetween(s *settings) *cobra.Command {
	architecture := "amd64"
	cmd := &cobra.Command{
		Use: "changes FROM TO", Short: "Say what differs between two releases of OpenNebula, as Markdown",
		Args: exactly("FROM", "TO"),
		RunE: func(cmd *cobra.Command, args []string) error {
			site, err := s.site(cmd.Context())
			if err != nil {
				return err
			}
			found, err := site.Changes(cmd.Context(), args[0], args[1], architecture)
			if err != nil {
				return err
			}
			fmt.Println(found.Markdown(changes.BodyLimit))
			say("%s", found.Summary())
			return nil
		},
	}
	cmd.Flags().StringVar(&architecture, "architecture", architecture, "of the packages: amd64 or arm64")
	return cmd
}

func plan(s *settings) *cobra.Command {
	var r request
	markdown := false
	cmd := &cobra.Command{
		Use: "plan", Short: "Say what is due, step by step, with the reasons",
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, _, plan, err := s.plan(cmd.Context(), r)
			if err != nil {
				return err
			}
			if markdown {
				fmt.Print(plan.Markdown())
			} else {
				fmt.Print(plan.String())
			}
			return nil
		},
	}
	r.addTo(cmd.Flags())
	cmd.Flags().BoolVar(&markdown, "markdown", false, "for a summary or a pull request")
	return cmd
}

// plan surveys, and plans what was asked for.
func (s *settings) plan(ctx context.Context, request request) (*pipeline.Carrier, release.State, release.Plan, error) {
	if err := request.check(); err != nil {
		return nil, release.State{}, release.Plan{}, err
	}
	checkout, err := pipeline.OpenCheckout(ctx, ".")
	if err != nil {
		return nil, release.State{}, release.Plan{}, err
	}
	site, err := s.site(ctx)
	if err != nil {
		return nil, release.State{}, release.Plan{}, err
	}
	state, err := site.Survey(ctx, checkout, request.Request)
	if err != nil {
		return nil, state, release.Plan{}, err
	}
	plan, err := state.Plan(request.Request)
	return &pipeline.Carrier{Site: site, Checkout: checkout, Log: say}, state, plan, err
}

func changelog(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "changelog", Short: "Say what each published version of the chart brings, as Markdown",
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			site, err := s.site(cmd.Context())
			if err != nil {
				return err
			}
			text, err := site.Changelog(cmd.Context())
			if err != nil {
				return err
			}
			fmt.Print(text)
			return nil
		},
	}
}

func propose(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "propose", Short: "Keep the pull requests for a new release, and for the changelog",
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if os.Getenv("GITHUB_TOKEN") == "" {
				return usageError{fmt.Errorf("GITHUB_TOKEN is empty: set it to a token that may write contents and pull requests of %s", s.config.Project)}
			}
			carrier, _, plan, err := s.plan(cmd.Context(), request{})
			if err != nil {
				return err
			}
			fmt.Print(plan.Proposals())
			if err := carrier.CarryProposals(cmd.Context(), plan); err != nil {
				return err
			}
			return carrier.CarryChangelog(cmd.Context())
		},
	}
}

func judge() *cobra.Command {
	excuses, threshold := ownExcuses, scan.Unknown.String()
	cmd := &cobra.Command{
		Use: "scan REPORT...", Short: "Judge what Grype or Trivy found in an image",
		Args: atLeastOne("REPORT"),
		RunE: func(_ *cobra.Command, args []string) error {
			least, err := scan.ParseSeverity(threshold)
			if err != nil {
				return usageError{fmt.Errorf("--threshold: %w", err)}
			}
			found, err := (&publication{scans: args}).read()
			if err != nil {
				return err
			}
			return judgeScans(found.scans, excuses, scan.WithThreshold(least))
		},
	}
	cmd.Flags().StringVar(&excuses, "excuses", excuses, "`folder` of OpenVEX statements")
	cmd.Flags().StringVar(&threshold, "threshold", threshold, "`severity` below which findings pass")
	return cmd
}
