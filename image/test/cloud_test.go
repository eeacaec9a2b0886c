package test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/pablodelarco/opennebula-helm/e2e/frontend"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/container"
)

// The host is the front-end itself, whose sshd listens elsewhere than at a host's
// name and port.
const aCloud = `
hosts:
  - {name: kvm1, address: 127.0.0.1, port: 2222, driver: qemu, cluster: rack1, labels: [ssd, rack1]}
clusters:
  - {name: rack1, attributes: {RESERVED_CPU: "10%", reserved_mem: 1024}}
  - {name: default, attributes: {NOTE: "a \"quoted\" <note> & ü"}}
datastores:
  - {name: ssd, transfer: qcow2, clusters: [default, rack1], attributes: {SAFE_DIRS: /srv, COMPATIBLE_SYS_DS: 0}}
  - {name: scratch, type: system}
  - {name: kernels, type: file, clusters: [rack1]}
virtualNetworks:
  - name: lan
    bridge: br0
    clusters: [default, rack1]
    attributes: {GATEWAY: 10.0.0.1, DNS: 10.0.0.1}
    addressRanges:
      - {type: IP4, ip: 10.0.0.100, size: 50}
      - {type: ETHER, mac: "02:00:0A:00:01:00", size: 10, attributes: {NOTE: kept}}
  - name: vlan
    driver: 802.1Q
    attributes: {PHYDEV: eth0, AUTOMATIC_VLAN_ID: YES, SECURITY_GROUPS: 0}
marketplaces: {OpenNebula Public: false, Linux Containers: false}
groups:
  - {name: dev, quotas: {vms: 10, cpu: 20.5, disk: 1000, datastores: [{name: ssd, size: 5000}], networks: [{name: lan, leases: 5}]}}
`

const nothingToDo = "cloud: nothing to do, OpenNebula is as declared: 0 created, 0 changed, 0 deleted"

// running is a front-end with oned and sshd.
func (d *deployment) running() {
	d.t.Helper()
	d.succeed("bootstrap")
	d.start("sshd")
	d.startOned()
}

// declare runs the role cloud with a file. Its container has no more than a Job has.
func (d *deployment) declare(file string) container.Result {
	d.t.Helper()
	d.write("cloud", "cloud.yaml", file)
	s := d.spec("cloud")
	var mounts []container.Mount
	for _, m := range s.Mounts {
		switch m.Destination {
		case volumes["data"], volumes["tmp"], volumes["cloud"], volumes["secrets"], "/etc/hosts":
			mounts = append(mounts, m)
		}
	}
	s.Mounts = mounts
	result := d.runSpec(s)
	assert.NotContains(d.t, result.Output, password)
	return result
}

func (d *deployment) accept(file string) string {
	d.t.Helper()
	result := d.declare(file)
	require.Zero(d.t, result.Code, result.Output)
	return result.Output
}

func (d *deployment) reject(file string, said ...string) string {
	d.t.Helper()
	result := d.declare(file)
	require.Equal(d.t, 1, result.Code, result.Output)
	for _, text := range said {
		require.Contains(d.t, result.Output, text)
	}
	return result.Output
}

// inventory is what OpenNebula has, but what it changes by itself.
func (d *deployment) inventory() map[string]map[string]frontend.Thing {
	d.t.Helper()
	all := map[string]map[string]frontend.Thing{}
	for _, kind := range []string{"cluster", "datastore", "vn", "market", "group", "host"} {
		things, err := d.api("oneadmin", password).Things(kind)
		require.NoError(d.t, err)
		for name, thing := range things {
			if kind != "market" {
				thing.State = 0
			}
			delete(thing.Attributes, "ERROR") // of a host that cannot be monitored
			things[name] = thing
		}
		all[kind] = things
	}
	return all
}

