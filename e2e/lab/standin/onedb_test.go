package standin

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"
)

func (s *Suite) TestOnedbComparesVersions() {
	out, code := s.onedb("version")
	s.Equal(1, code, out)
	s.start()()
	out, code = s.onedb("version")
	s.Equal(0, code, out)
	s.Equal("Shared: 7.2.0\nLocal:  7.2.0\nRequired shared version: 7.2.0\nRequired local version:  7.2.0\n", out)
	out, code = s.onedb("version", "-s", s.path("var/lib/one/one.db"), "-v")
	s.Equal(0, code, out)
	s.Contains(out, "Shared tables version:   7.2.0\n")
	s.change("UPDATE local_db_versioning SET version = '7.0.0'")
	out, code = s.onedb("version")
	s.Equal(2, code, out)
	s.Contains(out, "Local:  7.0.0\n")
	s.change("UPDATE local_db_versioning SET version = '7.2.0'; UPDATE db_versioning SET version = '7.10.0'")
	_, code = s.onedb("version")
	s.Equal(3, code)
	s.change("DELETE FROM db_versioning")
	_, code = s.onedb("version")
	s.Equal(255, code)
	s.change("DELETE FROM user_pool")
	_, code = s.onedb("version")
	s.Equal(1, code)
	out, code = s.onedb("-v", "version")
	s.Equal(0, code, "what is no command gets help")
	s.Contains(out, "upgrade")
}

func (s *Suite) TestOnedbTakesAServer() {
	server := []string{"version", "-S", "127.0.0.1", "-P", "1", "-u", "one", "-d", "opennebula"}
	_, code := s.onedb("version", "--type", "mysql")
	s.Equal(255, code, "no user")
	_, code = s.onedb(append(server, "-t", "paper")...)
	s.Equal(255, code)
	out, code := s.onedb(server...)
	s.Equal(255, code)
	s.Contains(out, "Password", "asks for it")
	s.T().Setenv("ONE_DB_PASSWORD", "secret")
	out, code = s.onedb(server...)
	s.Equal(255, code)
	s.NotContains(out, "Password")
}

// before72 starts the release before, and gives it what a migration changes.
func (s *Suite) before72() {
	s.install("7.0.2")
	stop := s.start()
	s.call("one.template.allocate", `NAME = "first"`)
	s.call("one.vm.allocate", `NAME = "second"`, false)
	stop()
	s.install("7.2.0")
	s.Contains(s.failedStart(), "needs 7.2.0")
}

const migrations = "SELECT group_concat(n) FROM (SELECT instr(body, '<MIGRATED>7.0.0_to_7.2.0</MIGRATED>') > 0 AS n FROM %s ORDER BY oid)"

func (s *Suite) migrated(pool string) string { return s.value(fmt.Sprintf(migrations, pool)) }

func (s *Suite) TestUpgrade() {
	s.before72()
	s.write("run/lock/one/one", "")
	out, code := s.onedb("upgrade", "--no-backup")
	s.Equal(255, code, out)
	s.Require().NoError(os.Remove(s.path("run/lock/one/one")))

	out, code = s.onedb("upgrade", "-v", "--no-backup")
	s.Equal(0, code, out)
	s.Contains(out, "local/7.0.0_to_7.2.0.rb")
	s.Equal("1,1", s.migrated("user_pool"))
	s.Equal("1|7.2.0", s.value("SELECT oid || '|' || version FROM db_versioning ORDER BY oid DESC"))
	s.Equal("1|7.2.0", s.value("SELECT oid || '|' || version FROM local_db_versioning ORDER BY oid DESC"))
	out, code = s.onedb("upgrade", "--no-backup")
	s.Equal(0, code, out)

	s.start()
	s.T().Setenv("ONE_XMLRPC", "http://127.0.0.1:"+s.port+"/RPC2")
	s.Contains(s.call("one.template.info", 0, false, false)[1], "<MIGRATED>7.0.0_to_7.2.0</MIGRATED>")
	s.Equal(true, s.call("one.vm.action", "terminate-hard", 0)[0])
	s.Contains(s.call("one.vm.info", 0, false)[1], "<MIGRATED>7.0.0_to_7.2.0</MIGRATED>", "a change keeps it")
	s.Require().NoError(os.Remove(s.path("run/lock/one/one")))
	_, code = s.onedb("fsck")
	s.Equal(255, code, "oned answers")
	s.write("run/lock/one/one", "")
}

