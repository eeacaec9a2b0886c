package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The tables that say which schema the others have, with upstream's columns.
// Shared are those that a federation would share.
const (
	sharedVersions = "db_versioning"
	localVersions  = "local_db_versioning"
)

var (
	sharedPools = []string{"user_pool", "group_pool", "marketplace_pool", "acl_pool"}
	localPools  = []string{"host_pool", "template_pool", "vm_pool", "cluster_pool", "datastore_pool", "network_pool"}
)

// schema is this release's: upstream changes it with the second number only.
func schema() string {
	parts := append(strings.Split(version, "."), "0", "0")
	return parts[0] + "." + parts[1] + ".0"
}

// schemaOf a table is the last version in it. As with oned, it is empty whatever
// the reason is: what follows then fails if it is not that nothing is there yet.
func (s *store) schemaOf(ctx context.Context, table string) (found string) {
	query := "SELECT version FROM " + table + " WHERE oid = (SELECT MAX(oid) FROM " + table + ")"
	if err := s.db.QueryRowContext(ctx, query).Scan(&found); err != nil {
		return ""
	}
	return found
}

// prepare refuses a database of another schema, and fills one that has none.
func (s *store) prepare(ctx context.Context) error {
	empty := false
	for _, table := range []string{localVersions, sharedVersions} {
		switch found := s.schemaOf(ctx, table); found {
		case schema():
		case "":
			empty = true
		default:
			return fmt.Errorf("the database has schema %s (%s), and OpenNebula %s needs %s: upgrade it with onedb", found, table, version, schema())
		}
	}
	if !empty {
		return nil
	}
	return s.createTables(ctx)
}

// createTables fails if one of them is there already.
func (s *store) createTables(ctx context.Context) error {
	tables := []string{"pool_control (tablename VARCHAR(32) PRIMARY KEY, last_oid BIGINT)"}
	for _, pool := range slices.Concat(localPools, sharedPools) {
		tables = append(tables, pool+" (oid INTEGER PRIMARY KEY, name VARCHAR(128), body MEDIUMTEXT)")
	}
	const columns = " (oid INTEGER PRIMARY KEY, version VARCHAR(256), timestamp INTEGER, comment VARCHAR(256)"
	tables = append(tables, localVersions+columns+", is_slave BOOLEAN)", sharedVersions+columns+")")
	for _, table := range tables {
		if err := s.exec(ctx, "CREATE TABLE "+table); err != nil {
			return err
		}
	}
	comment := "bootstrap by the stand-in for OpenNebula " + version
	return errors.Join(s.record(ctx, localVersions, schema(), comment), s.record(ctx, sharedVersions, schema(), comment))
}

// record that the tables have a schema from now on.
func (s *store) record(ctx context.Context, table, schema, comment string) error {
	next := 0
	if err := s.db.QueryRowContext(ctx, "SELECT COALESCE(MAX(oid) + 1, 0) FROM "+table).Scan(&next); err != nil {
		return fmt.Errorf("read %s: %w", table, err)
	}
	columns, values := "oid, version, timestamp, comment", "?, ?, ?, ?"
	if table == localVersions {
		columns, values = columns+", is_slave", values+", 0"
	}
	return s.exec(ctx, "INSERT INTO "+table+" ("+columns+") VALUES ("+values+")", next, schema, time.Now().Unix(), comment)
}