func TestCloud(t *testing.T) {
	d := newDeployment(t, version())
	d.running()
	api := d.api("oneadmin", password)
	require.NoError(t, api.Update("cluster", 0, `MINE = "kept"`))

	said := d.accept(aCloud)
	for _, line := range []string{
		"changed known_hosts: the collected key of kvm1, SHA256:",
		"created the cluster rack1\n", "changed the cluster default: NOTE\n",
		"created the datastore ssd\n", "changed the datastore ssd: in the cluster rack1\n", "created the datastore scratch\n",
		"created the virtual network lan\n", "created the virtual network vlan\n",
		"created the group dev\n", "changed the marketplace OpenNebula Public: off\n", "created the host kvm1\n",
		"cloud: OpenNebula is as declared: 8 created, 5 changed, 0 deleted\n",
	} {
		assert.Contains(t, said, line)
	}
	all := d.inventory()
	rack, cluster := all["cluster"]["rack1"], all["cluster"]["default"]
	assert.Equal(t, "10%", rack.Attributes["RESERVED_CPU"])
	assert.Equal(t, "1024", rack.Attributes["RESERVED_MEM"])
	assert.Equal(t, "opennebula-helm", rack.Attributes["MANAGED_BY"])
	assert.Equal(t, `a "quoted" <note> & ü`, cluster.Attributes["NOTE"])
	assert.Equal(t, "kept", cluster.Attributes["MINE"])
	assert.NotContains(t, cluster.Attributes, "MANAGED_BY", "it was there before")
	host := all["host"]["kvm1"]
	assert.Equal(t, "qemu", host.Driver)
	assert.Equal(t, rack.ID, host.Cluster)
	assert.Equal(t, "ssd,rack1", host.Attributes["LABELS"])
	assert.ElementsMatch(t, []int64{0, rack.ID}, all["datastore"]["ssd"].Clusters)
	assert.Equal(t, []int64{0}, all["datastore"]["scratch"].Clusters)
	assert.Equal(t, []int64{rack.ID}, all["datastore"]["kernels"].Clusters)
	require.Len(t, all["vn"]["lan"].Ranges, 2)
	assert.Equal(t, "10.0.0.100", all["vn"]["lan"].Ranges[0]["IP"])
	assert.Equal(t, 1, all["market"]["OpenNebula Public"].State)
	dev, err := api.Thing("group", all["group"]["dev"].ID)
	require.NoError(t, err)
	assert.Equal(t, "10", dev.VMQuota["VMS"])
	assert.Equal(t, "20.5", strings.TrimSuffix(dev.VMQuota["CPU"], "0"))
	assert.Equal(t, "5000", dev.Quotas[0]["SIZE"])
	rules, err := api.Rules()
	require.NoError(t, err)
	// VM+IMAGE+TEMPLATE+DOCUMENT+SECGROUP+VROUTER+VMGROUP+BACKUPJOB/*, as onegroup create has it
	assert.Contains(t, rules, frontend.Rule{Who: frontend.ScopeGroup(dev.ID), What: 0x125429400000000, Right: frontend.RightCreate})

	assert.Equal(t, nothingToDo+"\n", d.accept(aCloud))
	assert.Equal(t, all, d.inventory())
	after, err := api.Rules()
	require.NoError(t, err)
	assert.Equal(t, rules, after)
	d.requireSSH("kvm1")
	assert.Contains(t, d.read(".ssh/config"), "Include config.cloud\n")
	d.newPod()
	d.succeed("bootstrap")
	assert.Contains(t, d.read(".ssh/known_hosts"), "kvm1 ssh-ed25519 ")
}

