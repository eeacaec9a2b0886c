// Package directory is the lab's stand-in for a company's LDAP server: a few people, in
// this process.
package directory

import (
	"fmt"
	"strings"

	"github.com/jimlambrt/gldap"
)

// Base is the distinguished name below which people are.
const Base = "ou=people,dc=example,dc=org"

// Directory is served until it is stopped.
type Directory struct{ server *gldap.Server }

// Start serves people, name to password, over plain LDAP at HOST:PORT. It lets anybody
// search.
func Start(address string, people map[string]string) (*Directory, error) {
	server, err := gldap.NewServer()
	if err != nil {
		return nil, fmt.Errorf("make the directory: %w", err)
	}
	mux, err := gldap.NewMux()
	if err != nil {
		return nil, fmt.Errorf("make the directory: %w", err)
	}
	d := &Directory{server: server}
	if err := mux.Bind(bind(people)); err != nil {
		return nil, fmt.Errorf("let people log in to the directory: %w", err)
	}
	if err := mux.Search(search(people)); err != nil {
		return nil, fmt.Errorf("let people be found in the directory: %w", err)
	}
	if err := server.Router(mux); err != nil {
		return nil, fmt.Errorf("make the directory: %w", err)
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Run(address) }()
	for !server.Ready() {
		select {
		case err := <-failed:
			return nil, fmt.Errorf("serve the directory at %s: %w", address, err)
		default:
		}
	}
	return d, nil
}

// Stop ends the service.
func (d *Directory) Stop() { _ = d.server.Stop() }

func dn(name string) string { return "uid=" + name + "," + Base }

// bind lets in who knows a password; and anybody, who may then search.
func bind(people map[string]string) gldap.HandlerFunc {
	return func(w *gldap.ResponseWriter, r *gldap.Request) {
		response := r.NewBindResponse(gldap.WithResponseCode(gldap.ResultInvalidCredentials))
		defer func() { _ = w.Write(response) }()
		message, err := r.GetSimpleBindMessage()
		if err != nil {
			return
		}
		if message.UserName == "" && message.Password == "" {
			response.SetResultCode(gldap.ResultSuccess)
		}
		for name, password := range people {
			if message.UserName == dn(name) && string(message.Password) == password {
				response.SetResultCode(gldap.ResultSuccess)
			}
		}
	}
}

// search finds a person by the uid in the filter.
func search(people map[string]string) gldap.HandlerFunc {
	return func(w *gldap.ResponseWriter, r *gldap.Request) {
		done := r.NewSearchDoneResponse(gldap.WithResponseCode(gldap.ResultSuccess))
		defer func() { _ = w.Write(done) }()
		message, err := r.GetSearchMessage()
		if err != nil {
			done.SetResultCode(gldap.ResultOperationsError)
			return
		}
		for name := range people {
			if strings.Contains(message.Filter, "uid="+name+")") || message.BaseDN == dn(name) {
				attributes := map[string][]string{"uid": {name}, "cn": {name}, "objectClass": {"person"}}
				_ = w.Write(r.NewSearchResponseEntry(dn(name), gldap.WithAttributes(attributes)))
			}
		}
	}
}
