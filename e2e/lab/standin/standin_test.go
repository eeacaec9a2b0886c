package standin

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kolo/xmlrpc"
	"github.com/stretchr/testify/suite"
	_ "modernc.org/sqlite"
	"sigs.k8s.io/yaml"
)

// Suite runs the packaged programs in a folder of each test's own.
type Suite struct {
	suite.Suite
	packages string
	root     string
	port     string // of oned
	running  []func()
}

func TestPackages(t *testing.T) {
	if _, err := exec.LookPath("dpkg-deb"); err != nil {
		t.Skip("dpkg-deb is not there; apt-get install dpkg")
	}
	suite.Run(t, new(Suite))
}

func (s *Suite) SetupSuite() {
	s.packages = s.T().TempDir()
	for _, version := range []string{"7.0.2", "7.2.0"} {
		s.Require().NoError(Build(s.T().Context(), ".", version, s.packages))
	}
}

// SetupTest installs a release, without what a start needs to be left by another.
func (s *Suite) SetupTest() {
	s.root, s.port = s.T().TempDir(), s.freePort()
	for _, dir := range []string{"run/lock/one", "var/log/one", "var/lib/one/.one"} {
		s.Require().NoError(os.MkdirAll(filepath.Join(s.root, dir), 0o755))
	}
	s.write("var/lib/one/.one/one_auth", "oneadmin:se:cret\n")
	s.install("7.2.0")
}

// install unpacks all packages of a release over what is there, and gives oned
// ports that are free.
func (s *Suite) install(version string) {
	debs, err := filepath.Glob(filepath.Join(s.packages, "*_"+version+"-1_*.deb"))
	s.Require().NoError(err)
	s.Require().NotEmpty(debs)
	for _, deb := range debs {
		s.Require().NoError(exec.Command("dpkg-deb", "-x", deb, s.root).Run())
	}
	s.edit("etc/one/oned.conf", "PORT = 2633", "PORT = "+s.port, "0.0.0.0", "127.0.0.1",
		`# HOSTNAME = "one-hostname"`, `HOSTNAME = "frontend"`, "#VM_MAD = [ NAME=", "VM_MAD = [ NAME=")
	s.edit("etc/one/monitord.conf", "= 4124", "= "+s.freePort(), `"::"`, `"127.0.0.1"`, "# IM_MAD", "IM_MAD")
}

func (s *Suite) TearDownTest() {
	for _, stop := range s.running {
		stop()
	}
	s.running = nil
}

func (s *Suite) TestEveryPackageTellsWhatItIs() {
	for _, name := range []string{"", "-tools", "-fireedge", "-flow", "-gate", "-guacd", "-migration"} {
		found, err := filepath.Glob(filepath.Join(s.packages, "opennebula"+name+"_7.2.0-1_*.deb"))
		s.Require().NoError(err)
		s.Require().Len(found, 1)
		info, err := exec.Command("dpkg-deb", "--info", found[0]).CombinedOutput()
		s.Require().NoError(err, string(info))
		s.Contains(string(info), "Version: 7.2.0-1\n")
		s.Contains(string(info), "runs no virtual machines")
	}
}

func (s *Suite) TestStateOutlivesARestart() {
	stop := s.start()
	template := s.call("one.template.allocate", "NAME = \"kept\"\nCPU = 1")
	s.Require().Equal(true, template[0], template)
	begin := time.Now()
	stop()
	s.Less(time.Since(begin), time.Second)
	s.NoFileExists(s.path("run/lock/one/one"))
	auth, err := os.ReadFile(s.path("var/lib/one/.one/oneflow_auth"))
	s.Require().NoError(err)
	key, err := os.ReadFile(s.path("var/lib/one/.one/one_key"))
	s.Require().NoError(err)
	s.NotEmpty(strings.TrimSpace(string(key)))

	s.start()
	s.Contains(s.call("one.template.info", template[1], false, false)[1], "<NAME>kept</NAME>")
	s.Contains(s.call("one.user.info", -1, false)[1], "<NAME>oneadmin</NAME>")
	s.Contains(s.call("one.system.config")[1], "<HOSTNAME>frontend</HOSTNAME>")
	s.Equal("7.2.0", s.call("one.system.version")[1])
	after, err := os.ReadFile(s.path("var/lib/one/.one/oneflow_auth"))
	s.Require().NoError(err)
	s.Equal(auth, after)
	after, err = os.ReadFile(s.path("var/lib/one/.one/one_key"))
	s.Require().NoError(err)
	s.Equal(key, after)
}

