package e2e

import (
	"fmt"
	"net"
	"time"

	"github.com/pablodelarco/opennebula-helm/e2e/frontend"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/directory"
)

// People of an LDAP directory log in, and nobody else does.
func (s *ChartSuite) TestLDAP() {
	if *standIns {
		s.T().Skip("the stand-in has no drivers that ask a directory")
	}
	ctx := s.context(10 * time.Minute)
	host, port := s.hostAddress(), 10389
	d, err := directory.Start(net.JoinHostPort(host, fmt.Sprint(port)), map[string]string{"grace": "hopper"})
	s.Require().NoError(err)
	s.T().Cleanup(d.Stop)
	r := s.release(ctx, "users-ldap", *chartRef, values(s.parse(fmt.Sprintf(`
mariadb: {enabled: false}
ldap:
  enabled: true
  servers:
    company: {host: %s, port: %d, base: %q, user_field: uid, mapping_default: 1}
`, host, port, directory.Base))))
	f := s.install(ctx, r)

	grace, err := f.API(ctx, "grace", "hopper")
	s.Require().NoError(err)
	name, err := grace.UserName()
	s.Require().NoError(err)
	s.Equal("grace", name)
	sunstone, err := f.Sunstone(ctx)
	s.Require().NoError(err)
	s.Require().NoError(frontend.Eventually(ctx, func() error { return sunstone.Login(ctx, "grace", "hopper") }))

	for user, password := range map[string]string{"grace": "wrong", "nobody": "hopper"} {
		stranger, err := f.API(ctx, user, password)
		s.Require().NoError(err)
		_, err = stranger.UserName()
		s.ErrorIs(err, frontend.ErrRefused)
	}
}
