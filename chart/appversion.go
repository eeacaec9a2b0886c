package chart

import (
	"fmt"
	"os"
	"path/filepath"

	"helm.sh/helm/v3/pkg/chartutil"

	"github.com/pablodelarco/opennebula-helm/upstream"
)

// File is where a checkout says which release of OpenNebula it is for: the one file that
// changes when that moves.
const File = "chart/" + Name + "/" + chartutil.ChartfileName

// AppVersion is the release of OpenNebula, X.Y.Z, that the chart of a folder is for.
func AppVersion(folder string) (string, error) {
	file := filepath.Join(folder, chartutil.ChartfileName)
	metadata, err := chartutil.LoadChartfile(file)
	if err != nil {
		return "", fmt.Errorf("read the chart's %s: %w", file, err)
	}
	if _, err := upstream.ParseVersion(metadata.AppVersion); err != nil {
		return "", fmt.Errorf("the appVersion of %s: %w", file, err)
	}
	return metadata.AppVersion, nil
}

// Edits are the files that make a checkout one for another release of OpenNebula, X.Y.Z:
// their content by their path in the repository. All else in them stays as it is.
func Edits(checkout, version string) (map[string][]byte, error) {
	if _, err := upstream.ParseVersion(version); err != nil {
		return nil, err
	}
	content, err := os.ReadFile(filepath.Join(checkout, File))
	if err != nil {
		return nil, fmt.Errorf("read the chart: %w", err)
	}
	edited, err := setScalar(content, version, "appVersion")
	if err != nil {
		return nil, fmt.Errorf("edit %s: %w", File, err)
	}
	return map[string][]byte{File: edited}, nil
}
