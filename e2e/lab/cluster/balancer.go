package cluster

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"github.com/pablodelarco/opennebula-helm/e2e/lab/network"
)

// BalancerClass is the class of load balancers that the lab serves, besides those of
// no class.
const BalancerClass = "lab.opennebula/balancer"

// The network's addresses that load balancers are given.
const firstBalanced, lastBalanced = 10, 99

// resync is how often what failed is tried again.
const resync = 10 * time.Second

// balancer is the lab's stand-in for a cloud's load balancers, or for MetalLB: each
// Service has an address of its own, which the one node has as well, and kube-proxy
// does the rest there.
type balancer struct {
	client  kubernetes.Interface
	network *network.Network
	wire    wire
	log     *log.Logger
	given   map[types.UID]byte // to Services, of the network's addresses
}

// wire is where addresses are to answer.
type wire interface {
	Add(ctx context.Context, i byte) error
	Remove(ctx context.Context, i byte) error
}

// nodeWire is the node's.
type nodeWire struct {
	network *network.Network
	pid     int
}

func (w nodeWire) Add(ctx context.Context, i byte) error    { return w.network.Add(ctx, w.pid, i) }
func (w nodeWire) Remove(ctx context.Context, i byte) error { return w.network.Remove(ctx, w.pid, i) }

func (c *Cluster) startBalancer(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	out, err := os.Create(c.dir("balancer.log"))
	if err != nil {
		return fmt.Errorf("create the balancer's log: %w", err)
	}
	b := &balancer{
		client: client, network: c.Network, wire: nodeWire{c.Network, c.node.(*node).init.PID()},
		log: log.New(out, "", log.Ltime), given: map[types.UID]byte{},
	}
	c.background(ctx, func(ctx context.Context) {
		defer out.Close()
		b.serve(ctx)
	})
	return nil
}

// serve until the context ends. Its events come one after the other; a Service that
// could not be served is tried again at each resync.
func (b *balancer) serve(ctx context.Context) {
	factory := informers.NewSharedInformerFactory(b.client, resync)
	see := func(object any) {
		if service, ok := object.(*corev1.Service); ok {
			b.see(ctx, service)
		}
	}
	forget := func(object any) {
		if gone, ok := object.(cache.DeletedFinalStateUnknown); ok {
			object = gone.Obj
		}
		if service, ok := object.(*corev1.Service); ok {
			b.report(service, b.forget(ctx, service))
		}
	}
	// It fails only where the informer was stopped.
	_, _ = factory.Core().V1().Services().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: see, UpdateFunc: func(_, now any) { see(now) }, DeleteFunc: forget,
	})
	factory.Start(ctx.Done())
	<-ctx.Done()
	factory.Shutdown()
}

func (b *balancer) see(ctx context.Context, service *corev1.Service) {
	if isBalanced(service) {
		b.report(service, b.give(ctx, service))
	} else {
		b.report(service, b.forget(ctx, service))
	}
}

func (b *balancer) report(service *corev1.Service, err error) {
	if err != nil {
		b.log.Printf("%s/%s: %v", service.Namespace, service.Name, err)
	}
}

func isBalanced(service *corev1.Service) bool {
	class := service.Spec.LoadBalancerClass
	return service.Spec.Type == corev1.ServiceTypeLoadBalancer && (class == nil || *class == BalancerClass)
}

// give a Service its address, if it has none yet, and say so in its status.
func (b *balancer) give(ctx context.Context, service *corev1.Service) error {
	number, ok := b.given[service.UID]
	if !ok {
		var err error
		if number, err = b.choose(service.Spec.LoadBalancerIP); err != nil {
			return err
		}
		if err := b.wire.Add(ctx, number); err != nil {
			return err
		}
		b.given[service.UID] = number
	}
	address := b.network.Address(number).String()
	if in := service.Status.LoadBalancer.Ingress; len(in) == 1 && in[0].IP == address {
		return nil
	}
	vip := corev1.LoadBalancerIPModeVIP
	service = service.DeepCopy()
	service.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: address, IPMode: &vip}}
	_, err := b.client.CoreV1().Services(service.Namespace).UpdateStatus(ctx, service, metav1.UpdateOptions{})
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return nil // its next event says more
	}
	if err != nil {
		return fmt.Errorf("write the address into the Service's status: %w", err)
	}
	b.log.Printf("%s/%s: %s", service.Namespace, service.Name, address)
	return nil
}

// choose an address that no Service has: the one that is wished for, if there is one.
func (b *balancer) choose(wish string) (byte, error) {
	taken := map[byte]bool{}
	for _, number := range b.given {
		taken[number] = true
	}
	for number := byte(firstBalanced); number <= lastBalanced; number++ {
		if !taken[number] && (wish == "" || wish == b.network.Address(number).String()) {
			return number, nil
		}
	}
	if wish == "" {
		return 0, errors.New("all addresses for load balancers are given")
	}
	return 0, fmt.Errorf("%s is not among the free addresses for load balancers, %s to %s", wish, b.network.Address(firstBalanced), b.network.Address(lastBalanced))
}

func (b *balancer) forget(ctx context.Context, service *corev1.Service) error {
	number, ok := b.given[service.UID]
	if !ok {
		return nil
	}
	delete(b.given, service.UID)
	return b.wire.Remove(ctx, number)
}
