package opennebula

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/yuin/goldmark/ast"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/strvals"
	"mvdan.cc/sh/v3/syntax"
	"sigs.k8s.io/yaml"

	"github.com/pablodelarco/opennebula-helm/chart"
	"github.com/pablodelarco/opennebula-helm/pipeline"
	"github.com/pablodelarco/opennebula-helm/signature"
)

// Every command of a block is one that is checked here, or the block says why it is not
// run; what can be checked of that is as well, and so are commands within a line.
func TestDocsCommands(t *testing.T) {
	all := pages(t)
	c := newCommands(t)
	t.Run("wrong ones are found", c.findWrong)
	for _, p := range all {
		for _, b := range p.blocks() {
			if b.language != "sh" {
				continue
			}
			commands, err := split(b.text)
			require.NoError(t, err, b.where)
			for _, words := range commands {
				err := c.check(words)
				if errors.Is(err, errUnknown) && (b.isMarked("not run") || b.isRunByATest(t)) {
					continue
				}
				assert.NoError(t, err, "%s: %s", b.where, strings.Join(words, " "))
			}
		}
		walk(p, func(code *ast.CodeSpan) {
			commands, err := split(p.wordsOf(code))
			if err != nil || len(commands) != 1 || len(commands[0]) < 3 || commands[0][0] == "cosign" {
				return // a name, or the beginning of a command
			}
			if err := c.check(commands[0]); !errors.Is(err, errUnknown) {
				assert.NoError(t, err, "%s: %s", p.file, p.wordsOf(code))
			}
		})
	}
	for _, program := range []string{"helm", "kubectl", "dagger", "go", "cosign"} {
		assert.Greater(t, c.seen[program], 1, "are there no commands of %s any more?", program)
	}
}

func (b block) isRunByATest(t *testing.T) bool {
	name, ok := strings.CutPrefix(b.mark, "run by ")
	if !ok {
		return false
	}
	source, err := os.ReadFile("docs_test.go")
	require.NoError(t, err)
	return strings.Contains(string(source), "func "+name+"(")
}

// split a script into its commands, and these into words. What the shell would put into a
// word is "$" there.
func split(script string) ([][]string, error) {
	file, err := syntax.NewParser().Parse(strings.NewReader(script), "")
	if err != nil {
		return nil, err
	}
	var all [][]string
	syntax.Walk(file, func(node syntax.Node) bool {
		if call, ok := node.(*syntax.CallExpr); ok && len(call.Args) > 0 {
			var words []string
			for _, word := range call.Args {
				words = append(words, literal(word.Parts))
			}
			all = append(all, words)
		}
		return true
	})
	return all, nil
}

func literal(parts []syntax.WordPart) string {
	var all strings.Builder
	for _, part := range parts {
		switch part := part.(type) {
		case *syntax.Lit:
			all.WriteString(part.Value)
		case *syntax.SglQuoted:
			all.WriteString(part.Value)
		case *syntax.DblQuoted:
			all.WriteString(literal(part.Parts))
		default:
			all.WriteString("$")
		}
	}
	return all.String()
}

// errUnknown is what is said of a command that nothing here knows.
var errUnknown = errors.New("nothing checks this command: run it in a test, have it checked here, or say above why it is not run: <!-- not run: … -->")

// commands are what they are checked against.
type commands struct {
	module   module
	rendered renderedChart
	folder   string            // of compiled programs
	programs map[string]string // path of each, by its package
	values   map[string]any    // of whoever uses all of the chart
	suite    flags             // of the end-to-end suite
	seen     map[string]int    // commands, by program
}

func newCommands(t *testing.T) *commands {
	values, err := chartutil.ReadValuesFile("chart/testdata/values/everything.yaml")
	require.NoError(t, err)
	return &commands{
		module: readModule(t), rendered: rendered(t), folder: t.TempDir(),
		programs: map[string]string{}, values: values, suite: suiteFlags(t), seen: map[string]int{},
	}
}

// suiteFlags are those that the end-to-end suite adds to go's own.
func suiteFlags(t *testing.T) flags {
	source, err := os.ReadFile("e2e/suite_test.go")
	require.NoError(t, err)
	var f flags
	for _, found := range regexp.MustCompile(`flag\.(String|Bool)\("([\w-]+)"`).FindAllStringSubmatch(string(source), -1) {
		if found[1] == "Bool" {
			f.switches += " -" + found[2]
		} else {
			f.values += " -" + found[2]
		}
	}
	require.Contains(t, f.values, "-kubeconfig")
	return f
}

