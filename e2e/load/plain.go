package load

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pablodelarco/opennebula-helm/e2e/enrollment"
	"github.com/pablodelarco/opennebula-helm/e2e/frontend"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/container"
)

// PlainConfig is what an oned is made of that runs in containers, without Kubernetes: the
// same as in a pod of the chart.
type PlainConfig struct {
	Image    string // of the front-end: a reference, in a registry that may be without TLS
	Database frontend.Database
	Config   map[string]any // fragments of OpenNebula's files, as the chart's value config
	State    string         // folder for everything of this run
}

// Plain is such an oned.
type Plain struct {
	config PlainConfig
	pod    *container.Pod
	root   *container.Root
	oned   *container.Container
}

const (
	plainName        = "load"
	oneadmin, mysql  = 9869, 999 // uids and gids, in the images
	plainPassword    = "of-the-load"
	databasePassword = "of-the-database"
)

// volumes of the front-end, and where they are mounted: those of the chart's pod.
func volumes() map[string]string {
	return map[string]string{
		"data": "/var/lib/one", "run": "/run/one", "lock": "/run/lock/one", "etc": "/etc/one", "log": "/var/log/one",
		"tmp": "/tmp", "vartmp": "/var/tmp", "config": "/etc/opennebula", "secrets": "/run/secrets/one",
	}
}

// databaseVolumes likewise.
func databaseVolumes() map[string]string {
	return map[string]string{
		"mysql-data": "/var/lib/mysql", "mysql-run": "/run/mysqld", "mysql-tmp": "/tmp", "mysql-secrets": "/run/secrets/mariadb",
	}
}

// StartPlain makes it, and returns when it answers. Its state must be a new folder.
func StartPlain(ctx context.Context, c PlainConfig) (*Plain, error) {
	container.Sweep(ctx, plainName) // of a run that was killed
	pod, err := container.NewPod(plainName, filepath.Join(c.State, "containers"))
	if err != nil {
		return nil, err
	}
	p := &Plain{config: c, pod: pod}
	if err := p.start(ctx); err != nil {
		p.Stop()
		return nil, err
	}
	return p, nil
}

// Stop ends all of it.
func (p *Plain) Stop() { p.pod.Stop() }

// Cloud to be put under load.
func (p *Plain) Cloud() (Cloud, error) {
	processes, err := p.oned.Processes()
	if err != nil {
		return Cloud{}, err
	}
	for _, process := range processes {
		if program, _, _ := strings.Cut(process.Command, " "); filepath.Base(program) == "oned" {
			return Cloud{API: p.api, PID: process.PID}, nil
		}
	}
	return Cloud{}, errors.New("find oned: its container has no process of that name")
}

func (p *Plain) api() (*frontend.API, error) {
	transport := &http.Transport{DialContext: p.pod.Dial, DisableKeepAlives: true, ResponseHeaderTimeout: time.Minute}
	return frontend.NewAPI("127.0.0.1:2633", "oneadmin", plainPassword, transport)
}

func (p *Plain) start(ctx context.Context) error {
	if err := p.makeVolumes(); err != nil {
		return err
	}
	if err := p.startDatabase(ctx); err != nil {
		return err
	}
	var err error
	if p.root, err = container.Pull(ctx, p.config.Image, filepath.Join(p.config.State, "root")); err != nil {
		return err
	}
	for _, role := range []string{"bootstrap", "migrate"} {
		result, err := p.pod.Run(ctx, p.role(role))
		if err == nil && result.Code != 0 {
			err = fmt.Errorf("the role %s failed: %s", role, result.Output)
		}
		if err != nil {
			return err
		}
	}
	if _, err := p.startRole(ctx, "ssh-agent"); err != nil {
		return err
	}
	p.oned, err = p.startRole(ctx, "oned")
	return err
}

func (p *Plain) makeVolumes() error {
	if err := p.makeFolders(volumes(), oneadmin); err != nil {
		return err
	}
	if err := p.makeFolders(databaseVolumes(), mysql); err != nil {
		return err
	}
	return p.writeFiles()
}

