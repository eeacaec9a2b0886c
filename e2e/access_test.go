package e2e

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/pablodelarco/opennebula-helm/e2e/frontend"
)

// person is a user of a test, in a group of its own that may create virtual machines, and
// nothing else.
type person struct {
	name, password string
	id, group      int64
	api            *frontend.API
}

// newPerson makes one, who is gone with the test.
func (s *Suite) newPerson(ctx context.Context) person {
	if *standIns {
		s.T().Skip("the stand-ins know no users but oneadmin")
	}
	admin := s.api()
	p := person{name: "e2e-ada", password: rand.Text()}
	var err error
	p.group, err = admin.AllocateNamed("group", "e2e-people")
	s.Require().NoError(err)
	s.T().Cleanup(func() { s.NoError(s.api().Delete("group", p.group)) })
	s.Require().NoError(admin.LeaveVDC(0, p.group))
	p.id, err = admin.CreateUser(p.name, p.password, p.group)
	s.Require().NoError(err)
	s.T().Cleanup(func() { s.NoError(s.api().Delete("user", p.id)) })
	_, err = admin.CreateRule(frontend.ScopeGroup(p.group), frontend.ScopeVMs+frontend.ScopeAll, frontend.RightCreate)
	s.Require().NoError(err) // it ends with the group
	p.api = s.as(ctx, p.name, p.password)
	return p
}

// as a user, by a password or a token.
func (s *Suite) as(ctx context.Context, username, password string) *frontend.API {
	api, err := s.frontend.API(ctx, username, password)
	s.Require().NoError(err)
	return api
}

// held is a virtual machine that needs no hypervisor: it is not placed.
func (s *Suite) held(api *frontend.API, attributes string) (int64, error) {
	vm, err := api.HoldVM("NAME = e2e-held\nMEMORY = 16\n" + attributes)
	if err == nil {
		s.T().Cleanup(func() { _ = s.api().TerminateVM(vm) }) // where the test breaks off
	}
	return vm, err
}

// A quota of the group, and one of the user, hold; and no longer when they are raised.
func (s *Suite) TestQuotas() {
	ctx := s.context(2 * time.Minute)
	p := s.newPerson(ctx)
	for _, quota := range []struct {
		kind          string
		id            int64
		limit, raised string
		refusal       string
	}{
		{"group", p.group, "VM = [ VMS = 1 ]", "VM = [ VMS = 4 ]", "limit of 1 reached for VMS quota"},
		{"user", p.id, "VM = [ CPU = 1.5 ]", "VM = [ CPU = 2 ]", "limit of 1.5 reached for CPU quota"},
	} {
		s.Require().NoError(s.api().SetQuota(quota.kind, quota.id, quota.limit))
		first, err := s.held(p.api, "CPU = 1\n")
		s.Require().NoError(err, "within the %s's quota", quota.kind)
		_, err = s.held(p.api, "CPU = 1\n")
		s.Require().ErrorIs(err, frontend.ErrRefused)
		s.ErrorContains(err, quota.refusal)

		s.Require().NoError(s.api().SetQuota(quota.kind, quota.id, quota.raised))
		second, err := s.held(p.api, "CPU = 1\n")
		s.Require().NoError(err, "within the %s's raised quota", quota.kind)
		for _, vm := range []int64{first, second} {
			s.Require().NoError(p.api.TerminateVM(vm))
		}
	}
	group, err := s.api().Thing("group", p.group)
	s.Require().NoError(err)
	s.Equal("0", group.VMQuota["VMS_USED"], "what the terminated ones used is free again")
}

