package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"time"

	"github.com/pablodelarco/opennebula-helm/e2e/frontend"
)

// Load balancers for all, and the front-end itself serves HTTPS under its public name.
func (s *ChartSuite) TestLoadBalancersAndOwnTLS() {
	ctx := s.within(10 * time.Minute)
	const host = "cloud.example.org"
	r := s.release(ctx, "ways-balanced", *chartRef, values(s.parse(`
mariadb: {enabled: false}
publicUrl: https://`+host+`
tls: {existingSecret: web}
services:
  sunstone: {type: LoadBalancer}
  api: {type: LoadBalancer}
  flow: {type: LoadBalancer}
  gate: {type: LoadBalancer}
  monitor: {type: LoadBalancer, externalTrafficPolicy: Local}
  ssh: {type: LoadBalancer, loadBalancerSourceRanges: [0.0.0.0/0]}
`)))
	certificate := s.certificate(host)
	s.Require().NoError(frontend.CreateSecret(ctx, *kubeconfig, r.Namespace, name, "sunstone", "web", certificate))
	f := s.install(ctx, r)
	s.requireWorks(ctx, f)
	_, err := f.SSH(ctx, "true")
	s.Require().NoError(err)

	address, err := f.Address(ctx, "sunstone", "https")
	s.Require().NoError(err)
	sunstone, err := frontend.NewSunstone("https://"+host, transport(address, certificate["tls.crt"]))
	s.Require().NoError(err)
	s.requireModules(ctx, sunstone)
	username, password := f.Login()
	s.Require().NoError(sunstone.Login(ctx, username, password))
}

// transport reaches every name at one address, and trusts one certificate.
func transport(address, certificate string) http.RoundTripper {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(certificate))
	return &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
	}
}
