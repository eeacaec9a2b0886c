package image

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const aHostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKwvlbQrPlPMzDZzjyMsUWk1sVOS7DjtqR0rOpDDVZZG"

// cloud runs the tool on a file, where no oned is. It returns what is said.
func cloud(t *testing.T, file string, env ...string) string {
	if _, err := exec.LookPath("ruby"); err != nil {
		t.Skip("ruby is not there; apt-get install ruby")
	}
	folder := t.TempDir()
	write(t, filepath.Join(folder, "cloud.yaml"), file)
	write(t, filepath.Join(folder, "password"), "secret\n")
	cmd := exec.Command("ruby", "-w", "rootfs/usr/local/lib/opennebula-frontend/cloud/main.rb")
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "LANG=C", "ONE_HOME=" + folder, "ONE_CLOUD_FILE=" + filepath.Join(folder, "cloud.yaml"),
		"ONEADMIN_PASSWORD_FILE=" + filepath.Join(folder, "password"), "ONE_XMLRPC=http://127.0.0.1:1/RPC2", "ONE_CLOUD_WAIT=0",
	}, env...)
	out, err := cmd.CombinedOutput()
	require.Error(t, err, "without oned it must fail")
	assert.NoDirExists(t, filepath.Join(folder, ".ssh"))
	return strings.ReplaceAll(string(out), folder+"/", "")
}

func TestCloudTakes(t *testing.T) {
	for name, file := range map[string]string{
		"nothing":      "{}",
		"empty lists":  "hosts: []\nclusters: []\nmarketplaces: {}\n",
		"a host":       "hosts: [{name: kvm1}]",
		"all of hosts": "hosts: [{name: 10.0.0.11, address: \"2001:db8::1\", port: 222, driver: lxc, cluster: rack 1, labels: [a b], hostKey: " + aHostKey + " root@kvm1, attributes: {RESERVED_CPU: 10%, PINS: {A: 1}}}]",
		"no host key":  "hosts: [{name: kvm1, hostKey: \"\"}]",
		"a datastore":  "datastores: [{name: slow disks, type: system, transfer: local, clusters: [default]}]",
		"a network":    "virtualNetworks: [{name: lan, addressRanges: [{ip: 255.255.255.254, size: 2}, {type: IP6, size: 5, attributes: {GLOBAL_PREFIX: \"2001:db8::\"}}, {type: ETHER, size: 5}]}]",
		"a group":      "groups: [{name: dev, quotas: {vms: -2, cpu: 1.5, memory: -1}}]",
		"an anchor":    "hosts: [&a {name: kvm1}]\nclusters: [{name: x, attributes: &b {A: YES}}, {name: y, attributes: *b}]",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Contains(t, cloud(t, file), "cloud: oned was not ready within 0 s: http://127.0.0.1:1/RPC2 does not answer as oned does")
		})
	}
}

