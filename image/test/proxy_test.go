package test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pablodelarco/opennebula-helm/e2e/frontend"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/container"
)

// publicHost is the name under which an ingress would be asked.
const publicHost = "cloud.example.org"

// proxySpec is the role with a folder for the certificate.
func (d *deployment) proxySpec() container.Spec {
	s := d.spec("proxy")
	s.Mounts = append(s.Mounts, container.Mount{Source: d.path("tls"), Destination: "/run/secrets/tls", ReadOnly: true})
	return s
}

func (d *deployment) startProxy() *container.Container {
	d.t.Helper()
	c, err := d.pod.Start(d.proxySpec())
	require.NoError(d.t, err)
	d.waitFor(c, "proxy")
	return c
}

// giveCertificate issues a certificate for publicHost, and returns its number.
func (d *deployment) giveCertificate() *big.Int {
	d.t.Helper()
	certificate, key := newAuthority(d.t).issue(&x509.Certificate{
		Subject: pkix.Name{CommonName: publicHost}, DNSNames: []string{publicHost},
	})
	d.write("tls", "tls.crt", encode("CERTIFICATE", certificate.Raw))
	d.write("tls", "tls.key", key)
	return certificate.SerialNumber
}

// through is a way to a port of the pod, whatever name a URL has. It trusts any
// certificate: which one there is, another test asks.
func (d *deployment) through(port int) *http.Transport {
	return &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return d.pod.Dial(ctx, network, fmt.Sprintf("127.0.0.1:%d", port))
		},
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // see above
	}
}

// served is the number of the certificate that the proxy shows.
func (d *deployment) served() (*big.Int, error) {
	conn, err := d.pod.Dial(d.t.Context(), "tcp", "127.0.0.1:8443")
	if err != nil {
		return nil, err
	}
	client := tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // it is only looked at
	defer client.Close()
	if err := client.HandshakeContext(d.t.Context()); err != nil {
		return nil, err
	}
	return client.ConnectionState().PeerCertificates[0].SerialNumber, nil
}

// echo stands for a service: it says its name, and what it was asked.
func (d *deployment) echo(port int, name string) {
	d.t.Helper()
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		fmt.Fprintf(w, "%s %s %s host=%s for=%s proto=%s forwarded=%s", name, q.Method, q.RequestURI, q.Host,
			q.Header.Get("X-Forwarded-For"), q.Header.Get("X-Forwarded-Proto"), q.Header.Get("X-Forwarded-Host"))
	})}
	listener := d.listen(port)
	go func() { _ = server.Serve(listener) }()
}

// ask sends a request through a transport, and returns the status and the answer.
func ask(t *testing.T, transport http.RoundTripper, method, url string, header http.Header) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	require.NoError(t, err)
	for name, values := range header {
		request.Header[name] = values
	}
	response, err := transport.RoundTrip(request)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response, string(body)
}

