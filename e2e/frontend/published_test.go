package frontend

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
)

// cluster shows a server on this machine as the chart's Sunstone, behind an Ingress.
func cluster(t *testing.T, server *httptest.Server) *Frontend {
	at := netip.MustParseAddrPort(server.Listener.Addr().String())
	class, prefix := ingressClass, networkingv1.PathTypePrefix
	meta := metav1.ObjectMeta{Namespace: "cloud", Name: "one-sunstone", Labels: map[string]string{
		"app.kubernetes.io/part-of": "opennebula", "app.kubernetes.io/instance": "one", "app.kubernetes.io/component": "sunstone",
	}}
	backend := networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{
		Name: meta.Name, Port: networkingv1.ServiceBackendPort{Name: "http"},
	}}
	client := fake.NewClientset(
		&networkingv1.Ingress{ObjectMeta: meta, Spec: networkingv1.IngressSpec{
			IngressClassName: &class,
			TLS:              []networkingv1.IngressTLS{{Hosts: []string{publicHost()}, SecretName: publishSecret}},
			Rules: []networkingv1.IngressRule{{Host: publicHost(), IngressRuleValue: networkingv1.IngressRuleValue{
				HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{{Path: "/", PathType: &prefix, Backend: backend}}},
			}}},
		}},
		&corev1.Service{ObjectMeta: meta, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "http", Port: 80, NodePort: int32(at.Port())}}}},
		&corev1.Node{Status: corev1.NodeStatus{Addresses: []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: at.Addr().String()}}}},
	)
	for range 2 { // as a second installation does
		require.NoError(t, createCertificate(t.Context(), client, "cloud"))
	}
	return &Frontend{client: client, namespace: "cloud", release: "one"}
}

func TestSunstoneAtItsPublicURL(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s://%s%s", r.Header.Get("X-Forwarded-Proto"), r.Host, r.URL.Path)
	}))
	defer server.Close()
	f := cluster(t, server)
	controller, err := f.Ingress(t.Context())
	require.NoError(t, err)
	defer controller.Stop()
	sunstone, err := f.SunstoneAt(t.Context(), controller.Address())
	require.NoError(t, err)

	answer, err := sunstone.Get(t.Context(), "/fireedge/main.js")
	require.NoError(t, err)
	assert.Equal(t, "https://cloud.example.org/fireedge/main.js", string(answer.Body))
	_, err = sunstone.Get(t.Context(), "http://10.98.0.2:2616/fireedge/main.js")
	assert.ErrorContains(t, err, "10.98.0.2:2616 is not cloud.example.org:443")

	page := []byte(`<script>window.__REMOTES_MODULE_CONFIG__ = {"a": {"entry": "__HOST__/fireedge/a.js"}}</script>`)
	scripts, err := sunstone.Scripts(page)
	require.NoError(t, err)
	assert.Equal(t, []string{"https://cloud.example.org/fireedge/a.js"}, scripts)
}
