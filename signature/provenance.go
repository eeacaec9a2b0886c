package signature

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	slsa "github.com/in-toto/attestation/go/predicates/provenance/v1"
	intoto "github.com/in-toto/attestation/go/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/pablodelarco/opennebula-helm/image"
)

// Source is this repository.
const Source = "https://github.com/pablodelarco/opennebula-helm"

// The ways to build that provenance.md explains, as SLSA's build types.
const (
	ImageBuild = Source + "/blob/main/signature/provenance.md#image-v1"
	ChartBuild = Source + "/blob/main/signature/provenance.md#chart-v1"
)

// Build is how something was made, for its provenance.
type Build struct {
	Type       string         // ImageBuild or ChartBuild
	Parameters map[string]any // what was asked for: strings, and lists of them as []any
	Materials  []Material     // what it was made of
	Run
}

// Material is something that a build has used, by digest.
type Material struct {
	URI       string
	Algorithm string // sha256, or gitCommit
	Digest    string // in hexadecimal
}

// Run is one run of a builder.
type Run struct {
	Builder    string    // URI of who built: of a workflow, its file's URL with @refs/…
	Invocation string    // URL of the run, or another name that is only its
	Started    time.Time // left out where zero
	Finished   time.Time // likewise
}

// OfImage is the build of an image for platforms, OS/architecture. The digest of the
// apt repository's InRelease, sha256:…, says which packages there were; "" leaves it out.
func OfImage(arguments image.Arguments, platforms []string, inRelease string, run Run) Build {
	b := Build{
		Type: ImageBuild,
		Parameters: map[string]any{
			"version": arguments.Version, "repository": arguments.Repository, "key": arguments.Key, "platforms": list(platforms),
		},
		Materials: []Material{commit(arguments.Revision), ofDigest("oci://"+image.BaseName, arguments.BaseDigest)},
		Run:       run,
	}
	if inRelease != "" {
		b.Materials = append(b.Materials, ofDigest(strings.TrimSuffix(arguments.Repository, "/")+"/dists/stable/InRelease", inRelease))
	}
	return b
}

// OfChart is the build of a chart's version from a commit, bound to an image by its
// reference with the digest.
func OfChart(version, revision, image string, run Run) Build {
	name, digest, _ := strings.Cut(image, "@")
	return Build{
		Type:       ChartBuild,
		Parameters: map[string]any{"version": version, "image": image},
		Materials:  []Material{commit(revision), ofDigest("oci://"+name, digest)},
		Run:        run,
	}
}

func commit(revision string) Material { return Material{"git+" + Source, "gitCommit", revision} }

func ofDigest(uri, digest string) Material {
	algorithm, hex, _ := strings.Cut(digest, ":")
	return Material{uri, algorithm, hex}
}

func list(texts []string) []any {
	all := make([]any, len(texts))
	for i, text := range texts {
		all[i] = text
	}
	return all
}

// Predicate is the build in the words of SLSA's provenance v1. The same build makes the
// same bytes. What SLSA demands and the build lacks is an error.
func (b Build) Predicate() (json.RawMessage, error) {
	parameters, err := structpb.NewStruct(b.Parameters)
	if err != nil {
		return nil, fmt.Errorf("write the parameters of a build: %w", err)
	}
	predicate := &slsa.Provenance{
		BuildDefinition: &slsa.BuildDefinition{BuildType: b.Type, ExternalParameters: parameters},
		RunDetails: &slsa.RunDetails{
			Builder:  &slsa.Builder{Id: b.Builder},
			Metadata: &slsa.BuildMetadata{InvocationId: b.Invocation, StartedOn: at(b.Started), FinishedOn: at(b.Finished)},
		},
	}
	for _, m := range b.Materials {
		if m.Algorithm == "" || m.Digest == "" {
			return nil, fmt.Errorf("the provenance has no digest of %s: give the one that was used", m.URI)
		}
		predicate.BuildDefinition.ResolvedDependencies = append(predicate.BuildDefinition.ResolvedDependencies,
			&intoto.ResourceDescriptor{Uri: m.URI, Digest: map[string]string{m.Algorithm: m.Digest}})
	}
	if err := predicate.Validate(); err != nil {
		return nil, fmt.Errorf("the provenance is not complete: %w", err)
	}
	text, err := protojson.Marshal(predicate)
	if err != nil {
		return nil, fmt.Errorf("write the provenance: %w", err)
	}
	var compact bytes.Buffer // the library puts spaces by chance
	err = json.Compact(&compact, text)
	return compact.Bytes(), err
}

func at(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}
