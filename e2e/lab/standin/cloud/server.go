package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// setServer reads SERVER of the section DB: a host or, as MariaDB's client library
// takes it, a host with options, such as host=db;ssl-enforce=1.
func setServer(c *mysql.Config, server string) (host string, err error) {
	if !strings.Contains(server, "=") {
		return server, nil
	}
	options := map[string]string{}
	for _, option := range strings.Split(server, ";") {
		name, value, _ := strings.Cut(option, "=")
		options[name] = value
	}
	host = options["host"]
	c.TLS = &tls.Config{ServerName: host, InsecureSkipVerify: options["ssl-verify-server-cert"] != "1"}
	if file := options["ssl-ca"]; file != "" {
		c.TLS.RootCAs, err = authorities(file)
	}
	return host, err
}

func authorities(file string) (*x509.CertPool, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the authorities: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(content) {
		return nil, fmt.Errorf("%s holds no certificate", file)
	}
	return pool, nil
}
