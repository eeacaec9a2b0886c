package hypervisor

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// Machine is a hypervisor as others reach it.
type Machine struct {
	Name    string // of the host in OpenNebula
	Address string
}

// Parse machines, written as NAME=ADDRESS and NAME where that is the address, with commas
// between them.
func Parse(text string) ([]Machine, error) {
	var machines []Machine
	for _, one := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' }) {
		name, address, given := strings.Cut(one, "=")
		if !given {
			address = name
		}
		if name == "" || address == "" {
			return nil, fmt.Errorf("%q is not a hypervisor: write it as kvm-1=10.98.0.200, or as its name alone", one)
		}
		machines = append(machines, Machine{name, address})
	}
	return machines, nil
}

// String is a machine as Parse reads it.
func (m Machine) String() string { return m.Name + "=" + m.Address }

// ByDriver returns those of machines that are to be enrolled with one of some drivers.
func ByDriver(ctx context.Context, machines []Machine, drivers ...string) ([]Machine, error) {
	var chosen []Machine
	for _, m := range machines {
		driver, err := m.Driver(ctx)
		if err != nil {
			return nil, err
		}
		if slices.Contains(drivers, driver) {
			chosen = append(chosen, m)
		}
	}
	return chosen, nil
}

// Driver with which the host is to be enrolled: kvm, or qemu where KVM runs no guest; or
// lxc, of one that runs containers.
func (m Machine) Driver(ctx context.Context) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, m.url("driver"), nil)
	if err != nil {
		return "", fmt.Errorf("ask %s for its driver: %w", m.Name, err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", fmt.Errorf("ask %s for its driver: %w", m.Name, err)
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(io.LimitReader(answer.Body, 100))
	driver := strings.TrimSpace(string(content))
	if err != nil || !slices.Contains([]string{"kvm", "qemu", "lxc"}, driver) {
		return "", fmt.Errorf("ask %s for its driver: it answers %q, which is none of kvm, qemu and lxc", m.Name, driver)
	}
	return driver, nil
}

// GuestURL of a disk, qcow2, that boots a small Linux.
func (m Machine) GuestURL() string { return m.url("guest.qcow2") }

// ContainerURL of a disk, raw, with the file system of a small container.
func (m Machine) ContainerURL() string { return m.url("container.img") }

func (m Machine) url(file string) string { return "http://" + m.Address + "/" + file }

// Run a command there as oneadmin, with oneadmin's key, and return its output. Nobody has
// told what the machine's own key is: it is the lab's.
func (m Machine) Run(ctx context.Context, key ssh.Signer, command string) (string, error) {
	dialer := net.Dialer{Timeout: 15 * time.Second}
	connection, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(m.Address, "22"))
	if err != nil {
		return "", fmt.Errorf("reach %s by SSH: %w", m.Name, err)
	}
	end := func() { _ = connection.Close() }
	defer end()
	stop := context.AfterFunc(ctx, end)
	defer stop()
	c, channels, requests, err := ssh.NewClientConn(connection, m.Address, &ssh.ClientConfig{
		User: "oneadmin", Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(),
	})
	if err != nil {
		return "", fmt.Errorf("log in to %s by SSH: %w", m.Name, err)
	}
	client := ssh.NewClient(c, channels, requests)
	defer client.Close()
	session, err := client.NewSession()
	if err != nil {
		return "", fmt.Errorf("open an SSH session on %s: %w", m.Name, err)
	}
	defer session.Close()
	out, err := session.CombinedOutput(command)
	if err != nil {
		return string(out), fmt.Errorf("run %q on %s: %w: %s", command, m.Name, err, out)
	}
	return string(out), nil
}
