package e2e

import (
	"fmt"
	"time"

	"github.com/pablodelarco/opennebula-helm/e2e/frontend"
)

// A database server that is there already, here that of another release whose front-end
// has been stopped: what is in it is there again.
func (s *ChartSuite) TestExternalDatabase() {
	ctx := s.context(15 * time.Minute)
	first := s.release(ctx, "database-server", *chartRef, values())
	f := s.install(ctx, first)
	kept := s.fill(ctx, f)
	password, err := f.DatabasePassword(ctx)
	s.Require().NoError(err)
	s.Require().NoError(f.Scale(ctx, "", 0))

	second := s.release(ctx, "database-client", *chartRef, values(s.parse(fmt.Sprintf(`
mariadb: {enabled: false}
externalDatabase: {host: %s-mariadb.%s.svc, existingSecret: login, passwordKey: secret}
`, name, first.Namespace))))
	s.Require().NoError(frontend.CreateSecret(ctx, *kubeconfig, second.Namespace, name, "login", "login", map[string]string{"secret": password}))
	f = s.install(ctx, second)
	s.requireContent(ctx, f, kept)
	s.requireWorks(ctx, f)
}
