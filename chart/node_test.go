package chart

import (
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// machine is one on which the script for hypervisors runs, with an oneadmin whose home is
// a folder of the test's. Nobody there is root, but id says so.
type machine struct {
	home, path string
	script     []byte
}

func newMachine(t *testing.T, values map[string]any) machine {
	dir := t.TempDir()
	m := machine{home: filepath.Join(dir, "home"), path: filepath.Join(dir, "bin")}
	require.NoError(t, os.MkdirAll(m.path, 0o755))
	for name, does := range map[string]string{
		"id":     "echo 0",
		"chown":  ":",
		"getent": `case "$*" in "passwd oneadmin") echo "oneadmin:x:9869:9869::` + m.home + `:/bin/bash" ;; *) exit 2 ;; esac`,
	} {
		require.NoError(t, os.WriteFile(filepath.Join(m.path, name), []byte("#!/bin/sh\n"+does+"\n"), 0o755))
	}
	manifests, err := Manifests(Name, values, newest)
	require.NoError(t, err)
	script, _, err := unstructured.NestedString(find(t, manifests, "ConfigMap/opennebula-node"), "data", "install-node.sh")
	require.NoError(t, err)
	m.script = []byte(script)
	return m
}

func (m machine) run(t *testing.T, args ...string) (string, error) {
	file := filepath.Join(t.TempDir(), "install-node.sh")
	require.NoError(t, os.WriteFile(file, m.script, 0o644))
	cmd := exec.Command("bash", append([]string{file}, args...)...)
	cmd.Env = []string{"PATH=" + m.path + ":" + os.Getenv("PATH")}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (m machine) read(t *testing.T, name string) string {
	content, err := os.ReadFile(filepath.Join(m.home, ".ssh", name))
	require.NoError(t, err)
	return string(content)
}

func TestNodeGetsTheKeys(t *testing.T) {
	values := map[string]any{"ssh": map[string]any{"hostname": "front.example.org", "port": 30022}}
	m := newMachine(t, values)
	for range 2 { // a second time changes nothing
		out, err := m.run(t, "kvm", "--keys-only")
		require.NoError(t, err, out)
		assert.Contains(t, out, "this machine is ready")
		assert.Contains(t, out, "cannot resolve front.example.org")
		assert.Regexp(t, `^ecdsa-sha2-nistp256 AAAA\S+\n$`, m.read(t, "authorized_keys"))
		assert.Regexp(t, `^\[front\.example\.org\]:30022 ecdsa-sha2-nistp256 AAAA\S+\n$`, m.read(t, "known_hosts"))
		assert.Equal(t, "Include config.frontend\n", m.read(t, "config"))
		assert.Equal(t, "Host front.example.org\n    Port 30022\n", m.read(t, "config.frontend"))
	}
}

// The front-end answers at another port than when the machine was made a hypervisor.
func TestNodeGetsAnotherPort(t *testing.T) {
	m := newMachine(t, map[string]any{"ssh": map[string]any{"hostname": "front.example.org"}})
	require.NoError(t, os.MkdirAll(filepath.Join(m.home, ".ssh"), 0o700))
	const before = "Host front.example.org\n    Port 30022\n"
	require.NoError(t, os.WriteFile(filepath.Join(m.home, ".ssh/config"), []byte(before), 0o600))
	out, err := m.run(t, "kvm", "--keys-only")
	require.NoError(t, err, out)
	assert.Equal(t, "Include config.frontend\n"+before, m.read(t, "config"), "what is first counts")
	assert.Equal(t, "Host front.example.org\n    Port 22\n", m.read(t, "config.frontend"))
}

func TestNodeRefusals(t *testing.T) {
	m := newMachine(t, nil)
	out, err := m.run(t, "xen")
	assert.Error(t, err)
	assert.Contains(t, out, "usage: install-node.sh kvm|lxc")

	m = newMachine(t, map[string]any{"ssh": map[string]any{"existingSecret": "mine"}})
	out, err = m.run(t, "kvm", "--keys-only")
	assert.Error(t, err)
	assert.Contains(t, out, "set ssh.publicKey in the chart's values")

	m = newMachine(t, nil)
	m.home = ""
	require.NoError(t, os.WriteFile(filepath.Join(m.path, "getent"), []byte("#!/bin/sh\nexit 2\n"), 0o755))
	out, err = m.run(t, "lxc", "--keys-only")
	assert.Error(t, err)
	assert.Contains(t, out, "install opennebula-node-lxc first")
}

// The public keys that the chart derives are those of the private ones.
func TestPublicKeys(t *testing.T) {
	manifests, err := Manifests(Name, nil, newest)
	require.NoError(t, err)
	private, _, err := unstructured.NestedString(find(t, manifests, "Secret/opennebula-ssh"), "data", "ssh-privatekey")
	require.NoError(t, err)
	key, err := base64.StdEncoding.DecodeString(private)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(file, key, 0o600))
	public, err := exec.Command("ssh-keygen", "-y", "-f", file).Output()
	require.NoError(t, err)
	assert.Contains(t, manifests, "ssh-publickey: \""+strings.TrimSpace(string(public))+"\"")
}
