package e2e

import (
	"fmt"
	"strings"
	"time"

	"github.com/pablodelarco/opennebula-helm/chart"
	"github.com/pablodelarco/opennebula-helm/e2e/frontend"
)

// Each example installs, with what is about the site put right, and passes the chart's
// own tests.
func (s *ChartSuite) TestExamples() {
	ctx := s.context(30 * time.Minute)
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
	ctx := s.context(time.Minute)
	certificate, err := frontend.NewCertificate()
	s.Require().NoError(err)
	for _, secret := range []struct {
		component, name string
		data            map[string]string
	}{
		{"oneadmin", "opennebula-oneadmin-login", map[string]string{"username": "oneadmin", "password": "of-our-own"}},
		{"sunstone", "opennebula-tls", certificate},
		{"backup", "opennebula-s3", map[string]string{"access-key-id": "a", "secret-access-key": "b"}},
	} {
		if secret.name == "opennebula-oneadmin-login" && !strings.HasSuffix(r.Namespace, "production") {
			continue
		}
		s.Require().NoError(frontend.CreateSecret(ctx, *kubeconfig, r.Namespace, name, secret.component, secret.name, secret.data))
	}
}
