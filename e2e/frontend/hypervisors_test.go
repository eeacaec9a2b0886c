package frontend

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/chartutil"

	"github.com/pablodelarco/opennebula-helm/chart"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/hypervisor"
)

func TestHypervisorValuesAreTheCharts(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "qemu") }))
	defer server.Close()
	machine := hypervisor.Machine{Name: "kvm-1", Address: server.Listener.Addr().String()}
	values, err := HypervisorValues(t.Context(), "10.98.0.2", machine)
	require.NoError(t, err)
	assert.Equal(t, []any{map[string]any{"name": "kvm-1", "address": machine.Address, "driver": "qemu"}}, values["hosts"])

	values["hosts"].([]any)[0].(map[string]any)["address"] = "10.98.0.200" // a host's has no port
	assert.NoError(t, chart.Check(chart.Find("../.."), chartutil.CoalesceTables(values, PublishedValues())))
}
