package main

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// kind of things that the stand-in only keeps. Their documents are attributes.
type kind struct{ table, element, what string }

var (
	hosts        = kind{"host_pool", "HOST", "host"}
	clusters     = kind{"cluster_pool", "CLUSTER", "cluster"}
	datastores   = kind{"datastore_pool", "DATASTORE", "datastore"}
	networks     = kind{"network_pool", "VNET", "virtual network"}
	marketplaces = kind{"marketplace_pool", "MARKETPLACE", "marketplace"}
	groups       = kind{"group_pool", "GROUP", "group"}
	rules        = kind{"acl_pool", "ACL", "rule"} // that nobody is held to
)

// firstOwn is the first number of what is not there from the beginning.
const firstOwn = 100

// action is what a method does.
type action = func(ctx context.Context, u user, p params) (any, error)

func (o *oned) thingMethods() map[string]method {
	methods := map[string]method{
		"one.cluster.allocate":   {"s", o.allocateNamed(clusters)},
		"one.datastore.allocate": {"si", o.allocateClustered(datastores, datastore)},
		"one.vn.allocate":        {"si", o.allocateClustered(networks, network)},
		"one.group.allocate":     {"s", o.allocateNamed(groups)},
		"one.cluster.addhost":    {"ii", o.addHost},
		"one.market.enable":      {"ib", o.enable},
		"one.vn.add_ar":          {"is", o.edit(networks, addRange)},
		"one.vn.update_ar":       {"is", o.edit(networks, updateRange)},
		"one.group.quota":        {"is", o.edit(groups, setQuotas)},
		"one.acl.addrule":        {"ssss", o.addRule},
		"one.acl.info":           {"", o.pool(rules)},
	}
	for word, k := range map[string]kind{
		"host": hosts, "cluster": clusters, "datastore": datastores, "vn": networks, "market": marketplaces, "group": groups,
	} {
		methods["one."+word+"pool.info"] = method{"", o.pool(k)}
		methods["one."+word+".update"] = method{"isi", o.edit(k, merge)}
		if k != hosts {
			methods["one."+word+".info"] = method{"i", o.info(k.table, k.what)}
		}
	}
	for word, k := range map[string]kind{"datastore": datastores, "vnet": networks} {
		methods["one.cluster.add"+word] = method{"ii", o.inCluster(k, true)}
		methods["one.cluster.del"+word] = method{"ii", o.inCluster(k, false)}
	}
	return methods
}

// furnish an empty database with what a cloud has from the beginning.
func furnish(ctx context.Context, s *store) error {
	stores := func(number, driver string) conf {
		return conf{
			{name: "TYPE", value: number}, {name: "DS_MAD", value: driver}, {name: "TM_MAD", value: "local"},
			{name: "CLUSTERS", pairs: conf{{name: "ID", value: "0"}}},
		}
	}
	state := func(number string) conf { return conf{{name: "STATE", value: number}} }
	for _, thing := range []struct {
		kind
		name string
		more conf
	}{
		{clusters, "default", nil},
		{datastores, "system", stores("1", "-")}, {datastores, "default", stores("0", "fs")}, {datastores, "files", stores("2", "fs")},
		{marketplaces, "OpenNebula Public", state("0")}, {marketplaces, "Linux Containers", state("1")},
		{groups, "oneadmin", nil}, {groups, "users", nil},
	} {
		if _, err := add(ctx, s, thing.kind, thing.name, append(thing.more, attribute{name: "TEMPLATE"})); err != nil {
			return err
		}
	}
	return nil
}

func add(ctx context.Context, s *store, k kind, name string, more conf) (int, error) {
	return s.add(ctx, k.table, name, func(id int) any {
		return document(k, append(conf{{name: "ID", value: strconv.Itoa(id)}, {name: "UID", value: "0"}, {name: "NAME", value: name}}, more...))
	})
}

// document is a thing as XML.
func document(k kind, c conf) any {
	return struct {
		XMLName xml.Name
		inner
	}{xml.Name{Local: k.element}, inner{c.xml()}}
}

