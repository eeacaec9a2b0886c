// Package enrollment is what a front-end and its hypervisors know of each other before
// either is there: keys for SSH, and the ports at which hypervisors reach the front-end.
package enrollment

import (
	"crypto/ed25519"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"
)

// Ports of a cluster's node, from the range that Kubernetes gives to nobody by itself.
const (
	SSHPort     = 30062
	MonitorPort = 30064
	GatePort    = 30065 // virtual machines reach it
)

// Names of the private keys in a folder, and in the Secret that the chart takes.
const (
	userFile = "ssh-privatekey"
	hostFile = "ssh-host-key"
)

// Keys are oneadmin's, with which the front-end logs in to hypervisors, and the
// front-end's own, by which hypervisors know it.
type Keys struct{ user, host key }

type key struct{ private, public string }

// NewKeys that nobody else has.
func NewKeys() (*Keys, error) {
	user, err := newKey()
	if err != nil {
		return nil, err
	}
	host, err := newKey()
	if err != nil {
		return nil, err
	}
	return &Keys{user, host}, nil
}

// ReadKeys takes both private keys from a folder, where they have the names of Private.
func ReadKeys(folder string) (*Keys, error) {
	user, err := readKey(filepath.Join(folder, userFile))
	if err != nil {
		return nil, err
	}
	host, err := readKey(filepath.Join(folder, hostFile))
	if err != nil {
		return nil, err
	}
	return &Keys{user, host}, nil
}

func newKey() (key, error) {
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return key{}, fmt.Errorf("make an SSH key: %w", err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		return key{}, fmt.Errorf("write an SSH key: %w", err)
	}
	return parseKey(pem.EncodeToMemory(block))
}

func readKey(file string) (key, error) {
	private, err := os.ReadFile(file)
	if err != nil {
		return key{}, fmt.Errorf("read an SSH key: %w", err)
	}
	read, err := parseKey(private)
	if err != nil {
		return key{}, fmt.Errorf("%w: %s must hold a private key without a password", err, file)
	}
	return read, nil
}

func parseKey(private []byte) (key, error) {
	signer, err := ssh.ParsePrivateKey(private)
	if err != nil {
		return key{}, fmt.Errorf("read an SSH key: %w", err)
	}
	return key{string(private), strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))}, nil
}

// Public is oneadmin's public key: ssh-ed25519 AAAA….
func (k *Keys) Public() string { return k.user.public }

// HostPublic is the front-end's.
func (k *Keys) HostPublic() string { return k.host.public }

// Private are both private keys, by the names that ReadKeys knows.
func (k *Keys) Private() map[string]string {
	return map[string]string{userFile: k.user.private, hostFile: k.host.private}
}

// Write both private keys to a folder, which is made, as ReadKeys reads them.
func (k *Keys) Write(folder string) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("make a folder for SSH keys: %w", err)
	}
	for name, private := range k.Private() {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(private), 0o600); err != nil {
			return fmt.Errorf("write an SSH key: %w", err)
		}
	}
	return nil
}

// Secret is what the chart takes as ssh.existingSecret.
func (k *Keys) Secret() map[string]string {
	return map[string]string{
		userFile: k.user.private, "ssh-publickey": k.user.public,
		hostFile: k.host.private, "ssh-host-publickey": k.host.public,
	}
}
