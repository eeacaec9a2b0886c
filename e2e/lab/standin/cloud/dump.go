package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"time"
)

// database is where one is, and how to get in.
type database struct {
	section conf
	file    string // of SQLite
}

// client runs a program of the database: SQLite's own, or one of MySQL's.
func (db database) client(ctx context.Context, in io.Reader, out io.Writer, mysql string, args ...string) error {
	name := "sqlite3"
	if db.section.get("BACKEND") == "mysql" {
		name = mysql
		args = append([]string{"-u", db.section.get("USER"), "-h", db.section.get("SERVER"), "-P", cmp.Or(db.section.get("PORT"), "0")}, args...)
	}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, os.Stderr
	cmd.Env = append(os.Environ(), "MYSQL_PWD="+db.section.get("PASSWD"))
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("run %s: %w", name, err)
	}
	return nil
}

// backupFile is upstream's name for a backup of now.
func (d *onedb) backupFile() string {
	now := time.Now().Format("2006-1-2_15:4:5")
	if d.db.section.get("BACKEND") == "mysql" {
		return d.root.path(fmt.Sprintf("/var/lib/one/mysql_%s_%s_%s.sql", d.db.section.get("SERVER"), d.db.section.get("DB_NAME"), now))
	}
	return d.root.path("/var/lib/one/one.db_" + now + ".bck")
}

func (d *onedb) dump(ctx context.Context, file string) error {
	file = cmp.Or(file, d.backupFile())
	if _, err := os.Stat(file); err == nil && !d.force {
		return fmt.Errorf("%s is there already: give -f to overwrite it", file)
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("create the backup: %w", err)
	}
	args := []string{"--add-drop-database", "--databases", "--add-drop-table", d.db.section.get("DB_NAME")}
	if d.db.section.get("BACKEND") != "mysql" {
		args = []string{d.db.file, ".dump"}
		for _, table := range slices.Concat([]string{"pool_control", localVersions, sharedVersions}, localPools, sharedPools) {
			fmt.Fprintf(f, "DROP TABLE IF EXISTS %s;\n", table)
		}
	}
	if err := errors.Join(d.db.client(ctx, nil, f, "mysqldump", args...), f.Close()); err != nil {
		return err
	}
	fmt.Println("The backup is in " + file)
	return nil
}

func (d *onedb) restore(ctx context.Context, file string) error {
	if err := d.requireStopped(); err != nil {
		return err
	}
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("read the backup: %w", err)
	}
	defer f.Close()
	if d.store != nil && !d.force {
		return errors.New("there is a database: give -f to overwrite it")
	}
	args := []string{d.db.section.get("DB_NAME")}
	if d.db.section.get("BACKEND") != "mysql" {
		args = []string{d.db.file}
	}
	if err := d.db.client(ctx, f, os.Stdout, "mysql", args...); err != nil {
		return err
	}
	fmt.Println("The database is as in " + file)
	return nil
}
