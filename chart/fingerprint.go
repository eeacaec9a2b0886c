package chart

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	helm "helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
	"sigs.k8s.io/yaml"
)

// Fingerprint of what a chart holds, sha256:…, leaving out what is set when it is
// packaged: its version, appVersion, image and the annotations of those. Blanks at the
// ends of lines and empty lines do not count. Two charts with one fingerprint differ in
// the OpenNebula that they run at most.
func Fingerprint(c *helm.Chart) (string, error) {
	values, err := unpinnedValues(c)
	if err != nil {
		return "", fmt.Errorf("read the chart %s: %w", c.Name(), err)
	}
	files, err := contents(c, unpinnedMetadata(c.Metadata), values)
	if err != nil {
		return "", fmt.Errorf("read the chart %s: %w", c.Name(), err)
	}
	sum := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(sum, "%s %d\n%s", name, len(files[name]), files[name])
	}
	return "sha256:" + hex.EncodeToString(sum.Sum(nil)), nil
}

// contents of a chart and its subcharts by file, without blanks that mean nothing.
func contents(c *helm.Chart, metadata *helm.Metadata, values []byte) (map[string]string, error) {
	about, err := yaml.Marshal(metadata)
	if err != nil {
		return nil, fmt.Errorf("write Chart.yaml: %w", err)
	}
	files := map[string]string{chartutil.ChartfileName: string(about)}
	all := slices.Concat(c.Templates, c.Files)
	if values != nil {
		all = append(all, &helm.File{Name: chartutil.ValuesfileName, Data: values})
	}
	if c.Schema != nil {
		all = append(all, &helm.File{Name: chartutil.SchemafileName, Data: c.Schema})
	}
	for _, file := range all {
		files[file.Name] = squeeze(file.Data)
	}
	for _, sub := range c.Dependencies() {
		below, err := contents(sub, sub.Metadata, valuesText(sub))
		if err != nil {
			return nil, err
		}
		for name, text := range below {
			files[chartutil.ChartsDir+"/"+sub.Name()+"/"+name] = text
		}
	}
	return files, nil
}

func unpinnedMetadata(m *helm.Metadata) *helm.Metadata {
	unpinned := *m
	unpinned.Version, unpinned.AppVersion = "", ""
	unpinned.Annotations = maps.Clone(m.Annotations)
	for _, name := range madeAnnotations() {
		delete(unpinned.Annotations, name)
	}
	return &unpinned
}

// unpinnedValues is values.yaml with the front-end's image left out.
func unpinnedValues(c *helm.Chart) ([]byte, error) {
	unpinned := valuesText(c)
	table, _ := c.Values["image"].(map[string]any)
	for _, key := range imagePins() {
		if _, ok := table[key]; !ok {
			continue
		}
		var err error
		if unpinned, err = setScalar(unpinned, "", "image", key); err != nil {
			return nil, fmt.Errorf("%s: %w", chartutil.ValuesfileName, err)
		}
	}
	return unpinned, nil
}

// valuesText is values.yaml as it stands in the chart: with its comments, which are what
// people read. A chart need not have one.
func valuesText(c *helm.Chart) []byte {
	for _, file := range c.Raw {
		if file.Name == chartutil.ValuesfileName {
			return file.Data
		}
	}
	return nil
}

// imagePins are the values below image that packaging sets.
func imagePins() []string { return []string{"registry", "repository", "tag", "digest"} }

// squeeze takes away empty lines, and blanks at the ends of others.
func squeeze(text []byte) string {
	var kept strings.Builder
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimRight(line, " \t\r\n"); line != "" {
			kept.WriteString(line + "\n")
		}
	}
	return kept.String()
}
