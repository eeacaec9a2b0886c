package e2e

import (
	"time"

	"github.com/pablodelarco/opennebula-helm/chart"
	"github.com/pablodelarco/opennebula-helm/e2e/frontend"
)

// What Helm cannot see in the values is refused by what is in the cluster, before
// anything is applied, or said by it.
func (s *ChartSuite) TestSecretWithoutItsKey() {
	ctx := s.context(2 * time.Minute)
	r := s.release(ctx, "refused-secret", *chartRef, values(s.parse("oneadmin: {existingSecret: mine}")))
	s.Require().NoError(frontend.CreateSecret(ctx, *kubeconfig, r.Namespace, name, "oneadmin", "mine", map[string]string{"passwd": "x"}))
	err := chart.Install(ctx, r)
	s.Require().Error(err)
	s.Contains(err.Error(), "the Secret mine, named by oneadmin.existingSecret, has no key password; it has: passwd")
	// Nothing was applied: the corrected installation needs no other name.
	r.Values = values(s.parse("{oneadmin: {existingSecret: mine, passwordKey: passwd}, mariadb: {enabled: false}}"))
	r.Timeout = 5 * time.Second // it is not waited for
	s.Require().ErrorContains(chart.Install(ctx, r), "context deadline exceeded")
}

// The lab's storage class has no ReadWriteMany, as most have not.
func (s *ChartSuite) TestAccessModeThatTheClassHasNot() {
	ctx := s.context(3 * time.Minute)
	r := s.release(ctx, "refused-mode", *chartRef, values(s.parse("persistence: {data: {accessModes: [ReadWriteMany]}}\nmariadb: {enabled: false}")))
	r.Timeout = 15 * time.Second
	s.Require().Error(chart.Install(ctx, r))
	f, err := frontend.Find(ctx, *kubeconfig, r.Namespace, r.Name)
	s.Require().NoError(err)
	s.NoError(f.Event(ctx, "ReadWriteMany"))
}
