package packages

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"github.com/pablodelarco/opennebula-helm/upstream/upstreamtest"
)

// signingKey reads the lab's own key from a file, made when there is none. It is
// kept because an image's build begins with it: a new key is a build from scratch.
func signingKey(file string) (*openpgp.Entity, error) {
	content, err := os.Open(file)
	if errors.Is(err, os.ErrNotExist) {
		return newSigningKey(file)
	}
	if err != nil {
		return nil, fmt.Errorf("read the lab's signing key: %w", err)
	}
	defer content.Close()
	keys, err := openpgp.ReadArmoredKeyRing(content)
	if err != nil {
		return nil, fmt.Errorf("the lab's signing key %s cannot be read (%w): remove the file, and a new one is made", file, err)
	}
	return keys[0], nil
}

func newSigningKey(file string) (*openpgp.Entity, error) {
	key, err := openpgp.NewEntity("Package repository of a lab", "", "", &packet.Config{RSABits: 3072})
	if err != nil {
		return nil, fmt.Errorf("make a signing key: %w", err)
	}
	text, err := upstreamtest.Private(key)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return nil, fmt.Errorf("create the folder for the lab's signing key: %w", err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return nil, fmt.Errorf("keep the lab's signing key: %w", err)
	}
	return key, nil
}
