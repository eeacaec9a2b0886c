package frontend

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/kolo/xmlrpc"
)

// API is OpenNebula's XML-RPC, used as one user.
type API struct {
	client  *xmlrpc.Client
	session string
}

// ErrRefused is what the API answers to a call that it does not allow.
var ErrRefused = errors.New("refused")

// API as a user; the session is not checked before the first call.
func (f *Frontend) API(ctx context.Context, username, password string) (*API, error) {
	address, err := f.Address(ctx, "api", "xmlrpc")
	if err != nil {
		return nil, err
	}
	return NewAPI(address, username, password, &http.Transport{ResponseHeaderTimeout: 30 * time.Second})
}

// NewAPI as a user, of an oned that listens on HOST:PORT.
func NewAPI(address, username, password string, transport http.RoundTripper) (*API, error) {
	client, err := xmlrpc.NewClient("http://"+address+"/RPC2", transport)
	if err != nil {
		return nil, fmt.Errorf("make an XML-RPC client: %w", err)
	}
	return &API{client: client, session: username + ":" + password}, nil
}

// call returns the value of OpenNebula's answer [success, value or message, …].
func (a *API) call(method string, args ...any) (any, error) {
	var answer []any
	if err := a.client.Call(method, append([]any{a.session}, args...), &answer); err != nil {
		return nil, fmt.Errorf("call %s: %w", method, err)
	}
	if len(answer) < 2 {
		return nil, fmt.Errorf("call %s: the answer has %d parts", method, len(answer))
	}
	if ok, _ := answer[0].(bool); !ok {
		return nil, fmt.Errorf("call %s: %w: %v", method, ErrRefused, answer[1])
	}
	return answer[1], nil
}

// read calls a method that answers with a document, and decodes it.
func (a *API) read(into any, method string, args ...any) error {
	value, err := a.call(method, args...)
	if err != nil {
		return err
	}
	text, _ := value.(string)
	if err := xml.Unmarshal([]byte(text), into); err != nil {
		return fmt.Errorf("call %s: read the answer: %w", method, err)
	}
	return nil
}

// create calls a method that answers with the number of what it made.
func (a *API) create(method string, args ...any) (int64, error) {
	value, err := a.call(method, args...)
	if err != nil {
		return 0, err
	}
	id, ok := value.(int64)
	if !ok {
		return 0, fmt.Errorf("call %s: the answer is %v, not a number", method, value)
	}
	return id, nil
}

// Version of OpenNebula, X.Y.Z.
func (a *API) Version() (string, error) {
	value, err := a.call("one.system.version")
	version, _ := value.(string)
	return version, err
}

// UserName of the session.
func (a *API) UserName() (string, error) {
	var user struct {
		Name string `xml:"NAME"`
	}
	err := a.read(&user, "one.user.info", -1, false)
	return user.Name, err
}

// CreateImage registers an image in a datastore, which makes or fetches it. Whether
// there is space for it is not asked: a new datastore knows only after a while.
func (a *API) CreateImage(text string, datastore int64) (int64, error) {
	return a.create("one.image.allocate", text, datastore, true)
}

// CreateFittingImage registers an image if its datastore has space for it, as OpenNebula's
// own commands and Sunstone do.
func (a *API) CreateFittingImage(text string, datastore int64) (int64, error) {
	return a.create("one.image.allocate", text, datastore, false)
}

// ImageState of an image; see ImageReady.
func (a *API) ImageState(id int64) (int, error) {
	var image struct {
		State int `xml:"STATE"`
	}
	err := a.read(&image, "one.image.info", id, false)
	return image.State, err
}

// Hostname is the name by which OpenNebula's drivers reach the front-end.
func (a *API) Hostname() (string, error) {
	var config struct {
		Hostname string `xml:"HOSTNAME"`
	}
	err := a.read(&config, "one.system.config")
	return config.Hostname, err
}

// CreateHost registers a host with its drivers, in the default cluster.
func (a *API) CreateHost(name, im, vmm string) (int64, error) {
	return a.create("one.host.allocate", name, im, vmm, 0)
}

// HostNames of all hosts, in order.
func (a *API) HostNames() ([]string, error) {
	var pool struct {
		Hosts []struct {
			Name string `xml:"NAME"`
		} `xml:"HOST"`
	}
	if err := a.read(&pool, "one.hostpool.info"); err != nil {
		return nil, err
	}
	names := []string{}
	for _, host := range pool.Hosts {
		names = append(names, host.Name)
	}
	slices.Sort(names)
	return names, nil
}

// States, as OpenNebula numbers them.
const (
	HostMonitored = 2
	HostError     = 3
	ImageReady    = 1
	ImageFailed   = 5
	VMPending     = 1
	VMActive      = 3
	VMRunning     = 3  // of an active one, in LCMState
	VMUnknown     = 16 // likewise: its host does not say
	VMSuspended   = 5
	VMPoweredOff  = 8
	VMDone        = 6
)

// HostState of a host; see HostMonitored.
func (a *API) HostState(id int64) (int, error) {
	var host struct {
		State int `xml:"STATE"`
	}
	err := a.read(&host, "one.host.info", id, false)
	return host.State, err
}

// CreateTemplate registers a template of virtual machines.
func (a *API) CreateTemplate(text string) (int64, error) {
	return a.create("one.template.allocate", text)
}

// TemplateName of a template.
func (a *API) TemplateName(id int64) (string, error) {
	var template struct {
		Name string `xml:"NAME"`
	}
	err := a.read(&template, "one.template.info", id, false, false)
	return template.Name, err
}

// DeleteTemplate takes a template away.
func (a *API) DeleteTemplate(id int64) error {
	_, err := a.call("one.template.delete", id, false)
	return err
}

// InstantiateTemplate makes a virtual machine of a template; the scheduler places it.
func (a *API) InstantiateTemplate(id int64, name string) (int64, error) {
	return a.create("one.template.instantiate", id, name, false, "", false)
}

// VM is a virtual machine as the API tells of it.
type VM struct {
	State    int    `xml:"STATE"`
	LCMState int    `xml:"LCM_STATE"`
	Host     string `xml:"HISTORY_RECORDS>HISTORY>HOSTNAME"`
	IP       string `xml:"TEMPLATE>NIC>IP"`             // of its first network card
	Ready    string `xml:"USER_TEMPLATE>READY"`         // YES, when it has told OneGate so
	VNCPort  string `xml:"TEMPLATE>GRAPHICS>PORT"`      // of its console, on the host
	Error    string `xml:"USER_TEMPLATE>ERROR"`         // what a driver said last
	Message  string `xml:"USER_TEMPLATE>SCHED_MESSAGE"` // why it is not placed
}

// Failed tells whether it waits for someone to recover it: of OpenNebula's states, those
// that end in FAILURE.
func (vm VM) Failed() bool {
	switch s := vm.LCMState; {
	case s >= 36 && s <= 42, s == 44, s >= 46 && s <= 50, s == 61:
		return vm.State == VMActive
	}
	return false
}

// CreateVM asks for a virtual machine; the scheduler places it.
func (a *API) CreateVM(text string) (int64, error) {
	return a.create("one.vm.allocate", text, false)
}

// VM by its number.
func (a *API) VM(id int64) (VM, error) {
	var vm VM
	err := a.read(&vm, "one.vm.info", id, false)
	return vm, err
}

// TerminateVM ends a virtual machine without asking it.
func (a *API) TerminateVM(id int64) error {
	_, err := a.call("one.vm.action", "terminate-hard", id)
	return err
}
