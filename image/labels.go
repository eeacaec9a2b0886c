package image

import (
	"fmt"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pablodelarco/opennebula-helm/upstream"
)

// The labels that every image has, in the words of OCI.
const (
	TitleLabel       = "org.opencontainers.image.title"
	DescriptionLabel = "org.opencontainers.image.description"
	URLLabel         = "org.opencontainers.image.url"
	SourceLabel      = "org.opencontainers.image.source"
	LicensesLabel    = "org.opencontainers.image.licenses"
	VersionLabel     = "org.opencontainers.image.version" // OpenNebula's release, X.Y.Z
	RevisionLabel    = "org.opencontainers.image.revision"
	CreatedLabel     = "org.opencontainers.image.created"
	BaseNameLabel    = "org.opencontainers.image.base.name"
	BaseDigestLabel  = "org.opencontainers.image.base.digest"
)

var labelNames = []string{
	TitleLabel, DescriptionLabel, URLLabel, SourceLabel, LicensesLabel,
	VersionLabel, RevisionLabel, CreatedLabel, BaseNameLabel, BaseDigestLabel,
}

// Labels say what an image was made of.
type Labels struct {
	Version    string    // OpenNebula's, X.Y.Z
	Revision   string    // commit of this repository
	Created    time.Time // in UTC, to the second
	BaseName   string    // reference with a tag
	BaseDigest string    // sha256:…
}

// readLabels fails unless all labels are there and have the form that they must have.
func readLabels(labels map[string]string) (Labels, error) {
	for _, name := range labelNames {
		if labels[name] == "" {
			return Labels{}, fmt.Errorf("it has no label %s", name)
		}
	}
	l := Labels{
		Version: labels[VersionLabel], Revision: labels[RevisionLabel],
		BaseName: labels[BaseNameLabel], BaseDigest: labels[BaseDigestLabel],
	}
	if _, err := upstream.ParseVersion(l.Version); err != nil {
		return Labels{}, fmt.Errorf("its label %s: %w", VersionLabel, err)
	}
	if _, err := v1.NewHash(l.BaseDigest); err != nil {
		return Labels{}, fmt.Errorf("its label %s is %q, which is no digest: %w", BaseDigestLabel, l.BaseDigest, err)
	}
	created, err := time.Parse(time.RFC3339, labels[CreatedLabel])
	if err != nil {
		return Labels{}, fmt.Errorf("its label %s is %q, which is no time as RFC 3339 has it: %w", CreatedLabel, labels[CreatedLabel], err)
	}
	l.Created = created.UTC()
	return l, nil
}

// difference names the first label in which two images of one release differ; ""
// where there is none.
func (l Labels) difference(other Labels) string {
	for name, values := range map[string][2]string{
		VersionLabel:    {l.Version, other.Version},
		RevisionLabel:   {l.Revision, other.Revision},
		CreatedLabel:    {l.Created.String(), other.Created.String()},
		BaseNameLabel:   {l.BaseName, other.BaseName},
		BaseDigestLabel: {l.BaseDigest, other.BaseDigest},
	} {
		if values[0] != values[1] {
			return fmt.Sprintf("%s is %s, and elsewhere %s", name, values[0], values[1])
		}
	}
	return ""
}
