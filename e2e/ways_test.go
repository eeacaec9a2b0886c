package e2e

import (
	"time"

	"github.com/pablodelarco/opennebula-helm/e2e/frontend"
)

// Load balancers for all, and the front-end itself serves HTTPS under its public name.
func (s *ChartSuite) TestLoadBalancersAndOwnTLS() {
	ctx := s.context(10 * time.Minute)
	r := s.release(ctx, "ways-balanced", *chartRef, values(s.parse(`
mariadb: {enabled: false}
publicUrl: `+frontend.PublicURL+`
tls: {existingSecret: web}
services:
  sunstone: {type: LoadBalancer}
  api: {type: LoadBalancer}
  flow: {type: LoadBalancer}
  gate: {type: LoadBalancer}
  monitor: {type: LoadBalancer, externalTrafficPolicy: Local}
  ssh: {type: LoadBalancer, loadBalancerSourceRanges: [0.0.0.0/0]}
`)))
	certificate, err := frontend.NewCertificate()
	s.Require().NoError(err)
	s.Require().NoError(frontend.CreateSecret(ctx, *kubeconfig, r.Namespace, name, "sunstone", "web", certificate))
	f := s.install(ctx, r)
	s.requireWorks(ctx, f)
	_, err = f.SSH(ctx, "true")
	s.Require().NoError(err)

	address, err := f.Address(ctx, "sunstone", "https")
	s.Require().NoError(err)
	sunstone, err := frontend.NewPublicSunstone(address, []byte(certificate["tls.crt"]))
	s.Require().NoError(err)
	s.requireModules(ctx, sunstone)
	username, password := f.Login()
	s.Require().NoError(sunstone.Login(ctx, username, password))
}