func (p *Plain) makeFolders(volumes map[string]string, owner int) error {
	for name := range volumes {
		folder := filepath.Join(p.config.State, name)
		if err := errors.Join(os.MkdirAll(folder, 0o770), os.Chown(folder, owner, owner)); err != nil {
			return fmt.Errorf("make a volume: %w", err)
		}
	}
	return nil
}

func (p *Plain) writeFiles() error {
	keys, err := enrollment.NewKeys()
	if err != nil {
		return err
	}
	files := map[string]string{
		"hosts":                       "127.0.0.1 localhost " + plainName + "\n",
		"secrets/password":            plainPassword,
		"secrets/database-password":   databasePassword,
		"mysql-secrets/password":      databasePassword,
		"mysql-secrets/root-password": databasePassword,
	}
	for name, key := range keys.Private() {
		files["secrets/"+name] = key
	}
	for name, fragment := range p.config.Config {
		files["config/"+name] = fmt.Sprint(fragment)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(p.config.State, name), []byte(content), 0o644); err != nil {
			return fmt.Errorf("write a file of a volume: %w", err)
		}
	}
	return nil
}

func (p *Plain) mounts(folders map[string]string) []container.Mount {
	mounts := []container.Mount{{Source: filepath.Join(p.config.State, "hosts"), Destination: "/etc/hosts", ReadOnly: true}}
	for name, destination := range folders {
		mounts = append(mounts, container.Mount{Source: filepath.Join(p.config.State, name), Destination: destination})
	}
	return mounts
}

// startDatabase with the arguments that the chart's has.
func (p *Plain) startDatabase(ctx context.Context) error {
	root, err := container.Pull(ctx, p.config.Database.Image, filepath.Join(p.config.State, "database-root"))
	if err != nil {
		return err
	}
	server, err := p.pod.Start(container.Spec{
		Root: root, Args: p.config.Database.Args, User: mysql, Mounts: p.mounts(databaseVolumes()), Writable: true,
		Env: []string{
			"MARIADB_DATABASE=opennebula", "MARIADB_USER=opennebula",
			"MARIADB_PASSWORD_FILE=/run/secrets/mariadb/password", "MARIADB_ROOT_PASSWORD_FILE=/run/secrets/mariadb/root-password",
		},
	})
	if err != nil {
		return err
	}
	return until(ctx, server, "healthcheck.sh", "--connect", "--innodb_initialized")
}

// role of the image, with the settings that the chart gives it.
func (p *Plain) role(name string) container.Spec {
	return container.Spec{Root: p.root, Args: []string{name}, Mounts: p.mounts(volumes()), Env: []string{
		"ONE_HOSTNAME=" + plainName, "ONEADMIN_PASSWORD_FILE=/run/secrets/one/password", "ONE_SSH_DIR=/run/secrets/one",
		"ONE_DB_BACKEND=mysql", "ONE_DB_HOST=127.0.0.1", "ONE_DB_USER=opennebula", "ONE_DB_NAME=opennebula",
		"ONE_DB_PASSWORD_FILE=/run/secrets/one/database-password",
	}}
}

func (p *Plain) startRole(ctx context.Context, name string) (*container.Container, error) {
	c, err := p.pod.Start(p.role(name))
	if err != nil {
		return nil, err
	}
	return c, until(ctx, c, "opennebula-frontend", "probe", name)
}

// until a command in a container ends well, for at most two minutes.
func until(ctx context.Context, c *container.Container, probe ...string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	return frontend.Eventually(ctx, func() error {
		if !c.Running() {
			return frontend.Final{Err: fmt.Errorf("a container has ended before %s was content: %s", probe, c.Log())}
		}
		result, err := c.Exec(ctx, probe...)
		if err == nil && result.Code != 0 {
			err = fmt.Errorf("%s is not content: %s; the container said: %s", probe, result.Output, c.Log())
		}
		return err
	})
}