// requireSSH: a driver can log in, at what the file says.
func (d *deployment) requireSSH(host string) {
	d.t.Helper()
	s := d.spec()
	s.Entrypoint = []string{"ssh", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", host, "true"}
	result := d.runSpec(s)
	require.Zero(d.t, result.Code, result.Output)
}

func TestCloudChanges(t *testing.T) {
	d := newDeployment(t, version())
	d.running()
	d.accept(aCloud)
	api := d.api("oneadmin", password)
	all := d.inventory()
	require.NoError(t, api.Update("host", all["host"]["kvm1"].ID, `MINE = "kept"`))
	require.NoError(t, api.Update("vn", all["vn"]["lan"].ID, `MINE = "kept"`))

	said := d.accept(strings.NewReplacer(
		"cluster: rack1, labels: [ssd, rack1]", "cluster: default, labels: [hdd]",
		"clusters: [default, rack1], attributes: {SAFE_DIRS", "clusters: [rack1], attributes: {SAFE_DIRS",
		"GATEWAY: 10.0.0.1", "GATEWAY: 10.0.0.2",
		"ip: 10.0.0.100, size: 50}", "ip: 10.0.0.100, size: 60}\n      - {ip: 10.0.0.10, size: 5}",
		"size: 10, attributes: {NOTE: kept}", "size: 3",
		"OpenNebula Public: false", "OpenNebula Public: true",
		"vms: 10, cpu: 20.5", "vms: 12",
	).Replace(aCloud))
	for _, line := range []string{
		"changed the host kvm1: LABELS\n", "changed the host kvm1: in the cluster default\n",
		"changed the datastore ssd: no longer in the cluster default\n",
		"changed the virtual network lan: GATEWAY\n",
		"changed the virtual network lan: the address range 10.0.0.100 (IP4, 50 addresses) is 10.0.0.100 (IP4, 60 addresses) now\n",
		"changed the virtual network lan: has the address range 10.0.0.10 (IP4, 5 addresses) now\n",
		"02:00:0a:00:01:00 (ETHER, 10 addresses) has more than the 3 addresses declared; it stays as it is\n",
		"changed the marketplace OpenNebula Public: on\n", "changed the group dev: quotas of virtual machines\n",
		"cloud: OpenNebula is as declared: 0 created, 8 changed, 0 deleted\n",
	} {
		assert.Contains(t, said, line)
	}
	now := d.inventory()
	assert.Equal(t, "kept", now["host"]["kvm1"].Attributes["MINE"])
	assert.Equal(t, "kept", now["vn"]["lan"].Attributes["MINE"])
	assert.Equal(t, all["host"]["kvm1"].ID, now["host"]["kvm1"].ID)
	lan, err := api.Thing("vn", now["vn"]["lan"].ID)
	require.NoError(t, err)
	require.Len(t, lan.Ranges, 3)
	assert.Equal(t, "60", lan.Ranges[0]["SIZE"])
	assert.Equal(t, "10", lan.Ranges[1]["SIZE"])
	assert.Equal(t, "kept", lan.Ranges[1]["NOTE"])
	assert.Equal(t, "5", lan.Ranges[2]["SIZE"])
	dev, err := api.Thing("group", now["group"]["dev"].ID)
	require.NoError(t, err)
	assert.Equal(t, "12", dev.VMQuota["VMS"])
	assert.Equal(t, "20.5", strings.TrimSuffix(dev.VMQuota["CPU"], "0"), "what is no longer declared stays")
}

// What the file no longer declares stays, but hosts that do nothing; what the
// administrator created is never deleted.
func TestCloudLeftovers(t *testing.T) {
	d := newDeployment(t, version())
	d.useDummies()
	d.running()
	// A pod's Service answers at port 22.
	require.NoError(t, os.WriteFile(d.path("data", ".ssh/config"), []byte("Host "+hostname+"\n  Port 2222\n"+d.read(".ssh/config")), 0o600))
	api := d.api("oneadmin", password)
	d.accept(aCloud)
	busy, err := api.CreateHost(hostname, "dummy", "dummy") // as if created by the role, which knows no dummies
	require.NoError(t, err)
	require.NoError(t, api.Update("host", busy, `MANAGED_BY = "opennebula-helm"`))
	require.NoError(t, eventually(t, time.Minute, func() error { return d.monitored(busy) }))
	vm, err := api.CreateVM("NAME = busy\nCPU = 0.1\nMEMORY = 16\n")
	require.NoError(t, err)
	require.NoError(t, eventually(t, time.Minute, func() error { return d.vmState(vm, frontend.VMActive, frontend.VMRunning) }))
	_, err = api.CreateHost("mine", "dummy", "dummy")
	require.NoError(t, err)

	said := d.accept("{}")
	for _, line := range []string{
		"cloud: deleted the host kvm1, which is no longer declared\n",
		"cloud: the host frontend is no longer declared; it stays as long as it has virtual machines (1)\n",
		"cloud: the cluster rack1 is no longer declared; it stays, delete it in OpenNebula\n",
		"cloud: the virtual network lan is no longer declared; it stays", "cloud: the group dev is no longer declared; it stays",
		"cloud: OpenNebula is as declared: 0 created, 0 changed, 1 deleted\n",
	} {
		assert.Contains(t, said, line)
	}
	assert.NotContains(t, said, "mine")
	assert.NotContains(t, d.read(".ssh/known_hosts"), "kvm1 ")
	assert.NoFileExists(t, d.path("data", ".ssh/config.cloud"))

	require.NoError(t, api.TerminateVM(vm))
	require.NoError(t, eventually(t, time.Minute, func() error { return d.vmState(vm, frontend.VMDone, 0) }))
	assert.Contains(t, d.accept("{}"), "deleted the host frontend")
	hosts := d.inventory()["host"]
	assert.Len(t, hosts, 1)
	assert.Contains(t, hosts, "mine")
}

func (d *deployment) vmState(id int64, state, lcmState int) error {
	vm, err := d.api("oneadmin", password).VM(id)
	if err == nil && (vm.State != state || vm.LCMState != lcmState) {
		err = fmt.Errorf("the virtual machine is in state %d/%d", vm.State, vm.LCMState)
	}
	return err
}

func TestCloudHostKeys(t *testing.T) {
	d := newDeployment(t, version())
	d.succeed("bootstrap")
	sshd := d.start("sshd")
	d.startOned()
	d.env["ONE_SSH_SCAN_WAIT"] = "2"
	const one = "hosts: [{name: kvm1, address: 127.0.0.1, port: 2222}"
	said := d.reject(one+", {name: kvm2, address: 127.0.0.1, port: 23, hostKey: \""+d.publicKey()+"\"}, {name: kvm3, address: 127.0.0.1, port: 24}]",
		"cloud: kvm3 does not answer SSH at 127.0.0.1, port 24", "3 created, 2 changed, 0 deleted, 1 not done (see above)")
	assert.NotContains(t, said, "kvm2 does not answer", "its key is given")
	hosts := d.inventory()["host"]
	assert.Len(t, hosts, 3, "a host that does not answer is seen in Sunstone")
	assert.Contains(t, d.accept(one+"]"), "0 created, 0 changed, 2 deleted")
	assert.NotContains(t, d.read(".ssh/known_hosts"), "kvm2")

	known := d.read(".ssh/known_hosts")
	d.stop(sshd)
	assert.Contains(t, d.accept(one+"]"), "kvm1 does not answer SSH at 127.0.0.1, port 2222")
	d.write("secrets", "ssh-host-key", newKey(t))
	d.succeed("bootstrap")
	d.start("sshd")
	d.reject(one+"]", "cloud: the host key of kvm1 changed", "give hostKey where the machine was reinstalled")
	assert.Contains(t, d.read(".ssh/known_hosts"), line(known, "kvm1 "), "the known key stays")
	assert.Contains(t, d.accept(strings.TrimSuffix(one, "}")+", hostKey: \""+d.publicKey()+" root@kvm1\"}]"), "changed known_hosts: the declared key of kvm1")
	d.reject(strings.TrimSuffix(one, "}")+", hostKey: \""+anotherPublicKey(t)+"\"}]", "cloud: the host key of kvm1 is SHA256:", "hostKey declares SHA256:")
}

// publicKey of the front-end's sshd.
func (d *deployment) publicKey() string {
	d.t.Helper()
	private, err := os.ReadFile(d.path("secrets", "ssh-host-key"))
	require.NoError(d.t, err)
	return publicOf(d.t, private)
}

// anotherPublicKey is nobody's.
func anotherPublicKey(t *testing.T) string { return publicOf(t, []byte(newKey(t))) }

func publicOf(t *testing.T, private []byte) string {
	t.Helper()
	signer, err := ssh.ParsePrivateKey(private)
	require.NoError(t, err)
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))
}

