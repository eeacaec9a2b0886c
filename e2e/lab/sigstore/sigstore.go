// Package sigstore is an instance of sigstore in this process: Fulcio, a certificate
// log, Rekor and a timestamp authority, with authorities of its own. It believes every
// token, and its log forgets what it has logged.
package sigstore

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/testing/ca"
)

// Where its services are, below its URL.
const (
	fulcioPath    = "/api/v2/signingCert"
	rekorPath     = "/api/v1/log/entries"
	TimestampPath = "/api/v1/timestamp"
)

// Instance serves all of them.
type Instance struct {
	http.Handler
	// Skew is how far Fulcio's clock is from the log's and the authority's.
	Skew time.Duration

	authority    *x509.Certificate // issues certificates for tokens
	authorityKey *ecdsa.PrivateKey
	anchor       *x509.Certificate // above both authorities
	timestamper  chain
	certificates log
	signatures   log
}

// chain is a certificate, its key and who issued it.
type chain struct {
	leaf, issuer *x509.Certificate
	key          *ecdsa.PrivateKey
}

// log is the key of one, and its name, which is the key's hash.
type log struct {
	key *ecdsa.PrivateKey
	id  [sha256.Size]byte
}

// New makes an instance with keys of its own, which are good for two hours.
func New() (*Instance, error) {
	i := &Instance{}
	for _, step := range []func() error{i.makeAuthorities, i.certificates.make, i.signatures.make} {
		if err := step(); err != nil {
			return nil, fmt.Errorf("make an instance of sigstore: %w", err)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+fulcioPath, answer(http.StatusOK, i.certify))
	mux.HandleFunc("POST "+rekorPath, answer(http.StatusCreated, i.log))
	mux.HandleFunc("POST "+TimestampPath, i.timestamp)
	i.Handler = mux
	return i, nil
}

func (i *Instance) makeAuthorities() error {
	anchor, anchorKey, err := ca.GenerateRootCa()
	if err != nil {
		return err
	}
	i.anchor = anchor
	if i.authority, i.authorityKey, err = ca.GenerateFulcioIntermediate(anchor, anchorKey); err != nil {
		return err
	}
	var issuerKey *ecdsa.PrivateKey
	if i.timestamper.issuer, issuerKey, err = ca.GenerateTSAIntermediate(anchor, anchorKey); err != nil {
		return err
	}
	if i.timestamper.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return err
	}
	i.timestamper.leaf, err = ca.GenerateTSALeafCert(time.Now().Add(-time.Minute), i.timestamper.key, i.timestamper.issuer, issuerKey)
	return err
}

func (l *log) make() error {
	var err error
	if l.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return err
	}
	der, err := x509.MarshalPKIXPublicKey(l.key.Public())
	l.id = sha256.Sum256(der)
	return err
}

// Token is one that says who signs, as GitHub Actions gives them to a workflow: its
// file with @refs/…, such as someone/thing/.github/workflows/release.yml@refs/heads/main.
func Token(issuer, workflow string) string {
	claims, err := json.Marshal(map[string]any{
		"iss": issuer, "aud": "sigstore", "sub": "repo:" + workflow, "job_workflow_ref": workflow,
		"exp": time.Now().Add(5 * time.Minute).Unix(),
	})
	if err != nil {
		panic(err) // strings and a number
	}
	part := base64.RawURLEncoding.EncodeToString
	return part([]byte(`{"alg":"none"}`)) + "." + part(claims) + "." + part([]byte("unsigned"))
}

// TrustedRoot is what is trusted of the instance, as the content of trusted_root.json.
func (i *Instance) TrustedRoot() ([]byte, error) {
	trusted, err := root.NewTrustedRoot(root.TrustedRootMediaType01,
		[]root.CertificateAuthority{&root.FulcioCertificateAuthority{
			Root: i.anchor, Intermediates: []*x509.Certificate{i.authority}, ValidityPeriodStart: i.anchor.NotBefore,
		}},
		i.certificates.trusted(i.anchor.NotBefore),
		[]root.TimestampingAuthority{&root.SigstoreTimestampingAuthority{
			Root: i.anchor, Intermediates: []*x509.Certificate{i.timestamper.issuer}, Leaf: i.timestamper.leaf, ValidityPeriodStart: i.anchor.NotBefore,
		}},
		i.signatures.trusted(i.anchor.NotBefore))
	if err != nil {
		return nil, fmt.Errorf("write the trusted root: %w", err)
	}
	return trusted.MarshalJSON()
}
