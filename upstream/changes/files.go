package changes

import (
	"regexp"
	"strings"
)

// The places of packages whose files are compared.
const (
	etcOne  = "/etc/one/"
	etc     = "/etc/"
	shell   = "/etc/bash_completion.d/"   // sets nothing
	remotes = "/var/lib/one/remotes/etc/" // settings of the drivers
	onedb   = "/usr/lib/one/ruby/onedb/"
)

// units are the folders in which packages have services, timers, and what systemd
// makes for them.
var units = []string{"/usr/lib/systemd/", "/usr/lib/tmpfiles.d/", "/usr/lib/sysusers.d/", "/etc/systemd/"}

func isUnit(name string) bool {
	for _, folder := range units {
		if strings.HasPrefix(name, folder) {
			return true
		}
	}
	return false
}

func isSetting(name string) bool {
	return !isUnit(name) && place(name) < len(places)
}

// places of settings, those first that are OpenNebula's alone.
var places = [...]string{etcOne, remotes, etc}

// place is the first of the places that a file is in; their number where it is in none.
func place(name string) int {
	for i, folder := range places {
		if strings.HasPrefix(name, folder) && !strings.HasPrefix(name, shell) {
			return i
		}
	}
	return len(places)
}

// matters says whether a file is looked at.
func matters(name string) bool {
	return isUnit(name) || isSetting(name) || name == schemaFile || migratorName.MatchString(name)
}

// schemaFile says which schema a release's programs want.
const schemaFile = onedb + "database_schema.rb"

// migratorName is that of a program, or of its bytecode, that takes the database from
// one schema to the next.
var migratorName = regexp.MustCompile(`^` + onedb + `(local|shared)/([0-9.]+)_to_([0-9.]+)\.rbm?$`)

// unreadable tells in a sentence why the text of a file is not shown; empty if it is.
func (f file) unreadable() string {
	switch {
	case f.link != "":
		return "a link to " + f.link
	case !f.readable && f.size > maxText:
		return "too long to be shown"
	case !f.readable:
		return "not a text"
	default:
		return ""
	}
}
