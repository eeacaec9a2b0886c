package ingress

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/util/cert"
)

const host = "cloud.example.org"

// site is a backend on this machine as a cluster shows it, behind an Ingress.
type site struct {
	ingress *networkingv1.Ingress
	service *corev1.Service
	secret  *corev1.Secret
	node    *corev1.Node
}

func newSite(t *testing.T, backend http.Handler) *site {
	server := httptest.NewServer(backend)
	t.Cleanup(server.Close)
	at := netip.MustParseAddrPort(server.Listener.Addr().String())
	meta := metav1.ObjectMeta{Namespace: "cloud", Name: "web"}
	class, prefix := "lab", networkingv1.PathTypePrefix
	path := networkingv1.HTTPIngressPath{
		Path: "/", PathType: &prefix,
		Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{
			Name: "web", Port: networkingv1.ServiceBackendPort{Name: "http"},
		}},
	}
	return &site{
		ingress: &networkingv1.Ingress{ObjectMeta: meta, Spec: networkingv1.IngressSpec{
			IngressClassName: &class,
			TLS:              []networkingv1.IngressTLS{{Hosts: []string{host}, SecretName: "web"}},
			Rules: []networkingv1.IngressRule{{Host: host, IngressRuleValue: networkingv1.IngressRuleValue{
				HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{path}},
			}}},
		}},
		service: &corev1.Service{ObjectMeta: meta, Spec: corev1.ServiceSpec{
			Ports: []corev1.ServicePort{{Name: "http", Port: 80, NodePort: int32(at.Port())}},
		}},
		secret: &corev1.Secret{ObjectMeta: meta, Data: certificate(t)},
		node: &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "lab"}, Status: corev1.NodeStatus{
			Addresses: []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: at.Addr().String()}},
		}},
	}
}

func (s *site) start(t *testing.T) (*Controller, error) {
	c, err := Start(t.Context(), Config{
		Client: fake.NewClientset(s.ingress, s.service, s.secret, s.node),
		Class:  "lab", Namespace: "cloud", Name: "web", Address: "127.0.0.1:0",
	})
	if err == nil {
		t.Cleanup(c.Stop)
	}
	return c, err
}

// browser finds every name at the controller, and trusts the site's certificate.
func (s *site) browser(c *Controller) *http.Client {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(s.secret.Data["tls.crt"])
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, c.Address())
		},
	}}
}

func certificate(t *testing.T) map[string][]byte {
	signed, key, err := cert.GenerateSelfSignedCertKey(host, nil, nil)
	require.NoError(t, err)
	return map[string][]byte{"tls.crt": signed, "tls.key": key}
}

var echo = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "%s %s %s %s %s", r.Host, r.URL, r.Header.Get("X-Forwarded-Proto"), r.Header.Get("X-Forwarded-Host"), r.Header.Get("X-Forwarded-For"))
})

func get(t *testing.T, client *http.Client, url string) (int, string) {
	response, err := client.Get(url)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(body)
}

func TestEndsTLS(t *testing.T) {
	s := newSite(t, echo)
	c, err := s.start(t)
	require.NoError(t, err)
	status, body := get(t, s.browser(c), "https://"+host+"/fireedge/a?b=c")
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, host+" /fireedge/a?b=c https "+host+" 127.0.0.1", body)

	_, err = s.browser(c).Get("https://other.example.org/")
	assert.Error(t, err, "a host without a certificate")
}

func TestServesHTTPWithoutTLS(t *testing.T) {
	s := newSite(t, echo)
	s.ingress.Spec.TLS = nil
	c, err := s.start(t)
	require.NoError(t, err)
	status, body := get(t, s.browser(c), "http://"+host+"/")
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, host+" / http "+host+" 127.0.0.1", body)
	status, _ = get(t, s.browser(c), "http://other.example.org/")
	assert.Equal(t, http.StatusNotFound, status)
}

func TestPassesWebsockets(t *testing.T) {
	s := newSite(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "websocket")
		w.WriteHeader(http.StatusSwitchingProtocols)
		connection, both, _ := http.NewResponseController(w).Hijack()
		defer connection.Close()
		line, _ := both.ReadString('\n')
		_, _ = io.WriteString(connection, strings.ToUpper(line))
	}))
	c, err := s.start(t)
	require.NoError(t, err)
	request, err := http.NewRequest(http.MethodGet, "https://"+host+"/fireedge/vnc", nil)
	require.NoError(t, err)
	request.Header.Set("Connection", "Upgrade")
	request.Header.Set("Upgrade", "websocket")
	response, err := s.browser(c).Do(request)
	require.NoError(t, err)
	require.Equal(t, http.StatusSwitchingProtocols, response.StatusCode)
	connection, ok := response.Body.(io.ReadWriteCloser)
	require.True(t, ok)
	defer connection.Close()
	_, err = io.WriteString(connection, "console\n")
	require.NoError(t, err)
	line, err := bufio.NewReader(connection).ReadString('\n')
	require.NoError(t, err)
	assert.Equal(t, "CONSOLE\n", line)
}

func TestPathsAreOfWholeElements(t *testing.T) {
	for _, c := range []struct {
		route route
		path  string
		want  bool
	}{
		{route{path: "/"}, "/fireedge", true},
		{route{path: "/fireedge"}, "/fireedge", true},
		{route{path: "/fireedge"}, "/fireedge/sunstone", true},
		{route{path: "/fireedge"}, "/fireedges", false},
		{route{path: "/RPC2", exact: true}, "/RPC2", true},
		{route{path: "/RPC2", exact: true}, "/RPC2/", false},
	} {
		r := httptest.NewRequest(http.MethodGet, "http://"+host+c.path, nil)
		assert.Equal(t, c.want, c.route.matches(r), "%s in %s", c.path, c.route.path)
	}
}

func TestStartSaysWhatIsWrong(t *testing.T) {
	for want, change := range map[string]func(*site){
		"is of the class nginx, and this controller serves lab": func(s *site) { *s.ingress.Spec.IngressClassName = "nginx" },
		"read the Ingress cloud/web":                            func(s *site) { s.ingress.Name = "other" },
		"read the Secret web of the Ingress's TLS":              func(s *site) { s.secret.Name = "other" },
		"read the certificate in the Secret web":                func(s *site) { s.secret.Data["tls.key"] = nil },
		"read the Service web behind the Ingress":               func(s *site) { s.service.Name = "other" },
		"has no port http, which the Ingress names":             func(s *site) { s.service.Spec.Ports[0].Name = "https" },
		"has no node port":                                      func(s *site) { s.service.Spec.Ports[0].NodePort = 0 },
		"no node of the cluster has an address":                 func(s *site) { s.node.Status.Addresses = nil },
	} {
		s := newSite(t, echo)
		change(s)
		_, err := s.start(t)
		assert.ErrorContains(t, err, want)
	}
}
