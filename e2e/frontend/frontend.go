// Package frontend finds a release of the chart in a cluster and talks to its
// services over the network: XML-RPC, HTTP and SSH.
package frontend

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// Frontend is one release of the chart.
type Frontend struct {
	client    kubernetes.Interface
	namespace string
	release   string
	username  string
	password  string
}

// Values are what a test installs the chart with: services within reach; OpenNebula's own
// dummy driver, so that a virtual machine can be placed without a hypervisor; and less
// patience. Each virtual machine is placed at once, where OpenNebula waits up to ten seconds
// for others to be placed with it. Hypervisors are marked when they say nothing, and unmarked
// when they send what they are, by default every ten minutes; what they run is known again
// when they have sent all of it, by default every three.
func Values() map[string]any {
	services := map[string]any{}
	for _, name := range []string{"sunstone", "api", "flow", "gate", "monitor", "ssh"} {
		services[name] = map[string]any{"type": "NodePort"}
	}
	return map[string]any{
		"services": services,
		"config": map[string]any{
			"oned.conf": `
VM_MAD = [ NAME = "dummy", SUNSTONE_NAME = "Testing", EXECUTABLE = "one_vmm_dummy", TYPE = "xml" ]
SCHED_MAX_WND_LENGTH = 1
`,
			"monitord.conf": `
IM_MAD = [ NAME = "dummy", SUNSTONE_NAME = "Dummy", EXECUTABLE = "one_im_sh", ARGUMENTS = "-r 3 -t 15 -w 90 dummy", THREADS = 0 ]
MONITORING_INTERVAL_HOST = 45
PROBES_PERIOD = [ BEACON_HOST = 10, SYSTEM_HOST = 60, SYNC_STATE_VM = 60 ]
`,
		},
	}
}

// Find reads what the release made: where its services are and oneadmin's login.
func Find(ctx context.Context, kubeconfig, namespace, release string) (*Frontend, error) {
	client, err := connect(kubeconfig)
	if err != nil {
		return nil, err
	}
	f := &Frontend{client: client, namespace: namespace, release: release}
	secret, err := f.secret(ctx, "oneadmin")
	if err != nil {
		return nil, err
	}
	f.username, f.password = string(secret["username"]), string(secret["password"])
	return f, nil
}

func connect(kubeconfig string) (kubernetes.Interface, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read the kubeconfig %s: %w", kubeconfig, err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("use the kubeconfig %s: %w", kubeconfig, err)
	}
	return client, nil
}

// Login of oneadmin, as the release's Secret has it.
func (f *Frontend) Login() (username, password string) { return f.username, f.password }

// labels of what the release made for one component.
func (f *Frontend) labels(component string) metav1.ListOptions {
	return metav1.ListOptions{LabelSelector: fmt.Sprintf(
		"app.kubernetes.io/part-of=opennebula,app.kubernetes.io/instance=%s,app.kubernetes.io/component=%s", f.release, component)}
}

func (f *Frontend) secret(ctx context.Context, component string) (map[string][]byte, error) {
	secrets, err := f.client.CoreV1().Secrets(f.namespace).List(ctx, f.labels(component))
	if err != nil {
		return nil, fmt.Errorf("read the Secret of %s in %s: %w", component, f.namespace, err)
	}
	if len(secrets.Items) != 1 {
		return nil, fmt.Errorf("the release %s/%s has %d Secrets for %s, not one: is it installed?", f.namespace, f.release, len(secrets.Items), component)
	}
	return secrets.Items[0].Data, nil
}

func (f *Frontend) service(ctx context.Context, component string) (*corev1.Service, error) {
	services, err := f.client.CoreV1().Services(f.namespace).List(ctx, f.labels(component))
	if err != nil {
		return nil, fmt.Errorf("read the Service of %s in %s: %w", component, f.namespace, err)
	}
	if len(services.Items) != 1 {
		return nil, fmt.Errorf("the release %s/%s has %d Services for %s, not one: is it installed?", f.namespace, f.release, len(services.Items), component)
	}
	return &services.Items[0], nil
}

