package chart

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// group of Prometheus' rules.
type group struct {
	Name  string
	Rules []struct {
		Alert       string
		Expr        string
		For         string
		Labels      map[string]string
		Annotations map[string]string
	}
}

// panel of Grafana's dashboard.
type panel struct {
	ID         int
	Type       string
	Title      string
	Datasource map[string]string
	GridPos    struct{ X, Y, W, H int }
	Targets    []struct {
		Expr       string
		Datasource map[string]string
	}
}

func TestAlertRules(t *testing.T) {
	var file struct{ Groups []group }
	require.NoError(t, yaml.UnmarshalStrict(packaged(t, "alert-rules.yaml"), &file))
	known := metrics(t)
	alerts := map[string]bool{}
	for _, g := range file.Groups {
		require.NotEmpty(t, g.Rules, g.Name)
		for _, r := range g.Rules {
			t.Run(r.Alert, func(t *testing.T) {
				assert.False(t, alerts[r.Alert], "twice")
				alerts[r.Alert] = true
				requireKnown(t, known, r.Expr)
				_, err := time.ParseDuration(r.For)
				assert.NoError(t, err)
				assert.Contains(t, []string{"critical", "warning"}, r.Labels["severity"])
				assert.NotEmpty(t, r.Annotations["summary"])
				assert.NotEmpty(t, r.Annotations["description"])
			})
		}
	}
}

func TestDashboard(t *testing.T) {
	var dashboard struct {
		SchemaVersion int
		Templating    struct {
			List []struct{ Name, Type, Definition string }
		}
		Panels []panel
	}
	require.NoError(t, json.Unmarshal(packaged(t, "grafana-dashboard.json"), &dashboard))
	assert.GreaterOrEqual(t, dashboard.SchemaVersion, 38, "Grafana 10's")
	require.Len(t, dashboard.Templating.List, 2)
	assert.Equal(t, "datasource", dashboard.Templating.List[0].Type)

	known := metrics(t)
	shown := map[string]bool{}
	for i, p := range dashboard.Panels {
		for _, other := range dashboard.Panels[:i] {
			assert.NotEqual(t, other.ID, p.ID, "%s and %s", p.Title, other.Title)
			assert.False(t, p.overlaps(other), "%s and %s", p.Title, other.Title)
		}
		assert.LessOrEqual(t, p.GridPos.X+p.GridPos.W, 24, p.Title)
		if p.Type == "row" {
			continue
		}
		assert.Equal(t, "${datasource}", p.Datasource["uid"], p.Title)
		require.NotEmpty(t, p.Targets, p.Title)
		for _, target := range p.Targets {
			assert.Equal(t, "${datasource}", target.Datasource["uid"], p.Title)
			for _, name := range requireKnown(t, known, strings.ReplaceAll(target.Expr, "$namespace", "one")) {
				shown[name] = true
			}
		}
	}
	for _, name := range known {
		// Neither of these says something of the cloud by itself.
		if name != "opennebula_raft_state" && name != "opennebula_scrape_errors_total" {
			assert.True(t, shown[name], "no panel shows %s", name)
		}
	}
}

func (p panel) overlaps(o panel) bool {
	a, b := p.GridPos, o.GridPos
	return a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H
}

func packaged(t *testing.T, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(Name, "files", name))
	require.NoError(t, err)
	return content
}

// metrics that the image's exporter has, by its own list.
func metrics(t *testing.T) []string {
	t.Helper()
	source, err := os.ReadFile("../image/rootfs/usr/local/lib/opennebula-frontend/exporter/page.rb")
	require.NoError(t, err)
	var names []string
	for _, match := range regexp.MustCompile(`(?m)^ +'(opennebula_\w+)' =>`).FindAllSubmatch(source, -1) {
		names = append(names, string(match[1]))
	}
	require.NotEmpty(t, names)
	return names
}

// requireKnown: Prometheus understands the expression, and the exporter has all
// metrics in it, which are returned.
func requireKnown(t *testing.T, known []string, text string) []string {
	t.Helper()
	expression, err := parser.NewParser(parser.Options{}).ParseExpr(text)
	require.NoError(t, err, text)
	names, unknown := selected(expression, known)
	assert.NotEmpty(t, names, text)
	assert.Empty(t, unknown, text)
	return names
}

func selected(expression parser.Expr, known []string) (names, unknown []string) {
	parser.Inspect(expression, func(node parser.Node, _ []parser.Node) error {
		selector, ok := node.(*parser.VectorSelector)
		switch {
		case !ok:
		case slices.Contains(known, selector.Name):
			names = append(names, selector.Name)
		default:
			unknown = append(unknown, fmt.Sprintf("%s is none of the exporter's", selector))
		}
		return nil
	})
	return names, unknown
}
