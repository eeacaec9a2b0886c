package image

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestConfigureMergesFragments(t *testing.T) {
	for name, test := range map[string]struct {
		file, fragment string
		into           string   // where it goes, if not into file
		want, wantNot  []string // parts of the result
	}{
		"nothing":              {file: "oned.conf", fragment: "\n# Nothing yet\n", want: []string{"PORT = 2633"}},
		"a value":              {file: "oned.conf", fragment: "port = 2700 # ours", want: []string{"\nPORT = 2700\nVNC_PORTS"}},
		"a quoted number":      {file: "oned.conf", fragment: "PORT = \"2700\"\n", want: []string{"\nPORT = \"2700\"\n"}},
		"a negative number":    {file: "oned.conf", fragment: "DB = [ ERRORS_LIMIT = \"-1\" ]\n", want: []string{"TIMEOUT = 2500,\n    ERRORS_LIMIT = \"-1\" ]"}},
		"a fraction":           {file: "oned.conf", fragment: "DEFAULT_COST = [ CPU_COST = 0.5 ]\n", want: []string{"DEFAULT_COST = [ CPU_COST = 0.5 ]"}},
		"yes":                  {file: "oned.conf", fragment: "SHOWBACK_ONLY_RUNNING = Yes\n", want: []string{"SHOWBACK_ONLY_RUNNING = Yes\n"}},
		"several lines":        {file: "oned.conf", fragment: "VM_ADMIN_OPERATIONS = \"migrate,\n  delete\"\n", want: []string{"VM_ADMIN_OPERATIONS  = \"migrate,\n  delete\"\n"}},
		"a key of an example":  {file: "oned.conf", fragment: "RAFT_LEADER_HOOK = [ COMMAND = \"x\", ARGUMENTS = \"a [b]\" ]\n", want: []string{"\nRAFT_LEADER_HOOK = [ COMMAND = \"x\", ARGUMENTS = \"a [b]\" ]\n"}},
		"a pair":               {file: "oned.conf", fragment: "LOG = [ DEBUG_LEVEL = 5 ]\n", want: []string{`LOG = [ SYSTEM = "file", DEBUG_LEVEL = 5 ]`}},
		"a driver's pair":      {file: "oned.conf", fragment: "VM_MAD = [ NAME = kvm, ARGUMENTS = \"-t 30 kvm\", OTHER = 1 ]\n", want: []string{"EXECUTABLE = \"one_vmm_exec\",\n    ARGUMENTS  = \"-t 30 kvm\",\n    KEEP_SNAPSHOTS = \"yes\",\n    OTHER = 1 ]", `[ NAME = "lxc", EXECUTABLE = "one_vmm_exec" ]`}, wantNot: []string{"-t 15 -r 0"}},
		"another driver":       {file: "oned.conf", fragment: "VM_MAD = [ # ours\n NAME = \"dummy\", EXECUTABLE = \"one_vmm_dummy\" ]\n", want: []string{"\nVM_MAD = [ # ours\n NAME = \"dummy\", EXECUTABLE = \"one_vmm_dummy\" ]\n", `NAME       = "kvm"`}},
		"a driver without one": {file: "oned.conf", fragment: "TM_MAD = [ ARGUMENTS = \"-t 1\" ]\n", want: []string{`TM_MAD = [ EXECUTABLE = "one_tm", ARGUMENTS = "-t 1" ]`}},
		"a list's values":      {file: "oned.conf", fragment: "VM_RESTRICTED_ATTR = \"NIC/MAC\"\nVM_RESTRICTED_ATTR = \"PCI\"\nVM_RESTRICTED_ATTR = \"RAW\"\n", want: []string{"VM_RESTRICTED_ATTR = \"CONTEXT/FILES\"\nVM_RESTRICTED_ATTR = \"NIC/MAC\"\nVM_RESTRICTED_ATTR = \"PCI\"\nVM_RESTRICTED_ATTR = \"RAW\"\nVM_ADMIN"}},
		"a list of its own":    {file: "oned.conf", fragment: "IMAGE_ENCRYPTED_ATTR = \"SECRET\"\n", want: []string{"\nIMAGE_ENCRYPTED_ATTR = \"SECRET\"\n"}},
		"lines of Windows":     {file: "oned.conf", fragment: "\uFEFFPORT = 2700\r\nLOG = [\r\n DEBUG_LEVEL = 1 ]\r\n", want: []string{"PORT = 2700\n", "DEBUG_LEVEL = 1 ]\n"}, wantNot: []string{"\r"}},
		"monitord.conf":        {file: "monitord.conf", fragment: "LOG = [ SYSTEM = \"syslog\" ]\nNETWORK = [ PORT = 4125 ]\n", want: []string{`LOG = [ system = "syslog" ]`, "    PORT = 4125\n]"}},
		"rank":                 {file: "rank.conf", into: "schedulers/rank.conf", fragment: "DEFAULT_SCHED = [ POLICY = 3, RANK = \"FREE_CPU\" ]\n", want: []string{"   POLICY = 3,\n    RANK = \"FREE_CPU\"\n]"}},
		"rank with its folder": {file: "schedulers/rank.conf", fragment: "MAX_HOST = 2\n", want: []string{"MAX_HOST = 2\n"}},
		"one_drs":              {file: "one_drs.conf", into: "schedulers/one_drs.conf", fragment: "PREDICTIVE: 0.3\nDIFFERENT_VNETS: no\nPLACE: {WEIGHTS: {CPU: 0.5, MEMORY: 0.5}}\n", want: []string{"    CPU: 0.5\n    MEMORY: 0.5\n\nPREDICTIVE: 0.3\n\nDIFFERENT_VNETS: no"}},
		"no YAML":              {file: "oneflow-server.conf", fragment: "# Nothing yet\n", want: []string{":port: 2474\n"}},
		"YAML values":          {file: "oneflow-server.conf", fragment: "---\n:port: 2475\n:log:\n  :level: 3\n", want: []string{":port: 2475\n", "  :level: 3\n  :system: 'file'\n\n# The end\n"}},
		"a YAML key":           {file: "oneflow-server.conf", fragment: ":vn_name_template: $ROLE_NAME, [x]\n:vr_name_template: |\n  a\n", want: []string{"\n# The end\n", ":system: 'file'\n:vn_name_template: \"$ROLE_NAME, [x]\"\n:vr_name_template: \"a\\n\"\n"}},
		"a YAML list":          {file: "onegate-server.conf", fragment: ":restricted_attrs:\n- 'A, B'\n- C\n:restricted_actions: [deploy]\n", want: []string{":restricted_attrs: ['A, B', C]\n# Nothing is restricted\n:restricted_actions: [deploy]\n  #- deploy\n"}},
		"within mappings":      {file: "onegate-server.conf", fragment: ":permissions:\n  :vm:\n    :update: false\n", want: []string{"    :show: true\n    :update: false\n  :vnet:\n    :show_by_id: true\n"}},
		"onehem":               {file: "onehem-server.conf", fragment: ":concurrency: 20\n", want: []string{":concurrency: 20\n"}},
		"fireedge":             {file: "fireedge-server.conf", fragment: "guacd: {host: guacd}\nauth_redirect: '/sso'\napi_timeout: 60_000\n", want: []string{"api_timeout: 60_000\nguacd:\n  port: 4822\n  host: guacd\nauth_redirect: '/sso'\n"}},
		"sunstone":             {file: "sunstone-server.conf", into: "fireedge/sunstone/sunstone-server.conf", fragment: "supported_fs:\n  - btrfs\nlangs:\n  bg: 'Bulgarian'\nleases:\n  poweroff:\n    edit: true\n    execute_after_days: 3\n", want: []string{"    execute_after_weeks: 2\n  poweroff: {edit: true, execute_after_days: 3}\nsupported_fs: [btrfs]\nlangs:\n  # bg: 'Bulgarian'\n  en: 'English'\n  bg: 'Bulgarian'\nfullViewMode: 'false'"}},
		"guacd":                {file: "guacd", fragment: "# ours\nOPTS='-b 127.0.0.1'\n", want: []string{"OPTS='-b 127.0.0.1'"}, wantNot: []string{"0.0.0.0"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDeployment(t)
			d.override(t, test.file, test.fragment)
			d.accepts(t)
			into := test.file
			if test.into != "" {
				into = test.into
			}
			for _, part := range test.want {
				assert.Contains(t, d.read(t, into), part)
			}
			for _, part := range test.wantNot {
				assert.NotContains(t, d.read(t, into), part)
			}
		})
	}
}

