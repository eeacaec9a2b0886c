// Package ingress is the lab's stand-in for an ingress controller, such as
// ingress-nginx or Traefik, outside of the cluster: it serves one Ingress on this
// machine, and reaches the Services behind it at their node ports.
package ingress

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"slices"
	"strings"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// Config of a controller.
type Config struct {
	Client    kubernetes.Interface
	Class     string // that it serves; an Ingress without one is its own as well
	Namespace string // of the Ingress
	Name      string
	Address   string // host:port to listen on; port 0 chooses one
}

// Controller serves an Ingress as it was when it started.
type Controller struct {
	config  Config
	address string
	server  *http.Server
	routes  []route
}

// Start reads the Ingress with all that it names, and serves it: over HTTPS if it has
// TLS, else over HTTP.
func Start(ctx context.Context, config Config) (*Controller, error) {
	c := &Controller{config: config}
	object, err := config.Client.NetworkingV1().Ingresses(config.Namespace).Get(ctx, config.Name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("read the Ingress %s/%s: %w", config.Namespace, config.Name, err)
	}
	if class := object.Spec.IngressClassName; class != nil && *class != config.Class {
		return nil, fmt.Errorf("the Ingress %s/%s is of the class %s, and this controller serves %s", config.Namespace, config.Name, *class, config.Class)
	}
	if c.routes, err = c.readRoutes(ctx, object); err != nil {
		return nil, err
	}
	listener, err := c.listen(ctx, object.Spec.TLS)
	if err != nil {
		return nil, err
	}
	c.address = listener.Addr().String()
	c.server = &http.Server{
		Handler: c, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0),
	}
	go func() { _ = c.server.Serve(listener) }() // ends with Stop
	return c, nil
}

// Address is where it listens, host:port.
func (c *Controller) Address() string { return c.address }

// Stop ends the service, and what is under way with it.
func (c *Controller) Stop() {
	if c != nil {
		_ = c.server.Close()
	}
}

func (c *Controller) listen(ctx context.Context, entries []networkingv1.IngressTLS) (net.Listener, error) {
	certificates, err := c.readCertificates(ctx, entries)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", c.config.Address)
	if err != nil {
		return nil, fmt.Errorf("listen for the Ingress %s/%s: %w", c.config.Namespace, c.config.Name, err)
	}
	if len(certificates) == 0 {
		return listener, nil
	}
	return tls.NewListener(listener, &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			if certificate, ok := certificates[hello.ServerName]; ok {
				return certificate, nil
			}
			return nil, fmt.Errorf("the Ingress has no certificate for %q", hello.ServerName)
		},
	}), nil
}

// readCertificates by the hosts that they are for.
func (c *Controller) readCertificates(ctx context.Context, entries []networkingv1.IngressTLS) (map[string]*tls.Certificate, error) {
	certificates := map[string]*tls.Certificate{}
	for _, entry := range entries {
		secret, err := c.config.Client.CoreV1().Secrets(c.config.Namespace).Get(ctx, entry.SecretName, metav1.GetOptions{})
		if err != nil {
			return nil, fmt.Errorf("read the Secret %s of the Ingress's TLS: %w", entry.SecretName, err)
		}
		certificate, err := tls.X509KeyPair(secret.Data["tls.crt"], secret.Data["tls.key"])
		if err != nil {
			return nil, fmt.Errorf("read the certificate in the Secret %s: %w", entry.SecretName, err)
		}
		for _, host := range entry.Hosts {
			certificates[host] = &certificate
		}
	}
	return certificates, nil
}

// route is a path of a host, and what serves it.
type route struct {
	host, path string
	exact      bool
	backend    http.Handler
}

// readRoutes with the longest paths first, which win.
func (c *Controller) readRoutes(ctx context.Context, object *networkingv1.Ingress) ([]route, error) {
	var routes []route
	for _, rule := range object.Spec.Rules {
		if rule.HTTP == nil {
			continue
		}
		for _, path := range rule.HTTP.Paths {
			address, err := c.reach(ctx, path.Backend)
			if err != nil {
				return nil, err
			}
			exact := path.PathType != nil && *path.PathType == networkingv1.PathTypeExact
			routes = append(routes, route{rule.Host, path.Path, exact, proxy(address)})
		}
	}
	slices.SortStableFunc(routes, func(a, b route) int { return cmp.Compare(len(b.path), len(a.path)) })
	return routes, nil
}

// ServeHTTP passes a request on to where the Ingress says.
func (c *Controller) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for _, route := range c.routes {
		if route.matches(r) {
			route.backend.ServeHTTP(w, r)
			return
		}
	}
	http.Error(w, "the Ingress has no such host or path", http.StatusNotFound)
}

// matches as Kubernetes defines it: a prefix is one of whole elements of the path.
func (t route) matches(r *http.Request) bool {
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if t.host != "" && t.host != host {
		return false
	}
	if t.exact {
		return r.URL.Path == t.path
	}
	prefix := strings.TrimSuffix(t.path, "/")
	return r.URL.Path == prefix || strings.HasPrefix(r.URL.Path, prefix+"/")
}

// proxy keeps the host that was asked for, and says who asked and how. Connections
// that become websockets pass through it as well.
func proxy(address string) http.Handler {
	return &httputil.ReverseProxy{
		ErrorLog: log.New(io.Discard, "", 0),
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = "http", address
			r.Out.Host = r.In.Host
			r.SetXForwarded()
		},
	}
}
