package chart

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
	helm "helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
	"sigs.k8s.io/yaml"
)

// Compare says what changes for those who upgrade from a published chart to a candidate,
// the greatest changes first; nothing where they differ in version, annotations, empty
// lines and blanks at the ends of lines at most.
//
// Major are: a value that is gone, renamed (the old name is gone) or of another type; a
// schema that refuses what it took; a Kubernetes release that is supported no more; the
// next major version of OpenNebula, of a subchart or of its application; a subchart that
// is gone.
//
// Minor are: a value that is new; a schema that takes more; another default, for it
// changes releases that did not set the value; a new template; the next X.Y of OpenNebula
// (its database is migrated, and there is no way back but a backup) or of a subchart.
//
// Patch is all else: another build of the image, a patch release of OpenNebula, of a
// subchart or of another image, templates, texts.
//
// What a schema's keywords mean is compared, not how it is written; where that cannot be
// told (two regular expressions), the answer is that it refuses more. What a template does
// differently is not looked at: who makes it break something raises the version by hand.
func Compare(published, candidate *helm.Chart) ([]Change, error) {
	c := &comparison{}
	c.metadata(published.Metadata, candidate.Metadata)
	if err := c.chart("", published, candidate); err != nil {
		return nil, fmt.Errorf("compare the charts %s and %s: %w", published.ChartFullPath(), candidate.ChartFullPath(), err)
	}
	c.texts(published, candidate)
	if Greatest(c.changes) < Major {
		c.tryPublished(published, candidate)
	}
	slices.SortStableFunc(c.changes, func(a, b Change) int { return int(b.Level - a.Level) })
	return c.changes, nil
}

// comparison collects changes.
type comparison struct{ changes []Change }

// The kinds of changes that Artifact Hub knows and we use.
const (
	added      = "added"
	changed    = "changed"
	deprecated = "deprecated"
	removed    = "removed"
)

// add a change, once.
func (c *comparison) add(level Level, kind, format string, args ...any) {
	change := Change{level, kind, fmt.Sprintf(format, args...)}
	if level != None && !slices.Contains(c.changes, change) {
		c.changes = append(c.changes, change)
	}
}

// metadata compares what Chart.yaml says of the chart itself.
func (c *comparison) metadata(published, candidate *helm.Metadata) {
	if published.Name != candidate.Name || published.Type != candidate.Type {
		c.add(Major, changed, "It is a chart of another name or type")
	}
	if candidate.Deprecated && !published.Deprecated {
		c.add(Minor, deprecated, "The chart is deprecated")
	}
	if published.AppVersion != candidate.AppVersion {
		c.add(step(published.AppVersion, candidate.AppVersion), changed, "OpenNebula %s, before %s", candidate.AppVersion, published.AppVersion)
	}
	c.kubernetes(published.KubeVersion, candidate.KubeVersion)
	c.conditions(published.Dependencies, candidate.Dependencies)
	a, b := about(published), about(candidate)
	if !reflect.DeepEqual(a, b) {
		c.add(Patch, changed, "What Chart.yaml says about the chart")
	}
}

// conditions compares the values that switch subcharts on.
func (c *comparison) conditions(published, candidate []*helm.Dependency) {
	for _, was := range published {
		for _, is := range candidate {
			if was.Name == is.Name && (was.Condition != is.Condition || was.Alias != is.Alias || !slices.Equal(was.Tags, is.Tags)) {
				c.add(Major, changed, "The subchart %s is switched by other values", was.Name)
			}
		}
	}
}

// about the chart is what nothing else looks at.
func about(m *helm.Metadata) *helm.Metadata {
	rest := unpinnedMetadata(m)
	rest.Name, rest.Type, rest.KubeVersion, rest.Deprecated, rest.Dependencies = "", "", "", false, nil
	if len(rest.Annotations) == 0 {
		rest.Annotations = nil
	}
	return rest
}

// step is how far a version of something else moved.
func step(from, to string) Level {
	a, errA := semver.NewVersion(from)
	b, errB := semver.NewVersion(to)
	switch {
	case errA != nil || errB != nil:
		return Minor
	case a.Major() != b.Major() || b.LessThan(a):
		return Major // back is further than any way forward
	case a.Minor() != b.Minor():
		return Minor
	default:
		return Patch
	}
}

// kubernetes compares the releases that are supported.
func (c *comparison) kubernetes(published, candidate string) {
	was, is := supported(published), supported(candidate)
	if lost := except(was, is); len(lost) > 0 {
		c.add(Major, removed, "Kubernetes %s is supported no more", span(lost))
	}
	if more := except(is, was); len(more) > 0 {
		c.add(Minor, added, "Kubernetes %s is supported", span(more))
	}
}

// except are the members of a list that another has not.
func except(list, other []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(other, s) })
}

// span of a list, from the first to the last.
func span(list []string) string {
	if len(list) == 1 {
		return list[0]
	}
	return list[0] + " to " + list[len(list)-1]
}

// supported are the releases of Kubernetes, X.Y, of which a constraint takes any; all,
// where there is none.
func supported(constraint string) []string {
	const last = 99 // far above any release
	takes := func(string) bool { return true }
	if constraint != "" {
		takes = func(version string) bool { return chartutil.IsCompatibleRange(constraint, version) }
	}
	var found []string
	for minor := range last {
		release := fmt.Sprintf("1.%d", minor)
		if takes("v"+release+".0") || takes(fmt.Sprintf("v%s.%d", release, last)) {
			found = append(found, release)
		}
	}
	return found
}

