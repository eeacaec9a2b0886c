package ingress

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// reach is where a backend's Service answers outside of the cluster: this machine has
// no way to the Service's own address, nor to pods.
func (c *Controller) reach(ctx context.Context, backend networkingv1.IngressBackend) (string, error) {
	if backend.Service == nil {
		return "", fmt.Errorf("the Ingress %s/%s has a backend that is no Service", c.config.Namespace, c.config.Name)
	}
	service, err := c.config.Client.CoreV1().Services(c.config.Namespace).Get(ctx, backend.Service.Name, metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("read the Service %s behind the Ingress: %w", backend.Service.Name, err)
	}
	port, err := nodePort(service, backend.Service.Port)
	if err != nil {
		return "", err
	}
	node, err := c.nodeAddress(ctx)
	return net.JoinHostPort(node, strconv.Itoa(int(port))), err
}

func nodePort(service *corev1.Service, wanted networkingv1.ServiceBackendPort) (int32, error) {
	for _, port := range service.Spec.Ports {
		if (wanted.Name == "" || port.Name != wanted.Name) && port.Port != wanted.Number {
			continue
		}
		if port.NodePort == 0 {
			return 0, fmt.Errorf("the Service %s has no node port, and the lab's ingress controller reaches no other: give it the type NodePort", service.Name)
		}
		return port.NodePort, nil
	}
	name := cmp.Or(wanted.Name, strconv.Itoa(int(wanted.Number)))
	return 0, fmt.Errorf("the Service %s has no port %s, which the Ingress names", service.Name, name)
}

func (c *Controller) nodeAddress(ctx context.Context) (string, error) {
	nodes, err := c.config.Client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return "", fmt.Errorf("list nodes: %w", err)
	}
	for _, node := range nodes.Items {
		for _, address := range node.Status.Addresses {
			if address.Type == corev1.NodeInternalIP {
				return address.Address, nil
			}
		}
	}
	return "", errors.New("no node of the cluster has an address")
}
