package main

import (
	"cmp"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
)

// inner is XML that is kept as it is.
type inner struct {
	XML string `xml:",innerxml"`
}

// migrated documents name the migrators that changed them, which no other release
// has: with OpenNebula, what changes is of more use.
type migrated struct {
	By []string `xml:"MIGRATED"`
}

type host struct {
	XMLName  xml.Name `xml:"HOST"`
	ID       int      `xml:"ID"`
	Name     string   `xml:"NAME"`
	State    int      `xml:"STATE"`
	IM       string   `xml:"IM_MAD"`
	VMM      string   `xml:"VM_MAD"`
	Cluster  int      `xml:"CLUSTER_ID"`
	VMs      []int    `xml:"VMS>ID"` // only where it is asked for
	Template inner    `xml:"TEMPLATE"`
	migrated
}

type template struct {
	XMLName  xml.Name `xml:"VMTEMPLATE"`
	ID       int      `xml:"ID"`
	UID      int      `xml:"UID"`
	Name     string   `xml:"NAME"`
	Template inner    `xml:"TEMPLATE"`
	migrated
}

type vm struct {
	XMLName  xml.Name  `xml:"VM"`
	ID       int       `xml:"ID"`
	UID      int       `xml:"UID"`
	Name     string    `xml:"NAME"`
	State    int       `xml:"STATE"`
	LCMState int       `xml:"LCM_STATE"`
	Template inner     `xml:"TEMPLATE"`
	History  []history `xml:"HISTORY_RECORDS>HISTORY"`
	migrated
}

type history struct {
	Host string `xml:"HOSTNAME"`
	HID  int    `xml:"HID"`
	VMM  string `xml:"VM_MAD"`
}

// OpenNebula's numbers for states.
const (
	hostInit, hostMonitored, hostError = 0, 2, 3
	vmPending, vmActive, vmDone        = 1, 3, 6
	lcmRunning                         = 3
)

func (v vm) on(host int) bool {
	return v.State == vmActive && len(v.History) > 0 && v.History[0].HID == host
}

// refusal is an answer [false, …] with a code of OpenNebula's.
type refusal struct {
	code int
	text string
}

func (r refusal) Error() string { return r.text }

const (
	codeAuthentication, codeMissing, codeAction, codeInternal, codeAllocate = 0x100, 0x400, 0x800, 0x2000, 0x4000
)

var errNoMethod = errors.New("the method is not defined")

// params of a call. Their kinds are checked before a method sees them.
type params []any

func (p params) text(i int) string { return p[i].(string) }
func (p params) number(i int) int  { return p[i].(int) }

func (p params) check(kinds string) error {
	for i, kind := range kinds {
		if i >= len(p) || reflect.TypeOf(p[i]).String()[0] != byte(kind) {
			return fmt.Errorf("parameter %d is missing or not of the type that it must be", i)
		}
	}
	return nil
}

type method struct {
	kinds string // of the parameters that it cannot do without: string, int
	run   func(ctx context.Context, u user, p params) (any, error)
}

func (o *oned) methods() map[string]method {
	methods := map[string]method{
		"one.system.version":    {"", func(context.Context, user, params) (any, error) { return version, nil }},
		"one.system.config":     {"", o.systemConfig},
		"one.user.info":         {"i", o.userInfo},
		"one.zonepool.info":     {"", o.zones},
		"one.host.allocate":     {"sssi", o.hostAllocate},
		"one.host.info":         {"i", o.hostInfo},
		"one.host.delete":       {"i", o.hostDelete},
		"one.template.allocate": {"s", o.templateAllocate},
		"one.template.info":     {"i", o.info("template_pool", "virtual machine template")},
		"one.template.delete":   {"i", o.templateDelete},
		"one.vm.allocate":       {"s", o.vmAllocate},
		"one.vm.info":           {"i", o.info("vm_pool", "virtual machine")},
		"one.vm.action":         {"si", o.vmAction},

		"one.vmpool.calculateshowback": {"iiii", o.showback},
		serverCheck:                    {"", func(_ context.Context, u user, _ params) (any, error) { return u.Name, nil }},
	}
	maps.Copy(methods, o.thingMethods())
	return methods
}

// call is one request. The error is for what is not an answer but a fault.
func (o *oned) call(ctx context.Context, name string, p []any) ([]any, error) {
	m, ok := o.methods()[name]
	if !ok {
		return nil, fmt.Errorf("%w: %s is unknown to the stand-in", errNoMethod, name)
	}
	if err := params(p).check("s" + m.kinds); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	driver := "core"
	if name == serverCheck {
		driver = serverDriver
	}
	result, err := o.answer(ctx, m, driver, p)
	if err == nil {
		return []any{true, result, 0}, nil
	}
	o.log.printf("ReM", "E", "[%s] %v", name, err)
	r := refusal{codeInternal, err.Error()}
	errors.As(err, &r)
	return []any{false, fmt.Sprintf("[%s] %s", name, r.text), r.code, -1}, nil
}

func (o *oned) answer(ctx context.Context, m method, driver string, p params) (any, error) {
	u, err := authenticate(ctx, o.store, driver, p.text(0))
	if errors.Is(err, errLogin) {
		return nil, refusal{codeAuthentication, err.Error()}
	}
	if err != nil {
		return nil, err
	}
	return m.run(ctx, u, p[1:])
}

