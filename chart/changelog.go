package chart

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"sigs.k8s.io/yaml"

	"github.com/pablodelarco/opennebula-helm/registry"
)

// createdAnnotation is written by Helm: the time of the commit, as Stage has it.
const createdAnnotation = "org.opencontainers.image.created"

// Entry is what a published version brings.
type Entry struct {
	Version
	Date    time.Time // of the commit
	Changes []EntryChange
}

// EntryChange is a change in the words that Artifact Hub shows.
type EntryChange struct{ Kind, Text string }

// Entries reads what is published, the highest version first, in one request for each.
// Versions that this package did not package are left out.
func Entries(ctx context.Context, from *registry.Repository) ([]Entry, error) {
	versions, err := Versions(ctx, from)
	if err != nil {
		return nil, err
	}
	var entries []Entry
	for _, version := range versions {
		descriptor, err := from.Get(ctx, version)
		if err != nil {
			return nil, err
		}
		entry := Entry{Version: Version{Version: version, Digest: descriptor.Digest.String()}}
		if entry.describe(descriptor.Manifest); entry.Content == "" {
			continue
		}
		if err := entry.read(descriptor.Manifest); err != nil {
			return nil, fmt.Errorf("read the changes of the chart %s in %s: %w", version, from.Name(), err)
		}
		entries = append(entries, entry)
	}
	return entries, nil
}

func (e *Entry) read(manifest []byte) error {
	parsed, err := v1.ParseManifest(bytes.NewReader(manifest))
	if err != nil {
		return err
	}
	if e.Date, err = time.Parse(time.RFC3339, parsed.Annotations[createdAnnotation]); err != nil {
		return fmt.Errorf("the annotation %s: %w", createdAnnotation, err)
	}
	var listed []listedChange
	if err := yaml.Unmarshal([]byte(parsed.Annotations[changesAnnotation]), &listed); err != nil {
		return fmt.Errorf("the annotation %s: %w", changesAnnotation, err)
	}
	for _, change := range listed {
		e.Changes = append(e.Changes, EntryChange{change.Kind, change.Description})
	}
	return nil
}

// changeKinds are Artifact Hub's, in the order in which a changelog has them.
func changeKinds() []string {
	return []string{"security", "added", "changed", "deprecated", "removed", "fixed"}
}

const changelogHeading = `# Changelog

What each version of the chart brings, the newest first. The pipeline writes this file, from
what is published: [docs/releases.md](docs/releases.md) says how.
`

// Changelog is Markdown of what is published.
func Changelog(entries []Entry) string {
	var b strings.Builder
	b.WriteString(changelogHeading)
	if len(entries) == 0 {
		b.WriteString("\nNothing is published yet.\n")
	}
	for _, entry := range entries {
		b.WriteString("\n" + entry.markdown())
	}
	return b.String()
}

func (e Entry) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s (%s)\n\nOpenNebula %s, in the image `%s`.\n",
		e.Version.Version, e.Date.UTC().Format(time.DateOnly), e.AppVersion, e.Image)
	for _, kind := range changeKinds() {
		of := slices.DeleteFunc(slices.Clone(e.Changes), func(c EntryChange) bool { return c.Kind != kind })
		if len(of) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n### %s\n\n", strings.ToUpper(kind[:1])+kind[1:])
		for _, change := range of {
			fmt.Fprintf(&b, "- %s\n", strings.Join(strings.Fields(change.Text), " "))
		}
	}
	return b.String()
}