// chart compares the values of a chart, which begin with a prefix among the whole
// chart's, and its subcharts.
func (c *comparison) chart(prefix string, published, candidate *helm.Chart) error {
	was, err := readSchema(published)
	if err != nil {
		return err
	}
	is, err := readSchema(candidate)
	if err != nil {
		return err
	}
	if was != nil && is != nil {
		if err := compareSchemas(c.add, prefix, was, is); err != nil {
			return err
		}
	}
	if was == nil && is != nil {
		c.add(Major, added, "%s checked by a schema now", subject(prefix, "are"))
	}
	d := defaults{c, was, is}
	d.compare(prefix, nil, published.Values, candidate.Values)
	return c.subcharts(prefix, published, candidate)
}

func (c *comparison) subcharts(prefix string, published, candidate *helm.Chart) error {
	was, is := subcharts(published), subcharts(candidate)
	all := maps.Clone(was)
	maps.Copy(all, is)
	for _, name := range slices.Sorted(maps.Keys(all)) { // the same charts, the same text
		before, now := was[name], is[name]
		switch {
		case before == nil:
			c.add(Minor, added, "The subchart %s is new", name)
		case now == nil:
			c.add(Major, removed, "The subchart %s is gone", name)
		default:
			c.subchart(name, before, now)
			if err := c.chart(join(prefix, name), before, now); err != nil {
				return err
			}
		}
	}
	return nil
}

func subcharts(c *helm.Chart) map[string]*helm.Chart {
	found := map[string]*helm.Chart{}
	for _, sub := range c.Dependencies() {
		found[sub.Name()] = sub
	}
	return found
}

func (c *comparison) subchart(name string, published, candidate *helm.Chart) {
	was, is := published.Metadata, candidate.Metadata
	if was.Version != is.Version {
		level := step(was.Version, is.Version)
		if strings.HasPrefix(was.Version, "0.") && level == Minor {
			level = Major // as Next says
		}
		c.add(level, changed, "The subchart %s %s, before %s", name, is.Version, was.Version)
	}
	if was.AppVersion != is.AppVersion {
		c.add(step(was.AppVersion, is.AppVersion), changed, "%s %s, before %s", name, is.AppVersion, was.AppVersion)
	}
}

// texts compares the chart's files, and what is written about values.
func (c *comparison) texts(published, candidate *helm.Chart) {
	was, is := textsOf(published), textsOf(candidate)
	// Those of a subchart that is new, or gone, are no news.
	ofOne := func(name, _ string) bool { return has(published, name) != has(candidate, name) }
	maps.DeleteFunc(was, ofOne)
	maps.DeleteFunc(is, ofOne)
	var differ []string
	for _, name := range slices.Sorted(maps.Keys(is)) {
		text, ok := was[name]
		switch {
		case !ok && makesObjects(name):
			c.add(Minor, added, "The template %s is new", name)
		case text != is[name] || !ok:
			differ = append(differ, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(was)) {
		if _, ok := is[name]; !ok {
			differ = append(differ, name)
		}
	}
	if len(differ) > 0 && !c.told(differ) {
		c.add(Patch, changed, "What is in %s", strings.Join(differ, ", "))
	}
}

// told is true where values and schemas alone differ, and that was said already.
func (c *comparison) told(files []string) bool {
	return len(c.changes) > 0 && !slices.ContainsFunc(files, func(name string) bool {
		return !strings.HasSuffix(name, chartutil.ValuesfileName) && !strings.HasSuffix(name, chartutil.SchemafileName)
	})
}

// textsOf a chart, but for Chart.yaml.
func textsOf(c *helm.Chart) map[string]string {
	values, err := unpinnedValues(c)
	if err != nil {
		values = valuesText(c)
	}
	texts, err := contents(c, &helm.Metadata{}, values)
	if err != nil {
		return nil
	}
	maps.DeleteFunc(texts, func(name, _ string) bool { return strings.HasSuffix(name, chartutil.ChartfileName) })
	return texts
}

// has tells whether a chart has the subchart that a file belongs to.
func has(c *helm.Chart, file string) bool {
	below, ok := strings.CutPrefix(file, chartutil.ChartsDir+"/")
	name, _, _ := strings.Cut(below, "/")
	return !ok || subcharts(c)[name] != nil
}

// makesObjects is true for templates that are for the cluster.
func makesObjects(name string) bool {
	_, file, ok := strings.Cut("/"+name, "/templates/")
	return ok && strings.HasSuffix(file, ".yaml") && !strings.HasPrefix(file, "tests/")
}

// tryPublished lets the candidate's schemas judge what the published chart's users have:
// its defaults, and its examples. They find what comparing keywords did not.
func (c *comparison) tryPublished(published, candidate *helm.Chart) {
	c.try(candidate, published.Values, "the defaults")
	for _, file := range published.Files {
		if !strings.HasPrefix(file.Name, "examples/") || !strings.HasSuffix(file.Name, ".yaml") {
			continue
		}
		values := map[string]any{}
		if err := yaml.Unmarshal(file.Data, &values); err == nil {
			c.try(candidate, values, file.Name)
		}
	}
}

func (c *comparison) try(candidate *helm.Chart, values map[string]any, what string) {
	all, err := chartutil.CoalesceValues(candidate, values)
	if err != nil {
		c.add(Major, changed, "%s of the published chart do not fit: %s", what, err)
		return
	}
	if err := chartutil.ValidateAgainstSchema(candidate, all); err != nil {
		c.add(Major, changed, "The schema refuses %s of the published chart: %s", what, strings.Join(strings.Fields(err.Error()), " "))
	}
}
