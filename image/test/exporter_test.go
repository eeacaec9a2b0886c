package test

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pablodelarco/opennebula-helm/e2e/frontend"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/container"
)

// figures are what the exporter says, by name and labels: NAME{label="value",…}.
type figures map[string]float64

// figures asks the exporter, and checks what Prometheus would.
func (d *deployment) figures() figures {
	d.t.Helper()
	response, text := ask(d.t, d.through(9925), "GET", "http://frontend/metrics", nil)
	require.Equal(d.t, http.StatusOK, response.StatusCode, text)
	assert.Equal(d.t, expfmt.TypeTextPlain, expfmt.ResponseFormat(response.Header).FormatType())
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	require.NoError(d.t, err, text)
	assert.Empty(d.t, problems)
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	require.NoError(d.t, err, text)
	found := figures{}
	for name, family := range families {
		for _, m := range family.Metric {
			key := name + labelsOf(m)
			require.NotContains(d.t, found, key, "twice")
			found[key] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return found
}

func labelsOf(m *dto.Metric) string {
	var labels []string
	for _, label := range m.Label {
		labels = append(labels, fmt.Sprintf("%s=%q", label.GetName(), label.GetValue()))
	}
	if len(labels) == 0 {
		return ""
	}
	return "{" + strings.Join(labels, ",") + "}"
}

// names of the metrics, without labels.
func (f figures) names() []string {
	var names []string
	for key := range f {
		name, _, _ := strings.Cut(key, "{")
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// oneds is an oned that has a document for each of these methods, and knows no others.
type oneds map[string]func(params []string) string

var call = struct{ method, param *regexp.Regexp }{
	regexp.MustCompile(`<methodName>(.*?)</methodName>`),
	regexp.MustCompile(`<param><value><\w+>(.*?)</\w+></value></param>`),
}

func (o oneds) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, _ := io.ReadAll(q.Body)
	method := call.method.FindSubmatch(body)
	var params []string
	for _, match := range call.param.FindAllSubmatch(body, -1) {
		params = append(params, string(match[1]))
	}
	document, ok := o[string(method[1])]
	switch {
	case !ok:
		fmt.Fprintf(w, `<?xml version="1.0"?><methodResponse><fault><value><struct><member><name>faultString</name>`+
			`<value><string>Method '%s' not defined</string></value></member></struct></value></fault></methodResponse>`, method[1])
	case params[0] != "oneadmin:"+password:
		fmt.Fprint(w, answerOf(0, "User couldn't be authenticated, aborting call."))
	default:
		fmt.Fprint(w, answerOf(1, document(params[1:])))
	}
}

func answerOf(success int, text string) string {
	var escaped strings.Builder
	_ = xml.EscapeText(&escaped, []byte(text))
	return fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8"?><methodResponse><params><param><value><array><data>`+
		`<value><boolean>%d</boolean></value><value><string>%s</string></value><value><i4>0</i4></value>`+
		`</data></array></value></param></params></methodResponse>`, success, &escaped)
}

func answering(document string) func([]string) string {
	return func([]string) string { return document }
}

// startExporter beside what stands for oned.
func (d *deployment) startExporter(o oneds) {
	d.t.Helper()
	d.succeed("bootstrap")
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: o}
	listener := d.listen(2633)
	go func() { _ = server.Serve(listener) }()
	d.start("exporter")
}

func TestExporterFigures(t *testing.T) {
	d := newDeployment(t, version())
	d.startExporter(oneds{
		"one.system.version":  answering("7.2.0"),
		"one.zone.raftstatus": answering("<RAFT><SERVER_ID>-1</SERVER_ID><STATE>0</STATE></RAFT>"),
		"one.hostpool.info": answering(`<HOST_POOL>
			<HOST><ID>4</ID><NAME>kvm1</NAME><STATE>2</STATE><VM_MAD><![CDATA[kvm]]></VM_MAD><CLUSTER>de"fault</CLUSTER>
				<HOST_SHARE><MEM_USAGE>1024</MEM_USAGE><CPU_USAGE>50</CPU_USAGE><TOTAL_MEM>4096</TOTAL_MEM><TOTAL_CPU>800</TOTAL_CPU>
					<MAX_MEM>2048</MAX_MEM><MAX_CPU>1600</MAX_CPU><RUNNING_VMS>3</RUNNING_VMS></HOST_SHARE></HOST>
			<HOST><ID>5</ID><NAME>kvm2</NAME><STATE>3</STATE><VM_MAD>kvm</VM_MAD><CLUSTER>rack1</CLUSTER>
				<HOST_SHARE><RUNNING_VMS>0</RUNNING_VMS></HOST_SHARE></HOST></HOST_POOL>`),
		"one.hostpool.monitoring": answering(`<MONITORING_DATA>
			<MONITORING><ID>4</ID><CAPACITY><USED_CPU><![CDATA[125]]></USED_CPU><USED_MEMORY><![CDATA[3]]></USED_MEMORY></CAPACITY></MONITORING>
			<MONITORING><ID>9</ID><CAPACITY><USED_CPU>1</USED_CPU></CAPACITY></MONITORING></MONITORING_DATA>`),
		"one.vmpool.info":        pages(t, -1, 2001, vmDocument),
		"one.datastorepool.info": answering(datastoreDocument),
		"one.imagepool.info": answering(`<IMAGE_POOL><IMAGE><STATE>1</STATE><SIZE>100</SIZE></IMAGE>
			<IMAGE><STATE>5</STATE><SIZE>20</SIZE></IMAGE></IMAGE_POOL>`),
		"one.vnpool.info": answering(`<VNET_POOL><VNET><ID>7</ID><NAME>lan</NAME><USED_LEASES>5</USED_LEASES><AR_POOL>
			<AR><SIZE><![CDATA[50]]></SIZE></AR><AR><SIZE>6</SIZE></AR></AR_POOL></VNET><VNET><ID>8</ID><NAME>lan</NAME><USED_LEASES>0</USED_LEASES><AR_POOL/></VNET></VNET_POOL>`),
		"one.userpool.info":  answering("<USER_POOL><USER><ID>0</ID></USER><QUOTAS><ID>0</ID></QUOTAS><USER><ID>1</ID></USER><DEFAULT_USER_QUOTAS/></USER_POOL>"),
		"one.grouppool.info": answering("<GROUP_POOL><GROUP><ID>0</ID></GROUP></GROUP_POOL>"),
	})
	found := d.figures()
	kvm1 := `{host="kvm1",cluster="de\"fault",driver="kvm"}`
	expected := figures{
		"opennebula_up":                          1,
		`opennebula_build_info{version="7.2.0"}`: 1,
		`opennebula_raft_state{state="solo"}`:    1,
		`opennebula_hosts{state="monitored"}`:    1,
		`opennebula_hosts{state="error"}`:        1,
		`opennebula_hosts{state="init"}`:         0,
		`opennebula_host_state{host="kvm2",cluster="rack1",driver="kvm",state="error"}`: 1,
		"opennebula_host_vms" + kvm1:                                            3,
		"opennebula_host_cpu_capacity_cores" + kvm1:                             8,
		"opennebula_host_cpu_allocatable_cores" + kvm1:                          16,
		"opennebula_host_cpu_allocated_cores" + kvm1:                            0.5,
		"opennebula_host_cpu_used_cores" + kvm1:                                 1.25,
		"opennebula_host_memory_capacity_bytes" + kvm1:                          4 << 20,
		"opennebula_host_memory_allocatable_bytes" + kvm1:                       2 << 20,
		"opennebula_host_memory_allocated_bytes" + kvm1:                         1 << 20,
		"opennebula_host_memory_used_bytes" + kvm1:                              3 << 10,
		`opennebula_vms{state="active"}`:                                        2000,
		`opennebula_vms{state="poweroff"}`:                                      1,
		`opennebula_vms{state="failed"}`:                                        0,
		`opennebula_active_vms{state="running"}`:                                1999,
		`opennebula_active_vms{state="boot_failure"}`:                           1,
		`opennebula_datastore_capacity_bytes{datastore="default",type="image"}`: 100 << 20,
		`opennebula_datastore_used_bytes{datastore="default",type="image"}`:     60 << 20,
		`opennebula_datastore_free_bytes{datastore="default",type="image"}`:     40 << 20,
		`opennebula_images{state="ready"}`:                                      1,
		`opennebula_images{state="error"}`:                                      1,
		"opennebula_images_size_bytes":                                          120 << 20,
		`opennebula_network_leases{id="7",network="lan"}`:                       56,
		`opennebula_network_leases_used{id="7",network="lan"}`:                  5,
		`opennebula_network_leases{id="8",network="lan"}`:                       0,
		"opennebula_users":                                                      2,
		"opennebula_groups":                                                     1,
		`opennebula_scrape_errors_total{figures="vms"}`:                         0,
	}
	for key, want := range expected {
		if assert.Contains(t, found, key) {
			assert.InDelta(t, want, found[key], 0, key)
		}
	}
	for _, key := range []string{
		`opennebula_vms{state="done"}`, `opennebula_datastore_capacity_bytes{datastore="system",type="system"}`,
		`opennebula_host_memory_used_bytes{host="kvm2",cluster="rack1",driver="kvm"}`,
	} {
		assert.NotContains(t, found, key, "oned has no such figure")
	}
	assert.Equal(t, exported(t), found.names(), "all metrics that there are")
}

const datastoreDocument = `<DATASTORE_POOL>
	<DATASTORE><NAME>default</NAME><TYPE><![CDATA[0]]></TYPE><TOTAL_MB>100</TOTAL_MB><FREE_MB>40</FREE_MB><USED_MB>60</USED_MB></DATASTORE>
	<DATASTORE><NAME>system</NAME><TYPE>1</TYPE><TOTAL_MB>0</TOTAL_MB><FREE_MB>0</FREE_MB><USED_MB>0</USED_MB></DATASTORE></DATASTORE_POOL>`

// vmDocument: one is powered off, one has failed to boot, the others run.
func vmDocument(id int) string {
	state, lcm := 3, 3
	switch id {
	case 1:
		state, lcm = 8, 0
	case 1500:
		lcm = 36
	}
	return fmt.Sprintf("<VM><ID>%d</ID><NAME>a &lt; &#228;</NAME><STATE>%d</STATE><LCM_STATE>%d</LCM_STATE>"+
		"<TEMPLATE><NIC><STATE>1</STATE></NIC></TEMPLATE><USER_TEMPLATE><TEXT><![CDATA[</VM><STATE>7</STATE>]]></TEXT></USER_TEMPLATE></VM>", id, state, lcm)
}

// pages answers as oned does when it is asked for a part of a pool: FILTER, OFFSET,
// -SIZE, STATE.
func pages(t *testing.T, state, total int, document func(int) string) func([]string) string {
	return func(params []string) string {
		var filter, offset, size, of int
		_, err := fmt.Sscan(strings.Join(params, " "), &filter, &offset, &size, &of)
		if !assert.NoError(t, err, params) || !assert.Equal(t, []int{-2, state}, []int{filter, of}) || !assert.Less(t, size, -1) {
			return "<VM_POOL/>"
		}
		var b strings.Builder
		for id := offset; id < min(offset-size, total); id++ {
			b.WriteString(document(id))
		}
		return "<VM_POOL>" + b.String() + "</VM_POOL>"
	}
}

// exported are the metrics that the exporter knows, sorted.
func exported(t *testing.T) []string {
	source, err := os.ReadFile(filepath.Join(checkout, "image/rootfs/usr/local/lib/opennebula-frontend/exporter/page.rb"))
	require.NoError(t, err)
	var names []string
	for _, match := range regexp.MustCompile(`(?m)^ +'(opennebula_\w+)' =>`).FindAllSubmatch(source, -1) {
		names = append(names, string(match[1]))
	}
	require.NotEmpty(t, names)
	slices.Sort(names)
	return names
}

// What oned does not give is left out, and counted; without oned there is an answer,
// too; and who asks often does not ask oned.
func TestExporterWithoutFigures(t *testing.T) {
	d := newDeployment(t, version())
	d.succeed("bootstrap")
	exporter := d.start("exporter")
	found := d.figures()
	assert.Zero(t, found["opennebula_up"])
	assert.Equal(t, []string{"opennebula_scrape_duration_seconds", "opennebula_scrape_errors_total", "opennebula_up"}, found.names())
	says := func(text string) {
		t.Helper()
		assert.NoError(t, eventually(t, 10*time.Second, func() error { return logged(exporter, text) }))
	}
	says("exporter: oned does not give version: oned does not answer")

	var asked atomic.Int64
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: oneds{
		"one.system.version": func([]string) string {
			asked.Add(1)
			return "7.2.0"
		},
		"one.userpool.info":  answering(""),
		"one.grouppool.info": answering("no XML < at all"),
	}}
	listener := d.listen(2633)
	go func() { _ = server.Serve(listener) }()
	require.NoError(t, eventually(t, 10*time.Second, func() error {
		if found = d.figures(); found["opennebula_up"] != 1 {
			return fmt.Errorf("opennebula_up is %v", found["opennebula_up"])
		}
		return nil
	}))
	for range 5 {
		found = d.figures()
	}
	assert.EqualValues(t, 1, asked.Load(), "within five seconds")
	assert.InDelta(t, 1, found[`opennebula_scrape_errors_total{figures="hosts"}`], 0)
	assert.NotContains(t, found.names(), "opennebula_hosts")
	assert.NotContains(t, found.names(), "opennebula_users")
	for _, reason := range []string{"hosts: one.hostpool.info: Method 'one.hostpool.info' not defined", "users: oned answered nothing", "groups: oned answered something that is not XML"} {
		says(reason)
	}
	requireNoSecret(t, "the exporter's log", exporter.Log())

	d.write("data", ".one/one_auth", "oneadmin:another")
	require.NoError(t, eventually(t, 10*time.Second, func() error {
		found = d.figures()
		return logged(exporter, "couldn't be authenticated")
	}))
	assert.Zero(t, found["opennebula_up"], "refused")
}