// line of a text that begins so.
func line(text, prefix string) string {
	for l := range strings.Lines(text) {
		if strings.HasPrefix(l, prefix) {
			return l
		}
	}
	return "no line begins with " + prefix
}

// The file is held against OpenNebula before anything changes.
func TestCloudContradictsOpenNebula(t *testing.T) {
	d := newDeployment(t, version())
	d.running()
	d.accept(aCloud)
	before, known := d.inventory(), d.read(".ssh/known_hosts")
	for name, test := range map[string]struct{ file, said string }{
		"host of another driver":     {"hosts: [{name: kvm1, driver: lxc}]", "the host kvm1 has the driver qemu in OpenNebula, and lxc in the file: declare qemu, or delete it in OpenNebula first"},
		"host in no known cluster":   {"hosts: [{name: kvm2, cluster: rakc1}]", "the host kvm2 names the cluster rakc1, which is neither declared nor in OpenNebula (did you mean rack1?): declare it, or name one of default, never, rack1"},
		"datastore of another type":  {"datastores: [{name: ssd, type: system}]", "the datastore ssd has the type image in OpenNebula, and system in the file"},
		"datastore, other transfer":  {"datastores: [{name: ssd, transfer: local}]", "the datastore ssd has the transfer qcow2 in OpenNebula, and local in the file"},
		"datastore, unknown driver":  {"datastores: [{name: slow, driver: local}]", "the datastore slow: driver is local; oned.conf has "},
		"datastore, unknown mover":   {"datastores: [{name: slow, transfer: qcow}]", "the datastore slow: transfer is qcow; oned.conf has "},
		"datastore, what ceph needs": {"datastores: [{name: slow, driver: ceph, transfer: ceph}]", "the datastore slow: the driver ceph needs the attribute DISK_TYPE: give it below attributes"},
		"network of another driver":  {"virtualNetworks: [{name: lan, driver: vxlan}]", "the virtual network lan has the driver bridge in OpenNebula, and vxlan in the file"},
		"network, unknown driver":    {"virtualNetworks: [{name: wan, driver: bridged}]", "the virtual network wan: driver is bridged; oned.conf has "},
		"network, what a VLAN needs": {"virtualNetworks: [{name: wan, driver: 802.1Q, attributes: {PHYDEV: eth0}}]", "the virtual network wan: the driver 802.1Q needs VLAN_ID: give it below attributes, or AUTOMATIC_VLAN_ID: YES"},
		"network in no cluster":      {"virtualNetworks: [{name: wan, clusters: [nowhere]}]", "the virtual network wan names the cluster nowhere, which is neither"},
		"range over another":         {"virtualNetworks: [{name: lan, addressRanges: [{ip: 10.0.0.90, size: 20}]}]", "the virtual network lan, address range 1 (10.0.0.90 (IP4, 20 addresses)) overlaps the range 10.0.0.100 (IP4, 50 addresses) that OpenNebula has"},
		"range of another mac":       {"virtualNetworks: [{name: lan, addressRanges: [{ip: 10.0.0.100, size: 50, mac: \"02:00:00:00:00:01\"}]}]", "the virtual network lan, address range 1 has the MAC "},
		"unknown marketplace":        {"marketplaces: {OpenNebula Pubic: true}", "the marketplace OpenNebula Pubic is not in OpenNebula (did you mean OpenNebula Public?)"},
		"quota of no datastore":      {"groups: [{name: dev, quotas: {datastores: [{name: sdd, size: 1}]}}]", "the group dev names the datastore sdd, which is neither declared nor in OpenNebula (did you mean ssd?)"},
		"quota of no network":        {"groups: [{name: dev, quotas: {networks: [{name: wan, leases: 1}]}}]", "the group dev names the virtual network wan, which is neither"},
	} {
		t.Run(name, func(t *testing.T) {
			result := d.declare("clusters: [{name: never}]\n" + test.file)
			assert.Equal(t, 1, result.Code)
			assert.Contains(t, result.Output, "cloud: "+test.said)
			assert.Equal(t, 1, strings.Count(result.Output, "\n"), "one sentence: %s", result.Output)
		})
	}
	assert.Equal(t, before, d.inventory())
	assert.Equal(t, known, d.read(".ssh/known_hosts"))
}