// What is written must be what OpenNebula's own servers load.
func TestConfigureWritesSymbols(t *testing.T) {
	d := newDeployment(t)
	d.override(t, "onegate-server.conf", ":ssl_server: https://gate/\n:restricted_actions: [deploy]\n:permissions:\n  :vnet:\n    :show_by_id: false\n")
	d.accepts(t)
	out, err := exec.Command("ruby", "-ryaml", "-rjson", "-e", "puts YAML.load_file(ARGV[0]).inspect", d.etc+"/onegate-server.conf").CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Equal(t, `{:host=>"0.0.0.0", :port=>5030, :permissions=>{:vm=>{:show=>true, :update=>true}, :vnet=>{:show_by_id=>false}}, `+
		`:restricted_attrs=>["SCHED_REQUIREMENTS", "SERVICE_ID"], :restricted_actions=>["deploy"], :ssl_server=>"https://gate/"}`,
		strings.TrimSpace(string(out)))
}

func TestConfigureRefusesFragments(t *testing.T) {
	for name, test := range map[string]struct {
		file, fragment string
		want           string
	}{
		"unknown key":            {"oned.conf", "PORT = 1\nPROT = 2\n", "OVERRIDES/oned.conf, line 2: PROT is not a key of oned.conf (did you mean PORT?)"},
		"a key of prose":         {"oned.conf", "INDENTED = 1\n", "oned.conf, line 1: INDENTED is not a key of oned.conf"},
		"unknown pair":           {"oned.conf", "LOG = [\n  SYSTEM = file,\n  DEBUG_LEVL = 3 ]\n", "oned.conf, line 3: DEBUG_LEVL is not known in LOG (did you mean DEBUG_LEVEL?)"},
		"a text for a number":    {"oned.conf", "PORT = \"abc\"\n", "oned.conf, line 1: PORT must be a whole number, not \"abc\""},
		"a fraction for one":     {"oned.conf", "LOG = [ DEBUG_LEVEL = 3.5 ]\n", "oned.conf, line 1: LOG/DEBUG_LEVEL must be a whole number, not 3.5"},
		"a text for a fraction":  {"oned.conf", "DEFAULT_COST = [ CPU_COST = free ]\n", "DEFAULT_COST/CPU_COST must be a number, not free"},
		"true for yes":           {"oned.conf", "SHOWBACK_ONLY_RUNNING = true\n", "SHOWBACK_ONLY_RUNNING must be YES or NO, not true"},
		"a value for a section":  {"oned.conf", "LOG = 3\n", "oned.conf, line 1: LOG must be a section, LOG = [ … ], not a single value"},
		"a section for a value":  {"oned.conf", "PORT = [ A = 1 ]\n", "oned.conf, line 1: PORT must be a single value, not a section"},
		"a driver without name":  {"oned.conf", "VM_MAD = [ EXECUTABLE = x ]\n", "VM_MAD has no NAME, which tells it from other sections VM_MAD"},
		"a key twice":            {"oned.conf", "PORT = 1\n\nport = 2\n", "oned.conf, line 3: PORT is given twice, first in line 1"},
		"a driver twice":         {"oned.conf", "VM_MAD = [ NAME = kvm ]\nVM_MAD = [ NAME = \"kvm\" ]\n", "oned.conf, line 2: VM_MAD kvm is given twice, first in line 1"},
		"a pair twice":           {"oned.conf", "LOG = [ SYSTEM = file,\n SYSTEM = std ]\n", "oned.conf, line 2: SYSTEM is given twice, first in line 1"},
		"no equals sign":         {"oned.conf", "\nLOG = [ SYSTEM \"file\" ]\n", `oned.conf, line 2: expected "=" after SYSTEM, found "\"file\" ]"`},
		"a section left open":    {"oned.conf", "LOG = [ SYSTEM = \"file\"\n", "oned.conf, line 2: expected a comma or \"]\", found the end of the file"},
		"a quote left open":      {"oned.conf", "LOG = [ SYSTEM = \"file ]\n", "oned.conf, line 1: expected a value for SYSTEM"},
		"a comma too many":       {"oned.conf", "LOG = [ SYSTEM = file, ]\n", "oned.conf, line 1: expected a name, found \"]\""},
		"a comma too few":        {"oned.conf", "LOG = [ SYSTEM = file DEBUG_LEVEL = 3 ]\n", "expected a comma or \"]\", found \"DEBUG_LEVEL"},
		"no value":               {"oned.conf", "PORT =\n", "oned.conf, line 1: expected a value for PORT (\"\" for none)"},
		"a value that is none":   {"oned.conf", "PORT = ,\n", "oned.conf, line 1: expected a value for PORT"},
		"an end of XML":          {"oned.conf", "PORT = \"]]>\"\n", "oned.conf, line 1: expected a value without \"]]>\""},
		"YAML for oned":          {"oned.conf", "port: 2633\n", `oned.conf, line 1: expected "=" after port, found ": 2633"`},
		"bytes":                  {"oned.conf", "PORT = \"\xff\"\n", "OVERRIDES/oned.conf is not a text in UTF-8"},
		"zeros":                  {"oned.conf", "PORT = \x00\n", "OVERRIDES/oned.conf is not a text: it has bytes of value zero"},
		"monitord's pair":        {"monitord.conf", "NETWORK = [ THREADS = 1 ]\n", "monitord.conf, line 1: THREADS is not known in NETWORK"},
		"oned's key":             {"rank.conf", "PORT = 1\n", "OVERRIDES/rank.conf, line 1: PORT is not a key of rank.conf"},
		"unknown YAML key":       {"oneflow-server.conf", "\n:prot: 1\n", "OVERRIDES/oneflow-server.conf, line 2: :prot is not a key of oneflow-server.conf (did you mean :port?)"},
		"unknown key within":     {"oneflow-server.conf", ":log:\n  :levl: 2\n", "oneflow-server.conf, line 2: :log/:levl is not a key of oneflow-server.conf (did you mean :level?)"},
		"a key of YAML prose":    {"oneflow-server.conf", ":prose: a\n", "oneflow-server.conf, line 1: :prose is not a key"},
		"no symbol":              {"oneflow-server.conf", "port: 1\n", "oneflow-server.conf, line 1: port is not a key of oneflow-server.conf; write it as :port:"},
		"a symbol":               {"fireedge-server.conf", ":port: 1\n", "fireedge-server.conf, line 1: :port is not a key of fireedge-server.conf; write it as port:"},
		"a YAML text":            {"oneflow-server.conf", ":port: '2474'\n", "oneflow-server.conf, line 1: :port must be a whole number, not a text"},
		"a YAML number":          {"oneflow-server.conf", ":shutdown_action: 5\n", ":shutdown_action must be a text, not a whole number; write it in quotes"},
		"a YAML fraction":        {"onehem-server.conf", ":concurrency: 1.5\n", ":concurrency must be a whole number, not a number"},
		"a text for a share":     {"one_drs.conf", "PREDICTIVE: some\n", "one_drs.conf, line 1: PREDICTIVE must be a number, not a text"},
		"a YAML boolean":         {"sunstone-server.conf", "fullViewMode: true\n", "fullViewMode must be a text, not true or false; write it in quotes"},
		"yes in YAML 1.2":        {"fireedge-server.conf", "cors: yes\n", "fireedge-server.conf, line 1: cors must be true or false, not a text"},
		"an empty value":         {"fireedge-server.conf", "port:\n", "fireedge-server.conf, line 1: port must be a whole number, not empty"},
		"a list for a mapping":   {"fireedge-server.conf", "guacd: [4822]\n", "guacd must be keys with their values, not a list"},
		"a text for a list":      {"onegate-server.conf", ":restricted_attrs: A\n", ":restricted_attrs must be a list, not a text"},
		"a mapping for empty":    {"onegate-server.conf", ":restricted_actions: {a: 1}\n", ":restricted_actions must be empty, not keys with their values"},
		"a YAML key twice":       {"sunstone-server.conf", "langs:\n  a: 'A'\n  a: 'B'\n", "sunstone-server.conf, line 3: langs/a is given twice, first in line 2"},
		"a lease's kind":         {"sunstone-server.conf", "leases:\n  terminate:\n    edit: 1\n", "sunstone-server.conf, line 3: leases/terminate/edit must be true or false, not a whole number"},
		"a tab":                  {"oneflow-server.conf", ":log:\n\t:level: 2\n", "oneflow-server.conf, line 2: this is not YAML: found character that cannot start any token"},
		"no mapping":             {"oneflow-server.conf", "- :port\n", "oneflow-server.conf, line 1: expected keys with their values"},
		"oned's syntax for YAML": {"oneflow-server.conf", ":port = 1\n", "oneflow-server.conf, line 1: expected keys with their values"},
		"two documents":          {"oneflow-server.conf", ":port: 1\n---\n:port: 2\n", "oneflow-server.conf holds several documents; it must be one"},
		"a tag":                  {"oneflow-server.conf", ":port: !ruby/object:X 1\n", "oneflow-server.conf, line 1: the tag !ruby/object:X is not taken here"},
		"an anchor":              {"oneflow-server.conf", ":port: &p 1\n:retries: *p\n", "oneflow-server.conf, line 1: anchors and aliases"},
		"a symbol in a list":     {"onegate-server.conf", ":restricted_attrs:\n  - A\n  - :b\n", "onegate-server.conf, line 3: :b is a symbol, which no list has; write it in quotes"},
		"a symbol for a lease":   {"sunstone-server.conf", "leases:\n  :hold: 1\n", "sunstone-server.conf, line 2: leases/:hold is not a key"},
		"a list as a key":        {"oneflow-server.conf", "? [a]\n: 1\n", "oneflow-server.conf, line 1: a key must be a single word"},
		"guacd's name":           {"guacd", "\nOPT=\"-b ::\"\n", "OVERRIDES/guacd, line 2: OPT is not a name of guacd (did you mean OPTS?)"},
		"guacd's form":           {"guacd", "OPTS = x\n", "OVERRIDES/guacd, line 1: expected NAME=\"value\""},
		"guacd's command":        {"guacd", "OPTS=\"$(id)\"\n", "OVERRIDES/guacd, line 1: expected NAME=\"value\" without $, ` and \\"},
		"guacd twice":            {"guacd", "OPTS=a\nOPTS=b\n", "OVERRIDES/guacd, line 2: OPTS is given twice, first in line 1"},
		"unknown file":           {"oend.conf", "", "OVERRIDES/oend.conf is not a fragment that is known (did you mean oned.conf?); fragments are fireedge-server.conf, guacd, monitord.conf"},
		"unknown file within":    {"schedulers/dummy.conf", "", "OVERRIDES/schedulers/dummy.conf is not a fragment that is known"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDeployment(t)
			d.override(t, test.file, test.fragment)
			d.refuses(t, test.want)
		})
	}
}