func (c *commands) check(words []string) error {
	c.seen[words[0]]++
	switch words[0] {
	case "helm":
		return c.helm(words[1:])
	case "kubectl":
		return c.kubectl(words[1:])
	case "dagger":
		return c.dagger(words[1:])
	case "go":
		return c.golang(words[1:])
	case "cosign":
		return cosign(words[1:])
	case "docker":
		return docker(words[1:])
	case ".ci/check":
		return c.checks(words[1:])
	case "opennebula-frontend":
		return role(words[1:])
	default:
		return errUnknown
	}
}

// flags of a command: which take a value, and which do not.
type flags struct{ values, switches string }

func (f flags) with(more flags) flags {
	return flags{f.values + " " + more.values, f.switches + " " + more.switches}
}

// split what was given into flags and the rest, as far as a "--".
func (f flags) split(given []string) (map[string][]string, []string, error) {
	set, rest := map[string][]string{}, []string{}
	for i := 0; i < len(given) && given[i] != "--"; i++ {
		name, value, hasValue := strings.Cut(given[i], "=")
		switch {
		case !strings.HasPrefix(name, "-"):
			rest = append(rest, given[i])
		case slices.Contains(strings.Fields(f.switches), name) && !hasValue:
			set[name] = append(set[name], "")
		case !slices.Contains(strings.Fields(f.values), name):
			return nil, nil, fmt.Errorf("there is no flag %s", given[i])
		case hasValue:
			set[name] = append(set[name], value)
		case i+1 == len(given):
			return nil, nil, fmt.Errorf("%s has no value", name)
		default:
			i++
			set[name] = append(set[name], given[i])
		}
	}
	return set, rest, nil
}

// helmFlags are those that the documentation may use, of Helm 3.
var helmFlags = map[string]flags{
	"install":   {"-n --namespace -f --values --set --version --timeout", "--create-namespace --wait"},
	"upgrade":   {"-n --namespace -f --values --set --version --timeout", "--install --wait"},
	"rollback":  {"-n --namespace", "--wait"},
	"test":      {"-n --namespace", "--logs"},
	"uninstall": {"-n --namespace", ""},
	"list":      {"-n --namespace", ""},
	"get":       {"-n --namespace", ""},
	"show":      {"--version", ""},
	"pull":      {"--version", "--untar"},
	"push":      {"", ""},
}

func (c *commands) helm(words []string) error {
	known, ok := helmFlags[words[0]]
	if !ok {
		return fmt.Errorf("helm %s is not known here", words[0])
	}
	set, rest, err := known.split(words[1:])
	if err != nil {
		return err
	}
	for _, word := range rest {
		if strings.HasPrefix(word, "oci://") && !strings.HasPrefix(word, "oci://registry.example.org/") && word != "oci://"+chart.Repository {
			return fmt.Errorf("%s is not where the chart is published, %s", word, chart.Repository)
		}
	}
	if words[0] != "install" && words[0] != "upgrade" {
		return nil
	}
	if len(rest) != 2 {
		return fmt.Errorf("it takes a name and a chart, and has %q", rest)
	}
	return c.checkValues(rest[1], append(set["-f"], set["--values"]...), set["--set"])
}

// checkValues has the chart look at values as they would be given. A file that is not an
// example's is the reader's own, and has whatever can be had.
func (c *commands) checkValues(reference string, files, sets []string) error {
	values := map[string]any{}
	if reference == "…" || slices.Contains(files, "values.yaml") {
		values = chartutil.CoalesceTables(values, c.values)
	}
	for _, file := range files {
		if file == "values.yaml" {
			continue
		}
		given, err := chartutil.ReadValuesFile(filepath.Join(chart.Find("."), "examples", file))
		if err != nil {
			return fmt.Errorf("neither values.yaml nor an example: %w", err)
		}
		values = chartutil.CoalesceTables(given, values)
	}
	for _, set := range sets {
		if err := strvals.ParseInto(set, values); err != nil {
			return err
		}
	}
	return chart.Check(chart.Find("."), values)
}

var kubectlFlags = map[string]flags{
	"get":          {"-n -o -l", ""},
	"describe":     {"-n -l", ""},
	"logs":         {"-n -c -l --tail --since", "--follow --all-containers"},
	"exec":         {"-n -c", "-i"},
	"create":       {"-n --from --from-literal --from-file --cert --key", ""},
	"delete":       {"-n -l", ""},
	"scale":        {"-n --replicas", ""},
	"rollout":      {"-n --timeout", ""},
	"port-forward": {"-n", ""},
}

func (c *commands) kubectl(words []string) error {
	i := slices.IndexFunc(words, func(word string) bool { _, ok := kubectlFlags[word]; return ok })
	if i < 0 {
		return fmt.Errorf("kubectl %s is not known here", words[0])
	}
	command := words[i]
	set, rest, err := kubectlFlags[command].split(slices.Concat(words[:i], words[i+1:]))
	if err != nil {
		return err
	}
	if command == "logs" || command == "exec" {
		return c.rendered.container(rest, set["-c"], set["-l"])
	}
	return c.rendered.named(command, append(rest, set["--from"]...))
}

