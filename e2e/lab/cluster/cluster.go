// Package cluster is a Kubernetes of one node in namespaces of this machine, or of
// this machine alone, made of Kubernetes' own programs and Debian's etcd, containerd
// and runc.
package cluster

import (
	"context"
	"crypto/x509/pkix"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/pablodelarco/opennebula-helm/e2e/lab/network"
)

// Config of a cluster.
type Config struct {
	Kubernetes string // folder with Kubernetes' programs
	CoreDNS    string // folder with coredns
	Pause      string // folder with pause
	State      string // folder for everything of this run
	PauseImage string // reference of the image of pods' first process

	// Where the node is: in namespaces, with a wire to a network, or
	Network *network.Network
	// this machine itself, under an address of its own. Nothing of what is done to it is
	// undone: it is a container or a virtual machine that ends with the cluster.
	Address netip.Addr

	// Where images come from: from a registry that is asked for every one, host:port, over
	// plain HTTP, or
	Registry string
	// as a folder says, in the words of containerd: HOST/hosts.toml.
	RegistryHosts string

	ResolvConf string   // file that says who knows names outside the cluster; "" is nobody
	APIServer  []string // more arguments of kube-apiserver
}

// Cluster is a running Kubernetes.
type Cluster struct {
	Config
	node    machine
	address netip.Addr
	end     []context.CancelFunc // of what serves the cluster from this process
}

const (
	nodeNumber = 2 // of the network's addresses
	apiPort    = 6443
	clusterIPs = "10.96.0.0/16"
	podIPs     = "10.244.0.0/24"
	apiIP      = "10.96.0.1"
)

// Start makes the node and returns when it takes pods.
func Start(ctx context.Context, config Config) (*Cluster, error) {
	c := &Cluster{Config: config, address: config.Address}
	if config.Network != nil {
		c.address = config.Network.Address(nodeNumber)
	}
	if config.RegistryHosts == "" {
		c.RegistryHosts = c.dir("containerd-certs")
	}
	if err := c.start(ctx); err != nil {
		c.Stop()
		return nil, err
	}
	return c, nil
}

func (c *Cluster) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	if err := makeCgroups(); err != nil {
		return err
	}
	if err := c.makeNode(ctx); err != nil {
		return err
	}
	if err := c.certificates(); err != nil {
		return err
	}
	if err := c.configuration(); err != nil {
		return err
	}
	if err := c.programs(ctx); err != nil {
		return err
	}
	return c.addons(ctx)
}

// makeNode makes it, or finds it.
func (c *Cluster) makeNode(ctx context.Context) error {
	if c.Network == nil {
		c.node = thisMachine{c.State}
		return prepareMachine(ctx)
	}
	n, err := startNode(ctx, c.State, filepath.Join(c.Pause, "pause"))
	if err != nil {
		return err
	}
	c.node = n
	if err := c.Network.Attach(ctx, n.init.PID(), nodeNumber); err != nil {
		return fmt.Errorf("attach the node to the network: %w", err)
	}
	return nil
}

// NodeAddress is where NodePorts answer.
func (c *Cluster) NodeAddress() string { return c.address.String() }

// Kubeconfig is the administrator's, a file.
func (c *Cluster) Kubeconfig() string { return filepath.Join(c.State, "kubeconfig") }

// Stop takes the node away, with all that runs in it.
func (c *Cluster) Stop() {
	if c == nil {
		return
	}
	for _, end := range c.end {
		end()
	}
	if c.node != nil {
		c.node.stop()
	}
}

// background runs what serves until the cluster stops, longer than its start's context.
func (c *Cluster) background(ctx context.Context, serve func(context.Context)) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	c.end = append(c.end, cancel)
	go serve(ctx)
}

// Sweep removes what a killed run may have left outside its namespaces.
func Sweep() { removeCgroups() }

func (c *Cluster) dir(name string) string { return filepath.Join(c.State, name) }

