package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/pablodelarco/opennebula-helm/chart"
	"github.com/pablodelarco/opennebula-helm/e2e/frontend"
)

// Each example installs, with what is about the site put right, and passes the chart's
// own tests.
func (s *ChartSuite) TestExamples() {
	ctx := s.within(30 * time.Minute)
	node, address, err := frontend.Node(ctx, *kubeconfig)
	s.Require().NoError(err)
	registry, _, _ := strings.Cut(strings.TrimPrefix(*imageRef, "https://"), "/")
	for example, site := range map[string]string{
		"homelab": fmt.Sprintf(`
nodeSelector: {kubernetes.io/hostname: %[1]s}
publicUrl: http://%[2]s:8080
ssh: {hostname: %[2]s}
monitor: {address: %[2]s}
gate: {endpoint: "http://%[2]s:5030"}
`, node, address),
		"production": `
ssh: {hostname: ""}
monitor: {address: auto}
backup: {s3: {endpoint: "http://s3.example.org"}}
`,
		"air-gapped": fmt.Sprintf(`
global: {imageRegistry: %q}
ssh: {hostname: %[2]s}
monitor: {address: %[2]s}
gate: {endpoint: "http://%[2]s:30030"}
`, registry, address),
	} {
		s.Run(example, func() {
			// The example's own kinds of Services, not those that a suite needs.
			r := s.release(ctx, "example-"+example, *chartRef, nil)
			r.Values = overlay(s.example(example), s.parse(site))
			s.prepare(r)
			f := s.install(ctx, r)
			start := time.Now()
			said, err := chart.Test(r)
			s.Require().NoError(err)
			s.Contains(said, "all is well")
			s.T().Logf("seen: helm test in %.1f s", time.Since(start).Seconds())
			if example == "homelab" {
				sunstone, err := frontend.NewSunstone("http://"+address+":8080", nil)
				s.Require().NoError(err)
				s.requireModules(ctx, sunstone)
				return
			}
			start = time.Now()
			s.Require().NoError(f.Kill(ctx))
			s.seen(ctx, f, "restarted", start)
		})
	}
}

// prepare makes what an example takes to be there.
func (s *ChartSuite) prepare(r chart.Release) {
	ctx := s.within(time.Minute)
	for _, secret := range []struct {
		component, name string
		data            map[string]string
	}{
		{"oneadmin", "opennebula-oneadmin-login", map[string]string{"username": "oneadmin", "password": "of-our-own"}},
		{"sunstone", "opennebula-tls", s.certificate("cloud.example.org")},
		{"backup", "opennebula-s3", map[string]string{"access-key-id": "a", "secret-access-key": "b"}},
	} {
		if secret.name == "opennebula-oneadmin-login" && !strings.HasSuffix(r.Namespace, "production") {
			continue
		}
		s.Require().NoError(frontend.CreateSecret(ctx, *kubeconfig, r.Namespace, name, secret.component, secret.name, secret.data))
	}
}

// certificate of a host's own, as a Secret for TLS has it.
func (s *ChartSuite) certificate(host string) map[string]string {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	s.Require().NoError(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	s.Require().NoError(err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	s.Require().NoError(err)
	encode := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return map[string]string{"tls.crt": encode("CERTIFICATE", certificate), "tls.key": encode("PRIVATE KEY", private)}
}
