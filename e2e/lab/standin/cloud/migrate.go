package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// migration is the way to this release. It changes one row after the other, and
// records the new schema after the last, so that one that is killed leaves a
// database that is neither the old nor the new.
type migration struct {
	store *store
	pause time.Duration // after each row
	fail  bool          // before the virtual machines
	say   func(format string, args ...any)
}

func (d *onedb) upgrade(ctx context.Context, _ []string) error {
	if err := d.requireStopped(); err != nil {
		return err
	}
	shared, local, err := d.versions(ctx)
	if err != nil {
		fmt.Println(err)
		return exit{254, "the version of the database cannot be read"}
	}
	if compare(shared, local) == same {
		fmt.Println("The database has the schema of this release.")
		return nil
	}
	file := cmp.Or(d.backup, d.backupFile())
	if !d.noBackup {
		if err := d.dump(ctx, file); err != nil {
			return err
		}
	}
	err = d.migrate(ctx)
	if err == nil || d.noBackup {
		return err
	}
	d.force = true
	return errors.Join(err, d.restore(ctx, file))
}

func (d *onedb) migrate(ctx context.Context) error {
	m := migration{store: d.store, fail: os.Getenv("STANDIN_MIGRATION_FAIL") == "1", say: func(string, ...any) {}}
	if d.verbose {
		m.say = func(format string, args ...any) { fmt.Printf(format+"\n", args...) }
	}
	if err := m.slowDown(ctx, os.Getenv("STANDIN_MIGRATION_SECONDS")); err != nil {
		return err
	}
	migrators := d.root.path("/usr/lib/one/ruby/onedb")
	fmt.Println("Migrating the shared tables")
	if err := m.tables(ctx, filepath.Join(migrators, "shared"), sharedVersions, sharedPools); err != nil {
		return err
	}
	fmt.Println("Migrating the local tables")
	if err := m.tables(ctx, filepath.Join(migrators, "local"), localVersions, localPools); err != nil {
		return err
	}
	shared, local, err := d.versions(ctx)
	if err == nil && compare(shared, local) != same {
		err = fmt.Errorf("the database has the schemas %s (shared) and %s (local), and no migrator leads to %s: the package opennebula-migration has them", shared, local, schema())
	}
	return err
}

// slowDown spreads seconds over all rows.
func (m *migration) slowDown(ctx context.Context, seconds string) error {
	if seconds == "" {
		return nil
	}
	n, err := strconv.Atoi(seconds)
	if err != nil {
		return fmt.Errorf("read STANDIN_MIGRATION_SECONDS: %w", err)
	}
	total := 0
	for _, pool := range slices.Concat(sharedPools, localPools) {
		rows, err := m.store.rows(ctx, pool)
		if err != nil {
			return err
		}
		total += len(rows)
	}
	m.pause = time.Duration(n) * time.Second / time.Duration(max(total, 1))
	return nil
}

// tables go from one schema to the next, as long as there is a migrator.
func (m *migration) tables(ctx context.Context, folder, versions string, pools []string) error {
	first := m.store.schemaOf(ctx, versions)
	for at := first; ; {
		found, err := filepath.Glob(filepath.Join(folder, at+"_to_*.rb"))
		if err != nil {
			return fmt.Errorf("find the migrator from %s: %w", at, err)
		}
		if len(found) > 1 {
			return fmt.Errorf("there is more than one migrator from %s: %q", at, found)
		}
		if len(found) == 0 && at == first {
			fmt.Printf("They stay at %s\n", at)
			return nil
		}
		if len(found) == 0 {
			comment := fmt.Sprintf("from %s to %s by onedb of the stand-in for OpenNebula %s", first, at, version)
			fmt.Println("They went " + comment)
			return m.store.record(ctx, versions, at, comment)
		}
		m.say("  running %s", found[0])
		step := strings.TrimSuffix(filepath.Base(found[0]), ".rb")
		if err := m.pools(ctx, pools, step); err != nil {
			return err
		}
		_, at, _ = strings.Cut(step, "_to_")
	}
}

// pools get an element in each document, which names the migrator.
func (m *migration) pools(ctx context.Context, pools []string, step string) error {
	for _, pool := range pools {
		if m.fail && pool == "vm_pool" {
			return fmt.Errorf("migrate %s: STANDIN_MIGRATION_FAIL asks for a failure", pool)
		}
		rows, err := m.store.rows(ctx, pool)
		if err != nil {
			return err
		}
		for _, r := range rows {
			r.body = before(r.body, "</", "<MIGRATED>"+step+"</MIGRATED>")
			if err := m.store.putRow(ctx, pool, r); err != nil {
				return err
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("migrate %s: %w", pool, ctx.Err())
			case <-time.After(m.pause):
			}
		}
	}
	return nil
}

// before the last mark goes what is inserted.
func before(text, mark, inserted string) string {
	i := max(strings.LastIndex(text, mark), 0)
	return text[:i] + inserted + text[i:]
}