// Which service a request reaches, and what the service learns of who asked.
func TestProxyRoutes(t *testing.T) {
	d := newDeployment(t, version())
	d.newVolume("tls")
	d.giveCertificate()
	d.startProxy()
	for port, name := range map[int]string{2616: "fireedge", 2633: "oned", 2474: "oneflow", 5030: "onegate"} {
		d.echo(port, name)
	}
	token := http.Header{"X-Onegate-Token": {"abc"}}
	for _, route := range []struct {
		method, path string
		header       http.Header
		want         string
	}{
		{"GET", "/fireedge/sunstone?a=b%20c", nil, "fireedge GET /fireedge/sunstone?a=b%20c "},
		{"POST", "/fireedge/api/auth", nil, "fireedge POST /fireedge/api/auth "},
		{"GET", "/fireedge", nil, "fireedge GET /fireedge "},
		{"POST", "/RPC2", nil, "oned POST /RPC2 "},
		{"GET", "/service", nil, "oneflow GET /service "},
		{"PUT", "/service/7/role", nil, "oneflow PUT /service/7/role "},
		{"GET", "/service_template", nil, "oneflow GET /service_template "},
		{"POST", "/service_pool/purge_done", nil, "oneflow POST /service_pool/purge_done "},
		{"GET", "/service", token, "onegate GET /service "},
		{"PUT", "/vm%2f7?a=%20", token, "onegate PUT /vm%2f7?a=%20 "},
		{"GET", "/", token, "onegate GET / "},
		{"GET", "/fireedge", token, "onegate GET /fireedge "},
	} {
		for _, scheme := range []string{"http", "https"} {
			port := map[string]int{"http": 8080, "https": 8443}[scheme]
			response, body := ask(t, d.through(port), route.method, scheme+"://"+publicHost+":444"+route.path, route.header)
			assert.Equal(t, http.StatusOK, response.StatusCode, route.path)
			assert.Equal(t, route.want+"host="+publicHost+":444 for=127.0.0.1 proto="+scheme+" forwarded="+publicHost+":444", body)
		}
	}
	for _, path := range []string{"/vm", "/RPC2/", "/fireedges", "/services", "/onegate", "/metrics"} {
		response, _ := ask(t, d.through(8080), "GET", "http://"+publicHost+path, nil)
		assert.Equal(t, http.StatusNotFound, response.StatusCode, path)
	}
	response, _ := ask(t, d.through(8080), "GET", "http://"+publicHost+":8080/", nil)
	assert.Equal(t, http.StatusFound, response.StatusCode)
	assert.Equal(t, "/fireedge/sunstone", response.Header.Get("Location"), "right behind any name and port")

	_, body := ask(t, d.through(8080), "GET", "http://frontend/fireedge", http.Header{
		"X-Forwarded-For": {"192.0.2.1"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {publicHost},
	})
	assert.Equal(t, "fireedge GET /fireedge host=frontend for=192.0.2.1, 127.0.0.1 proto=https forwarded="+publicHost, body, "as the ingress saw it")
}

// An image that is uploaded goes on to FireEdge as it comes.
func TestProxyStreamsUploads(t *testing.T) {
	d := newDeployment(t, version())
	d.newVolume("tls")
	d.startProxy()
	began := make(chan error, 1)
	total := make(chan int64, 1)
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		_, err := io.ReadFull(q.Body, make([]byte, 1<<10))
		began <- err
		rest, _ := io.Copy(io.Discard, q.Body)
		total <- rest + 1<<10
	})}
	listener := d.listen(2616)
	go func() { _ = server.Serve(listener) }()

	const size = 40 << 20
	body, image := io.Pipe()
	go func() {
		defer image.Close()
		_, _ = image.Write(make([]byte, 1<<20))
		if assert.NoError(t, <-began, "FireEdge has the first of it before the last is sent") {
			_, _ = image.Write(make([]byte, size-1<<20))
		}
	}()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+publicHost+"/fireedge/api/image/upload", body)
	require.NoError(t, err)
	request.ContentLength = size
	response, err := d.through(8080).RoundTrip(request)
	require.NoError(t, err)
	defer response.Body.Close()
	assert.Equal(t, http.StatusOK, response.StatusCode)
	assert.EqualValues(t, size, <-total)
}

// A websocket passes both ways, without a byte held back.
func TestProxyWebsocket(t *testing.T) {
	d := newDeployment(t, version())
	d.newVolume("tls")
	d.giveCertificate()
	d.startProxy()
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.Header.Get("Upgrade") != "websocket" || !strings.EqualFold(q.Header.Get("Connection"), "upgrade") {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		conn, stream, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
		_, _ = io.Copy(conn, stream)
	})}
	listener := d.listen(2616)
	go func() { _ = server.Serve(listener) }()

	for _, scheme := range []string{"http", "https"} {
		t.Run(scheme, func(t *testing.T) {
			response := d.upgrade(scheme, "/fireedge/websockets/hooks")
			require.Equal(t, http.StatusSwitchingProtocols, response.StatusCode)
			conn := response.Body.(io.ReadWriteCloser)
			defer conn.Close()
			for range 3 {
				_, err := io.WriteString(conn, "x")
				require.NoError(t, err)
				back := make([]byte, 1)
				_, err = io.ReadFull(conn, back)
				require.NoError(t, err)
				assert.Equal(t, "x", string(back))
			}
		})
	}
}

// upgrade asks the proxy for a websocket.
func (d *deployment) upgrade(scheme, path string) *http.Response {
	d.t.Helper()
	request, err := http.NewRequestWithContext(d.t.Context(), http.MethodGet, scheme+"://"+publicHost+path, nil)
	require.NoError(d.t, err)
	for name, value := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
	} {
		request.Header.Set(name, value)
	}
	response, err := d.through(map[string]int{"http": 8080, "https": 8443}[scheme]).RoundTrip(request)
	require.NoError(d.t, err)
	d.t.Cleanup(func() { response.Body.Close() })
	return response
}

