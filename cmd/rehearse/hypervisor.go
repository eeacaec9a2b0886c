package main

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	"helm.sh/helm/v3/pkg/chartutil"

	"github.com/pablodelarco/opennebula-helm/e2e/enrollment"
	"github.com/pablodelarco/opennebula-helm/e2e/frontend"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/builder"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/hypervisor"
	"github.com/pablodelarco/opennebula-helm/image"
)

// node is a hypervisor of the lab: its name, and its image's in e2e/lab/images.
type node struct{ name, image string }

// nodes of the lab: two for virtual machines, so that these move between them, and one for
// containers.
func nodes() []node { return []node{{"kvm-1", "kvm"}, {"kvm-2", "kvm"}, {"lxc-1", "lxc"}} }

const hypervisorNumber = 200 // of the network's addresses, the first one's

// isVirtual tells whether virtual machines can run: on hypervisors of the lab, which
// stand beside the lab's cluster, and are made of the same packages as the front-end. Their
// small Linux is for amd64 alone.
func (o options) isVirtual() bool {
	return !o.withoutHypervisor && o.kubeconfig == "" && o.image == "" && runtime.GOARCH == "amd64"
}

// startHypervisors makes the machines that run virtual machines, and has the chart enroll
// them.
func (r *rehearsal) startHypervisors(ctx context.Context) (string, error) {
	if !r.source.Real {
		return "none: the stand-ins run no virtual machines", nil
	}
	images, err := r.buildHypervisors(ctx)
	if err != nil {
		return "", err
	}
	if r.keys, err = enrollment.NewKeys(); err != nil {
		return "", err
	}
	_, address, err := frontend.Node(ctx, r.kubeconfig)
	if err != nil {
		return "", err
	}
	if err := r.runHypervisors(ctx, images, address); err != nil {
		return "", err
	}
	values, err := frontend.HypervisorValues(ctx, address, r.hypervisors...)
	if err != nil {
		return "", err
	}
	r.values = chartutil.CoalesceTables(r.values, values)
	driver, err := r.hypervisors[0].Driver(ctx)
	if driver == "qemu" {
		driver = "QEMU's emulation: KVM runs no guest here"
	}
	return fmt.Sprintf("%s, with %s", r.hypervisorList(), driver), err
}

// runHypervisors starts them at once, with the references of their images. Each has an
// address on the wire of virtual machines.
func (r *rehearsal) runHypervisors(ctx context.Context, images map[string]string, frontendAddress string) error {
	for i, n := range nodes() {
		r.hypervisors = append(r.hypervisors, hypervisor.Machine{Name: n.name, Address: r.network.Address(hypervisorNumber + byte(i)).String()})
	}
	var lock sync.Mutex // of what takes them away again
	group, within := errgroup.WithContext(ctx)
	for i, m := range r.hypervisors {
		group.Go(func() error {
			h, err := hypervisor.Start(within, hypervisor.Config{
				Name: m.Name, Image: images[nodes()[i].image], Network: r.network, Number: hypervisorNumber + byte(i), State: r.state,
				Peers: slices.DeleteFunc(slices.Clone(r.hypervisors), func(other hypervisor.Machine) bool { return other == m }),
				Env: []string{
					"ONEADMIN_PUBLIC_KEY=" + r.keys.Public(), "FRONTEND=" + frontendAddress,
					fmt.Sprintf("FRONTEND_PORT=%d", enrollment.SSHPort), "FRONTEND_HOST_KEY=" + r.keys.HostPublic(),
					fmt.Sprintf("BRIDGE_ADDRESS=172.30.0.%d/24", i+1),
				},
			})
			if err != nil {
				return err
			}
			lock.Lock()
			defer lock.Unlock()
			r.later(h.Stop)
			return nil
		})
	}
	return group.Wait()
}

// hypervisorList is how the suite is told of them.
func (r *rehearsal) hypervisorList() string {
	var all []string
	for _, m := range r.hypervisors {
		all = append(all, m.String())
	}
	return strings.Join(all, ",")
}

// buildHypervisors returns the references of their images, by these images' names.
func (r *rehearsal) buildHypervisors(ctx context.Context) (map[string]string, error) {
	references := map[string]string{}
	for _, n := range nodes() {
		if references[n.image] != "" {
			continue
		}
		built, err := r.build(ctx, builder.Build{
			Context: r.checkout.Folder, Dockerfile: "e2e/lab/images/" + n.image + "/Dockerfile",
			Args: map[string]string{
				"ONE_VERSION": r.options.version, "ONE_REPOSITORY": r.source.Repository, "ONE_KEY": r.source.Key,
				"BASE_NAME": image.BaseName, "BASE_DIGEST": r.base,
			},
			Secrets:    builder.Certificates(),
			Repository: r.registry.Address() + "/lab/" + n.image,
			Log:        filepath.Join(r.state, n.image+"-build.log"),
		})
		if err != nil {
			return nil, err
		}
		references[n.image] = built.Reference
	}
	return references, nil
}
