package main

import (
	"context"
	"database/sql"
	"encoding/xml"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/go-sql-driver/mysql"
	_ "modernc.org/sqlite"
)

// store keeps documents in tables of upstream's names: each row is the XML that
// the API answers with.
type store struct{ db *sql.DB }

var errMissing = errors.New("there is no such object")

// openStore connects to the database of the section DB, at once or not at all.
func openStore(ctx context.Context, section conf, sqliteFile string) (*store, error) {
	db, err := openDatabase(section, sqliteFile)
	if err != nil {
		return nil, fmt.Errorf("use the section DB: %w", err)
	}
	db.SetMaxOpenConns(1) // SQLite knows one writer
	s := &store{db}
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("use the database: %w", err), db.Close())
	}
	return s, nil
}

func openDatabase(section conf, sqliteFile string) (*sql.DB, error) {
	switch backend := section.get("BACKEND"); backend {
	case "sqlite":
		return sql.Open("sqlite", "file:"+sqliteFile+"?_pragma=busy_timeout(2500)")
	case "mysql":
		return openMySQL(section)
	default:
		return nil, fmt.Errorf("BACKEND is %q; it can be sqlite or mysql", backend)
	}
}

func openMySQL(section conf) (*sql.DB, error) {
	port := section.get("PORT")
	if port == "" || port == "0" {
		port = "3306"
	}
	c := mysql.NewConfig()
	host, err := setServer(c, section.get("SERVER"))
	if err != nil {
		return nil, err
	}
	c.Net, c.Addr = "tcp", net.JoinHostPort(host, port)
	c.User, c.Passwd, c.DBName = section.get("USER"), section.get("PASSWD"), section.get("DB_NAME")
	c.Timeout = 5 * time.Second
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

func (s *store) exec(ctx context.Context, query string, args ...any) error {
	if _, err := s.db.ExecContext(ctx, query, args...); err != nil {
		return fmt.Errorf("%.40s…: %w", query, err)
	}
	return nil
}

// add a document under the next number; one that was given away is never given
// again.
func (s *store) add(ctx context.Context, table, name string, document func(id int) any) (int, error) {
	id := -1
	err := s.db.QueryRowContext(ctx, "SELECT last_oid FROM pool_control WHERE tablename = ?", table).Scan(&id)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("count the objects of %s: %w", table, err)
	}
	id++
	if err := s.exec(ctx, "REPLACE INTO pool_control (tablename, last_oid) VALUES (?, ?)", table, id); err != nil {
		return 0, err
	}
	return id, s.put(ctx, table, id, name, document(id))
}

// reserve the numbers below the first for what is there from the beginning.
func (s *store) reserve(ctx context.Context, table string, first int) error {
	return s.exec(ctx, "UPDATE pool_control SET last_oid = ? WHERE tablename = ? AND last_oid < ?", first-1, table, first-1)
}

func (s *store) put(ctx context.Context, table string, id int, name string, document any) error {
	body, err := xml.Marshal(document)
	if err != nil {
		return fmt.Errorf("write the document %s %d: %w", table, id, err)
	}
	return s.putRow(ctx, table, row{id, name, string(body)})
}

// row is a document that nobody has read yet.
type row struct {
	id         int
	name, body string
}

func (s *store) putRow(ctx context.Context, table string, r row) error {
	return s.exec(ctx, "REPLACE INTO "+table+" (oid, name, body) VALUES (?, ?, ?)", r.id, r.name, r.body)
}

func (s *store) body(ctx context.Context, table string, id int) (body string, err error) {
	err = s.db.QueryRowContext(ctx, "SELECT body FROM "+table+" WHERE oid = ?", id).Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		return "", errMissing
	}
	return body, err
}

func (s *store) get(ctx context.Context, table string, id int, document any) error {
	body, err := s.body(ctx, table, id)
	if err != nil {
		return err
	}
	return xml.Unmarshal([]byte(body), document)
}

func (s *store) remove(ctx context.Context, table string, id int) error {
	if _, err := s.body(ctx, table, id); err != nil {
		return err
	}
	return s.exec(ctx, "DELETE FROM "+table+" WHERE oid = ?", id)
}

// rows of a table, in the order of their numbers.
func (s *store) rows(ctx context.Context, table string) (all []row, err error) {
	found, err := s.db.QueryContext(ctx, "SELECT oid, name, body FROM "+table+" ORDER BY oid")
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", table, err)
	}
	defer found.Close()
	for found.Next() {
		var r row
		if err := found.Scan(&r.id, &r.name, &r.body); err != nil {
			return nil, fmt.Errorf("list %s: %w", table, err)
		}
		all = append(all, r)
	}
	return all, found.Err()
}

// list decodes all documents of a table.
func list[T any](ctx context.Context, s *store, table string) (all []T, err error) {
	rows, err := s.rows(ctx, table)
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		var one T
		if err := xml.Unmarshal([]byte(r.body), &one); err != nil {
			return nil, fmt.Errorf("read the document %s %d: %w", table, r.id, err)
		}
		all = append(all, one)
	}
	return all, nil
}
