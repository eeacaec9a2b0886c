package test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pablodelarco/opennebula-helm/e2e/lab/builder"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/container"
)

// Each test with a database runs on both kinds.
var backends = []string{"sqlite", "mysql"}

// onEach runs a test on a new deployment of each kind of database.
func onEach(t *testing.T, version string, test func(t *testing.T, d *deployment)) {
	for _, backend := range backends {
		t.Run(backend, func(t *testing.T) {
			d := newDeployment(t, version)
			if backend == "mysql" {
				d.useServer()
			}
			test(t, d)
		})
	}
}

const mysql = 999 // uid and gid of the server

const databasePassword = `a"quoted"\$password%&:@/#+`

// useServer gives the deployment a MariaDB server in its pod.
func (d *deployment) useServer() {
	d.t.Helper()
	d.write("secrets", "database-password", databasePassword+"\n")
	for name, value := range map[string]string{
		"BACKEND": "mysql", "HOST": "127.0.0.1", "USER": "opennebula", "NAME": "opennebula",
		"PASSWORD_FILE": "/run/secrets/one/database-password",
	} {
		d.env["ONE_DB_"+name] = value
	}
	d.newDatabase()
}

// newDatabase starts a server on an empty folder, in place of one before.
func (d *deployment) newDatabase() {
	d.t.Helper()
	data := filepath.Join(d.folder, "database")
	if d.server != nil {
		d.server.Stop()
	}
	require.NoError(d.t, os.RemoveAll(data))
	for _, folder := range []string{"data", "run", "tmp", "secrets"} {
		require.NoError(d.t, os.MkdirAll(filepath.Join(data, folder), 0o755))
		require.NoError(d.t, os.Chown(filepath.Join(data, folder), mysql, mysql))
	}
	require.NoError(d.t, os.WriteFile(filepath.Join(data, "secrets/password"), []byte(databasePassword), 0o644))
	if d.signer != nil {
		d.signer.signServer(filepath.Join(data, "secrets"))
	}
	d.startServer()
}

// loseDatabase leaves an empty one.
func (d *deployment) loseDatabase() {
	d.t.Helper()
	if d.server != nil {
		d.newDatabase()
		return
	}
	require.NoError(d.t, os.Remove(d.path("data", "one.db")))
}

// startServer on the folder that is there.
func (d *deployment) startServer() {
	d.t.Helper()
	data := filepath.Join(d.folder, "database")
	spec := container.Spec{
		Root: serverRoot(d.t), User: mysql, Args: []string{"mariadbd"},
		Env: []string{
			"MARIADB_DATABASE=opennebula", "MARIADB_USER=opennebula",
			"MARIADB_PASSWORD_FILE=/secrets/password", "MARIADB_ROOT_PASSWORD_FILE=/secrets/password",
		},
		Mounts: []container.Mount{
			{Source: filepath.Join(data, "data"), Destination: "/var/lib/mysql"},
			{Source: filepath.Join(data, "run"), Destination: "/run/mysqld"},
			{Source: filepath.Join(data, "tmp"), Destination: "/tmp"},
			{Source: filepath.Join(data, "secrets"), Destination: "/secrets", ReadOnly: true},
			{Source: filepath.Join(d.folder, "hosts"), Destination: "/etc/hosts", ReadOnly: true},
		},
		Writable: true, // its root lies beside, and nothing else uses it
	}
	if d.signer != nil { // it takes nobody without TLS
		spec.Args = append(spec.Args, "--require-secure-transport=ON", "--ssl-cert=/secrets/server.pem", "--ssl-key=/secrets/server.key")
	}
	server, err := d.pod.Start(spec)
	require.NoError(d.t, err)
	d.server = server
	require.NoError(d.t, eventually(d.t, time.Minute, func() error {
		result, err := server.Exec(d.t.Context(), "healthcheck.sh", "--connect")
		if err == nil && result.Code != 0 {
			err = fmt.Errorf("the database server is not ready: %s%s", result.Output, server.Log())
		}
		return err
	}))
}

// serverRoot is the lab's stand-in for the official MariaDB image.
func serverRoot(t *testing.T) *container.Root {
	t.Helper()
	l := requireLab(t)
	one.Lock()
	defer one.Unlock()
	if root, ok := l.roots["mariadb"]; ok {
		return root
	}
	made, err := l.run(t.Context(), builder.Build{
		Context:    filepath.Join(checkout, "e2e/lab/images/mariadb"),
		Repository: l.registry.Address() + "/library/mariadb",
		Log:        filepath.Join(l.state, "mariadb.log"),
	})
	require.NoError(t, err)
	image, err := pull(made.Reference)
	require.NoError(t, err)
	root, err := container.Unpack(image, filepath.Join(l.state, "root-mariadb"))
	require.NoError(t, err)
	l.roots["mariadb"] = root
	return root
}

// rootOf unpacks the front-end's image of a release, once for all tests.
func rootOf(t *testing.T, version string) *container.Root {
	t.Helper()
	b := built(t, version)
	one.Lock()
	defer one.Unlock()
	if root, ok := shared.roots[version]; ok {
		return root
	}
	root, err := container.Unpack(b.Image, filepath.Join(shared.state, "root-"+version))
	require.NoError(t, err)
	// Where volumes are mounted; a mapped root could not make them.
	for _, destination := range volumes {
		require.NoError(t, os.MkdirAll(root.Path(destination), 0o755))
	}
	require.NoError(t, os.WriteFile(root.Path("etc/hosts"), nil, 0o644))
	shared.roots[version] = root
	return root
}
