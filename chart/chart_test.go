package chart

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pablodelarco/opennebula-helm/image"
)

var img = image.Info{
	Reference:  "127.0.0.1:5000/team/frontend@sha256:" + strings.Repeat("ab", 32),
	Repository: "127.0.0.1:5000/team/frontend",
	Digest:     "sha256:" + strings.Repeat("ab", 32),
	Version:    "7.0.2",
	Platforms:  []string{"linux/amd64", "linux/arm64"},
}

func TestPackagePinsTheImage(t *testing.T) {
	archive, err := Package(Name, t.TempDir(), img)
	require.NoError(t, err)

	c, err := loader.LoadFile(archive)
	require.NoError(t, err)
	assert.Equal(t, "7.0.2", c.Metadata.AppVersion)
	rendered, err := Render(archive, nil)
	require.NoError(t, err)
	assert.Contains(t, rendered, "image: "+img.Reference)
	assert.NotContains(t, rendered, "image: docker.io/pablodelarco")
}

func TestPackageKeepsTheCommentsOfValues(t *testing.T) {
	archive, err := Package(Name, t.TempDir(), img)
	require.NoError(t, err)
	c, err := loader.LoadFile(archive)
	require.NoError(t, err)
	before, err := os.ReadFile(filepath.Join(Name, "values.yaml"))
	require.NoError(t, err)

	was, is := strings.Split(string(before), "\n"), strings.Split(string(valuesText(c)), "\n")
	require.Len(t, is, len(was))
	changed := 0
	for i := range was {
		if was[i] != is[i] {
			changed++
		}
	}
	assert.Equal(t, 3, changed, "registry, repository and digest")
}

func TestRenderDefaults(t *testing.T) {
	rendered, err := Render(Name, nil)
	require.NoError(t, err)
	for _, role := range []string{"oned", "fireedge", "oneflow", "onegate", "onehem", "guacd", "ssh-agent", "sshd"} {
		assert.Contains(t, rendered, "args: ["+role+"]")
	}
	assert.Contains(t, rendered, `{name: ONE_HOSTNAME, value: "opennebula-ssh.opennebula.svc"}`)
	assert.Contains(t, rendered, `{name: ONE_DB_HOST, value: "opennebula-mariadb"}`)
	assert.NotContains(t, rendered, "runAsUser: 0")
	assert.NotContains(t, rendered, "privileged: true")
}

func TestRenderDatabases(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) {
		rendered, err := Render(Name, map[string]any{"mariadb": map[string]any{"enabled": false}})
		require.NoError(t, err)
		assert.Contains(t, rendered, "value: sqlite")
		assert.NotContains(t, rendered, "mariadb")
	})
	t.Run("external", func(t *testing.T) {
		rendered, err := Render(Name, map[string]any{
			"mariadb":          map[string]any{"enabled": false},
			"externalDatabase": map[string]any{"host": "db.example.org", "existingSecret": "db"},
		})
		require.NoError(t, err)
		assert.Contains(t, rendered, `value: "db.example.org"`)
		assert.Contains(t, rendered, "secretName: db,")
	})
	t.Run("external without a Secret", func(t *testing.T) {
		_, err := Render(Name, map[string]any{
			"mariadb":          map[string]any{"enabled": false},
			"externalDatabase": map[string]any{"host": "db.example.org"},
		})
		assert.ErrorContains(t, err, "externalDatabase.existingSecret is empty")
	})
}

// The hook runs before the upgrade that it is of, so that other volumes need not be there.
func TestCheckSchemaMountsTheDatabaseAlone(t *testing.T) {
	values, err := chartutil.ReadValues([]byte("{mariadb: {enabled: false}, persistence: {datastores: {enabled: true}}, backup: {persistence: {enabled: true}}}"))
	require.NoError(t, err)
	manifests, err := Manifests(Name, values, newest)
	require.NoError(t, err)
	volumes, _, err := unstructured.NestedSlice(find(t, manifests, "Job/opennebula-check-schema"), "spec", "template", "spec", "volumes")
	require.NoError(t, err)
	var claims []string
	for _, volume := range volumes {
		if claim, found, _ := unstructured.NestedString(volume.(map[string]any), "persistentVolumeClaim", "claimName"); found {
			claims = append(claims, claim)
		}
	}
	assert.Equal(t, []string{"opennebula-data"}, claims)
}