// Ten thousand virtual machines are no burden.
func TestExporterScales(t *testing.T) {
	d := newDeployment(t, version())
	d.startExporter(oneds{"one.system.version": answering("7.2.0"), "one.vmpool.info": pages(t, -1, 10000, func(id int) string {
		return strings.Replace(vmDocument(id), "<NIC>", strings.Repeat("<NIC><IP><![CDATA[10.0.0.1]]></IP><MAC><![CDATA[02:00:0a:00:00:01]]></MAC></NIC>", 8)+"<NIC>", 1)
	})})
	found := d.figures()
	assert.InDelta(t, 9999, found[`opennebula_vms{state="active"}`], 0)
	assert.Less(t, found["opennebula_scrape_duration_seconds"], 10.0, "Prometheus waits no longer")
	t.Logf("%.2f s", found["opennebula_scrape_duration_seconds"])
}

// oned's own figures, with a host and a virtual machine of the dummy drivers.
func TestExporterOfOned(t *testing.T) {
	d := newDeployment(t, version())
	d.useDummies()
	running := d.cloud()
	d.createNetwork(running["oned"])
	api := d.api("oneadmin", password)
	_, err := api.CreateHost(hostname, "dummy", "dummy")
	require.NoError(t, err)
	vm, err := api.CreateVM("NAME=exported\nCPU=0.5\nMEMORY=64")
	require.NoError(t, err)
	require.NoError(t, eventually(t, 2*time.Minute, func() error {
		found, err := api.VM(vm)
		if err == nil && found.LCMState != frontend.VMRunning {
			err = fmt.Errorf("the virtual machine is in state %d, %d", found.State, found.LCMState)
		}
		return err
	}))
	found := figures{}
	labels := fmt.Sprintf(`{host=%q,cluster="default",driver="dummy"}`, hostname)
	require.NoError(t, eventually(t, time.Minute, func() error {
		found = d.figures()
		if isReal(version()) && found["opennebula_host_memory_used_bytes"+labels]*found[`opennebula_active_vms{state="running"}`] == 0 {
			return fmt.Errorf("the host has not reported yet: %v", found)
		}
		return nil
	}))
	assert.InDelta(t, 1, found["opennebula_up"], 0)
	assert.InDelta(t, 1, found[fmt.Sprintf("opennebula_build_info{version=%q}", version())], 0)
	if !isReal(version()) { // the stand-in has not all pools
		return
	}
	assert.InDelta(t, 1, found["opennebula_host_vms"+labels], 0)
	assert.InDelta(t, 0.5, found["opennebula_host_cpu_allocated_cores"+labels], 0)
	assert.InDelta(t, 64<<20, found["opennebula_host_memory_allocated_bytes"+labels], 0)
	assert.Positive(t, found["opennebula_host_memory_capacity_bytes"+labels])
	assert.InDelta(t, 1, found[`opennebula_active_vms{state="running"}`], 0)
	assert.InDelta(t, 1, found[`opennebula_hosts{state="monitored"}`], 0)
	assert.InDelta(t, 50, found[`opennebula_network_leases{id="0",network="lan"}`], 0)
	names := found.names()
	for _, name := range exported(t) {
		assert.Contains(t, names, name)
	}
	for key, count := range found {
		if strings.HasPrefix(key, "opennebula_scrape_errors_total") {
			assert.Zero(t, count, key)
		}
	}
}

// createNetwork of 50 addresses, where oned is OpenNebula's own.
func (d *deployment) createNetwork(oned *container.Container) {
	d.t.Helper()
	if !isReal(d.version) {
		return
	}
	d.write("tmp", "lan", "NAME = lan\nVN_MAD = dummy\nBRIDGE = br0\nAR = [ TYPE = IP4, IP = 10.0.0.100, SIZE = 50 ]\n")
	result, err := oned.Exec(d.t.Context(), "onevnet", "create", "/tmp/lan")
	require.NoError(d.t, err)
	require.Zero(d.t, result.Code, result.Output)
}