// A person uses what is somebody else's only while a rule or its permissions say so.
func (s *Suite) TestThingsOfOthers() {
	ctx := s.context(5 * time.Minute)
	p := s.newPerson(ctx)
	for _, thing := range []struct {
		kind  string
		scope frontend.Scope // of an ACL rule that allows it; 0 is by its permissions
		id    int64
		use   func(id int64) (int64, error)
	}{
		{"template", frontend.ScopeTemplates, s.unplacedTemplate(), func(id int64) (int64, error) {
			return p.api.InstantiateTemplate(id, "e2e-held")
		}},
		{"image", 0, s.emptyImage(ctx), func(id int64) (int64, error) {
			return s.held(p.api, fmt.Sprintf("CPU = 0.1\nDISK = [ IMAGE_ID = %d ]\n", id))
		}},
		{"vn", frontend.ScopeNetworks, s.smallNetwork(), func(id int64) (int64, error) {
			return s.held(p.api, fmt.Sprintf("CPU = 0.1\nNIC = [ NETWORK_ID = %d ]\n", id))
		}},
	} {
		s.refused(thing.use, thing.kind, thing.id)
		forbid := s.allow(p, thing.kind, thing.scope, thing.id)
		vm, err := thing.use(thing.id)
		s.Require().NoError(err, "the %s is allowed", thing.kind)
		s.Require().NoError(p.api.TerminateVM(vm))
		forbid()
		s.refused(thing.use, thing.kind, thing.id)
	}
}

// unplacedTemplate is oneadmin's, of virtual machines that no host suits.
func (s *Suite) unplacedTemplate() int64 {
	template, err := s.api().CreateTemplate("NAME = e2e-others\nCPU = 0.1\nMEMORY = 16\nSCHED_REQUIREMENTS = \"ID < 0\"\n")
	s.Require().NoError(err)
	s.T().Cleanup(func() { s.NoError(s.api().DeleteTemplate(template)) })
	return template
}

// emptyImage is oneadmin's, and of the smallest size.
func (s *Suite) emptyImage(ctx context.Context) int64 {
	return s.createImage(ctx, s.api(), "NAME = e2e-others\nTYPE = DATABLOCK\nSIZE = 1\nFORMAT = raw\n")
}

// smallNetwork is oneadmin's, with one address.
func (s *Suite) smallNetwork() int64 {
	network, err := s.api().CreateNetwork("NAME = e2e-others\nVN_MAD = dummy\nBRIDGE = none\nAR = [ TYPE = IP4, IP = 192.0.2.1, SIZE = 1 ]\n")
	s.Require().NoError(err)
	s.T().Cleanup(func() { s.NoError(s.api().Delete("vn", network)) })
	return network
}

// refused requires that somebody may not use a thing.
func (s *Suite) refused(use func(int64) (int64, error), kind string, id int64) {
	vm, err := use(id)
	if err == nil {
		_ = s.api().TerminateVM(vm)
	}
	s.Require().ErrorIs(err, frontend.ErrRefused, kind)
	s.ErrorContains(err, "Not authorized to perform USE", kind)
	s.ErrorContains(err, fmt.Sprintf("[%d]", id), kind)
}

// allow a person to use a thing, by a rule or to everybody, and return the end of it.
func (s *Suite) allow(p person, kind string, scope frontend.Scope, id int64) (forbid func()) {
	admin := s.api()
	if scope == 0 {
		s.Require().NoError(admin.ShareWithAll(kind, id, true))
		return func() { s.Require().NoError(admin.ShareWithAll(kind, id, false)) }
	}
	rule, err := admin.CreateRule(frontend.ScopeUser(p.id), frontend.ScopeOne(scope, id), frontend.RightUse)
	s.Require().NoError(err)
	return func() { s.Require().NoError(admin.DeleteRule(rule)) }
}

// A password lets its own user in, by every way that there is, until it is changed.
func (s *Suite) TestPasswords() {
	ctx := s.context(2 * time.Minute)
	p := s.newPerson(ctx)
	_, oneadmins := s.frontend.Login()
	s.letsIn(ctx, p.name, p.password, true)
	for _, wrong := range []string{"wrong", p.password + " ", oneadmins} {
		s.letsIn(ctx, p.name, wrong, false)
	}
	// Sunstone's page sends no empty one, to which its server would never answer.
	_, err := s.as(ctx, p.name, "").UserName()
	s.ErrorIs(err, frontend.ErrRefused)
	s.ErrorIs(s.flow(ctx, p.name, "").Ask(ctx), frontend.ErrRefused)
	s.letsIn(ctx, "e2e-nobody", p.password, false)

	s.Require().NoError(p.api.SetPassword(p.id, "e2e-other"))
	s.letsIn(ctx, p.name, p.password, false)
	s.letsIn(ctx, p.name, "e2e-other", true)
	s.Require().NoError(s.api().EnableUser(p.id, false))
	s.letsIn(ctx, p.name, "e2e-other", false)
}