func (s *Suite) TestUpgradeWithoutMigrators() {
	s.before72()
	s.Require().NoError(os.RemoveAll(s.path("usr/lib/one/ruby/onedb/local")))
	s.Require().NoError(os.RemoveAll(s.path("usr/lib/one/ruby/onedb/shared")))
	_, code := s.onedb("upgrade", "--no-backup")
	s.Equal(255, code)
	s.Equal("0,0", s.migrated("user_pool"))
	_, code = s.onedb("version")
	s.Equal(2, code)
}

func (s *Suite) TestUpgradeFailsHalfway() {
	s.before72()
	s.T().Setenv("STANDIN_MIGRATION_FAIL", "1")
	_, code := s.onedb("upgrade", "--no-backup")
	s.Equal(255, code)
	s.Equal("1", s.migrated("template_pool"))
	s.Equal("0", s.migrated("vm_pool"))
	out, code := s.onedb("version")
	s.Equal(2, code)
	s.Contains(out, "Shared: 7.2.0\nLocal:  7.0.0\n")
	s.Contains(s.failedStart(), "schema 7.0.0")
}

func (s *Suite) TestUpgradeIsKilled() {
	s.before72()
	s.T().Setenv("STANDIN_MIGRATION_SECONDS", "40")
	p := s.background(s.path("usr/bin/onedb"), "upgrade", "--no-backup")
	s.Eventually(func() bool { return s.migrated("user_pool") == "1,0" }, time.Minute, 50*time.Millisecond)
	p.kill()
	s.Equal("1,0", s.migrated("user_pool"))
	_, code := s.onedb("version")
	s.Equal(2, code)
}

func (s *Suite) TestBackups() {
	if _, err := exec.LookPath("sqlite3"); err != nil {
		s.T().Skip("sqlite3 is not there; apt-get install sqlite3")
	}
	s.before72()
	dump := s.path("dump")
	out, code := s.onedb("backup", dump)
	s.Equal(0, code, out)
	_, code = s.onedb("backup", dump)
	s.Equal(255, code, "it is there already")
	s.T().Setenv("STANDIN_MIGRATION_FAIL", "1")
	_, code = s.onedb("upgrade")
	s.Equal(255, code)
	s.Equal("0", s.migrated("template_pool"), "it has been restored")
	s.T().Setenv("STANDIN_MIGRATION_FAIL", "")
	out, code = s.onedb("upgrade", "-b", s.path("another"))
	s.Equal(0, code, out)
	_, code = s.onedb("restore", dump)
	s.Equal(255, code, "there is a database")
	out, code = s.onedb("restore", "-f", dump)
	s.Equal(0, code, out)
	s.Equal("0", s.migrated("template_pool"))
}

func (s *Suite) TestFsck() {
	stop := s.start()
	s.call("one.vm.allocate", `NAME = "broken"`, false)
	stop()
	out, code := s.onedb("fsck", "--dry")
	s.Equal(0, code, out)
	s.change("UPDATE vm_pool SET body = '<VM><ID>0'; UPDATE user_pool SET body = replace(body, '<NAME>serveradmin</NAME>', '')")
	out, code = s.onedb("fsck", "--dry")
	s.Equal(1, code, out)
	s.Contains(out, "Total errors found: 2\nTotal repairable errors: 2\n")
	if _, err := exec.LookPath("sqlite3"); err != nil {
		s.T().Skip("sqlite3 is not there; repairs were not tried, which make a backup")
	}
	out, code = s.onedb("fsck", "-b", s.path("first"))
	s.Equal(1, code, out)
	out, code = s.onedb("fsck", "-b", s.path("second"))
	s.Equal(0, code, out)
	s.Contains(s.value("SELECT body FROM user_pool WHERE oid = 1"), "<NAME>serveradmin</NAME>")
	s.T().Setenv("STANDIN_FSCK_FAIL", "1")
	_, code = s.onedb("fsck", "--dry")
	s.Equal(1, code)
	s.change("UPDATE db_versioning SET version = '7.0.0'")
	_, code = s.onedb("fsck", "--dry")
	s.Equal(255, code)
}

// onedb returns what it says, without its banner, and its code.
func (s *Suite) onedb(args ...string) (string, int) {
	cmd := s.command(s.path("usr/bin/onedb"), args...)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	err := cmd.Run()
	s.T().Log(complaint.String())
	if exit := new(exec.ExitError); !errors.As(err, &exit) {
		s.Require().NoError(err)
	}
	return out.String(), cmd.ProcessState.ExitCode()
}
