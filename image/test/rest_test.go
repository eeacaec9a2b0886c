package test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pablodelarco/opennebula-helm/e2e/lab/container"
)

// TestAtRest prints how long each role takes to be ready and what memory it has then,
// as a table for image/README.md.
func TestAtRest(t *testing.T) {
	if !isReal(version()) {
		t.Skip("a stand-in's figures say nothing; give OpenNebula's packages in " + packagesVariable)
	}
	d := newDeployment(t, version())
	d.useServer()
	began := time.Now()
	d.succeed("bootstrap")
	var table strings.Builder
	fmt.Fprintf(&table, "\n| role | ready after, s | memory at rest, MB |\n| --- | --- | --- |\n| bootstrap | %.1f, then it ends | |\n", time.Since(began).Seconds())
	began = time.Now()
	d.succeed("migrate")
	fmt.Fprintf(&table, "| migrate, with nothing to do | %.1f, then it ends | |\n", time.Since(began).Seconds())
	running := map[string]*container.Container{}
	ready := map[string]time.Duration{}
	for _, role := range services {
		began := time.Now()
		running[role] = d.start(role)
		ready[role] = time.Since(began)
	}
	for _, role := range quiet {
		running[role] = d.startQuiet(role)
	}
	time.Sleep(time.Minute) // until nothing is loaded any more
	for _, role := range append(services, quiet...) {
		after := "no probe"
		if ready[role] > 0 {
			after = fmt.Sprintf("%.1f", ready[role].Seconds())
		}
		fmt.Fprintf(&table, "| %s | %s | %s |\n", role, after, megabytes(memory(t, running[role])))
	}
	t.Log(table.String())
}

// memory of all processes of a container, in bytes. What they share counts for each.
func memory(t *testing.T, c *container.Container) int64 {
	t.Helper()
	processes, err := c.Processes()
	require.NoError(t, err)
	var total int64
	for _, p := range processes {
		total += p.RSS
	}
	return total
}
