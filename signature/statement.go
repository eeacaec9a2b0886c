package signature

import (
	"bytes"
	"encoding/json"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	intoto "github.com/in-toto/attestation/go/v1"
)

// Kind is what an attachment says of an image or chart, by in-toto's predicate type.
type Kind string

// The kinds that a release has.
const (
	Signature  Kind = "https://sigstore.dev/cosign/sign/v1"
	SBOM       Kind = "https://spdx.dev/Document"
	Provenance Kind = "https://slsa.dev/provenance/v1"
)

// String is the kind in words.
func (k Kind) String() string {
	switch k {
	case Signature:
		return "signature"
	case SBOM:
		return "SPDX document"
	case Provenance:
		return "provenance"
	default:
		return "attestation " + string(k)
	}
}

// payloadType is of the statements in envelopes, as in-toto registered it.
const payloadType = "application/vnd.in-toto+json"

// statement is in-toto's, with the predicate kept as it was written: numbers and the
// order of a document's fields survive.
type statement struct {
	Type          string          `json:"_type"`
	Subject       []subject       `json:"subject"`
	PredicateType Kind            `json:"predicateType"`
	Predicate     json.RawMessage `json:"predicate,omitempty"`
}

type subject struct {
	Name   string            `json:"name,omitempty"`
	Digest map[string]string `json:"digest"`
}

// newStatement writes a statement about a digest. The same input makes the same bytes.
func newStatement(kind Kind, name string, digest v1.Hash, predicate json.RawMessage) ([]byte, error) {
	s := statement{
		Type: intoto.StatementTypeUri, PredicateType: kind,
		Subject:   []subject{{Name: name, Digest: map[string]string{digest.Algorithm: digest.Hex}}},
		Predicate: predicate,
	}
	if predicate != nil && (!json.Valid(predicate) || bytes.TrimSpace(predicate)[0] != '{') {
		return nil, fmt.Errorf("the %s for %s is no JSON object, which it must be", kind, digest)
	}
	return json.Marshal(s)
}
