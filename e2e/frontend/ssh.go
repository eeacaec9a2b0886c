package frontend

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/crypto/ssh"
)

// SSH logs in to the front-end's SSH Service as oneadmin, with the key of the
// release and against its host key, runs a command there and returns its output.
func (f *Frontend) SSH(ctx context.Context, command string) (string, error) {
	config, err := f.sshConfig(ctx)
	if err != nil {
		return "", err
	}
	address, err := f.Address(ctx, "ssh", "ssh")
	if err != nil {
		return "", err
	}
	client, err := ssh.Dial("tcp", address, config)
	if err != nil {
		return "", fmt.Errorf("log in to %s by SSH: %w", address, err)
	}
	defer client.Close()
	session, err := client.NewSession()
	if err != nil {
		return "", fmt.Errorf("open an SSH session: %w", err)
	}
	defer session.Close()
	out, err := session.CombinedOutput(command)
	if err != nil {
		return string(out), fmt.Errorf("run %q by SSH: %w: %s", command, err, out)
	}
	return string(out), nil
}

func (f *Frontend) sshConfig(ctx context.Context) (*ssh.ClientConfig, error) {
	secret, err := f.secret(ctx, "ssh")
	if err != nil {
		return nil, err
	}
	key, err := ssh.ParsePrivateKey(secret["ssh-privatekey"])
	if err != nil {
		return nil, fmt.Errorf("read oneadmin's SSH key: %w", err)
	}
	hostKey, err := ssh.ParsePrivateKey(secret["ssh-host-key"])
	if err != nil {
		return nil, fmt.Errorf("read the front-end's host key: %w", err)
	}
	return &ssh.ClientConfig{
		User:            "oneadmin",
		Auth:            []ssh.AuthMethod{ssh.PublicKeys(key)},
		HostKeyCallback: ssh.FixedHostKey(hostKey.PublicKey()),
		Timeout:         15 * time.Second,
	}, nil
}
