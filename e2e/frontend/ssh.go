package frontend

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/crypto/ssh"
)

// SSH logs in to the front-end's SSH Service as oneadmin, with the key of the
// release and against its host key, runs a command there and returns its output.
func (f *Frontend) SSH(ctx context.Context, command string) (string, error) {
	return f.feedSSH(ctx, command, nil)
}

// Upload the files of a folder to one on the front-end, which is made.
func (f *Frontend) Upload(ctx context.Context, folder, to string) error {
	read, write := io.Pipe()
	defer func() { _ = read.Close() }()
	go func() {
		archive := tar.NewWriter(write)
		write.CloseWithError(errors.Join(archive.AddFS(os.DirFS(folder)), archive.Close()))
	}()
	_, err := f.feedSSH(ctx, fmt.Sprintf("mkdir -p %[1]s && tar -C %[1]s -xf -", to), read)
	return err
}

func (f *Frontend) feedSSH(ctx context.Context, command string, input io.Reader) (string, error) {
	key, err := f.SSHKey(ctx)
	if err != nil {
		return "", err
	}
	client, err := f.LoginSSH(ctx, "oneadmin", ssh.PublicKeys(key))
	if err != nil {
		return "", err
	}
	defer client.Close()
	session, err := client.NewSession()
	if err != nil {
		return "", fmt.Errorf("open an SSH session: %w", err)
	}
	defer session.Close()
	session.Stdin = input
	out, err := session.CombinedOutput(command)
	if err != nil {
		return string(out), fmt.Errorf("run %q by SSH: %w: %s", command, err, out)
	}
	return string(out), nil
}

// SSHKey is oneadmin's, of the release.
func (f *Frontend) SSHKey(ctx context.Context) (ssh.Signer, error) {
	secret, err := f.secret(ctx, "ssh")
	if err != nil {
		return nil, err
	}
	key, err := ssh.ParsePrivateKey(secret["ssh-privatekey"])
	if err != nil {
		return nil, fmt.Errorf("read oneadmin's SSH key: %w", err)
	}
	return key, nil
}

// LoginSSH to the front-end's SSH Service as anybody, by any means, against the release's
// host key.
func (f *Frontend) LoginSSH(ctx context.Context, user string, by ...ssh.AuthMethod) (*ssh.Client, error) {
	secret, err := f.secret(ctx, "ssh")
	if err != nil {
		return nil, err
	}
	hostKey, err := ssh.ParsePrivateKey(secret["ssh-host-key"])
	if err != nil {
		return nil, fmt.Errorf("read the front-end's host key: %w", err)
	}
	address, err := f.Address(ctx, "ssh", "ssh")
	if err != nil {
		return nil, err
	}
	client, err := ssh.Dial("tcp", address, &ssh.ClientConfig{
		User: user, Auth: by, HostKeyCallback: ssh.FixedHostKey(hostKey.PublicKey()), Timeout: 15 * time.Second,
	})
	if err != nil {
		return nil, fmt.Errorf("log in to %s as %s by SSH: %w", address, user, err)
	}
	return client, nil
}
