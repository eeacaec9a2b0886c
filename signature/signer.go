package signature

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/sigstore/sigstore-go/pkg/sign"
	"google.golang.org/protobuf/encoding/protojson"
)

// Signer signs statements, by a key or keyless.
type Signer struct {
	policy Policy
	// prepare returns what a statement is signed with, and what must not be printed.
	prepare func(context.Context) (sign.Keypair, sign.BundleOptions, []string, error)
}

// Policy lets count what this signer signs.
func (s *Signer) Policy() Policy { return s.policy }

// WithKey signs by a key, and writes into no log: for a release of one's own.
func WithKey(key *Key) (*Signer, error) {
	policy, err := TrustKey(key.Public())
	if err != nil {
		return nil, err
	}
	return &Signer{policy: policy, prepare: func(context.Context) (sign.Keypair, sign.BundleOptions, []string, error) {
		return keypair{key}, sign.BundleOptions{}, nil, nil
	}}, nil
}

// bundle signs a statement about a digest. What the signer's own policy would refuse
// is not returned: a certificate for another identity, or a time that is not within it.
func (s *Signer) bundle(ctx context.Context, statement []byte, digest v1.Hash) ([]byte, error) {
	pair, options, secrets, err := s.prepare(ctx)
	if err != nil {
		return nil, err
	}
	options.Context = ctx
	signed, err := sign.Bundle(&sign.DSSEData{Data: statement, PayloadType: payloadType}, pair, options)
	if err != nil {
		return nil, fmt.Errorf("sign %s as %s: %w", digest, s.policy.whose, conceal(err, secrets))
	}
	text, err := protojson.Marshal(signed)
	if err != nil {
		return nil, fmt.Errorf("write the bundle for %s: %w", digest, err)
	}
	var content bytes.Buffer // the library puts spaces by chance
	if err := json.Compact(&content, text); err != nil {
		return nil, fmt.Errorf("write the bundle for %s: %w", digest, err)
	}
	if _, err := s.policy.verify(content.Bytes(), digest); err != nil {
		return nil, fmt.Errorf("what was signed for %s does not count, and is not published: %w: "+
			"see that this machine's clock is right, and that the identity and the trusted root are those of the signer", digest, err)
	}
	return content.Bytes(), nil
}

// conceal keeps secrets out of an error that quotes another service.
func conceal(err error, secrets []string) error {
	text := err.Error()
	for _, secret := range secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "[hidden]")
		}
	}
	if text == err.Error() {
		return err
	}
	return errors.New(text)
}
