package cluster

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"
)

// configuration writes the files that the node's programs read.
func (c *Cluster) configuration() error {
	files := map[string]string{
		c.Kubeconfig():               kubeconfig,
		c.dir("containerd.toml"):     containerdConfig,
		c.dir("cni/10-lab.conflist"): cniConfig,
		c.dir("kubelet.yaml"):        kubeletConfig,
		c.dir("Corefile"):            corefile,
	}
	if c.ResolvConf == "" {
		files[c.dir("resolv.conf")] = "# The node resolves no names outside the cluster.\n"
	}
	if c.Registry != "" {
		files[filepath.Join(c.RegistryHosts, "_default/hosts.toml")] = registryHosts
	}
	for file, text := range files {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return fmt.Errorf("create a folder for the node: %w", err)
		}
		content, err := c.fill(text)
		if err != nil {
			return fmt.Errorf("fill in %s: %w", file, err)
		}
		if err := write(file, content); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) fill(text string) (string, error) {
	t, err := template.New("").Parse(text)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = t.Execute(&b, map[string]any{
		"State": c.State, "Address": c.NodeAddress(), "APIPort": apiPort, "PodIPs": podIPs,
		"Registry": c.Registry, "RegistryHosts": c.RegistryHosts, "PauseImage": c.PauseImage, "Cgroup": cgroupName,
		"ResolvConf": cmp.Or(c.ResolvConf, c.dir("resolv.conf")), "Forward": c.ResolvConf != "",
	})
	return b.String(), err
}

const kubeconfig = `apiVersion: v1
kind: Config
clusters:
  - name: lab
    cluster:
      server: https://{{.Address}}:{{.APIPort}}
      certificate-authority: {{.State}}/pki/ca.crt
users:
  - name: admin
    user:
      client-certificate: {{.State}}/pki/admin.crt
      client-key: {{.State}}/pki/admin.key
contexts:
  - name: lab
    context: {cluster: lab, user: admin}
current-context: lab
`

// Without CAP_SYS_RESOURCE, as in many containers, a process may not lower its
// oom_score_adj: restrict_oom_score_adj lets pods start all the same.
const containerdConfig = `version = 2
root = "{{.State}}/containerd"
state = "/run/containerd"
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{{.PauseImage}}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{{.State}}/cni"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{{.RegistryHosts}}"
`

// The lab's registry stands in for every other: the node has no way out.
const registryHosts = `[host."http://{{.Registry}}"]
  capabilities = ["pull", "resolve"]
`

// Pods are routed, not bridged: a pod must reach itself through a Service even
// where the kernel does not filter bridged packets.
const cniConfig = `{
  "cniVersion": "0.4.0",
  "name": "lab",
  "plugins": [{
    "type": "ptp",
    "ipMasq": true,
    "ipam": {
      "type": "host-local",
      "ranges": [[{"subnet": "{{.PodIPs}}"}]],
      "routes": [{"dst": "0.0.0.0/0"}],
      "dataDir": "/run/cni"
    }
  }]
}
`

const kubeletConfig = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: true}
  x509: {clientCAFile: {{.State}}/pki/ca.crt}
authorization: {mode: Webhook}
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
cgroupDriver: cgroupfs
cgroupRoot: /{{.Cgroup}}
clusterDNS: ["{{.Address}}"]
clusterDomain: cluster.local
resolvConf: {{.ResolvConf}}
podLogsDir: {{.State}}/pod-logs
volumePluginDir: {{.State}}/volume-plugins
failSwapOn: false
failCgroupV1: false
# The machine may lack what only its true root has; see the restrict_oom_score_adj
# of containerd.
featureGates: {KubeletInUserNamespace: true}
localStorageCapacityIsolation: false
# A lab's disk may be nearly full without being in trouble.
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%}
imageGCHighThresholdPercent: 100
`

const corefile = `.:53 {
  bind {{.Address}}
  errors
  ready {{.Address}}:8181
  kubernetes cluster.local in-addr.arpa {
    kubeconfig {{.State}}/kubeconfig lab
    pods insecure
  }
{{if .Forward}}  forward . {{.ResolvConf}}
{{end}}  cache 5
}
`