// renderedChart is what the chart makes for whoever uses all of it.
type renderedChart struct {
	objects    map[string]bool // kind/name
	containers map[string]containers
	labels     map[string]bool // KEY=VALUE of pods
}

// containers of a pod, with those that come before.
type containers struct{ before, roles []string }

func rendered(t *testing.T) renderedChart {
	values, err := chartutil.ReadValuesFile("chart/testdata/values/everything.yaml")
	require.NoError(t, err)
	manifests, err := chart.Manifests(chart.Find("."), values, "1.34")
	require.NoError(t, err)
	r := renderedChart{objects: map[string]bool{}, containers: map[string]containers{}, labels: map[string]bool{}}
	for _, manifest := range strings.Split(manifests, "\n---\n") {
		var o renderedObject
		require.NoError(t, yaml.Unmarshal([]byte(manifest), &o))
		r.add(o)
	}
	require.Contains(t, r.objects, "statefulset/opennebula")
	return r
}

// renderedObject is what is looked at of one.
type renderedObject struct {
	Kind     string
	Metadata struct {
		Name   string
		Labels map[string]string
	}
	Spec struct {
		Template    podTemplate
		JobTemplate struct {
			Spec struct{ Template podTemplate }
		}
	}
}

type podTemplate struct {
	Metadata struct{ Labels map[string]string }
	Spec     struct{ InitContainers, Containers []struct{ Name string } }
}

func (r renderedChart) add(o renderedObject) {
	r.objects[strings.ToLower(o.Kind)+"/"+o.Metadata.Name] = true
	for key, value := range o.Metadata.Labels {
		r.labels[key+"="+value] = true
	}
	if o.Kind != "StatefulSet" {
		return
	}
	pod := o.Metadata.Name + "-0"
	r.objects["pod/"+pod] = true
	var c containers
	for _, one := range o.Spec.Template.Spec.InitContainers {
		c.before = append(c.before, one.Name)
	}
	for _, one := range o.Spec.Template.Spec.Containers {
		// What everything.yaml puts beside the roles.
		if one.Name != "beside" {
			c.roles = append(c.roles, one.Name)
		}
	}
	r.containers[pod] = c
}

// container of a pod that is named, or of pods by their labels.
func (r renderedChart) container(pods, names, labels []string) error {
	for _, label := range labels {
		if !r.labels[label] {
			return fmt.Errorf("nothing of the chart has the label %s", label)
		}
	}
	for _, pod := range pods {
		has, ok := r.containers[pod]
		if !ok {
			return fmt.Errorf("the chart makes no pod %s", pod)
		}
		for _, name := range names {
			if !slices.Contains(has.roles, name) && !slices.Contains(has.before, name) {
				return fmt.Errorf("the pod %s has no container %s", pod, name)
			}
		}
	}
	return nil
}

// named objects are ones that the chart makes: kind/name, or a kind and then a name.
func (r renderedChart) named(command string, rest []string) error {
	if command == "create" {
		rest = slices.DeleteFunc(rest, func(word string) bool { return !strings.HasPrefix(word, "cronjob/") })
	}
	if len(rest) == 2 && !strings.Contains(strings.Join(rest, ""), "/") {
		rest = []string{rest[0] + "/" + rest[1]}
	}
	for _, word := range rest {
		if strings.Contains(word, "/") && !r.objects[word] {
			return fmt.Errorf("the chart makes no %s", word)
		}
	}
	return nil
}

func (c *commands) dagger(words []string) error {
	switch words[0] {
	case "call":
		if words[len(words)-1] == "--help" {
			return nil
		}
		return c.module.check(words[1:])
	case "check":
		for _, name := range words[1:] {
			if f := c.module["OpennebulaHelm"][name]; !f.isCheck {
				return fmt.Errorf("there is no check %s", name)
			}
		}
		return nil
	case "functions":
		return nil
	default:
		return fmt.Errorf("dagger %s is not known here", words[0])
	}
}

// checks of .ci/check are those that Dagger has.
func (c *commands) checks(names []string) error { return c.dagger(append([]string{"check"}, names...)) }

func (c *commands) golang(words []string) error {
	switch words[0] {
	case "run":
		return c.program(words[1], words[2:])
	case "test", "generate":
		known := flags{"-run -count -timeout", "-short -args -help"}
		if slices.Contains(words, "./e2e") {
			known = known.with(c.suite)
		}
		_, folders, err := known.split(words[1:])
		if err != nil {
			return err
		}
		for _, folder := range folders {
			if _, err := os.Stat(strings.TrimSuffix(folder, "/...")); err != nil {
				return err
			}
		}
		return nil
	default:
		return fmt.Errorf("go %s is not known here", words[0])
	}
}