// parseTemplate reads attributes in the syntax of oned.conf, or in XML.
func parseTemplate(text string) (conf, error) {
	if !strings.HasPrefix(text, "<") {
		return parseConf(text)
	}
	var e element
	if err := xml.Unmarshal([]byte(text), &e); err != nil {
		return nil, fmt.Errorf("read the attributes: %w", err)
	}
	return e.attribute().pairs, nil
}

// element of XML with all that it holds.
type element struct {
	XMLName xml.Name
	Text    string    `xml:",chardata"`
	Inner   []element `xml:",any"`
}

func (e element) attribute() attribute {
	a := attribute{name: e.XMLName.Local}
	if len(e.Inner) == 0 {
		a.value = e.Text
	}
	for _, inner := range e.Inner {
		a.pairs = append(a.pairs, inner.attribute())
	}
	return a
}

// put an attribute in place of those of its name.
func (c conf) put(a attribute) conf {
	c = slices.DeleteFunc(slices.Clone(c), func(old attribute) bool { return old.name == a.name })
	return append(c, a)
}

// over are the attributes of c, with those of another one in place of its own.
func (c conf) over(other conf) conf {
	c = slices.DeleteFunc(slices.Clone(c), func(a attribute) bool { return other.knows(a.name) })
	return append(c, other...)
}

func (c conf) knows(name string) bool {
	return slices.ContainsFunc(c, func(a attribute) bool { return a.name == name })
}

func (o *oned) load(ctx context.Context, k kind, id int) (conf, error) {
	body, err := o.store.body(ctx, k.table, id)
	if err != nil {
		return nil, missing(err, k.what, id)
	}
	return parseTemplate(body)
}

func (o *oned) save(ctx context.Context, k kind, id int, c conf) error {
	return o.store.put(ctx, k.table, id, c.get("NAME"), document(k, c))
}

func (o *oned) pool(k kind) action {
	return func(ctx context.Context, _ user, _ params) (any, error) {
		rows, err := o.store.rows(ctx, k.table)
		if err != nil {
			return nil, err
		}
		var all strings.Builder
		for _, r := range rows {
			all.WriteString(r.body)
		}
		return "<" + k.element + "_POOL>" + all.String() + "</" + k.element + "_POOL>", nil
	}
}

// edit changes a thing by the attributes that a call gives.
func (o *oned) edit(k kind, change func(thing, given conf) (conf, error)) action {
	return func(ctx context.Context, _ user, p params) (any, error) {
		id := p.number(0)
		thing, err := o.load(ctx, k, id)
		if err != nil {
			return nil, err
		}
		given, err := parseTemplate(p.text(1))
		if err != nil {
			return nil, refusal{codeAction, err.Error()}
		}
		if thing, err = change(thing, given); err != nil {
			return nil, refusal{codeAction, err.Error()}
		}
		return id, o.save(ctx, k, id, thing)
	}
}

// merge is one.….update: the stand-in appends, whether or not it is asked to.
func merge(thing, given conf) (conf, error) {
	return thing.put(attribute{name: "TEMPLATE", pairs: thing.section("TEMPLATE").over(given)}), nil
}

func (o *oned) named(ctx context.Context, k kind, name string) error {
	rows, err := o.store.rows(ctx, k.table)
	if err != nil {
		return err
	}
	if name == "" || slices.ContainsFunc(rows, func(r row) bool { return r.name == name }) {
		return refusal{codeAllocate, fmt.Sprintf("NAME must be given, and be another one than of each %s: %q", k.what, name)}
	}
	return nil
}

// allocateNamed creates what has nothing but a name.
func (o *oned) allocateNamed(k kind) action {
	return func(ctx context.Context, _ user, p params) (any, error) {
		if err := o.named(ctx, k, p.text(0)); err != nil {
			return nil, err
		}
		return o.addOwn(ctx, k, p.text(0), conf{{name: "TEMPLATE"}})
	}
}