// Of two runs at once, one does it all.
func TestCloudTwice(t *testing.T) {
	d := newDeployment(t, version())
	d.running()
	d.write("cloud", "cloud.yaml", aCloud)
	other, err := d.pod.Start(d.spec("cloud"))
	require.NoError(t, err)
	one := d.accept(aCloud)
	result, err := other.Wait(t.Context())
	require.NoError(t, err)
	require.Zero(t, result.Code, result.Output)
	assert.Equal(t, 1, strings.Count(one+result.Output, "8 created, 5 changed"), one+result.Output)
	assert.Equal(t, 1, strings.Count(one+result.Output, nothingToDo), one+result.Output)
}

func TestCloudWaits(t *testing.T) {
	d := newDeployment(t, version())
	d.env["ONE_CLOUD_WAIT"] = "1"
	d.reject("{}", "cloud: waiting for oned: http://localhost:2633/RPC2 does not answer as oned does", "cloud: oned was not ready within 1 s")
	d.env["ONE_CLOUD_WAIT"] = "soon"
	d.reject("{}", `ONE_CLOUD_WAIT is "soon"; give a whole number, 0 or more`)

	d.env["ONE_CLOUD_WAIT"] = "120"
	d.write("cloud", "cloud.yaml", "{}")
	waiting, err := d.pod.Start(d.spec("cloud"))
	require.NoError(t, err)
	d.running()
	result, err := waiting.Wait(t.Context())
	require.NoError(t, err)
	assert.Zero(t, result.Code, result.Output)
	assert.Contains(t, result.Output, nothingToDo)

	d.write("secrets", "password", "another-one\n")
	d.env["ONE_CLOUD_WAIT"] = "1"
	d.reject("{}", "it refuses oneadmin with the password of ONEADMIN_PASSWORD_FILE, which it takes over when it starts")
}