// program of ours asks itself whether it knows a command and its flags.
func (c *commands) program(folder string, given []string) error {
	if c.programs[folder] == "" {
		compiled := filepath.Join(c.folder, filepath.Base(folder))
		if out, err := exec.Command("go", "build", "-o", compiled, folder).CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		c.programs[folder] = compiled
	}
	out, err := exec.Command(c.programs[folder], append(given, "--help")...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	want := filepath.Base(folder)
	if len(given) > 0 && !strings.HasPrefix(given[0], "-") {
		want += " " + given[0]
	}
	if usage := regexp.MustCompile(`(?m)^ +` + regexp.QuoteMeta(want) + `\b`); !usage.Match(out) {
		return fmt.Errorf("there is no command %s", want)
	}
	return nil
}

// cosign must ask for the signature of those who sign here.
func cosign(words []string) error {
	known := flags{"--certificate-oidc-issuer --certificate-identity-regexp --key --type", "--private-infrastructure --new-bundle-format"}
	set, _, err := known.split(words[1:])
	if err != nil || len(words) < 2 || words[0] != "verify" && words[0] != "verify-attestation" || set["--key"] != nil {
		return err
	}
	for name, want := range map[string]string{
		"--certificate-oidc-issuer": signature.GitHubIssuer, "--certificate-identity-regexp": "^" + pipeline.Workflows + "$",
	} {
		if given := strings.Join(set[name], ""); given != want {
			return fmt.Errorf("%s is %q, and those who sign are %q", name, given, want)
		}
	}
	return nil
}

// docker builds the image, with arguments that its Dockerfile knows.
func docker(words []string) error {
	if !slices.Contains(words, "build") {
		return errUnknown
	}
	dockerfile, err := os.ReadFile(filepath.Join(words[len(words)-1], "Dockerfile"))
	if err != nil {
		return err
	}
	for i, word := range words {
		if word != "--build-arg" {
			continue
		}
		name, _, _ := strings.Cut(words[i+1], "=")
		if !regexp.MustCompile(`(?m)^ARG ` + name + `\b`).Match(dockerfile) {
			return fmt.Errorf("the image has no build argument %s", name)
		}
	}
	return nil
}

// role of the image.
func role(words []string) error {
	_, err := os.Stat(filepath.Join("image/rootfs/usr/local/lib/opennebula-frontend/roles", words[0]))
	return err
}

// findWrong shows that the checks above find what is wrong.
func (c *commands) findWrong(t *testing.T) {
	for command, want := range map[string]string{
		"rm -rf /":                                                    "nothing checks this command",
		"helm setup a chart/opennebula":                               "helm setup is not known",
		"helm install a oci://ghcr.io/x":                              "is not where the chart is published",
		"helm install a … --vales f":                                  "there is no flag --vales",
		"helm install a … --set a.b=1":                                "additional properties 'a' not allowed",
		"helm install a … --set replicas=3":                           "Raft",
		"helm install a … -f other.yaml":                              "neither values.yaml nor an example",
		"kubectl -n a logs opennebula-0 -c onedd":                     "has no container onedd",
		"kubectl -n a logs opennebula-1 -c oned":                      "makes no pod opennebula-1",
		"kubectl -n a logs -l app.kubernetes.io/component=clod":       "has the label",
		"kubectl -n a scale statefulset/nebula --replicas=0":          "makes no statefulset/nebula",
		"kubectl -n a get configmap opennebula-nodes":                 "makes no configmap/opennebula-nodes",
		"kubectl -n a create job --from=cronjob/opennebula-back x":    "makes no cronjob/opennebula-back",
		"kubectl -n a get pods --wide":                                "there is no flag --wide",
		"dagger call make":                                            "has no function make",
		"dagger check lint-gp":                                        "there is no check lint-gp",
		"go run ./cmd/release send":                                   "there is no command release send",
		"go run ./cmd/release plan --versio 7.2.0":                    "unknown flag: --versio",
		"go run ./cmd/rehearse --kep":                                 "unknown flag: --kep",
		"go test ./imag/...":                                          "no such file",
		"go test ./e2e -kubeconfi FILE":                               "there is no flag -kubeconfi",
		"cosign verify a --certificate-identity-regexp '.*'":          "those who sign are",
		"docker build --build-arg ONE_VERSIN=7.2.0 image":             "no build argument ONE_VERSIN",
		"opennebula-frontend again":                                   "no such file",
		"kubectl -n a exec -i opennebula-0 -c oned -- anything --all": "",
	} {
		words, err := split(command)
		require.NoError(t, err, command)
		require.Len(t, words, 1, command)
		if err = c.check(words[0]); want == "" {
			assert.NoError(t, err, command)
		} else {
			assert.ErrorContains(t, err, want, command)
		}
	}
}
