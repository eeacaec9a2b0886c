package frontend

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
)

func TestClusterIsReadyWhenTheChartFindsWhatItNeeds(t *testing.T) {
	node := func(status corev1.ConditionStatus) runtime.Object {
		return &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: "one"},
			Status:     corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: status}}},
		}
	}
	class := func(value string) runtime.Object {
		return &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{
			Name: "local", Annotations: map[string]string{"storageclass.kubernetes.io/is-default-class": value},
		}}
	}
	for name, c := range map[string]struct {
		objects []runtime.Object
		problem string
	}{
		"nothing yet":       {nil, "none of its 0 nodes is ready"},
		"a node that waits": {[]runtime.Object{node(corev1.ConditionFalse), class("true")}, "none of its 1 nodes is ready"},
		"no volumes":        {[]runtime.Object{node(corev1.ConditionTrue), class("false")}, "it has no default StorageClass"},
		"all":               {[]runtime.Object{node(corev1.ConditionTrue), class("true")}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			err := clusterReady(t.Context(), fake.NewClientset(c.objects...))
			if c.problem == "" {
				assert.NoError(t, err)
			} else {
				assert.EqualError(t, err, c.problem)
			}
		})
	}
}

func TestNodeLogsAreThoseOfTheKubelet(t *testing.T) {
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/api/v1/nodes":
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"kind":"NodeList","apiVersion":"v1","items":[{"metadata":{"name":"one"}}]}`)
		case "/api/v1/nodes/one/proxy/logs/":
			fmt.Fprint(w, "<pre>\n<a href=\"containers/\">containers/</a>\n<a href=\"k3s.log\">k3s.log</a>\n<a href=\"btmp\">btmp</a>\n</pre>\n")
		case "/api/v1/nodes/one/proxy/logs/k3s.log":
			fmt.Fprint(w, "it is up\n")
		default:
			t.Errorf("asked for %s", r.URL.Path)
		}
	}))
	defer api.Close()
	folder := t.TempDir()
	kubeconfig := filepath.Join(folder, "kubeconfig")
	require.NoError(t, os.WriteFile(kubeconfig, []byte(fmt.Sprintf(`
clusters: [{name: c, cluster: {server: %q}}]
contexts: [{name: c, context: {cluster: c}}]
current-context: c
`, api.URL)), 0o600))
	require.NoError(t, NodeLogs(t.Context(), kubeconfig, filepath.Join(folder, "nodes")))
	content, err := os.ReadFile(filepath.Join(folder, "nodes", "one", "k3s.log"))
	require.NoError(t, err)
	assert.Equal(t, "it is up\n", string(content))
	assert.NoFileExists(t, filepath.Join(folder, "nodes", "one", "btmp"))
}