// letsIn requires that the API, Sunstone and OneFlow agree on a password.
func (s *Suite) letsIn(ctx context.Context, username, password string, wanted bool) {
	_, err := s.as(ctx, username, password).UserName()
	s.agrees(err, wanted, "the API", username)
	sunstone, err := s.frontend.Sunstone(ctx)
	s.Require().NoError(err)
	s.agrees(sunstone.Login(ctx, username, password), wanted, "Sunstone", username)
	s.agrees(s.flow(ctx, username, password).Ask(ctx), wanted, "OneFlow", username)
}

func (s *Suite) agrees(err error, wanted bool, who, username string) {
	if wanted {
		s.NoError(err, "%s and %s", who, username)
	} else {
		s.ErrorIs(err, frontend.ErrRefused, "%s and %s", who, username)
	}
}

// A token is a password for a while: one for programs, which their user can take back.
func (s *Suite) TestTokens() {
	ctx := s.context(2 * time.Minute)
	p := s.newPerson(ctx)
	lasting, err := p.api.CreateToken(p.name, time.Hour)
	s.Require().NoError(err)
	brief, err := p.api.CreateToken(p.name, 30*time.Second)
	s.Require().NoError(err)
	made := time.Now()
	for _, token := range []string{brief, lasting} {
		s.letsIn(ctx, p.name, token, true)
		s.letsIn(ctx, "oneadmin", token, false)
	}

	s.Require().NoError(frontend.Eventually(ctx, func() error {
		if _, err := s.as(ctx, p.name, brief).UserName(); err == nil {
			return fmt.Errorf("the token is taken after %.0f s", time.Since(made).Seconds())
		}
		return nil
	}))
	s.letsIn(ctx, p.name, brief, false)

	s.letsIn(ctx, p.name, lasting, true)
	s.Require().NoError(p.api.ResetToken(p.name, lasting))
	s.letsIn(ctx, p.name, lasting, false)
	s.letsIn(ctx, p.name, p.password, true)

	_, err = p.api.CreateToken("oneadmin", time.Hour)
	s.ErrorIs(err, frontend.ErrRefused, "a token for somebody else")
}

// Who has not oneadmin's key is not let in by SSH, nor is anybody as someone else.
func (s *Suite) TestSSHRefusesOthers() {
	ctx := s.context(time.Minute)
	key, err := s.frontend.SSHKey(ctx)
	s.Require().NoError(err)
	_, private, err := ed25519.GenerateKey(nil)
	s.Require().NoError(err)
	another, err := ssh.NewSignerFromKey(private)
	s.Require().NoError(err)
	_, password := s.frontend.Login()
	ask := func(_, _ string, questions []string, _ []bool) ([]string, error) {
		answers := make([]string, len(questions))
		for i := range answers {
			answers[i] = password
		}
		return answers, nil
	}
	for _, login := range []struct {
		what, user string
		by         ssh.AuthMethod
	}{
		{"another key", "oneadmin", ssh.PublicKeys(another)},
		{"oneadmin's password", "oneadmin", ssh.Password(password)},
		{"oneadmin's password, asked for", "oneadmin", ssh.KeyboardInteractive(ask)},
		{"root with oneadmin's key", "root", ssh.PublicKeys(key)},
		{"another user with oneadmin's key", "nobody", ssh.PublicKeys(key)},
	} {
		client, err := s.frontend.LoginSSH(ctx, login.user, login.by)
		if s.Error(err, login.what) {
			s.ErrorContains(err, "unable to authenticate", login.what)
		} else {
			s.NoError(client.Close())
		}
	}
	client, err := s.frontend.LoginSSH(ctx, "oneadmin", ssh.PublicKeys(key))
	s.Require().NoError(err)
	s.NoError(client.Close())
}
