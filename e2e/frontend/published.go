package frontend

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/util/cert"

	"github.com/pablodelarco/opennebula-helm/e2e/lab/ingress"
)

// What PublishedValues publish the front-end under. Nobody but this package's own ingress
// controller serves the class.
const (
	PublicURL     = "https://cloud.example.org"
	ingressClass  = "lab.opennebula"
	publishSecret = "cloud-example-org-tls"
)

// PublishedValues are Values with an Ingress. They need CreateCertificate before.
func PublishedValues() map[string]any {
	values := Values()
	values["publicUrl"] = PublicURL
	values["ingress"] = map[string]any{"enabled": true, "className": ingressClass}
	values["tls"] = map[string]any{"existingSecret": publishSecret}
	return values
}

// CreateCertificate makes the Secret that PublishedValues name, in a namespace that is made
// when missing: a certificate for the host of PublicURL, which nobody else has signed.
func CreateCertificate(ctx context.Context, kubeconfig, namespace string) error {
	client, err := connect(kubeconfig)
	if err != nil {
		return err
	}
	return createCertificate(ctx, client, namespace)
}

func createCertificate(ctx context.Context, client kubernetes.Interface, namespace string) error {
	certificate, err := NewCertificate()
	if err != nil {
		return err
	}
	meta := metav1.ObjectMeta{Name: namespace}
	_, err = client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: meta}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create the namespace %s: %w", namespace, err)
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: publishSecret},
		Type:       corev1.SecretTypeTLS,
		Data: map[string][]byte{
			corev1.TLSCertKey:       []byte(certificate[corev1.TLSCertKey]),
			corev1.TLSPrivateKeyKey: []byte(certificate[corev1.TLSPrivateKeyKey]),
		},
	}
	_, err = client.CoreV1().Secrets(namespace).Create(ctx, secret, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil // of an earlier installation, and good for a year
	}
	if err != nil {
		return fmt.Errorf("create the Secret %s: %w", publishSecret, err)
	}
	return nil
}

// NewCertificate for the host of PublicURL, which nobody else has signed, as a Secret for
// TLS has it.
func NewCertificate() (map[string]string, error) {
	certificate, key, err := cert.GenerateSelfSignedCertKey(publicHost(), nil, nil)
	if err != nil {
		return nil, fmt.Errorf("make a certificate for %s: %w", publicHost(), err)
	}
	return map[string]string{corev1.TLSCertKey: string(certificate), corev1.TLSPrivateKeyKey: string(key)}, nil
}

func publicHost() string {
	u, err := url.Parse(PublicURL)
	if err != nil {
		panic(err) // a constant
	}
	return u.Hostname()
}

// Ingress starts a controller on this machine that serves the release's Ingress.
func (f *Frontend) Ingress(ctx context.Context) (*ingress.Controller, error) {
	object, err := f.ingress(ctx)
	if err != nil {
		return nil, err
	}
	return ingress.Start(ctx, ingress.Config{
		Client: f.client, Class: ingressClass, Namespace: f.namespace, Name: object.Name, Address: "127.0.0.1:0",
	})
}

func (f *Frontend) ingress(ctx context.Context) (*networkingv1.Ingress, error) {
	ingresses, err := f.client.NetworkingV1().Ingresses(f.namespace).List(ctx, f.labels("sunstone"))
	if err != nil {
		return nil, fmt.Errorf("read the Ingress in %s: %w", f.namespace, err)
	}
	if len(ingresses.Items) != 1 {
		return nil, fmt.Errorf("the release %s/%s has %d Ingresses, not one: is ingress.enabled set?", f.namespace, f.release, len(ingresses.Items))
	}
	return &ingresses.Items[0], nil
}

// SunstoneAt PublicURL, by a browser that finds its host at an address, host:port, and
// trusts the certificate that it is given there.
func (f *Frontend) SunstoneAt(ctx context.Context, address string) (*Sunstone, error) {
	secret, err := f.client.CoreV1().Secrets(f.namespace).Get(ctx, publishSecret, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("read the Secret %s: %w", publishSecret, err)
	}
	return NewPublicSunstone(address, secret.Data[corev1.TLSCertKey])
}

// NewPublicSunstone is at PublicURL, by a browser that finds its host at an address,
// host:port, and trusts certificates in PEM.
func NewPublicSunstone(address string, certificates []byte) (*Sunstone, error) {
	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM(certificates) {
		return nil, fmt.Errorf("there is no certificate to trust %s by", PublicURL)
	}
	return NewSunstone(PublicURL, &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12},
		DialContext:     dialOnly(net.JoinHostPort(publicHost(), "443"), address),
	})
}

// dialOnly finds one host and port at an address, and no other: what a page loads from
// elsewhere is no part of it.
func dialOnly(name, address string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, wanted string) (net.Conn, error) {
		if wanted != name {
			return nil, fmt.Errorf("%s is not %s", wanted, name)
		}
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
}
