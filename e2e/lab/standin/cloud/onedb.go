package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// onedb looks after the database while oned does not run. Its options, codes and
// numbers are upstream's, and so are its habits: what is no command gets help.
type onedb struct {
	root  root
	store *store // nil where SQLite's file is missing
	db    database

	kind, server, port, user, password, name string
	file, backup                             string
	verbose, force, noBackup, dry            bool
}

// exit is an end with a code of its own.
type exit struct {
	code int
	text string
}

func (e exit) Error() string { return e.text }

func runOnedb(ctx context.Context, r root, args []string) error {
	d := &onedb{root: r}
	command := d.command()
	isCommand := func(c *cobra.Command) bool { return len(args) > 0 && c.Name() == args[0] }
	if !slices.ContainsFunc(command.Commands(), isCommand) {
		return command.Help()
	}
	command.SetArgs(args)
	return command.ExecuteContext(ctx)
}

func (d *onedb) command() *cobra.Command {
	top := &cobra.Command{Use: "onedb", SilenceErrors: true, SilenceUsage: true}
	top.CompletionOptions.DisableDefaultCmd = true
	flags := top.PersistentFlags()
	flags.StringVarP(&d.file, "sqlite", "s", "", "SQLite's file")
	flags.StringVarP(&d.kind, "type", "t", "", "sqlite or mysql")
	flags.StringVarP(&d.server, "server", "S", "", "MySQL's host")
	flags.StringVarP(&d.port, "port", "P", "", "MySQL's port")
	flags.StringVarP(&d.user, "username", "u", "", "MySQL's user")
	flags.StringVar(&d.user, "user", "", "the same: upstream takes abbreviations")
	flags.StringVarP(&d.password, "password", "p", "", "its password; else ONE_DB_PASSWORD, or asked for")
	flags.StringVarP(&d.name, "dbname", "d", "", "MySQL's database")
	flags.BoolVarP(&d.verbose, "verbose", "v", false, "say more")
	add := func(use, short string, run func(context.Context, []string) error) *cobra.Command {
		c := &cobra.Command{Use: use, Short: short, Args: cobra.MaximumNArgs(1), RunE: d.connected(run)}
		c.Flags().BoolVarP(&d.force, "force", "f", false, "overwrite what is there")
		top.AddCommand(c)
		return c
	}
	add("version", "compare the database with this release", d.version)
	upgrade := add("upgrade", "bring the database to this release", d.upgrade)
	upgrade.Flags().BoolVar(&d.noBackup, "no-backup", false, "make no backup first")
	fsck := add("fsck", "find what is wrong, and repair it", d.fsck)
	fsck.Flags().BoolVar(&d.dry, "dry", false, "repair nothing")
	for _, c := range []*cobra.Command{upgrade, fsck} {
		c.Flags().StringVarP(&d.backup, "backup", "b", "", "file for the backup")
	}
	add("backup [FILE]", "dump the database", func(ctx context.Context, args []string) error { return d.dump(ctx, strings.Join(args, "")) })
	add("restore FILE", "take a dump over", func(ctx context.Context, args []string) error { return d.restore(ctx, strings.Join(args, "")) })
	return top
}

func (d *onedb) connected(run func(context.Context, []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) (err error) {
		if d.db, err = d.choose(); err != nil {
			return err
		}
		if _, err := os.Stat(d.db.file); err != nil && d.db.section.get("BACKEND") == "sqlite" {
			return run(c.Context(), args)
		}
		if d.store, err = openStore(c.Context(), d.db.section, d.db.file); err != nil {
			return err
		}
		defer d.store.db.Close()
		return run(c.Context(), args)
	}
}

