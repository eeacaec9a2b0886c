package enrollment

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
)

func TestKeysAreReadFromAFolder(t *testing.T) {
	made, err := NewKeys()
	require.NoError(t, err)
	folder := filepath.Join(t.TempDir(), "ssh")
	require.NoError(t, made.Write(folder))
	read, err := ReadKeys(folder)
	require.NoError(t, err)
	assert.Equal(t, made.Secret(), read.Secret())
	assert.NotEqual(t, read.Public(), read.HostPublic())
	for _, public := range []string{read.Public(), read.HostPublic()} {
		_, _, _, _, err = ssh.ParseAuthorizedKey([]byte(public))
		assert.NoError(t, err)
	}
}

func TestKeysThatCannotBeReadAreNamed(t *testing.T) {
	made, err := NewKeys()
	require.NoError(t, err)
	for _, name := range []string{"ssh-privatekey", "ssh-host-key"} {
		private := made.Private()
		private[name] = "secret words"
		_, err := ReadKeys(write(t, private))
		assert.ErrorContains(t, err, name+" must hold a private key without a password")
		assert.NotContains(t, err.Error(), "secret words")

		delete(private, name)
		_, err = ReadKeys(write(t, private))
		assert.ErrorContains(t, err, name+": no such file")
	}
}

func write(t *testing.T, files map[string]string) string {
	folder := t.TempDir()
	for name, content := range files {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600))
	}
	return folder
}
