package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

type user struct {
	XMLName  xml.Name `xml:"USER"`
	ID       int      `xml:"ID"`
	GID      int      `xml:"GID"`
	Group    string   `xml:"GNAME"`
	Name     string   `xml:"NAME"`
	Password string   `xml:"PASSWORD"` // its sha256, in hexadecimal digits
	Driver   string   `xml:"AUTH_DRIVER"`
	Enabled  int      `xml:"ENABLED"`
	migrated
}

// The other services speak to oned as serveradmin, by tokens that they encrypt with
// its password. The stand-in has no tokens; its services show the password itself,
// to a method that OpenNebula does not have.
const (
	serverAdmin  = "serveradmin"
	serverDriver = "server_cipher"
	serverCheck  = "standin.serveradmin"
)

// bootstrap creates the users of an empty database. Like oned, it takes oneadmin's
// password from one_auth, and refuses to replace serveradmin's.
func bootstrap(ctx context.Context, s *store, home string) error {
	if _, err := s.body(ctx, "user_pool", 0); !errors.Is(err, errMissing) {
		return err
	}
	auth, err := os.ReadFile(filepath.Join(home, "one_auth"))
	if err != nil {
		return fmt.Errorf("read one_auth: %w", err)
	}
	name, password, ok := strings.Cut(strings.TrimSpace(string(auth)), ":")
	if !ok || name == serverAdmin {
		return fmt.Errorf("one_auth must be <username>:<password>, and not of %s, which is reserved", serverAdmin)
	}
	random, err := writeServerAuth(home)
	if err != nil {
		return err
	}
	for _, u := range []user{
		{Name: name, Password: digest(password), Driver: "core"},
		{Name: serverAdmin, Password: digest(random), Driver: serverDriver},
	} {
		u.Group, u.Enabled = "oneadmin", 1
		if _, err := s.add(ctx, "user_pool", u.Name, func(id int) any { u.ID = id; return u }); err != nil {
			return err
		}
	}
	return furnish(ctx, s)
}

// writeServerAuth writes the four files one after the other, as oned does: a
// bootstrap that breaks off in between leaves the first ones, and is refused later.
func writeServerAuth(home string) (password string, err error) {
	password = rand.Text()
	for _, service := range []string{"sunstone", "onegate", "oneflow", "oneform"} {
		file := filepath.Join(home, service+"_auth")
		if _, err := os.Stat(file); err == nil {
			return "", fmt.Errorf("the password file %s already exists, and the database is empty", file)
		}
		if err := os.WriteFile(file, []byte(serverAdmin+":"+password+"\n"), 0o600); err != nil {
			return "", fmt.Errorf("write serveradmin's credentials: %w", err)
		}
	}
	return password, nil
}

// ensureKey writes the key with which oned would encrypt what is secret in its
// database, if there is none: with another key, that could not be read any more.
func ensureKey(home string) error {
	file := filepath.Join(home, "one_key")
	if _, err := os.Stat(file); err == nil {
		return nil
	}
	if err := os.WriteFile(file, []byte(rand.Text()+"\n"), 0o600); err != nil {
		return fmt.Errorf("write the key of the database: %w", err)
	}
	return nil
}

func digest(password string) string {
	sum := sha256.Sum256([]byte(password))
	return hex.EncodeToString(sum[:])
}

var errLogin = errors.New("the user could not be authenticated")

// authenticate knows sessions user:password, of the users with a driver.
func authenticate(ctx context.Context, s *store, driver, session string) (user, error) {
	users, err := list[user](ctx, s, "user_pool")
	if err != nil {
		return user{}, err
	}
	name, password, _ := strings.Cut(session, ":")
	for _, u := range users {
		if u.Name == name && u.Driver == driver && subtle.ConstantTimeCompare([]byte(digest(password)), []byte(u.Password)) == 1 {
			return u, nil
		}
	}
	return user{}, errLogin
}