// choose the database of the options or, where they name none, of oned.conf.
func (d *onedb) choose() (db database, err error) {
	db.file = cmp.Or(d.file, d.root.path("/var/lib/one/one.db"))
	if d.kind == "" && d.file != "" {
		d.kind = "sqlite"
	}
	server, err := url.PathUnescape(d.server) // upstream makes a URL of it
	if err != nil {
		return db, fmt.Errorf("read the option --server: %w", err)
	}
	db.section = conf{
		{name: "BACKEND", value: cmp.Or(d.kind, "mysql")}, {name: "SERVER", value: cmp.Or(server, "localhost")},
		{name: "PORT", value: d.port}, {name: "USER", value: d.user}, {name: "DB_NAME", value: d.name},
	}
	password := d.password
	if d.kind+d.server+d.port+d.user+d.name == "" {
		if db.section, err = d.configured(); err != nil {
			return db, err
		}
		password = db.section.get("PASSWD")
	}
	if db.section.get("BACKEND") != "mysql" {
		return db, nil
	}
	if db.section.get("USER") == "" || db.section.get("DB_NAME") == "" {
		return db, errors.New("MySQL needs the options --username and --dbname")
	}
	if password == "" {
		if password, err = askPassword(); err != nil {
			return db, err
		}
	}
	db.section = append(db.section, attribute{name: "PASSWD", value: password})
	return db, nil
}

// configured is the section DB of oned.conf. Upstream's onedb drops every
// backslash from it, though oned does not.
func (d *onedb) configured() (conf, error) {
	c, err := readConf(d.root.path("/etc/one/oned.conf"))
	if err != nil {
		return nil, err
	}
	section := slices.Clone(c.section("DB"))
	for i := range section {
		section[i].value = strings.ReplaceAll(section[i].value, `\`, "")
	}
	return section, nil
}

func askPassword() (string, error) {
	if password, ok := os.LookupEnv("ONE_DB_PASSWORD"); ok {
		return password, nil
	}
	fmt.Print("Password of the database: ")
	line, err := bufio.NewReader(os.Stdin).ReadString('\n')
	fmt.Println()
	if err != nil && line == "" {
		return "", fmt.Errorf("read the password of the database: %w", err)
	}
	return strings.TrimSpace(line), nil
}

// versions are the schemas of the shared and of the local tables.
func (d *onedb) versions(ctx context.Context) (shared, local string, err error) {
	if d.store == nil {
		return "", "", exit{1, "the database has not been bootstrapped: there is no file " + d.db.file}
	}
	shared, local = d.store.schemaOf(ctx, sharedVersions), d.store.schemaOf(ctx, localVersions)
	if shared != "" && local != "" {
		return shared, local, nil
	}
	if _, err := d.store.body(ctx, "user_pool", 0); err != nil {
		return "", "", exit{1, "the database has not been bootstrapped"}
	}
	return "", "", errors.New("the database has users, but does not say which schema it has")
}

// The answers of compare, and the codes with which version ends.
const same, older, newer = 0, 2, 3

// compare the database with this release.
func compare(shared, local string) int {
	s, l := slices.Compare(numbers(shared), numbers(schema())), slices.Compare(numbers(local), numbers(schema()))
	switch {
	case min(s, l) < 0:
		return older
	case max(s, l) > 0:
		return newer
	}
	return same
}

func numbers(version string) (all []int) {
	for _, text := range strings.Split(version, ".") {
		n, _ := strconv.Atoi(text) // what is no number is old
		all = append(all, n)
	}
	return all
}

func (d *onedb) version(ctx context.Context, _ []string) error {
	shared, local, err := d.versions(ctx)
	if err != nil {
		return err
	}
	if d.verbose {
		fmt.Printf("Shared tables version:   %s\nRequired version:        %s\n\n", shared, schema())
		fmt.Printf("Local tables version:    %s\nRequired version:        %[2]s\n\n", local, schema())
	} else {
		fmt.Printf("Shared: %s\nLocal:  %s\nRequired shared version: %s\nRequired local version:  %[3]s\n", shared, local, schema())
	}
	text := map[int]string{older: "\nThe database must be upgraded.", newer: "\nThe database is of a newer release."}
	if code := compare(shared, local); code != same {
		fmt.Println(text[code])
		return exit{code: code}
	}
	return nil
}

// requireStopped refuses to go on beside a running oned.
func (d *onedb) requireStopped() error {
	lock := d.root.path("/run/lock/one/one")
	if _, err := os.Stat(lock); err == nil {
		return fmt.Errorf("stop oned first: its lock file %s is there", lock)
	}
	session, err := d.root.session()
	if err != nil {
		return err
	}
	if err := callOned(endpoint(), "one.system.version", session); err == nil {
		return fmt.Errorf("stop oned first: it answers at %s", endpoint())
	}
	return nil
}
