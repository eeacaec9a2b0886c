package frontend

import (
	"fmt"
	"strconv"
	"time"
)

// CreateUser registers a user with a password of OpenNebula's own, in a group or in that
// of all users.
func (a *API) CreateUser(name, password string, groups ...int64) (int64, error) {
	return a.create("one.user.allocate", name, password, "core", append([]int64{}, groups...))
}

// SetPassword of a user.
func (a *API) SetPassword(user int64, password string) error {
	_, err := a.call("one.user.passwd", user, password)
	return err
}

// EnableUser lets a user in, or keeps out one who has a right password.
func (a *API) EnableUser(user int64, enabled bool) error {
	_, err := a.call("one.user.enable", user, enabled)
	return err
}

// SetQuota of a user or a group (kind), in the syntax of templates: VM = [ VMS = 2 ].
func (a *API) SetQuota(kind string, id int64, quota string) error {
	_, err := a.call("one."+kind+".quota", id, quota)
	return err
}

// CreateToken makes a word that serves a user as a password until a time has passed, to
// the second.
func (a *API) CreateToken(username string, valid time.Duration) (string, error) {
	value, err := a.call("one.user.login", username, "", int(valid.Seconds()), -1)
	if err != nil {
		return "", err
	}
	token, _ := value.(string)
	if token == "" {
		return "", fmt.Errorf("call one.user.login: the answer is %v, not a token", value)
	}
	return token, nil
}

// ResetToken ends one before its time.
func (a *API) ResetToken(username, token string) error {
	_, err := a.call("one.user.login", username, token, 0, -1)
	return err
}

// Scope is whom or what an ACL rule is about, in OpenNebula's own numbers: kinds of things,
// joined, and one thing or all.
type Scope uint64

// Kinds of things that rules are about.
const (
	ScopeVMs       Scope = 0x1000000000
	ScopeNetworks  Scope = 0x4000000000
	ScopeImages    Scope = 0x8000000000
	ScopeTemplates Scope = 0x20000000000

	ScopeAll Scope = 0x400000000 // of a kind
)

// ScopeUser is one user.
func ScopeUser(id int64) Scope { return Scope(0x100000000 + id) }

// ScopeGroup are all users of a group.
func ScopeGroup(id int64) Scope { return Scope(0x200000000 + id) }

// ScopeOne is one thing of a kind.
func ScopeOne(kind Scope, id int64) Scope { return kind + ScopeUser(id) }

// Right of an ACL rule.
type Right uint64

// Rights that a rule gives.
const (
	RightUse    Right = 1
	RightCreate Right = 8
)

// CreateRule lets users do something with things of this zone.
func (a *API) CreateRule(who, what Scope, right Right) (int64, error) {
	hex := func(number uint64) string { return fmt.Sprintf("0x%x", number) }
	zone := ScopeUser(0) // numbers are written alike
	return a.create("one.acl.addrule", hex(uint64(who)), hex(uint64(what)), hex(uint64(right)), hex(uint64(zone)))
}

// Rule of an ACL: who may do what with what.
type Rule struct {
	Who, What Scope
	Right     Right
}

// Rules that there are.
func (a *API) Rules() ([]Rule, error) {
	var pool struct {
		Rules []struct {
			User     string `xml:"USER"` // all in hexadecimal digits
			Resource string `xml:"RESOURCE"`
			Rights   string `xml:"RIGHTS"`
		} `xml:"ACL"`
	}
	if err := a.read(&pool, "one.acl.info"); err != nil {
		return nil, err
	}
	var rules []Rule
	for _, r := range pool.Rules {
		var numbers [3]uint64
		for i, text := range []string{r.User, r.Resource, r.Rights} {
			number, err := strconv.ParseUint(text, 16, 64)
			if err != nil {
				return nil, fmt.Errorf("call one.acl.info: read a rule: %w", err)
			}
			numbers[i] = number
		}
		rules = append(rules, Rule{Scope(numbers[0]), Scope(numbers[1]), Right(numbers[2])})
	}
	return rules, nil
}

// DeleteRule takes an ACL rule away.
func (a *API) DeleteRule(id int64) error {
	_, err := a.call("one.acl.delrule", id)
	return err
}

// ShareWithAll lets everybody use a thing of a kind (template, image, vn) or, again, nobody
// but its owner's group.
func (a *API) ShareWithAll(kind string, id int64, shared bool) error {
	use := 0
	if shared {
		use = 1
	}
	const same = -1
	args := []any{id, same, same, same, same, same, same, use, same, same}
	if kind == "template" {
		args = append(args, false) // its images as well
	}
	_, err := a.call("one."+kind+".chmod", args...)
	return err
}

// LeaveVDC takes a group out of a virtual data center, whose networks and the like its
// users may use. Each new group is in that of all, 0.
func (a *API) LeaveVDC(vdc, group int64) error {
	_, err := a.call("one.vdc.delgroup", vdc, group)
	return err
}

// Delete takes a user, a host, an image that no virtual machine uses, or another thing of
// a kind away.
func (a *API) Delete(kind string, id int64) error {
	_, err := a.call("one."+kind+".delete", id)
	return err
}

// CreateNetwork registers a virtual network in the default cluster.
func (a *API) CreateNetwork(text string) (int64, error) {
	return a.create("one.vn.allocate", text, 0)
}

// HoldVM asks for a virtual machine that is not placed before it is released.
func (a *API) HoldVM(text string) (int64, error) {
	return a.create("one.vm.allocate", text, true)
}