// The services through the proxy, as people and machines use them.
func TestProxyServices(t *testing.T) {
	d := newDeployment(t, version())
	d.newVolume("tls")
	d.giveCertificate()
	running := d.cloud()
	d.stop(running["proxy"])
	d.startProxy()
	for scheme, port := range map[string]int{"http": 8080, "https": 8443} {
		t.Run(scheme, func(t *testing.T) {
			origin, transport := scheme+"://"+publicHost, d.through(port)
			requireSunstone(t, origin, transport)

			response, _ := ask(t, transport, "GET", origin+"/service", nil)
			assert.Equal(t, http.StatusUnauthorized, response.StatusCode)
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, origin+"/service", nil)
			require.NoError(t, err)
			request.SetBasicAuth("oneadmin", password)
			response, err = transport.RoundTrip(request)
			require.NoError(t, err)
			defer response.Body.Close()
			assert.Equal(t, http.StatusOK, response.StatusCode, "OneFlow knows oneadmin")

			response, body := ask(t, transport, "GET", origin+"/vm", http.Header{"X-Onegate-Token": {"none"}, "X-Onegate-Vmid": {"0"}})
			assert.Equal(t, http.StatusUnauthorized, response.StatusCode)
			assert.Contains(t, body, "Not authorized", "OneGate's words")

			if isReal(version()) { // the stand-in for FireEdge has no websockets
				assert.Equal(t, http.StatusSwitchingProtocols, d.upgrade(scheme, "/fireedge/guacamole?token=none").StatusCode)
			}
		})
	}
	api, err := frontend.NewAPI(publicHost, "oneadmin", password, d.through(8080))
	require.NoError(t, err)
	name, err := api.UserName()
	require.NoError(t, err)
	assert.Equal(t, "oneadmin", name)
}

// requireSunstone: the page with all that a browser loads for it, and the login.
func requireSunstone(t *testing.T, origin string, transport http.RoundTripper) {
	t.Helper()
	sunstone, err := frontend.NewSunstone(origin, transport)
	require.NoError(t, err)
	page, err := sunstone.Get(t.Context(), "")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, page.Status)
	found, err := sunstone.Scripts(page.Body)
	require.NoError(t, err)
	require.Greater(t, len(found), 1, "a script and the entry of a module")
	for _, script := range found {
		answer, err := sunstone.Get(t.Context(), script)
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, answer.Status, script)
		assert.Contains(t, answer.Type, "javascript", script)
	}
	t.Logf("%s: %d scripts", origin, len(found))
	require.NoError(t, sunstone.Login(t.Context(), "oneadmin", password))
	name, err := sunstone.UserName(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "oneadmin", name)
}

func TestProxyCertificates(t *testing.T) {
	d := newDeployment(t, version())
	d.newVolume("tls")
	proxy := d.startProxy()
	_, err := d.pod.Dial(t.Context(), "tcp", "127.0.0.1:8443")
	require.Error(t, err, "without a certificate there is no HTTPS")

	first := d.giveCertificate()
	require.NoError(t, eventually(t, time.Minute, func() error { return d.requireServed(first) }))
	d.write("tls", "tls.crt", "this is no certificate")
	require.NoError(t, eventually(t, time.Minute, func() error { return logged(proxy, "is not taken over: cannot load certificate") }))
	require.NoError(t, d.requireServed(first), "the one before stays")
	second := d.giveCertificate()
	require.NoError(t, eventually(t, time.Minute, func() error { return d.requireServed(second) }))
	require.NoError(t, d.probe(proxy, "proxy"))

	d.stop(proxy)
	restarted := d.startProxy()
	require.NoError(t, d.requireServed(second))
	d.stop(restarted)

	other := newDeployment(t, version())
	other.newVolume("tls")
	other.giveCertificate()
	for name, content := range map[string]string{"tls.key": newKey(t), "tls.crt": "broken"} {
		other.write("tls", name, content)
		result := other.runSpec(other.proxySpec())
		assert.Equal(t, 1, result.Code)
		assert.Regexp(t, `^proxy: nginx refuses to start: .*/run/secrets/tls/tls\..*, both PEM, without a passphrase\n$`, result.Output)
	}
}

func (d *deployment) requireServed(number *big.Int) error {
	served, err := d.served()
	if err == nil && served.Cmp(number) != 0 {
		err = fmt.Errorf("the certificate is %v, not %v", served, number)
	}
	return err
}

// nginx comes with nothing of Debian's that could be served.
func TestProxyHasNoDefaultSite(t *testing.T) {
	for path := range readable(t, built(t, version()).Image) {
		for _, left := range []string{"etc/nginx/", "var/www/", "usr/share/nginx/"} {
			assert.False(t, strings.HasPrefix(path, left), path)
		}
	}
}
