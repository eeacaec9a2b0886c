package e2e

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/pablodelarco/opennebula-helm/chart"
	"github.com/pablodelarco/opennebula-helm/e2e/frontend"
)

// What was in the cloud of the previous release is in this one's, once; and there is
// no way back but by the backup.
func (s *ChartSuite) TestUpgrade() {
	s.requirePrevious()
	for _, database := range []string{"mariadb", "sqlite"} {
		s.Run(database, func() {
			ctx := s.context(20 * time.Minute)
			given := values(s.parse("mariadb: {enabled: " + map[string]string{"mariadb": "true", "sqlite": "false"}[database] + "}"))
			r := s.release(ctx, "upgrade-"+database, *previousChart, given)
			f := s.install(ctx, r)
			before, err := s.apiOf(ctx, f).Version()
			s.Require().NoError(err)
			kept := s.fill(ctx, f)

			r.Chart = *chartRef
			s.upgrade(ctx, f, r)
			after, err := s.apiOf(ctx, f).Version()
			s.Require().NoError(err)
			s.Require().NotEqual(before, after)
			s.requireContent(ctx, f, kept)
			s.requireWorks(ctx, f)
			log, err := f.Log(ctx, "migrate")
			s.Require().NoError(err)
			s.Contains(log, "the backup is")
			backups, err := f.SSH(ctx, "ls /var/lib/one/backups/database")
			s.Require().NoError(err)
			s.Contains(backups, "opennebula-before-"+after)

			start := time.Now()
			err = chart.Rollback(r, 1)
			s.Require().Error(err)
			s.T().Logf("seen: the rollback refused in %.1f s: %s", time.Since(start).Seconds(), err)
			s.Contains(err.Error(), "newer than OpenNebula "+before)
			s.requireContent(ctx, f, kept)

			// Helm takes a refused rollback for one that is under way, until another one.
			s.Require().NoError(chart.Rollback(r, 2))

			// A second upgrade to the same has nothing to migrate.
			s.upgrade(ctx, f, r)
			backups, err = f.SSH(ctx, "ls -d /var/lib/one/backups/database/opennebula-before-*/ | wc -l")
			s.Require().NoError(err)
			s.Equal("1", strings.TrimSpace(backups))
			s.requireWayBack(ctx, f, r, kept, before)
		})
	}
}

// requireWayBack to the previous release, by the backup that its migration made.
func (s *ChartSuite) requireWayBack(ctx context.Context, f *frontend.Frontend, r chart.Release, kept content, version string) {
	backup, err := f.SSH(ctx, "cd /var/lib/one/backups/database && ls -d opennebula-before-*[0-9]Z")
	s.Require().NoError(err)
	r.Chart = *previousChart
	r.Values = overlay(r.Values, s.parse(fmt.Sprintf("upgrade: {checkSchema: false}\nrestore: {backup: %s, force: true}", strings.TrimSpace(backup))))
	s.upgrade(ctx, f, r)
	s.requireContent(ctx, f, kept)
	now, err := s.apiOf(ctx, f).Version()
	s.Require().NoError(err)
	s.Equal(version, now)
}

// A migration that fails leaves the database as it was, and the previous release can
// be gone back to. Only the stand-in's fails when asked to.
func (s *ChartSuite) TestFailedUpgrade() {
	ctx := s.context(20 * time.Minute)
	if !*standIns {
		s.T().Skip("OpenNebula's own migrations do not fail when asked to")
	}
	s.requirePrevious()
	r := s.release(ctx, "upgrade-failed", *previousChart, values())
	f := s.install(ctx, r)
	version, err := s.apiOf(ctx, f).Version()
	s.Require().NoError(err)
	kept := s.fill(ctx, f)

	failing := r
	failing.Chart, failing.Timeout = *chartRef, time.Minute
	failing.Values = values(s.parse("extraEnv: [{name: STANDIN_MIGRATION_FAIL, value: \"1\"}]"))
	s.Require().Error(chart.Upgrade(ctx, failing))
	log, err := f.Log(ctx, "migrate")
	s.Require().NoError(err)
	s.Contains(log, "the database is as it was")

	s.Require().NoError(chart.Rollback(r, 1))
	s.requireReachable(ctx, f)
	now, err := s.apiOf(ctx, f).Version()
	s.Require().NoError(err)
	s.Equal(version, now)
	s.requireContent(ctx, f, kept)
}

// requirePrevious skips a test that upgrades, where there is nothing to upgrade from.
func (s *ChartSuite) requirePrevious() {
	if *previousChart == "" {
		s.T().Skip("no -previous-chart given")
	}
}