// systemConfig leaves out how to get into the database.
func (o *oned) systemConfig(context.Context, user, params) (any, error) {
	var public conf
	for _, a := range o.conf {
		if a.name != "DB" {
			public = append(public, a)
		}
	}
	return "<OPENNEBULA_CONFIGURATION>" + public.xml() + "</OPENNEBULA_CONFIGURATION>", nil
}

func (o *oned) userInfo(ctx context.Context, u user, p params) (any, error) {
	if p.number(0) == -1 {
		p = params{u.ID}
	}
	return o.info("user_pool", "user")(ctx, u, p)
}

func (o *oned) zones(context.Context, user, params) (any, error) {
	return "<ZONE_POOL><ZONE><ID>0</ID><NAME>OpenNebula</NAME><STATE>0</STATE>" +
		"<TEMPLATE><ENDPOINT>http://localhost:2633/RPC2</ENDPOINT></TEMPLATE></ZONE></ZONE_POOL>", nil
}

// showback leaves a line in the log: nothing costs anything here.
func (o *oned) showback(_ context.Context, u user, _ params) (any, error) {
	if u.ID != 0 {
		return nil, refusal{codeAuthentication, "showback is calculated for oneadmin only"}
	}
	o.log.printf("SHB", "I", "Showback calculated")
	return "", nil
}

func (o *oned) info(table, what string) func(context.Context, user, params) (any, error) {
	return func(ctx context.Context, _ user, p params) (any, error) {
		body, err := o.store.body(ctx, table, p.number(0))
		return body, missing(err, what, p.number(0))
	}
}

func missing(err error, what string, id int) error {
	if errors.Is(err, errMissing) {
		return refusal{codeMissing, fmt.Sprintf("there is no %s %d", what, id)}
	}
	return err
}

func (o *oned) hostAllocate(ctx context.Context, _ user, p params) (any, error) {
	if err := o.named(ctx, hosts, p.text(0)); err != nil {
		return nil, err
	}
	return o.store.add(ctx, "host_pool", p.text(0), func(id int) any {
		return host{ID: id, Name: p.text(0), IM: p.text(1), VMM: p.text(2), Cluster: max(p.number(3), 0)}
	})
}

func (o *oned) hostInfo(ctx context.Context, _ user, p params) (any, error) {
	var h host
	if err := o.store.get(ctx, "host_pool", p.number(0), &h); err != nil {
		return nil, missing(err, "host", p.number(0))
	}
	vms, err := list[vm](ctx, o.store, "vm_pool")
	if err != nil {
		return nil, err
	}
	for _, v := range vms {
		if v.on(h.ID) {
			h.VMs = append(h.VMs, v.ID)
		}
	}
	body, err := xml.Marshal(h)
	return string(body), err
}

func (o *oned) hostDelete(ctx context.Context, _ user, p params) (any, error) {
	id := p.number(0)
	vms, err := list[vm](ctx, o.store, "vm_pool")
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(vms, func(v vm) bool { return v.on(id) }) {
		return nil, refusal{codeAction, "a host with running virtual machines stays"}
	}
	return id, missing(o.store.remove(ctx, "host_pool", id), "host", id)
}

func (o *oned) templateAllocate(ctx context.Context, u user, p params) (any, error) {
	c, err := parseConf(p.text(0))
	if err != nil || c.get("NAME") == "" {
		return nil, refusal{codeAllocate, fmt.Sprintf("the template must parse, and have a NAME: %v", err)}
	}
	return o.store.add(ctx, "template_pool", c.get("NAME"), func(id int) any {
		return template{ID: id, UID: u.ID, Name: c.get("NAME"), Template: inner{c.xml()}}
	})
}

func (o *oned) templateDelete(ctx context.Context, _ user, p params) (any, error) {
	id := p.number(0)
	return id, missing(o.store.remove(ctx, "template_pool", id), "virtual machine template", id)
}

func (o *oned) vmAllocate(ctx context.Context, u user, p params) (any, error) {
	c, err := parseConf(p.text(0))
	if err != nil {
		return nil, refusal{codeAllocate, err.Error()}
	}
	return o.store.add(ctx, "vm_pool", c.get("NAME"), func(id int) any {
		name := cmp.Or(c.get("NAME"), fmt.Sprintf("one-%d", id))
		return vm{ID: id, UID: u.ID, Name: name, State: vmPending, Template: inner{c.xml()}}
	})
}

func (o *oned) vmAction(ctx context.Context, _ user, p params) (any, error) {
	action, id := p.text(0), p.number(1)
	var v vm
	if err := o.store.get(ctx, "vm_pool", id, &v); err != nil {
		return nil, missing(err, "virtual machine", id)
	}
	if action != "terminate-hard" || v.State == vmDone {
		return nil, refusal{codeAction, fmt.Sprintf("the stand-in knows terminate-hard only, once; not %s in state %d", action, v.State)}
	}
	v.State, v.LCMState = vmDone, 0
	return id, o.store.put(ctx, "vm_pool", id, v.Name, v)
}