func (c *Cluster) certificates() error {
	p, err := newPKI(c.dir("pki"))
	if err != nil {
		return err
	}
	admin := pkix.Name{CommonName: "lab-admin", Organization: []string{"system:masters"}}
	server := []string{c.NodeAddress(), apiIP, "127.0.0.1", "localhost", "kubernetes", "kubernetes.default.svc"}
	if err := p.issue("admin", admin); err != nil {
		return err
	}
	if err := p.issue("apiserver", pkix.Name{CommonName: "kube-apiserver"}, server...); err != nil {
		return err
	}
	return p.issue("accounts", pkix.Name{CommonName: "service-accounts"})
}

// programs starts the control plane and the node's agents, each when the one it
// needs is ready.
func (c *Cluster) programs(ctx context.Context) error {
	pki, kube := c.dir("pki"), func(name string) string { return filepath.Join(c.Kubernetes, name) }
	admin := "--kubeconfig=" + c.Kubeconfig()

	if _, err := c.node.start("etcd", "etcd", "--data-dir="+c.dir("etcd"), "--unsafe-no-fsync",
		"--listen-client-urls=http://127.0.0.1:2379", "--advertise-client-urls=http://127.0.0.1:2379",
		"--listen-peer-urls=http://127.0.0.1:2380"); err != nil {
		return err
	}
	if _, err := c.node.start("containerd", "containerd", "--config", c.dir("containerd.toml")); err != nil {
		return err
	}
	api, err := c.node.start("kube-apiserver", kube("kube-apiserver"), append(c.APIServer,
		"--advertise-address="+c.NodeAddress(), fmt.Sprintf("--secure-port=%d", apiPort),
		"--etcd-servers=http://127.0.0.1:2379", "--service-cluster-ip-range="+clusterIPs,
		"--authorization-mode=RBAC", "--allow-privileged=true",
		"--client-ca-file="+pki+"/ca.crt",
		"--tls-cert-file="+pki+"/apiserver.crt", "--tls-private-key-file="+pki+"/apiserver.key",
		"--kubelet-preferred-address-types=InternalIP", // no DNS knows the node's name
		"--kubelet-client-certificate="+pki+"/admin.crt", "--kubelet-client-key="+pki+"/admin.key",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+pki+"/accounts.crt", "--service-account-signing-key-file="+pki+"/accounts.key")...)
	if err != nil {
		return err
	}
	if err := api.Ready(ctx, c.apiReady); err != nil {
		return err
	}
	if _, err := c.node.start("kube-controller-manager", kube("kube-controller-manager"), admin, "--leader-elect=false",
		"--service-account-private-key-file="+pki+"/accounts.key", "--root-ca-file="+pki+"/ca.crt"); err != nil {
		return err
	}
	if _, err := c.node.start("kube-scheduler", kube("kube-scheduler"), admin, "--leader-elect=false"); err != nil {
		return err
	}
	// The machine's connection tracking is not the node's to tune.
	if _, err := c.node.start("kube-proxy", kube("kube-proxy"), admin, "--hostname-override=lab",
		"--cluster-cidr="+podIPs, "--conntrack-max-per-core=0",
		"--conntrack-tcp-timeout-established=0", "--conntrack-tcp-timeout-close-wait=0"); err != nil {
		return err
	}
	kubelet, err := c.node.start("kubelet", kube("kubelet"), admin, "--config="+c.dir("kubelet.yaml"),
		"--hostname-override=lab", "--node-ip="+c.NodeAddress(), "--root-dir="+c.dir("kubelet"),
		"--cert-dir="+c.dir("kubelet-pki"))
	if err != nil {
		return err
	}
	return kubelet.Ready(ctx, c.nodeReady)
}

// addons are what every cluster has beyond Kubernetes itself: names for
// Services, volumes, and load balancers.
func (c *Cluster) addons(ctx context.Context) error {
	dns, err := c.node.start("coredns", filepath.Join(c.CoreDNS, "coredns"), "-conf", c.dir("Corefile"))
	if err != nil {
		return err
	}
	if err := dns.Ready(ctx, c.dnsReady); err != nil {
		return err
	}
	if err := c.startStorage(ctx); err != nil {
		return err
	}
	if c.Network == nil {
		return nil // there are no addresses to give to load balancers
	}
	return c.startBalancer(ctx)
}

func (c *Cluster) client() (kubernetes.Interface, error) {
	config, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig())
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", c.Kubeconfig(), err)
	}
	return kubernetes.NewForConfig(config)
}

func write(file, content string) error {
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return nil
}