func (o *oned) addOwn(ctx context.Context, k kind, name string, more conf) (int, error) {
	if err := o.store.reserve(ctx, k.table, firstOwn); err != nil {
		return 0, err
	}
	return add(ctx, o.store, k, name, more)
}

// allocateClustered creates what is in clusters, by its attributes.
func (o *oned) allocateClustered(k kind, arrange func(oned, given conf) (conf, error)) action {
	return func(ctx context.Context, _ user, p params) (any, error) {
		given, err := parseTemplate(p.text(0))
		if err != nil {
			return nil, refusal{codeAllocate, err.Error()}
		}
		if err := o.named(ctx, k, given.get("NAME")); err != nil {
			return nil, err
		}
		cluster := max(p.number(1), 0)
		if _, err := o.load(ctx, clusters, cluster); err != nil {
			return nil, err
		}
		more, err := arrange(o.conf, given)
		if err != nil {
			return nil, refusal{codeAllocate, err.Error()}
		}
		in := conf{{name: "ID", value: strconv.Itoa(cluster)}}
		return o.addOwn(ctx, k, given.get("NAME"), append(more, attribute{name: "CLUSTERS", pairs: in}))
	}
}

func datastore(oned, given conf) (conf, error) {
	driver := given.get("DS_MAD")
	number := map[string]string{"": "0", "IMAGE_DS": "0", "SYSTEM_DS": "1", "FILE_DS": "2"}[given.get("TYPE")]
	if number == "1" && driver == "" {
		driver = "-"
	} else if !oned.has("DS_MAD_CONF", driver) {
		return nil, fmt.Errorf("DS_MAD named %q is not in oned.conf", driver)
	}
	if !oned.has("TM_MAD_CONF", given.get("TM_MAD")) {
		return nil, fmt.Errorf("TM_MAD named %q is not in oned.conf", given.get("TM_MAD"))
	}
	return conf{
		{name: "DS_MAD", value: driver}, {name: "TM_MAD", value: given.get("TM_MAD")}, {name: "TYPE", value: number},
		{name: "TEMPLATE", pairs: given},
	}, nil
}

func network(oned, given conf) (conf, error) {
	if !oned.has("VN_MAD_CONF", given.get("VN_MAD")) {
		return nil, fmt.Errorf("VN_MAD named %q is not in oned.conf", given.get("VN_MAD"))
	}
	template := slices.DeleteFunc(slices.Clone(given), func(a attribute) bool {
		return slices.Contains([]string{"NAME", "AR", "AUTOMATIC_VLAN_ID", "AUTOMATIC_OUTER_VLAN_ID"}, a.name)
	})
	thing := conf{{name: "VN_MAD", value: given.get("VN_MAD")}, {name: "TEMPLATE", pairs: template}}
	return addRange(thing, given)
}

// addRange gives a network all ranges that are given, each with the next number.
func addRange(thing, given conf) (conf, error) {
	ranges := slices.Clone(thing.section("AR_POOL"))
	for _, a := range given {
		if a.name != "AR" {
			continue
		}
		if a.pairs.get("SIZE") == "" || a.pairs.get("TYPE") == "" {
			return nil, errors.New("an address range needs TYPE and SIZE")
		}
		number := strconv.Itoa(len(ranges))
		if !a.pairs.knows("MAC") {
			a.pairs = append(a.pairs, attribute{name: "MAC", value: "02:00:00:00:00:0" + number})
		}
		a.pairs = append(conf{{name: "AR_ID", value: number}}, a.pairs...)
		ranges = append(ranges, a)
	}
	return thing.put(attribute{name: "AR_POOL", pairs: ranges}), nil
}

