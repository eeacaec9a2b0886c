package cluster

import (
	"context"
	"fmt"
	"io"
	"log"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/pablodelarco/opennebula-helm/e2e/lab/network"
)

// fakeWire has addresses, and nothing else.
type fakeWire struct {
	mutex sync.Mutex
	has   map[byte]bool
}

func (w *fakeWire) Add(_ context.Context, i byte) error    { return w.set(i, true) }
func (w *fakeWire) Remove(_ context.Context, i byte) error { return w.set(i, false) }

func (w *fakeWire) set(i byte, has bool) error {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.has[i] == has {
		return fmt.Errorf("address %d: had %t already", i, has)
	}
	w.has[i] = has
	return nil
}

func (w *fakeWire) answers(i byte) bool {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.has[i]
}

// balanced is a cluster without a node, in which a balancer serves.
type balanced struct {
	*testing.T
	client *fake.Clientset
	wire   *fakeWire
}

func startBalanced(t *testing.T) balanced {
	wires, err := network.New("10.98.0.0/24")
	require.NoError(t, err)
	c := balanced{t, fake.NewClientset(), &fakeWire{has: map[byte]bool{}}}
	b := &balancer{client: c.client, network: wires, wire: c.wire, log: log.New(io.Discard, "", 0), given: map[types.UID]byte{}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { b.serve(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	return c
}

func (c balanced) create(name string, change func(*corev1.ServiceSpec)) {
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name)},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer},
	}
	change(&service.Spec)
	_, err := c.client.CoreV1().Services("default").Create(c.Context(), service, metav1.CreateOptions{})
	require.NoError(c, err)
}

func (c balanced) address(name string) string {
	service, err := c.client.CoreV1().Services("default").Get(c.Context(), name, metav1.GetOptions{})
	require.NoError(c, err)
	if in := service.Status.LoadBalancer.Ingress; len(in) == 1 && *in[0].IPMode == corev1.LoadBalancerIPModeVIP {
		return in[0].IP
	}
	return ""
}

func (c balanced) becomes(name, address string) {
	c.Helper()
	assert.Eventually(c, func() bool { return c.address(name) == address }, 5*time.Second, 10*time.Millisecond, name)
}

func plain(*corev1.ServiceSpec) {}

func class(name string) func(*corev1.ServiceSpec) {
	return func(s *corev1.ServiceSpec) { s.LoadBalancerClass = &name }
}

func TestBalancerGivesEachAnAddress(t *testing.T) {
	c := startBalanced(t)
	c.create("another", class("example.org/another"))
	c.create("inner", func(s *corev1.ServiceSpec) { s.Type = corev1.ServiceTypeNodePort })
	c.create("outside", func(s *corev1.ServiceSpec) { s.LoadBalancerIP = "192.0.2.1" })
	c.create("one", plain)
	c.becomes("one", "10.98.0.10")
	c.create("two", class(BalancerClass))
	c.becomes("two", "10.98.0.11")
	c.create("wish", func(s *corev1.ServiceSpec) { s.LoadBalancerIP = "10.98.0.50" })
	c.becomes("wish", "10.98.0.50")
	for _, other := range []string{"another", "inner", "outside"} {
		assert.Empty(t, c.address(other), other)
	}
	assert.True(t, c.wire.answers(10) && c.wire.answers(11) && c.wire.answers(50))
}

func TestBalancerTakesAddressesBack(t *testing.T) {
	c := startBalanced(t)
	c.create("one", plain)
	c.becomes("one", "10.98.0.10")
	require.NoError(t, c.client.CoreV1().Services("default").Delete(t.Context(), "one", metav1.DeleteOptions{}))
	assert.Eventually(t, func() bool { return !c.wire.answers(10) }, 5*time.Second, 10*time.Millisecond)

	c.create("next", plain)
	c.becomes("next", "10.98.0.10")
	service, err := c.client.CoreV1().Services("default").Get(t.Context(), "next", metav1.GetOptions{})
	require.NoError(t, err)
	service.Spec.Type = corev1.ServiceTypeClusterIP
	_, err = c.client.CoreV1().Services("default").Update(t.Context(), service, metav1.UpdateOptions{})
	require.NoError(t, err)
	assert.Eventually(t, func() bool { return !c.wire.answers(10) }, 5*time.Second, 10*time.Millisecond)
}
