package test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// authority signs certificates of database servers.
type authority struct {
	t           *testing.T
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	a := &authority{t: t, key: key}
	a.certificate = &x509.Certificate{
		Subject: pkix.Name{CommonName: t.Name()}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.certificate = a.sign(a.certificate, &key.PublicKey)
	return a
}

func (a *authority) sign(template *x509.Certificate, key *ecdsa.PublicKey) *x509.Certificate {
	a.t.Helper()
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	signed, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key, a.key)
	require.NoError(a.t, err)
	certificate, err := x509.ParseCertificate(signed)
	require.NoError(a.t, err)
	return certificate
}

func (a *authority) pem() string { return encode("CERTIFICATE", a.certificate.Raw) }

func encode(kind string, content []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}))
}

// issue a certificate for a key of its own, which is in PEM.
func (a *authority) issue(template *x509.Certificate) (certificate *x509.Certificate, key string) {
	a.t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(a.t, err)
	certificate = a.sign(template, &private.PublicKey)
	content, err := x509.MarshalECPrivateKey(private)
	require.NoError(a.t, err)
	return certificate, encode("EC PRIVATE KEY", content)
}

// signServer writes a certificate for the server of a pod, and its key.
func (a *authority) signServer(folder string) {
	a.t.Helper()
	certificate, key := a.issue(&x509.Certificate{
		Subject: pkix.Name{CommonName: "database"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	})
	for name, content := range map[string]string{"server.pem": encode("CERTIFICATE", certificate.Raw), "server.key": key} {
		require.NoError(a.t, os.WriteFile(filepath.Join(folder, name), []byte(content), 0o644))
	}
}

// useTLS gives the deployment a server that takes nobody without.
func (d *deployment) useTLS() {
	d.t.Helper()
	d.signer = newAuthority(d.t)
	d.write("secrets", "database-ca", d.signer.pem())
	d.env["ONE_DB_TLS"], d.env["ONE_DB_TLS_CA_FILE"] = "verified", "/run/secrets/one/database-ca"
	d.useServer()
}

// All that uses the database, from its first day to a restore.
func TestDatabaseWithTLS(t *testing.T) {
	d := newDeployment(t, older)
	d.useTLS()
	c := d.filled()
	d.change(newer)
	assert.Contains(t, d.succeed("check-schema"), "the role migrate will bring it to OpenNebula "+newer)
	assert.Contains(t, d.succeed("migrate"), "the database is of schema 7.2.0 now")
	oned, agent := d.startOned()
	d.requireContent(c)
	d.requireMonitor()
	name := d.backup()
	d.stop(oned, agent)
	d.succeed("restore", "--force", name)
	d.startOned()
	d.requireContent(c)
}

// requireMonitor: monitord, which has connections of its own, has them.
func (d *deployment) requireMonitor() {
	d.t.Helper()
	if !isReal(d.version) {
		return
	}
	require.NoError(d.t, eventually(d.t, time.Minute, func() error {
		log, err := os.ReadFile(d.path("log", "monitor.log"))
		if err == nil && !strings.Contains(string(log), "DB connections") {
			err = fmt.Errorf("monitord has no connections; it said: %s", log)
		}
		return err
	}))
}

func TestUnverifiedTLS(t *testing.T) {
	d := newDeployment(t, version())
	d.useTLS()
	d.env["ONE_DB_TLS"] = "unverified"
	delete(d.env, "ONE_DB_TLS_CA_FILE")
	c := d.filled()
	d.startOned()
	d.requireContent(c)
}

// The server went away and came back, as on an upgrade of its own. The next statement
// on each of oned's connections fails, before oned connects again.
func TestTLSAfterRestartOfTheServer(t *testing.T) {
	if !isReal(version()) {
		t.Skip("how oned connects again is not the stand-in's")
	}
	d := newDeployment(t, version())
	d.env["ONE_DB_CONNECTIONS"] = "5"
	d.useTLS()
	d.succeed("bootstrap")
	d.startOned()
	c := d.fill()
	d.stop(d.server)
	d.startServer()
	require.NoError(t, eventually(t, time.Minute, func() error {
		for range 10 { // more than there are connections
			if _, err := d.api("oneadmin", password).UserName(); err != nil {
				return err
			}
		}
		return nil
	}))
	d.requireContent(c)
	_, err := d.api("oneadmin", password).CreateTemplate("NAME = after")
	require.NoError(t, err)
}

func TestTLSRefuses(t *testing.T) {
	d := newDeployment(t, version())
	d.useTLS()
	refuse := func(said string) {
		t.Helper()
		d.succeed("bootstrap")
		d.start("ssh-agent")
		for _, role := range []string{"migrate", "backup", "oned"} {
			d.refuse(said, role)
		}
	}
	t.Run("another authority", func(t *testing.T) {
		d.write("secrets", "database-ca", newAuthority(t).pem())
		refuse("the certificate of the database server is refused: ERROR 2026 (HY000)")
	})
	t.Run("another name", func(*testing.T) {
		d.write("secrets", "database-ca", d.signer.pem())
		d.env["ONE_DB_HOST"] = hostname
		refuse("it must be valid, made out to ONE_DB_HOST, and signed by an authority of ONE_DB_TLS_CA_FILE")
		d.env["ONE_DB_HOST"] = "127.0.0.1"
	})
	t.Run("no TLS", func(*testing.T) {
		d.env["ONE_DB_WAIT"], d.env["ONE_DB_TLS"] = "1", "off"
		delete(d.env, "ONE_DB_TLS_CA_FILE")
		refuse("does the server require TLS? That is ONE_DB_TLS")
	})
	d.signer = nil
	d.newDatabase()
	for _, mode := range []string{"unverified", "verified"} {
		t.Run(mode+", and a server without", func(*testing.T) {
			d.env["ONE_DB_TLS"] = mode
			refuse("the database server speaks no TLS, which ONE_DB_TLS asks for")
		})
	}
}
