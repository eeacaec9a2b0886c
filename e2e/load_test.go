package e2e

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pablodelarco/opennebula-helm/e2e/frontend"
	"github.com/pablodelarco/opennebula-helm/e2e/load"
)

// BenchmarkLoad lets 20 clients have 200 virtual machines of the dummy drivers live and
// end: with the release in Kubernetes, and with an oned of the same image and database
// that runs without it on this machine. Both figures and their ratio are of one run, and
// only reported; that nothing is lost is required.
func BenchmarkLoad(b *testing.B) {
	switch {
	case *kubeconfig == "" || !*installed:
		b.Skip("no -kubeconfig and -installed given; load/README.md says how to run it")
	case *standIns:
		b.Skip("the stand-ins are not OpenNebula")
	case os.Geteuid() != 0:
		b.Skip("only root can run containers on this machine")
	}
	f, err := frontend.Find(b.Context(), *kubeconfig, *namespace, *release)
	require.NoError(b, err)
	kubernetes, plain := inKubernetes(b, f), inContainers(b, f)
	require.NoError(b, load.RequireSameNice(kubernetes, plain))
	plan := load.Plan{VMs: 200, Clients: 20, Hosts: 10}
	var within, without []load.Figures
	for b.Loop() { // in turns, so that what else the machine does is shared out
		within = append(within, underLoad(b, kubernetes, plan))
		without = append(without, underLoad(b, plain, plan))
	}
	report(b, plan, load.Median(within), load.Median(without))
}

func underLoad(b *testing.B, cloud load.Cloud, plan load.Plan) load.Figures {
	figures, err := load.Run(b.Context(), cloud, plan)
	require.NoError(b, err)
	return figures
}

func report(b *testing.B, plan load.Plan, kubernetes, plain load.Figures) {
	b.ReportMetric(kubernetes.Calls(plan), "calls/s")
	b.ReportMetric(plain.Calls(plan), "plain-calls/s")
	b.ReportMetric(kubernetes.Lives(plan), "VMs/s")
	b.ReportMetric(plain.Lives(plan), "plain-VMs/s")
	b.ReportMetric(kubernetes.Lives(plan)/plain.Lives(plan), "ratio")
	b.Log("\n" + load.Table(plan, kubernetes, plain))
}

// inKubernetes is the release that is there, by its Service.
func inKubernetes(b *testing.B, f *frontend.Frontend) load.Cloud {
	uid, err := f.PodUID(b.Context())
	require.NoError(b, err)
	pid, err := load.FindProcess("oned", uid)
	require.NoError(b, err)
	address, err := f.Address(b.Context(), "api", "xmlrpc")
	require.NoError(b, err)
	username, password := f.Login()
	return load.Cloud{PID: pid, API: func() (*frontend.API, error) {
		return frontend.NewAPI(address, username, password, &http.Transport{DisableKeepAlives: true, ResponseHeaderTimeout: time.Minute})
	}}
}

// inContainers is another oned, which ends with the benchmark. The lab's registry has the
// database's image under its own name.
func inContainers(b *testing.B, f *frontend.Frontend) load.Cloud {
	database, err := f.Database(b.Context())
	require.NoError(b, err)
	registry, _, _ := strings.Cut(*imageRef, "/")
	database.Image = strings.Replace(database.Image, "docker.io/", registry+"/", 1)
	plain, err := load.StartPlain(b.Context(), load.PlainConfig{
		Image: *imageRef, Database: database, Config: frontend.Values()["config"].(map[string]any), State: b.TempDir(),
	})
	require.NoError(b, err)
	b.Cleanup(plain.Stop)
	cloud, err := plain.Cloud()
	require.NoError(b, err)
	return cloud
}
