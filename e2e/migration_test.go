package e2e

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pablodelarco/opennebula-helm/e2e/frontend"
)

// The database that somebody carried over from another front-end, as docs/migrate.md has
// it, becomes a release's: nothing of it is lost, and all of it is served.
func (s *ChartSuite) TestMigration() {
	if *carried == "" {
		s.T().Skip("no -carried given: there is no other front-end's database to migrate")
	}
	if *standIns {
		s.T().Skip("OpenNebula's own migrators are what is tried, and stand-ins have none")
	}
	ctx := s.context(40 * time.Minute)
	manifest := s.manifest()
	given := s.parse(fmt.Sprintf("mariadb: {enabled: %t}", manifest["backend"] == "mysql"))
	r := s.release(ctx, "migration", *chartRef, values(given))
	f := s.install(ctx, r)
	s.Require().NoError(f.Upload(ctx, *carried, "/var/lib/one/backups/database/carried"))

	r.Values = values(given, s.parse("restore: {backup: carried, force: true}"))
	r.Timeout = 30 * time.Minute
	start := time.Now()
	s.upgrade(ctx, f, r)
	log, err := f.Log(ctx, "migrate")
	s.Require().NoError(err)
	s.Contains(log, "migrating schema "+manifest["schema"])
	s.seen(ctx, f, "migrated from "+manifest["schema"], start)
	s.requireWorks(ctx, f)
	s.requireCarried(s.apiOf(ctx, f))

	key, err := os.ReadFile(filepath.Join(*carried, "one_key"))
	s.Require().NoError(err)
	restored, err := f.SSH(ctx, "cat /var/lib/one/.one/one_key")
	s.Require().NoError(err)
	s.True(string(key) == restored, "the key of encrypted attributes is that which was carried over")
}

// manifest of what was carried over.
func (s *ChartSuite) manifest() map[string]string {
	text, err := os.ReadFile(filepath.Join(*carried, "manifest"))
	s.Require().NoError(err)
	read := map[string]string{}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		read[key] = value
	}
	return read
}

// requireCarried finds as many things of each kind as the dump holds.
func (s *ChartSuite) requireCarried(api *frontend.API) {
	dump := s.dump()
	for kind, element := range map[string]string{
		"user": "USER", "group": "GROUP", "host": "HOST", "datastore": "DATASTORE",
		"image": "IMAGE", "vn": "VNET", "template": "VMTEMPLATE", "vm": "VM",
	} {
		s.Run(kind, func() {
			pool, err := api.Pool(kind)
			s.Require().NoError(err)
			// What a row holds is one element, whose end is that of an SQL string.
			rows := bytes.Count(dump, []byte("</"+element+">'"))
			if kind == "vm" {
				rows /= 2 // for its row has it whole and in short
			}
			s.Len(pool, rows)
			var names []string
			for _, thing := range pool {
				names = append(names, thing.Name)
			}
			slices.Sort(names)
			s.T().Logf("seen: %d: %s", len(names), strings.Join(names, ", "))
		})
	}
}

func (s *ChartSuite) dump() []byte {
	file, err := os.Open(filepath.Join(*carried, "database.sql.gz"))
	s.Require().NoError(err)
	defer file.Close()
	unpacked, err := gzip.NewReader(file)
	s.Require().NoError(err)
	dump, err := io.ReadAll(unpacked)
	s.Require().NoError(err)
	return dump
}