// updateRange replaces all of a range but what tells it from others.
func updateRange(thing, given conf) (conf, error) {
	wanted, ranges := given.section("AR"), slices.Clone(thing.section("AR_POOL"))
	i := slices.IndexFunc(ranges, func(a attribute) bool { return a.pairs.get("AR_ID") == wanted.get("AR_ID") })
	if i < 0 {
		return nil, fmt.Errorf("there is no address range %q", wanted.get("AR_ID"))
	}
	for _, fixed := range []string{"TYPE", "IP", "MAC"} {
		if ranges[i].pairs.knows(fixed) {
			wanted = wanted.put(ranges[i].pairs.find(fixed))
		}
	}
	ranges[i].pairs = wanted
	return thing.put(attribute{name: "AR_POOL", pairs: ranges}), nil
}

// setQuotas keeps those that are given, each in place of the one for the same; -1
// stands where a limit is not given.
func setQuotas(thing, given conf) (conf, error) {
	if thing.get("ID") == "0" {
		return nil, errors.New("the group oneadmin has no quotas")
	}
	limits := map[string][]string{
		"VM": {"VMS", "CPU", "MEMORY", "SYSTEM_DISK_SIZE"}, "DATASTORE": {"SIZE", "IMAGES"}, "NETWORK": {"LEASES"},
	}
	for _, a := range given {
		quota := conf{{name: "ID", value: a.pairs.get("ID")}}
		for _, limit := range limits[a.name] {
			value := "-1"
			if a.pairs.knows(limit) {
				value = a.pairs.get(limit)
			}
			quota = append(quota, attribute{name: limit, value: value}, attribute{name: limit + "_USED", value: "0"})
		}
		all := slices.DeleteFunc(slices.Clone(thing.section(a.name+"_QUOTA")), func(old attribute) bool {
			return old.pairs.get("ID") == a.pairs.get("ID")
		})
		thing = thing.put(attribute{name: a.name + "_QUOTA", pairs: append(all, attribute{name: a.name, pairs: quota})})
	}
	return thing, nil
}

// addRule keeps who may do what with what where, each a number in hexadecimal digits.
func (o *oned) addRule(ctx context.Context, _ user, p params) (any, error) {
	var rule conf
	for i, name := range []string{"USER", "RESOURCE", "RIGHTS", "ZONE"} {
		number, err := strconv.ParseUint(p.text(i), 0, 64)
		if err != nil {
			return nil, refusal{codeAllocate, fmt.Sprintf("the rule's %s is no number: %s", name, p.text(i))}
		}
		rule = append(rule, attribute{name: name, value: strconv.FormatUint(number, 16)})
	}
	return add(ctx, o.store, rules, "", rule)
}

func (o *oned) addHost(ctx context.Context, _ user, p params) (any, error) {
	cluster, id := p.number(0), p.number(1)
	if _, err := o.load(ctx, clusters, cluster); err != nil {
		return nil, err
	}
	thing, err := o.load(ctx, hosts, id)
	if err != nil {
		return nil, err
	}
	return id, o.save(ctx, hosts, id, thing.put(attribute{name: "CLUSTER_ID", value: strconv.Itoa(cluster)}))
}

// inCluster puts a thing into a cluster, or takes it out.
func (o *oned) inCluster(k kind, in bool) action {
	return func(ctx context.Context, _ user, p params) (any, error) {
		cluster, id := p.number(0), p.number(1)
		if _, err := o.load(ctx, clusters, cluster); err != nil {
			return nil, err
		}
		thing, err := o.load(ctx, k, id)
		if err != nil {
			return nil, err
		}
		number := strconv.Itoa(cluster)
		all := slices.DeleteFunc(slices.Clone(thing.section("CLUSTERS")), func(a attribute) bool { return a.value == number })
		if in {
			all = append(all, attribute{name: "ID", value: number})
		}
		return id, o.save(ctx, k, id, thing.put(attribute{name: "CLUSTERS", pairs: all}))
	}
}

func (o *oned) enable(ctx context.Context, _ user, p params) (any, error) {
	thing, err := o.load(ctx, marketplaces, p.number(0))
	if err != nil {
		return nil, err
	}
	state := map[bool]string{true: "0", false: "1"}[p[1].(bool)]
	return p.number(0), o.save(ctx, marketplaces, p.number(0), thing.put(attribute{name: "STATE", value: state}))
}