func TestCloudRefuses(t *testing.T) {
	for name, test := range map[string]struct{ file, want string }{
		"an empty file":          {"", "it is empty; where nothing is to be declared, write {}"},
		"a list":                 {"[]", "the file is a list; it must be keys and values"},
		"no YAML":                {"hosts: [", "line 2 is not YAML: "},
		"two files":              {"hosts: []\n---\nhosts: []\n", "it holds several documents; it must be one"},
		"a key twice":            {"hosts: []\nclusters: []\nhosts: []\n", "line 3 has the key hosts for the second time: give it once"},
		"a key twice within":     {"hosts:\n  - name: a\n    name: b\n", "line 3 has the key name for the second time"},
		"a date":                 {"clusters: [{name: 2026-01-02}]", "a value is not a text, a number, or true or false"},
		"an unknown key":         {"host: []", "the file has the key host, which is not known (did you mean hosts?): it can have clusters, datastores, virtualNetworks, groups, hosts, marketplaces"},
		"hosts as mapping":       {"hosts: {kvm1: {}}", "the file: hosts is a mapping; it must be a list"},
		"a host as text":         {"hosts: [kvm1]", `host 1 of hosts is "kvm1"; it must be keys and values, such as name: NAME`},
		"no name":                {"hosts: [{name: kvm1}, {driver: kvm}]", "host 2 of hosts has no name: give it one"},
		"a number as name":       {"clusters: [{name: 12}]", "cluster 1 of clusters: the name is 12 (a number); it must be a text of 128 characters at most"},
		"a forbidden name":       {"clusters: [{name: a/b}]", `cluster 1 of clusters: the name is "a/b"; it must be a text`},
		"two hosts":              {"hosts: [{name: kvm1}, {name: kvm2}, {name: kvm1}]", "there are two hosts named kvm1: give each a name of its own"},
		"two networks":           {"virtualNetworks: [{name: a}, {name: a}]", "there are two virtual networks named a"},
		"unknown key of a host":  {"hosts: [{name: kvm1, portt: 1}]", "the host kvm1 has the key portt, which is not known (did you mean port?)"},
		"name of several words":  {"hosts: [{name: kvm 1}]", "the host kvm 1: the name must be a host name or an IPv4 address"},
		"name of no address":     {"hosts: [{name: 10.0.0.300}]", "the host 10.0.0.300: the name must be a host name"},
		"name of a pattern":      {"hosts: [{name: \"*\"}]", "the host *: the name must be a host name"},
		"address with a port":    {"hosts: [{name: kvm1, address: \"10.0.0.1:22\"}]", `the host kvm1: address is "10.0.0.1:22"; it must be a host name or an address; the port is the key port`},
		"address with a line":    {"hosts: [{name: kvm1, address: \"a\\n  ProxyCommand x\"}]", `the host kvm1: address is "a\n  ProxyCommand x"; it must be a host name`},
		"port":                   {"hosts: [{name: kvm1, port: 70000}]", "the host kvm1: port is 70000 (a number); it must be a whole number, 1 to 65535"},
		"port as text":           {"hosts: [{name: kvm1, port: \"22\"}]", `the host kvm1: port is "22"; it must be a whole number`},
		"unknown driver":         {"hosts: [{name: kvm1, driver: kvmm}]", `the host kvm1: driver is "kvmm"; it can be kvm, qemu or lxc (did you mean kvm?)`},
		"driver as truth":        {"hosts: [{name: kvm1, driver: yes}]", "the host kvm1: driver is true (not a text); it must be a text (write numbers, and yes or no, in quotes)"},
		"label with a comma":     {"hosts: [{name: kvm1, labels: [\"a,b\"]}]", `the host kvm1: the label "a,b" must be a text without commas`},
		"labels as text":         {"hosts: [{name: kvm1, labels: a}]", `the host kvm1: labels is "a"; it must be a list`},
		"no host key":            {"hosts: [{name: kvm1, hostKey: AAAA}]", `the host kvm1: hostKey is "AAAA"; it must be a public key in one line`},
		"a cut host key":         {"hosts: [{name: kvm1, hostKey: ssh-ed25519 AAAA}]", "the host kvm1: hostKey is"},
		"host key of a host":     {"hosts: [{name: kvm1, hostKey: \"kvm1 " + aHostKey + "\"}]", "the host kvm1: hostKey is"},
		"two host keys":          {"hosts: [{name: kvm1, hostKey: \"" + aHostKey + "\\n" + aHostKey + "\"}]", "the host kvm1: hostKey is"},
		"attributes as list":     {"clusters: [{name: a, attributes: [A]}]", "the cluster a: attributes is a list; it must be names and values"},
		"attribute's name":       {"clusters: [{name: a, attributes: {A-B: 1}}]", `the cluster a has the attribute "A-B": its name must be of letters, digits and _`},
		"attribute twice":        {"clusters: [{name: a, attributes: {ab: 1, AB: 2}}]", "the cluster a has the attribute AB twice: give it once"},
		"attribute without":      {"clusters: [{name: a, attributes: {AB: }}]", "the cluster a: the attribute AB is empty; it must be a text or a number"},
		"attribute as list":      {"clusters: [{name: a, attributes: {AB: [1]}}]", "the cluster a: the attribute AB is a list; it must be a text or a number"},
		"attribute of XML's end": {"clusters: [{name: a, attributes: {AB: \"secret]]>\"}}]", "the cluster a: the attribute AB has a control character or ]]> in it"},
		"attribute of a key":     {"datastores: [{name: a, attributes: {tm_mad: ssh}}]", "the datastore a has the attribute TM_MAD, which is decided by the key transfer: give it there"},
		"attribute of ours":      {"clusters: [{name: a, attributes: {MANAGED_BY: me}}]", "the cluster a has the attribute MANAGED_BY, which is decided by this tool: leave it out"},
		"datastore's type":       {"datastores: [{name: a, type: images}]", `the datastore a: type is "images"; it can be image, system or file (did you mean image?)`},
		"system with a driver":   {"datastores: [{name: a, type: system, driver: fs}]", "the datastore a is of the type system, which has no driver"},
		"no clusters":            {"datastores: [{name: a, clusters: []}]", "the datastore a: clusters is empty: name one, or leave the key out"},
		"clusters as text":       {"datastores: [{name: a, clusters: b}]", `the datastore a: clusters is "b"; it must be a list`},
		"range without an IP":    {"virtualNetworks: [{name: lan, addressRanges: [{size: 5}]}]", "the virtual network lan, address range 1 is of the type IP4, which needs its first address: give ip"},
		"range without a size":   {"virtualNetworks: [{name: lan, addressRanges: [{ip: 10.0.0.1}]}]", "the virtual network lan, address range 1 has no size"},
		"range of size 0":        {"virtualNetworks: [{name: lan, addressRanges: [{ip: 10.0.0.1, size: 0}]}]", "address range 1: size is 0 (a number); it must be a whole number, 1 to "},
		"range with a wrong IP":  {"virtualNetworks: [{name: lan, addressRanges: [{ip: 10.0.0.256, size: 5}]}]", `the virtual network lan, address range 1: ip is "10.0.0.256"; it must be an IPv4 address, such as 10.0.0.100`},
		"range as a network":     {"virtualNetworks: [{name: lan, addressRanges: [{ip: 10.0.0.0/24, size: 5}]}]", `ip is "10.0.0.0/24"; it must be an IPv4 address`},
		"range beyond the last":  {"virtualNetworks: [{name: lan, addressRanges: [{ip: 255.255.255.250, size: 7}]}]", "there are no 7 addresses from 255.255.255.250 on: give a smaller size"},
		"range of a type":        {"virtualNetworks: [{name: lan, addressRanges: [{type: IPV4, ip: 10.0.0.1, size: 5}]}]", `type is "IPV4"; it can be IP4, IP4_6, IP4_6_STATIC, IP6_STATIC, IP6 or ETHER (did you mean IP4?)`},
		"range with a wrong mac": {"virtualNetworks: [{name: lan, addressRanges: [{ip: 10.0.0.1, size: 5, mac: 02-00}]}]", `mac is "02-00"; it must be six pairs of digits`},
		"Ethernet with an IP":    {"virtualNetworks: [{name: lan, addressRanges: [{type: ETHER, ip: 10.0.0.1, size: 5}]}]", "is of the type ETHER, which has no IPv4 addresses: leave ip out, or make it IP4"},
		"static without IP6":     {"virtualNetworks: [{name: lan, addressRanges: [{type: IP6_STATIC, size: 5}]}]", "is of the type IP6_STATIC, which needs IP6: give it below attributes"},
		"ranges over each other": {"virtualNetworks: [{name: lan, addressRanges: [{ip: 10.0.0.1, size: 5}, {ip: 10.0.0.5, size: 1}]}]", "address range 2 (10.0.0.5 (IP4, 1 addresses)) overlaps the virtual network lan, address range 1 (10.0.0.1 (IP4, 5 addresses)): give them addresses of their own"},
		"marketplace as text":    {"marketplaces: {OpenNebula Public: \"on\"}", `the marketplace OpenNebula Public is "on"; it must be true (on) or false (off)`},
		"marketplaces as list":   {"marketplaces: [OpenNebula Public]", "marketplaces is a list; it must be keys and values"},
		"group with a space":     {"groups: [{name: a b}]", "the group a b has a space in its name"},
		"oneadmin's quotas":      {"groups: [{name: oneadmin, quotas: {vms: 1}}]", "the group oneadmin cannot have quotas"},
		"unknown quota":          {"groups: [{name: dev, quotas: {vm: 1}}]", "the group dev, quotas has the key vm, which is not known (did you mean vms?)"},
		"quota as text":          {"groups: [{name: dev, quotas: {cpu: many}}]", `the group dev, quotas: cpu is "many"; it must be a number, -2.0 or more`},
		"quota as fraction":      {"groups: [{name: dev, quotas: {vms: 1.5}}]", "the group dev, quotas: vms is 1.5 (a number); it must be a whole number, -2 or more"},
		"quota of one twice":     {"groups: [{name: dev, quotas: {networks: [{name: a, leases: 1}, {name: a, leases: 2}]}}]", "the group dev, quotas: networks has a twice: give all its limits at once"},
		"quota's unknown key":    {"groups: [{name: dev, quotas: {datastores: [{name: a, bytes: 1}]}}]", "the group dev, quotas, datastores a has the key bytes, which is not known: it can have name, size, images"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			said := cloud(t, test.file)
			assert.True(t, strings.HasPrefix(said, "cloud: cloud.yaml: "), said)
			assert.Contains(t, said, test.want)
			assert.Equal(t, 1, strings.Count(said, "\n"), "one sentence, no stack of calls: %s", said)
			assert.NotContains(t, said, "secret")
		})
	}
}

func TestCloudRefusesSettings(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	write(t, empty, "\n")
	for name, test := range map[string]struct{ env, want string }{
		"no password":    {"ONEADMIN_PASSWORD_FILE=", "cloud: ONEADMIN_PASSWORD_FILE is not set"},
		"empty password": {"ONEADMIN_PASSWORD_FILE=" + empty, "is empty: it must hold oneadmin's password"},
		"no URL":         {"ONE_XMLRPC=localhost:2633", `cloud: ONE_XMLRPC is "localhost:2633"; it must be the URL of oned's API`},
		"no file":        {"ONE_CLOUD_FILE=/nowhere", "cloud: /nowhere cannot be read: No such file or directory"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Contains(t, cloud(t, "{}", test.env), test.want)
		})
	}
}