// Address of one of the release's Services, host:port, from outside the cluster:
// of its load balancer, or of its node port.
func (f *Frontend) Address(ctx context.Context, component, port string) (string, error) {
	s, err := f.service(ctx, component)
	if err != nil {
		return "", err
	}
	p, err := findPort(s, port)
	if err != nil {
		return "", err
	}
	if in := s.Status.LoadBalancer.Ingress; len(in) > 0 {
		return net.JoinHostPort(in[0].IP+in[0].Hostname, strconv.Itoa(int(p.Port))), nil
	}
	if p.NodePort == 0 {
		return "", fmt.Errorf("the Service %s/%s cannot be reached from outside: give it the type NodePort or LoadBalancer", s.Namespace, s.Name)
	}
	node, err := f.nodeAddress(ctx)
	return net.JoinHostPort(node, strconv.Itoa(int(p.NodePort))), err
}

// WaitServices waits until all Services of a release take connections: they know a pod a
// moment after it is ready.
func (f *Frontend) WaitServices(ctx context.Context) error {
	for _, service := range []struct{ component, port string }{
		{"api", "xmlrpc"}, {"flow", "http"}, {"gate", "http"}, {"monitor", "tcp"}, {"ssh", "ssh"}, {"sunstone", "http"},
	} {
		address, err := f.Address(ctx, service.component, service.port)
		if err != nil {
			return err
		}
		err = Eventually(ctx, func() error {
			connection, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", address)
			if err != nil {
				return err
			}
			return connection.Close()
		})
		if err != nil {
			return fmt.Errorf("reach the Service of %s: %w", service.component, err)
		}
	}
	return nil
}

func findPort(s *corev1.Service, name string) (corev1.ServicePort, error) {
	for _, p := range s.Spec.Ports {
		if p.Name == name {
			return p, nil
		}
	}
	return corev1.ServicePort{}, fmt.Errorf("the Service %s/%s has no port named %s", s.Namespace, s.Name, name)
}

func (f *Frontend) nodeAddress(ctx context.Context) (string, error) {
	nodes, err := f.client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return "", fmt.Errorf("list nodes: %w", err)
	}
	for _, kind := range []corev1.NodeAddressType{corev1.NodeExternalIP, corev1.NodeInternalIP} {
		for _, node := range nodes.Items {
			for _, address := range node.Status.Addresses {
				if address.Type == kind {
					return address.Address, nil
				}
			}
		}
	}
	return "", fmt.Errorf("no node of the cluster has an address")
}

// pod is the front-end's: there is one, or for a moment one and its successor.
func (f *Frontend) pod(ctx context.Context) (*corev1.Pod, error) {
	pods, err := f.client.CoreV1().Pods(f.namespace).List(ctx, f.labels("frontend"))
	if err != nil {
		return nil, fmt.Errorf("read the Pod of %s/%s: %w", f.namespace, f.release, err)
	}
	if len(pods.Items) != 1 {
		return nil, fmt.Errorf("the release %s/%s has %d Pods, not one", f.namespace, f.release, len(pods.Items))
	}
	return &pods.Items[0], nil
}

// RunsImage checks that every container of the pod runs the image with this
// digest.
func (f *Frontend) RunsImage(ctx context.Context, digest string) error {
	pod, err := f.pod(ctx)
	if err != nil {
		return err
	}
	for _, c := range append(pod.Spec.InitContainers, pod.Spec.Containers...) {
		if !strings.HasSuffix(c.Image, "@"+digest) {
			return fmt.Errorf("the container %s runs %s, not the image with digest %s", c.Name, c.Image, digest)
		}
	}
	return nil
}

// Kill ends the pod at once, as a failing node would, and waits until its
// successor is ready.
func (f *Frontend) Kill(ctx context.Context) error {
	return f.kill(ctx, "app.kubernetes.io/component=frontend")
}

func ready(pod *corev1.Pod) error {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
			return nil
		}
	}
	return fmt.Errorf("the Pod %s is not ready", pod.Name)
}

// Final is an error that trying again does not mend.
type Final struct{ Err error }

func (f Final) Error() string { return f.Err.Error() }

func (f Final) Unwrap() error { return f.Err }

// Eventually tries again every second until check succeeds, its error is Final, or the
// context ends, then returns check's last error.
func Eventually(ctx context.Context, check func() error) error {
	for {
		err := check()
		if err == nil || errors.As(err, new(Final)) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Second):
		}
	}
}
