package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseConf(t *testing.T) {
	c, err := parseConf(`
# a comment with = and "
DB = [ BACKEND = "mysql", # of the deployment
  PASSWD = "a\"b\\c #=]", PORT = 0 ]
SCRIPTS_REMOTE_DIR=/var/tmp/one
VM_MAD = [ NAME="kvm" ]
VM_MAD = [ NAME="dummy", ]
NAME = "a & b"`)
	require.NoError(t, err)
	require.Equal(t, `a"b\\c #=]`, c.section("DB").get("PASSWD"))
	require.Equal(t, "0", c.section("DB").get("PORT"))
	require.Equal(t, "/var/tmp/one", c.get("SCRIPTS_REMOTE_DIR"))
	require.True(t, c.has("VM_MAD", "kvm") && c.has("VM_MAD", "dummy"))
	require.False(t, c.has("VM_MAD", "lxc"))
	require.Contains(t, c.xml(), "<VM_MAD><NAME>kvm</NAME></VM_MAD>")
	require.Contains(t, c.xml(), "<NAME>a &amp; b</NAME>")
}

func TestParseConfRefuses(t *testing.T) {
	for _, text := range []string{"PORT 2633", "DB = [ BACKEND = x", `NAME = "open`, "= 1", "A = [ B = [ C = 1 ] ]"} {
		_, err := parseConf(text)
		require.Error(t, err, text)
	}
}

func TestResolve(t *testing.T) {
	require.NoError(t, resolve(t.Context(), "localhost"))
	require.ErrorContains(t, resolve(t.Context(), "no-such-host.invalid"), "no-such-host.invalid")
}
