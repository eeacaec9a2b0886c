package chart

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chartutil"
)

// As helm lint --strict does, which also objects to what is only a warning.
func TestChartLints(t *testing.T) {
	for name, values := range valueSets(t) {
		t.Run(name, func(t *testing.T) {
			for kubernetes := range releases {
				version, err := chartutil.ParseKubeVersion(kubernetes)
				require.NoError(t, err)
				linter := action.NewLint()
				linter.Strict, linter.KubeVersion, linter.WithSubcharts = true, version, true
				found := linter.Run([]string{Name}, values)
				for _, message := range found.Messages {
					t.Log(kubernetes, message)
				}
				assert.Empty(t, found.Errors, kubernetes)
			}
		})
	}
}
