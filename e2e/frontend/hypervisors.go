package frontend

import (
	"context"
	"net"
	"strconv"

	"github.com/pablodelarco/opennebula-helm/e2e/enrollment"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/hypervisor"
)

// GuestNetwork is the virtual network of HypervisorValues, on the bridge that the lab's
// hypervisors have.
const GuestNetwork = "guests"

// HypervisorValues are those with which hypervisors are enrolled, and reach the front-end
// at the address of one of the cluster's nodes. They need CreateKeys before.
func HypervisorValues(ctx context.Context, node string, machines ...hypervisor.Machine) (map[string]any, error) {
	var hosts []any
	for _, m := range machines {
		driver, err := m.Driver(ctx)
		if err != nil {
			return nil, err
		}
		hosts = append(hosts, map[string]any{"name": m.Name, "address": m.Address, "driver": driver})
	}
	return map[string]any{
		"services": map[string]any{
			"ssh":     map[string]any{"type": "NodePort", "nodePort": enrollment.SSHPort},
			"monitor": map[string]any{"type": "NodePort", "nodePort": enrollment.MonitorPort},
			"gate":    map[string]any{"type": "NodePort", "nodePort": enrollment.GatePort},
		},
		"ssh":     map[string]any{"hostname": node, "existingSecret": keysSecret},
		"monitor": map[string]any{"address": node},
		"gate":    map[string]any{"endpoint": "http://" + net.JoinHostPort(node, strconv.Itoa(enrollment.GatePort))},
		"hosts":   hosts,
		"virtualNetworks": []any{map[string]any{
			"name": GuestNetwork, "driver": "bridge", "bridge": "br0",
			"attributes":    map[string]any{"GATEWAY": "172.30.0.1"},
			"addressRanges": []any{map[string]any{"type": "IP4", "ip": "172.30.0.100", "size": 50}},
		}},
	}, nil
}

// keysSecret is the Secret that HypervisorValues name.
const keysSecret = "ssh-keys"

// CreateKeys makes the Secret that HypervisorValues name, of a release that is yet to be
// installed.
func CreateKeys(ctx context.Context, kubeconfig, namespace, release string, keys *enrollment.Keys) error {
	return CreateSecret(ctx, kubeconfig, namespace, release, "ssh", keysSecret, keys.Secret())
}

// OnHypervisor runs a command on a hypervisor, as the front-end's drivers do: as oneadmin,
// with the key of the release. It returns what the command printed.
func (f *Frontend) OnHypervisor(ctx context.Context, m hypervisor.Machine, command string) (string, error) {
	key, err := f.SSHKey(ctx)
	if err != nil {
		return "", err
	}
	return m.Run(ctx, key, command)
}
