package load

import (
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pablodelarco/opennebula-helm/e2e/frontend"
)

// fake is an oned in which everything happens at once, or goes wrong as told.
type fake struct {
	sync.Mutex
	states         map[int]int // of virtual machines
	hosts          int
	clients        int // that ask now
	most           int
	loses, reserve bool
}

var (
	method  = regexp.MustCompile(`<methodName>one\.([a-z.]+)</methodName>`)
	numbers = regexp.MustCompile(`<(?:int|i4|i8)>(-?\d+)</`)
)

func (o *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.enter(1)
	defer o.enter(-1)
	time.Sleep(time.Millisecond) // so that clients meet
	body, _ := io.ReadAll(r.Body)
	var args []int
	for _, found := range numbers.FindAllSubmatch(body, -1) {
		n, _ := strconv.Atoi(string(found[1]))
		args = append(args, n)
	}
	o.Lock()
	defer o.Unlock()
	fmt.Fprintf(w, `<?xml version="1.0"?><methodResponse><params><param><value><array><data>`+
		`<value><boolean>1</boolean></value><value>%s</value></data></array></value></param></params></methodResponse>`,
		o.answer(string(method.FindSubmatch(body)[1]), args))
}

func (o *fake) enter(n int) {
	o.Lock()
	defer o.Unlock()
	o.clients += n
	o.most = max(o.most, o.clients)
}

func (o *fake) answer(method string, args []int) string {
	number := func(n int) string { return fmt.Sprintf("<i4>%d</i4>", n) }
	text := func(t string) string { return "<string>" + html.EscapeString(t) + "</string>" }
	switch method {
	case "host.allocate":
		o.hosts++
		return number(o.hosts)
	case "host.info":
		used := ""
		if o.reserve {
			used = "<HOST_SHARE><CPU_USAGE>10</CPU_USAGE></HOST_SHARE>"
		}
		return text("<HOST><STATE>2</STATE>" + used + "</HOST>")
	case "host.delete":
		o.hosts--
	case "vm.allocate":
		o.states[len(o.states)] = 2
		return number(len(o.states) - 1)
	case "vm.deploy":
		o.states[args[0]] = 3
	case "vm.action":
		o.states[args[0]] = 6
	case "vm.info":
		return text(fmt.Sprintf("<VM><STATE>%d</STATE></VM>", o.states[args[0]]))
	case "vmpool.info":
		return text("<VM_POOL>" + o.pool() + "</VM_POOL>")
	}
	return number(0)
}

func (o *fake) pool() string {
	var all strings.Builder
	for id, state := range o.states {
		if !o.loses || id != 3 {
			fmt.Fprintf(&all, "<VM><ID>%d</ID><STATE>%d</STATE><LCM_STATE>3</LCM_STATE></VM>", id, state)
		}
	}
	return all.String()
}

func TestNothingIsLostUnderLoad(t *testing.T) {
	for name, test := range map[string]struct {
		oned    *fake
		problem string
	}{
		"all is well":            {&fake{}, ""},
		"a virtual machine":      {&fake{loses: true}, "the virtual machine 3 is lost"},
		"the capacity of a host": {&fake{reserve: true}, "no virtual machine is on the host 1, but it has reserved"},
	} {
		t.Run(name, func(t *testing.T) {
			test.oned.states = map[int]int{}
			server := httptest.NewServer(test.oned)
			defer server.Close()
			plan := Plan{VMs: 30, Clients: 5, Hosts: 2}
			figures, err := Run(t.Context(), Cloud{PID: os.Getpid(), API: func() (*frontend.API, error) {
				return frontend.NewAPI(server.Listener.Addr().String(), "oneadmin", "secret", &http.Transport{})
			}}, plan)
			assert.Zero(t, test.oned.hosts, "what was made is removed")
			if test.problem != "" {
				require.ErrorContains(t, err, test.problem)
				return
			}
			require.NoError(t, err)
			assert.Len(t, test.oned.states, plan.VMs)
			assert.LessOrEqual(t, test.oned.most, plan.Clients)
			assert.Greater(t, test.oned.most, 1, "clients ask at a time")
			assert.Positive(t, figures.Calls(plan))
			assert.GreaterOrEqual(t, figures.Running, figures.Placed)
			assert.Positive(t, figures.Memory.Peak)
		})
	}
}

func TestMedianIsOneOfTheRuns(t *testing.T) {
	run := func(seconds time.Duration) Figures {
		return Figures{Created: seconds * time.Second, Placed: time.Second, Running: time.Second, Terminated: time.Second, Done: time.Second}
	}
	assert.Equal(t, run(2), Median([]Figures{run(9), run(1), run(2)}))
	assert.Equal(t, Figures{}, Median(nil))
	table := Table(Plan{VMs: 8, Clients: 2}, run(2), run(4))
	assert.Contains(t, table, "| 8 virtual machines, 2 clients | in Kubernetes | without | ratio |\n")
	assert.Contains(t, table, "| seconds until all are created | 2.0 | 4.0 | 0.50 |\n")
	assert.Contains(t, table, "| whole lives in a second | 2.0 | 1.3 | 1.50 |\n")
}

func TestProcessIsFoundByItsCgroup(t *testing.T) {
	name, err := os.ReadFile("/proc/self/comm")
	require.NoError(t, err)
	pid, err := FindProcess(strings.TrimSpace(string(name)), "")
	require.NoError(t, err)
	assert.Positive(t, pid)
	_, err = FindProcess(strings.TrimSpace(string(name)), "no-such-pod")
	assert.ErrorContains(t, err, "give the kubeconfig of a cluster on it")
}

func TestMemoryIsThatOfTheProcess(t *testing.T) {
	memory, err := memoryOf(os.Getpid())
	require.NoError(t, err)
	assert.Greater(t, memory.Now, int64(1<<20))
	assert.GreaterOrEqual(t, memory.Peak, memory.Now)
	_, err = memoryOf(1 << 30)
	assert.ErrorContains(t, err, "read the memory of process 1073741824")
}
