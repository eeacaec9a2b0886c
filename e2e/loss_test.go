package e2e

import (
	"context"
	"strings"
	"time"

	"github.com/pablodelarco/opennebula-helm/e2e/frontend"
)

// What can be lost is lost, one after the other, and the cloud is there again.
func (s *ChartSuite) TestLoss() {
	ctx := s.context(25 * time.Minute)
	r := s.release(ctx, "loss", *chartRef, values(s.parse("backup: {enabled: true}")))
	f := s.install(ctx, r)
	kept := s.fill(ctx, f)

	for _, loss := range []struct {
		what string
		kill func(context.Context) error
	}{
		{"the front-end's pod killed", f.Kill},
		{"the database's pod killed", f.KillDatabase},
		{"both killed at once", f.KillAll},
	} {
		start := time.Now()
		s.Require().NoError(loss.kill(ctx), loss.what)
		s.requireContent(ctx, f, kept)
		s.seen(ctx, f, loss.what, start)
	}

	log, err := f.RunCronJob(ctx, "-backup")
	s.Require().NoError(err)
	backup := written(log)
	s.Require().NotEmpty(backup, log)

	s.Run("volume", func() {
		start := time.Now()
		s.Require().NoError(f.Scale(ctx, "", 0))
		s.Require().NoError(f.DeleteClaim(ctx, "-data"))
		s.upgrade(ctx, f, r)
		s.requireContent(ctx, f, kept)
		s.requireWorks(ctx, f)
		s.seen(ctx, f, "the volume lost, the database kept", start)
	})

	// The backups were on the lost volume: one more.
	log, err = f.RunCronJob(ctx, "-backup")
	s.Require().NoError(err)
	backup = written(log)
	s.Require().NotEmpty(backup, log)

	s.Run("database", func() {
		start := time.Now()
		s.Require().NoError(f.Scale(ctx, "", 0))
		s.Require().NoError(f.Scale(ctx, "-mariadb", 0))
		s.Require().NoError(f.DeleteClaim(ctx, "-mariadb-data"))
		restore := r
		restore.Values = values(r.Values, s.parse("restore: {backup: "+backup+"}"))
		s.upgrade(ctx, f, restore)
		s.requireContent(ctx, f, kept)
		s.requireWorks(ctx, f)
		s.seen(ctx, f, "the database lost, the volume kept, the backup restored", start)

		// What came after the restore is not undone by the next start.
		template, err := s.apiOf(ctx, f).CreateTemplate("NAME = later\nCPU = 1\nMEMORY = 64\n")
		s.Require().NoError(err)
		s.Require().NoError(f.Kill(ctx))
		s.Require().NoError(frontend.Eventually(ctx, func() error {
			_, err := s.apiOf(ctx, f).TemplateName(template)
			return err
		}))
	})
}

// written is the name of the backup that a log tells of.
func written(log string) string {
	for _, word := range strings.FieldsFunc(log, func(r rune) bool { return strings.ContainsRune(" ,/\n", r) }) {
		if strings.HasPrefix(word, "opennebula-manual-") {
			return word
		}
	}
	return ""
}