func (s *Suite) TestStateOutlivesAKill() {
	oned := s.background(s.path("usr/bin/oned"), "-f")
	s.answers()
	template := s.call("one.template.allocate", "NAME = \"kept\"")[1]
	oned.kill()
	s.Contains(s.failedStart(), "lock file")
	s.Require().NoError(os.Remove(s.path("run/lock/one/one")))
	s.start()
	s.Contains(s.call("one.template.info", template, false, false)[1], "<NAME>kept</NAME>")
}

func (s *Suite) TestAnotherSchemaIsRefused() {
	s.start()()
	s.Equal("07.2.07.2.0", s.value("SELECT l.oid || l.version || s.version FROM local_db_versioning l, db_versioning s"))
	s.install("7.0.2")
	s.Contains(s.failedStart(), "schema 7.2.0 (local_db_versioning)")
	s.Contains(s.log(), "needs 7.0.0: upgrade it with onedb")
	s.change("UPDATE local_db_versioning SET version = '7.0.0'")
	s.Contains(s.failedStart(), "schema 7.2.0 (db_versioning)")
	s.change("DELETE FROM local_db_versioning; DELETE FROM db_versioning")
	s.Contains(s.failedStart(), "already exists")
	s.NoFileExists(s.path("run/lock/one/one"))
}

func (s *Suite) TestRemotesDiffer() {
	earlier, later := s.remotes("7.0.2"), s.remotes("7.2.0")
	s.Contains(earlier, "vmm/kvm/poll")
	s.NotContains(later, "vmm/kvm/poll")
	s.Contains(later, "im/kvm-probes.d/host/system/memory_encryption.sh")
	s.NotContains(earlier, "im/kvm-probes.d/host/system/memory_encryption.sh")
	for file, same := range map[string]bool{
		"VERSION": false, "vmm/kvm/deploy": false, "etc/vmm/kvm/kvmrc": false,
		"vmm/kvm/reboot": true, "im/kvm-probes.d/host/system/name.sh": true, "etc/datastore/datastore.conf": true,
	} {
		s.Require().NotEmpty(earlier[file], file)
		s.Equal(same, earlier[file] == later[file], file)
	}
	for file := range later {
		s.NotRegexp("from|before", file)
	}
}

// remotes of a release, by their paths.
func (s *Suite) remotes(version string) map[string]string {
	found, err := filepath.Glob(filepath.Join(s.packages, "opennebula_"+version+"-1_*.deb"))
	s.Require().NoError(err)
	s.Require().Len(found, 1)
	dir := s.T().TempDir()
	s.Require().NoError(exec.Command("dpkg-deb", "-x", found[0], dir).Run())
	top, files := filepath.Join(dir, "var/lib/one/remotes"), map[string]string{}
	s.Require().NoError(filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		files[strings.TrimPrefix(path, top+"/")] = string(text)
		return err
	}))
	return files
}

func (s *Suite) TestRefusals() {
	s.start()
	answer, err := s.callAs("oneadmin:wrong", "one.user.info", -1, false)
	s.Require().NoError(err)
	s.Equal([]any{false, "[one.user.info] the user could not be authenticated"}, answer[:2])
	s.Equal(false, s.call("one.host.info", 7, false)[0])
	_, err = s.callAs("oneadmin:se:cret", "one.vm.levitate", 1)
	s.ErrorContains(err, "-506")
	_, err = s.callAs("oneadmin:se:cret", "one.host.info", "seven")
	s.ErrorContains(err, "parameter 1")
	s.Contains(s.failedStart(), "lock file")
}

func (s *Suite) TestBootstrapIsRefused() {
	s.write("var/lib/one/.one/oneflow_auth", "serveradmin:old\n")
	s.Contains(s.failedStart(), "oneflow_auth already exists")
	s.NoFileExists(s.path("run/lock/one/one"))
}

func (s *Suite) TestNothingStartsWithoutRemotes() {
	s.Require().NoError(os.RemoveAll(s.path("var/lib/one/remotes")))
	s.Contains(s.failedStart(), "scheduler")
}

func (s *Suite) TestNothingStartsWithoutADatabase() {
	s.edit("etc/one/oned.conf", `DB = [ BACKEND = "sqlite",`, `DB = [ BACKEND = "mysql", SERVER = "127.0.0.1", PORT = 1,`)
	s.Contains(s.failedStart(), "connection refused")
}

