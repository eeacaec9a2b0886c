package hypervisor

import (
	"crypto/ed25519"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
)

func TestMachinesAreRead(t *testing.T) {
	machines, err := Parse("kvm-1=10.98.0.200,kvm-2")
	require.NoError(t, err)
	assert.Equal(t, []Machine{{"kvm-1", "10.98.0.200"}, {"kvm-2", "kvm-2"}}, machines)
	assert.Equal(t, "kvm-1=10.98.0.200", machines[0].String())
	assert.Equal(t, "http://kvm-2/guest.qcow2", machines[1].GuestURL())
	assert.Equal(t, "http://kvm-2/container.img", machines[1].ContainerURL())

	none, err := Parse("")
	require.NoError(t, err)
	assert.Empty(t, none)
	for _, wrong := range []string{"=10.98.0.200", "kvm-1="} {
		_, err := Parse(wrong)
		assert.ErrorContains(t, err, "write it as kvm-1=10.98.0.200", wrong)
	}
}

func TestDriverIsWhatTheMachineFoundOut(t *testing.T) {
	for answer, problem := range map[string]string{
		"kvm\n": "", "qemu\n": "", "lxc\n": "", "": `answers ""`, "<html>": "none of kvm, qemu and lxc",
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			assert.Equal(t, "/driver", r.URL.Path)
			fmt.Fprint(w, answer)
		}))
		driver, err := Machine{"kvm-1", server.Listener.Addr().String()}.Driver(t.Context())
		if problem == "" {
			assert.NoError(t, err)
			assert.Equal(t, strings.TrimSpace(answer), driver)
		} else {
			assert.ErrorContains(t, err, problem)
		}
		server.Close()
	}
	_, err := Machine{"kvm-1", "127.0.0.1:1"}.Driver(t.Context()) // where nothing listens
	assert.ErrorContains(t, err, "ask kvm-1 for its driver")
}

func TestMachinesAreChosenByTheirDrivers(t *testing.T) {
	var machines []Machine
	for _, driver := range []string{"kvm", "lxc", "qemu"} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, driver) }))
		defer server.Close()
		machines = append(machines, Machine{driver + "-1", server.Listener.Addr().String()})
	}
	virtual, err := ByDriver(t.Context(), machines, "kvm", "qemu")
	require.NoError(t, err)
	assert.Equal(t, []Machine{machines[0], machines[2]}, virtual)

	silent := Machine{"lxc-2", "127.254.254.254:1"}
	_, err = ByDriver(t.Context(), append(machines, silent), "lxc")
	assert.ErrorContains(t, err, "ask lxc-2 for its driver")
}

func TestMachineOutOfReachIsNamed(t *testing.T) {
	_, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	key, err := ssh.NewSignerFromKey(private)
	require.NoError(t, err)
	_, err = Machine{"kvm-1", "127.254.254.254"}.Run(t.Context(), key, "true")
	assert.ErrorContains(t, err, "reach kvm-1 by SSH")
}
