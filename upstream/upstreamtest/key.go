// Package upstreamtest stands in for what OpenNebula publishes on: GitHub's API and
// signed apt repositories, over HTTP.
package upstreamtest

import (
	"bytes"
	"fmt"
	"io"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// Sign returns a text with a key's signature, as an InRelease is. A config may be nil;
// in one the signature's time can be set.
func Sign(text []byte, key *openpgp.Entity, config *packet.Config) ([]byte, error) {
	var b bytes.Buffer
	w, err := clearsign.Encode(&b, key.PrivateKey, config)
	if err != nil {
		return nil, fmt.Errorf("sign the repository: %w", err)
	}
	if _, err := w.Write(text); err != nil {
		return nil, fmt.Errorf("sign the repository: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("sign the repository: %w", err)
	}
	return b.Bytes(), nil
}

// Public is the public part of a key, armored, as apt takes it.
func Public(key *openpgp.Entity) ([]byte, error) {
	return armored(openpgp.PublicKeyType, key.Serialize)
}

// Private is a whole key, armored.
func Private(key *openpgp.Entity) ([]byte, error) {
	return armored(openpgp.PrivateKeyType, func(w io.Writer) error { return key.SerializePrivate(w, nil) })
}

func armored(kind string, serialize func(io.Writer) error) ([]byte, error) {
	var b bytes.Buffer
	w, err := armor.Encode(&b, kind, nil)
	if err != nil {
		return nil, fmt.Errorf("write a key: %w", err)
	}
	if err := serialize(w); err != nil {
		return nil, fmt.Errorf("write a key: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("write a key: %w", err)
	}
	return b.Bytes(), nil
}