func (s *Suite) TestTheSchedulerPlaces() {
	s.start()
	metal := s.call("one.host.allocate", "metal", "kvm", "kvm", 0)[1]
	dummy := s.call("one.host.allocate", "pretence", "dummy", "dummy", 0)[1]
	first := s.call("one.vm.allocate", "CPU = 1", false)[1]
	s.until("<STATE>3</STATE><LCM_STATE>3</LCM_STATE>", "one.vm.info", first)
	s.until("<STATE>3</STATE>", "one.host.info", metal)
	s.until("<STATE>2</STATE>", "one.host.info", dummy)
	s.Contains(s.call("one.vm.info", first, false)[1], "<HISTORY_RECORDS><HISTORY><HOSTNAME>pretence</HOSTNAME>")
	s.Equal(false, s.call("one.host.delete", dummy)[0])

	s.killScheduler()
	second := s.call("one.vm.allocate", "CPU = 1", false)[1]
	s.Eventually(func() bool { return strings.Contains(s.log(), "Nothing is placed") }, time.Minute, 100*time.Millisecond)
	s.Contains(s.call("one.vm.info", second, false)[1], "<STATE>1</STATE>")
	s.Equal(true, s.call("one.vm.action", "terminate-hard", first)[0])
	s.Contains(s.call("one.vm.info", first, false)[1], "<STATE>6</STATE>")
	s.Equal(true, s.call("one.host.delete", dummy)[0])
}

func (s *Suite) TestTimers() {
	s.T().Setenv("ONE_XMLRPC", "http://127.0.0.1:"+s.port+"/RPC2")
	s.Equal(255, s.end("usr/bin/oneshowback", "calculate"), "oned does not run")
	s.start()
	s.Equal(255, s.end("usr/bin/oneshowback", "list"))
	s.Equal(0, s.end("usr/bin/oneshowback", "calculate"))
	s.Contains(s.log(), "Showback calculated")

	s.Equal(255, s.end("usr/bin/onehost", "list"))
	s.Equal(0, s.end("usr/bin/onehost", "sync", "--force"), "there are no hosts")
	s.Equal(true, s.call("one.host.allocate", "nowhere.invalid", "dummy", "dummy", -1)[0])
	s.Equal(255, s.end("usr/bin/onehost", "sync", "--force"), "a host that does not answer")

	s.Equal(0, s.end("usr/lib/one/sh/ssh-socks-cleaner"), "there is nothing yet")
	s.Require().NoError(os.MkdirAll(s.path("run/one/ssh-socks"), 0o755))
	old, fresh := s.path("run/one/ssh-socks/ctl-M-a.sock"), s.path("run/one/ssh-socks/ctl-M-b.sock")
	for _, socket := range []string{old, fresh} {
		l, err := net.Listen("unix", socket)
		s.Require().NoError(err)
		defer l.Close()
	}
	before := time.Now().Add(-5 * time.Minute)
	s.Require().NoError(os.Chtimes(old, before, before))
	s.Equal(0, s.end("usr/lib/one/sh/ssh-socks-cleaner"))
	s.NoFileExists(old)
	_, err := os.Stat(fresh)
	s.NoError(err)
}

// end of a program: its code.
func (s *Suite) end(program string, args ...string) int {
	cmd := s.command(s.path(program), args...)
	out, err := cmd.CombinedOutput()
	if exit := new(exec.ExitError); !errors.As(err, &exit) {
		s.Require().NoError(err)
	}
	s.T().Logf("%s", out)
	return cmd.ProcessState.ExitCode()
}

func (s *Suite) TestConfigurationParses() {
	for file, key := range map[string]string{
		"oneflow-server.conf": ":host", "onegate-server.conf": ":host", "onehem-server.conf": ":hook_base_path", "fireedge-server.conf": "host",
		"fireedge/sunstone/sunstone-server.conf": "default_lang", "schedulers/one_drs.conf": "OPTIMIZE",
	} {
		text, err := os.ReadFile(s.path("etc/one/" + file))
		s.Require().NoError(err)
		var found map[string]any
		s.Require().NoError(yaml.Unmarshal(text, &found), file)
		s.Contains(found, key, file)
	}
	s.FileExists(s.path("etc/one/schedulers/rank.conf"))
	s.FileExists(s.path("etc/one/guacd"))
}

