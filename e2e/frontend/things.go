package frontend

import (
	"encoding/xml"
	"slices"
)

// Thing is what the API tells of a host, cluster, datastore, virtual network,
// marketplace or group.
type Thing struct {
	ID         int64        `xml:"ID"`
	Name       string       `xml:"NAME"`
	State      int          `xml:"STATE"`
	Driver     string       `xml:"VM_MAD"`
	Cluster    int64        `xml:"CLUSTER_ID"`
	Clusters   []int64      `xml:"CLUSTERS>ID"`
	Attributes Attributes   `xml:"TEMPLATE"`
	Ranges     []Attributes `xml:"AR_POOL>AR"`
	VMQuota    Attributes   `xml:"VM_QUOTA>VM"`
	Quotas     []Attributes `xml:"DATASTORE_QUOTA>DATASTORE"`
}

// Attributes of OpenNebula by their names; those that hold others are left out.
type Attributes map[string]string

// UnmarshalXML reads the elements within one.
func (a *Attributes) UnmarshalXML(d *xml.Decoder, start xml.StartElement) error {
	var all struct {
		Inner []struct {
			XMLName xml.Name
			Text    string `xml:",chardata"`
		} `xml:",any"`
	}
	if err := d.DecodeElement(&all, &start); err != nil {
		return err
	}
	*a = Attributes{}
	for _, one := range all.Inner {
		(*a)[one.XMLName.Local] = one.Text
	}
	return nil
}

// Pool is all things of a kind; the kind is the word of the API, such as vn.
func (a *API) Pool(kind string) ([]Thing, error) {
	everybodys := []any{-2, -1, -1} // and all of them
	args := map[string][]any{"vn": everybodys, "image": everybodys, "template": everybodys, "vm": append(everybodys, -2)}[kind]
	var pool struct {
		Things []Thing `xml:",any"`
	}
	err := a.read(&pool, "one."+kind+"pool.info", args...)
	// Of users and groups it tells quotas as well, on the same level.
	return slices.DeleteFunc(pool.Things, func(t Thing) bool { return t.Name == "" }), err
}

// Things of a kind by their names, which must be different ones.
func (a *API) Things(kind string) (map[string]Thing, error) {
	pool, err := a.Pool(kind)
	if err != nil {
		return nil, err
	}
	things := map[string]Thing{}
	for _, thing := range pool {
		things[thing.Name] = thing
	}
	return things, nil
}

// Thing is all about one.
func (a *API) Thing(kind string, id int64) (Thing, error) {
	var thing Thing
	err := a.read(&thing, "one."+kind+".info", id, false)
	return thing, err
}

// Update gives a thing attributes, in the syntax of templates, and leaves the others.
func (a *API) Update(kind string, id int64, attributes string) error {
	_, err := a.call("one."+kind+".update", id, attributes, 1)
	return err
}

// AllocateNamed creates a thing that has nothing but a name: a cluster, or a group.
func (a *API) AllocateNamed(kind, name string) (int64, error) {
	return a.create("one."+kind+".allocate", name)
}