func TestWrongValuesAreNamed(t *testing.T) {
	for name, test := range map[string]struct {
		values map[string]any
		want   string
	}{
		"unknown key": {map[string]any{"sunstoen": true}, "sunstoen"},
		"unknown key of the database": {
			map[string]any{"mariadb": map[string]any{"passwort": "x"}}, "passwort"},
		"wrong type of Service": {
			map[string]any{"services": map[string]any{"api": map[string]any{"type": "Public"}}}, "/services/api/type"},
		"port out of range": {
			map[string]any{"externalDatabase": map[string]any{"port": 70000}}, "/externalDatabase/port"},
		"no quantity": {
			map[string]any{"persistence": map[string]any{"data": map[string]any{"size": "big"}}}, "must be 'a quantity, such as 20Gi'"},
		"public URL with a path": {
			map[string]any{"publicUrl": "https://example.org/cloud"}, "without a path, since FireEdge cannot be served below one"},
		"several front-ends": {
			map[string]any{"replicas": 3}, "a Raft zone of several front-ends is not made yet"},
		"privileged port": {
			map[string]any{"ssh": map[string]any{"containerPort": 22}}, "1024 or more"},
		"unknown driver of a host": {
			map[string]any{"hosts": []any{map[string]any{"name": "a", "driver": "xen"}}}, "'kvm', 'qemu', 'lxc'"},
		"port in the address of a host": {
			map[string]any{"hosts": []any{map[string]any{"name": "a", "address": "10.0.0.1:22"}}}, "the port is port"},
		"host without a name": {
			map[string]any{"hosts": []any{map[string]any{"address": "10.0.0.1"}}}, "missing property 'name'"},
		"broken digest": {
			map[string]any{"image": map[string]any{"digest": "sha256:12"}}, "/image/digest"},
	} {
		t.Run(name, func(t *testing.T) {
			err := Check(Name, test.values)
			require.ErrorContains(t, err, test.want)
			assert.ErrorContains(t, err, "values.yaml")
			assert.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestOneSentence(t *testing.T) {
	err := errors.New(schemaRefusal + "\n" + `opennebula:
- at '/a': 'anyOf' failed
  - at '/a': got string, want integer
mariadb:
- at '': additional properties 'passwort' not allowed
- at '/image/tag': got number, want string
`)
	assert.ErrorContains(t, oneSentence(err), "at '/a': 'anyOf' failed; at '/a': got string, want integer; "+
		"at '/mariadb': additional properties 'passwort' not allowed; at '/mariadb/image/tag': got number, want string; ")
	other := errors.New("another error")
	assert.Equal(t, other, oneSentence(other))
}

func TestContradictionsAreNamed(t *testing.T) {
	for name, test := range map[string]struct{ values, want string }{
		"two hosts with one name":    {"hosts: [{name: kvm1}, {name: kvm1}]", "hosts has kvm1 twice"},
		"Ingress without a URL":      {"ingress: {enabled: true}", "ingress.enabled needs publicUrl"},
		"backups on a single mount":  {"{backup: {enabled: true}, persistence: {data: {accessModes: [ReadWriteOncePod]}}}", "give its accessModes ReadWriteOnce"},
		"SQLite on a single mount":   {"{mariadb: {enabled: false}, persistence: {data: {accessModes: [ReadWriteOncePod]}}}", "set upgrade.checkSchema to false"},
		"bucket without a name":      {"backup: {enabled: true, s3: {enabled: true, endpoint: \"http://s3\", existingSecret: s3}}", "backup.s3.bucket is empty"},
		"monitor without exporter":   {"metrics: {serviceMonitor: {enabled: true}}", "needs metrics.enabled"},
		"certificate without issuer": {"{publicUrl: \"https://a\", tls: {certManager: {enabled: true}}}", "needs the name of an issuer"},
		"fetch from nowhere":         {"restore: {backup: a, fromS3: true}", "backup.s3.bucket is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			values, err := chartutil.ReadValues([]byte(test.values))
			require.NoError(t, err)
			assert.ErrorContains(t, Check(Name, values), test.want)
		})
	}
}

func TestSetScalar(t *testing.T) {
	const document = "# top\na:\n  b: \"\" # said\n\n  c: plain # too\nlist: [1]\n"

	quoted, err := setScalar([]byte(document), "x: \"y\"", "a", "b")
	require.NoError(t, err)
	assert.Equal(t, "# top\na:\n  b: \"x: \\\"y\\\"\" # said\n\n  c: plain # too\nlist: [1]\n", string(quoted))

	plain, err := setScalar([]byte(document), "z", "a", "c")
	require.NoError(t, err)
	assert.Contains(t, string(plain), "  c: \"z\" # too\n")

	escaped, err := setScalar([]byte(`{a: "b \"c\" \\", d: 1}`), "z", "a")
	require.NoError(t, err)
	assert.Equal(t, `{a: "z", d: 1}`, string(escaped))

	_, err = setScalar([]byte(document), "z", "a", "d")
	assert.ErrorContains(t, err, "it has no a.d")
	_, err = setScalar([]byte(document), "z", "list")
	assert.ErrorContains(t, err, "list is not a single value")
}