func (s *Suite) TestCredentialsOfTheDatabaseCount() {
	flow, gate, fire := s.services()
	s.start()()
	s.change("UPDATE user_pool SET body = replace(body, '" + digest("se:cret") + "', '" + digest("new") + "') WHERE oid = 0")
	auth, err := os.ReadFile(s.path("var/lib/one/.one/oneflow_auth"))
	s.Require().NoError(err)
	_, password, _ := strings.Cut(strings.TrimSpace(string(auth)), ":")
	s.change("UPDATE user_pool SET body = replace(body, '" + digest(password) + "', '" + digest("lost") + "') WHERE oid = 1")

	s.start()
	s.Equal(false, s.call("one.user.info", -1, false)[0])
	answer, err := s.callAs("oneadmin:new", "one.user.info", -1, false)
	s.Require().NoError(err)
	s.Equal(true, answer[0])
	answer, err = s.callAs("serveradmin:lost", "one.user.info", -1, false)
	s.Require().NoError(err)
	s.Equal(false, answer[0], "a password is no token")

	s.background(s.path("usr/lib/one/standin"), "oneflow")
	stale := s.background(s.path("usr/lib/one/standin"), "onegate")
	s.Equal(http.StatusInternalServerError, s.get("http://oneadmin:new@127.0.0.1:"+flow+"/service", nil))
	s.Equal(http.StatusInternalServerError, s.get("http://127.0.0.1:"+gate+"/", nil))
	s.write("var/lib/one/.one/onegate_auth", "serveradmin:lost\n")
	stale.stop()
	s.background(s.path("usr/lib/one/standin"), "onegate")
	s.Equal(http.StatusUnauthorized, s.get("http://127.0.0.1:"+gate+"/", nil))

	if _, err := exec.LookPath("node"); err != nil {
		s.T().Skip("node is not there; FireEdge was not tried")
	}
	s.background("node", s.path("usr/lib/one/fireedge/dist/index.js"))
	base := "http://127.0.0.1:" + fire + "/fireedge/"
	s.Equal(http.StatusOK, s.get(base+"sunstone", nil))
	s.Equal(http.StatusInternalServerError, s.login(base, "new").StatusCode)
	s.write("var/lib/one/.one/sunstone_auth", "serveradmin:lost\n")
	s.Equal(http.StatusOK, s.login(base, "new").StatusCode)
}

func digest(password string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(password))) }

// services get ports that are free.
func (s *Suite) services() (flow, gate, fire string) {
	flow, gate, fire = s.freePort(), s.freePort(), s.freePort()
	s.edit("etc/one/oneflow-server.conf", ":port: 2474", ":port: "+flow, ":2633", ":"+s.port)
	s.edit("etc/one/onegate-server.conf", ":port: 5030", ":port: "+gate, ":2633", ":"+s.port)
	s.edit("etc/one/fireedge-server.conf", "port: 2616", "port: "+fire, ":2633", ":"+s.port)
	return flow, gate, fire
}

func (s *Suite) TestServicesAskOned() {
	flow, gate, fire := s.services()
	s.start()
	s.background(s.path("usr/lib/one/standin"), "oneflow")
	s.background(s.path("usr/lib/one/standin"), "onegate")

	s.Equal(http.StatusUnauthorized, s.get("http://127.0.0.1:"+gate+"/vm", nil))
	s.Equal(http.StatusUnauthorized, s.get("http://127.0.0.1:"+flow+"/service", nil))
	s.Equal(http.StatusUnauthorized, s.get("http://oneadmin:wrong@127.0.0.1:"+flow+"/service", nil))
	s.Equal(http.StatusOK, s.get("http://oneadmin:se%3Acret@127.0.0.1:"+flow+"/service", nil))

	if _, err := exec.LookPath("node"); err != nil {
		s.T().Skip("node is not there; FireEdge was not tried")
	}
	s.background("node", s.path("usr/lib/one/fireedge/dist/index.js"))
	base := "http://127.0.0.1:" + fire + "/fireedge/"
	s.Equal(http.StatusOK, s.get(base+"sunstone", nil))
	s.Equal(http.StatusOK, s.get(base+"modules/HooksModule/remoteEntry.js", nil))
	s.Equal(http.StatusUnauthorized, s.get(base+"api/user/info", nil))
	s.Equal(http.StatusUnauthorized, s.login(base, "wrong").StatusCode)
	cookies := s.login(base, "se:cret").Cookies()
	s.Require().Len(cookies, 1)
	s.Equal(http.StatusOK, s.get(base+"api/user/info", cookies[0]))
}

func (s *Suite) path(relative string) string { return filepath.Join(s.root, relative) }

func (s *Suite) write(file, text string) {
	s.Require().NoError(os.WriteFile(s.path(file), []byte(text), 0o600))
}

func (s *Suite) edit(file string, oldnew ...string) {
	text, err := os.ReadFile(s.path(file))
	s.Require().NoError(err)
	s.write(file, strings.NewReplacer(oldnew...).Replace(string(text)))
}

// freePort is not one that the kernel gives to whoever asks for any, as the tests
// beside these do: it may before the program listens.
func (s *Suite) freePort() string {
	for range 100 {
		port := strconv.Itoa(10000 + rand.IntN(10000))
		if l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port)); err == nil {
			l.Close()
			return port
		}
	}
	s.Require().Fail("no port is free")
	return ""
}

