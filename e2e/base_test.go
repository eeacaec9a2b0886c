package e2e

import (
	"context"
	"net/http"
	"path/filepath"
	"time"

	"github.com/stretchr/testify/suite"

	"github.com/pablodelarco/opennebula-helm/e2e/frontend"
)

// base is what the suites have in common.
type base struct{ suite.Suite }

// SetupSuite waits for a cluster that has only just been made.
func (s *base) SetupSuite() {
	s.Require().NoError(frontend.WaitCluster(s.context(5*time.Minute), *kubeconfig))
}

// keepLogs of a namespace, if something failed.
func (s *base) keepLogs(namespace string) {
	if !s.T().Failed() || *logs == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	s.NoError(frontend.Logs(ctx, *kubeconfig, namespace, filepath.Join(*logs, namespace)))
}

// context that ends with the test, or after the time given.
func (s *base) context(d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	s.T().Cleanup(cancel)
	return ctx
}

// apiOf a front-end, as oneadmin.
func (s *base) apiOf(ctx context.Context, f *frontend.Frontend) *frontend.API {
	username, password := f.Login()
	api, err := f.API(ctx, username, password)
	s.Require().NoError(err)
	return api
}

// requireScripts loads all that a browser would for the page that Sunstone answered with.
func (s *base) requireScripts(ctx context.Context, sunstone *frontend.Sunstone, page frontend.Answer) {
	s.Require().Equal(http.StatusOK, page.Status)
	s.Contains(string(page.Body), "OpenNebula")
	scripts, err := sunstone.Scripts(page.Body)
	s.Require().NoError(err)
	s.Require().GreaterOrEqual(len(scripts), 2, "the page's own script and at least one module")
	for _, script := range scripts {
		answer, err := sunstone.Get(ctx, script)
		s.Require().NoError(err)
		s.Equal(http.StatusOK, answer.Status, script)
		s.Contains(answer.Type, "javascript", script)
		s.NotEmpty(answer.Body, script)
	}
}
