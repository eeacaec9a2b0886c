package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFlagsAreThoseOfK3s(t *testing.T) {
	o, err := parse([]string{
		"--disable=traefik,metrics-server", "--flannel-backend=host-gw", "--log=/var/log/k3s.log", "--alsologtostderr",
		"--kube-apiserver-arg=token-auth-file=/tokens.csv", "--kube-apiserver-arg=v=4",
	})
	require.NoError(t, err)
	assert.Equal(t, options{log: "/var/log/k3s.log", apiServer: []string{"--token-auth-file=/tokens.csv", "--v=4"}}, o)

	_, err = parse([]string{"--cluster-init"})
	assert.ErrorContains(t, err, "cluster-init", "what the stand-in does not do is not passed over")
	assert.ErrorContains(t, run([]string{"agent"}), "k3s server")
}

func TestMirrorsAreHandedToContainerd(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "registries.yaml")
	require.NoError(t, writeHosts(file, folder), "no file, no mirrors")
	require.NoError(t, os.WriteFile(file, []byte(`
mirrors:
  docker.io:
    endpoint: ["http://registry:5000", "http://mirror.example.org"]
  registry:5000:
    endpoint: ["http://registry:5000"]
`), 0o644))
	require.NoError(t, writeHosts(file, folder))
	content, err := os.ReadFile(filepath.Join(folder, "docker.io", "hosts.toml"))
	require.NoError(t, err)
	assert.Equal(t, `[host."http://registry:5000"]
  capabilities = ["pull", "resolve"]
[host."http://mirror.example.org"]
  capabilities = ["pull", "resolve"]
`, string(content))
	assert.FileExists(t, filepath.Join(folder, "registry:5000", "hosts.toml"))

	require.NoError(t, os.WriteFile(file, []byte("configs: {}"), 0o644))
	assert.ErrorContains(t, writeHosts(file, folder), "configs")
}

func TestLogsAreFollowedByWholeLines(t *testing.T) {
	folder := t.TempDir()
	log, err := os.Create(filepath.Join(folder, "etcd.log"))
	require.NoError(t, err)
	defer log.Close()
	var out bytes.Buffer
	f := follow(t.Context(), folder, &out)
	_, err = log.WriteString("one\ntw")
	require.NoError(t, err)
	time.Sleep(700 * time.Millisecond) // the half line has been read
	_, err = log.WriteString("o\n")
	require.NoError(t, err)
	f.stop()
	assert.Equal(t, "etcd: one\netcd: two\n", out.String())
}