func (s *Suite) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...) // a test's context ends before its programs may
	cmd.Env = append(os.Environ(), "STANDIN_ROOT="+s.root)
	return cmd
}

// process is a program that has been started.
type process struct {
	*Suite
	cmd   *exec.Cmd
	out   bytes.Buffer
	ended bool
}

func (s *Suite) background(name string, args ...string) *process {
	p := &process{Suite: s, cmd: s.command(name, args...)}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	s.Require().NoError(p.cmd.Start())
	s.running = append(s.running, p.stop)
	return p
}

// stop ends it as a pod's end does.
func (p *process) stop() {
	if p.ended {
		return
	}
	p.ended = true
	p.NoError(p.cmd.Process.Signal(syscall.SIGTERM))
	p.NoError(p.cmd.Wait(), "%s", &p.out)
	p.Contains(p.out.String(), "it runs no virtual machines")
}

// kill ends it as nothing can prevent.
func (p *process) kill() {
	p.ended = true
	p.NoError(p.cmd.Process.Kill())
	p.Error(p.cmd.Wait())
}

func (s *Suite) start() (stop func()) {
	oned := s.background(s.path("usr/bin/oned"), "-f")
	s.answers()
	return oned.stop
}

// answers waits for oned.
func (s *Suite) answers() {
	s.Require().Eventually(func() bool {
		_, err := s.callAs("-", "one.system.version")
		return err == nil
	}, time.Minute, 50*time.Millisecond)
}

func (s *Suite) failedStart() string {
	out, err := s.command(s.path("usr/bin/oned"), "-f").CombinedOutput()
	var exit *exec.ExitError
	s.Require().ErrorAs(err, &exit)
	s.Equal(255, exit.ExitCode())
	return string(out)
}

func (s *Suite) callAs(session, method string, args ...any) (answer []any, err error) {
	client, err := xmlrpc.NewClient("http://127.0.0.1:"+s.port+"/RPC2", nil)
	s.Require().NoError(err)
	defer client.Close()
	return answer, client.Call(method, append([]any{session}, args...), &answer)
}

func (s *Suite) call(method string, args ...any) []any {
	answer, err := s.callAs("oneadmin:se:cret", method, args...)
	s.Require().NoError(err)
	return answer
}

func (s *Suite) until(want, method string, id any) {
	s.Eventually(func() bool {
		text, _ := s.call(method, id, false)[1].(string)
		return strings.Contains(text, want)
	}, time.Minute, 100*time.Millisecond, "%s never had %s", method, want)
}

// database is open past oned, and waits for it where it writes.
func (s *Suite) database() *sql.DB {
	db, err := sql.Open("sqlite", s.path("var/lib/one/one.db")+"?_pragma=busy_timeout(10000)")
	s.Require().NoError(err)
	return db
}

func (s *Suite) change(statement string) {
	db := s.database()
	defer db.Close()
	_, err := db.Exec(statement)
	s.Require().NoError(err)
}

// value of the first row that a query finds.
func (s *Suite) value(query string) (found string) {
	db := s.database()
	defer db.Close()
	s.Require().NoError(db.QueryRow(query).Scan(&found))
	return found
}

func (s *Suite) log() string {
	text, err := os.ReadFile(s.path("var/log/one/oned.log"))
	s.Require().NoError(err)
	return string(text)
}

func (s *Suite) killScheduler() {
	found := regexp.MustCompile(`Scheduler driver started, pid (\d+)`).FindStringSubmatch(s.log())
	s.Require().NotNil(found)
	pid, err := strconv.Atoi(found[1])
	s.Require().NoError(err)
	s.Require().NoError(syscall.Kill(pid, syscall.SIGKILL))
}

// get waits for a server that has just been started.
func (s *Suite) get(url string, cookie *http.Cookie) (code int) {
	request, err := http.NewRequestWithContext(s.T().Context(), http.MethodGet, url, nil)
	s.Require().NoError(err)
	if cookie != nil {
		request.AddCookie(cookie)
	}
	s.Require().Eventually(func() bool {
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return false
		}
		code = response.StatusCode
		return response.Body.Close() == nil
	}, time.Minute, 50*time.Millisecond, url)
	return code
}

func (s *Suite) login(base, password string) *http.Response {
	body := strings.NewReader(`{"user":"oneadmin","token":"` + password + `"}`)
	request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, base+"api/auth", body)
	s.Require().NoError(err)
	response, err := http.DefaultClient.Do(request)
	s.Require().NoError(err)
	s.NoError(response.Body.Close())
	return response
}
