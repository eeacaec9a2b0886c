package main

import (
	"fmt"
	"slices"

	"github.com/spf13/pflag"

	"github.com/pablodelarco/opennebula-helm/release"
	"github.com/pablodelarco/opennebula-helm/upstream"
)

// request is what is asked of a plan, by flags.
type request struct{ release.Request }

func (r *request) addTo(f *pflag.FlagSet) {
	f.StringVar(&r.Version, "version", "", "OpenNebula's release, X.Y.Z (default what is due)")
	f.StringVar((*string)(&r.Channel), "channel", "", "stable or candidate (default stable)")
	f.StringSliceVar(&r.Platforms, "platform", nil, "`OS/architecture`; several with commas (default all that have packages)")
	f.StringVar((*string)(&r.Only), "only", "", "image or chart (default both)")
	f.BoolVar(&r.Force, "force", false, "build images again that are up to date")
}

// check refuses what no release could be asked for by, before anything is read.
func (r *request) check() error {
	if r.Version != "" {
		if _, err := upstream.ParseVersion(r.Version); err != nil {
			return usageError{fmt.Errorf("--version: %w", err)}
		}
	}
	if !slices.Contains([]release.Channel{"", release.Stable, release.Candidate}, r.Channel) {
		return usageError{fmt.Errorf("--channel: %q is none: give %s or %s", r.Channel, release.Stable, release.Candidate)}
	}
	if !slices.Contains([]release.Artifact{"", release.TheImage, release.TheChart}, r.Only) {
		return usageError{fmt.Errorf("--only: %q is nothing that is released: give %s or %s", r.Only, release.TheImage, release.TheChart)}
	}
	return nil
}
