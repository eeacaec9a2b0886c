package sigstore

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"time"

	ct "github.com/google/certificate-transparency-go"
	"github.com/google/certificate-transparency-go/tls"
	"github.com/google/certificate-transparency-go/x509util"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature"
)

// lifetime of a certificate for a token, as Fulcio has it.
const lifetime = 10 * time.Minute

var (
	issuerOID = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 8}    // the token's issuer, by Fulcio
	listOID   = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 2} // timestamps of certificate logs, by RFC 6962
)

// request is what Fulcio is asked.
type request struct {
	PublicKeyRequest struct {
		PublicKey         struct{ Content string }
		ProofOfPossession string
	}
}

// claims are those of a token that a certificate is about.
type claims struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	Workflow string `json:"job_workflow_ref"`
}

// certify answers as Fulcio does: with a certificate for the token's workflow and the
// key of the request, which must have signed the token's subject.
func (i *Instance) certify(_ http.ResponseWriter, r *http.Request) (any, error) {
	of, err := readToken(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	if err != nil {
		return nil, err
	}
	var asked request
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		return nil, err
	}
	key, err := asked.key(of.Subject)
	if err != nil {
		return nil, err
	}
	leaf, err := i.issue(key, of)
	if err != nil {
		return nil, err
	}
	var chain []string
	for _, der := range [][]byte{leaf, i.authority.Raw, i.anchor.Raw} {
		chain = append(chain, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	}
	return map[string]any{"signedCertificateEmbeddedSct": map[string]any{"chain": map[string]any{"certificates": chain}}}, nil
}

func readToken(token string) (claims, error) {
	var of claims
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return of, errors.New("there was an error processing the identity token")
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return of, err
	}
	err = json.Unmarshal(text, &of)
	return of, err
}

func (r request) key(subject string) (crypto.PublicKey, error) {
	key, err := cryptoutils.UnmarshalPEMToPublicKey([]byte(r.PublicKeyRequest.PublicKey.Content))
	if err != nil {
		return nil, err
	}
	proof, err := base64.StdEncoding.DecodeString(r.PublicKeyRequest.ProofOfPossession)
	if err != nil {
		return nil, err
	}
	verifier, err := signature.LoadDefaultVerifier(key)
	if err != nil {
		return nil, err
	}
	return key, verifier.VerifySignature(strings.NewReader(string(proof)), strings.NewReader(subject))
}

// issue makes a certificate with a timestamp of the certificate log in it, which is
// about the same certificate without it.
func (i *Instance) issue(key crypto.PublicKey, of claims) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return nil, err
	}
	issuer, err := asn1.MarshalWithParams(of.Issuer, "utf8")
	if err != nil {
		return nil, err
	}
	now := time.Now().Add(i.Skew)
	template := &x509.Certificate{
		SerialNumber: serial, NotBefore: now, NotAfter: now.Add(lifetime),
		URIs:     []*url.URL{{Scheme: "https", Host: "github.com", Path: "/" + of.Workflow}},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
		ExtraExtensions: []pkix.Extension{{Id: issuerOID, Value: issuer}},
	}
	before, err := x509.CreateCertificate(rand.Reader, template, i.authority, key, i.authorityKey)
	if err != nil {
		return nil, err
	}
	list, err := i.promise(before)
	if err != nil {
		return nil, fmt.Errorf("enter the certificate into the log: %w", err)
	}
	template.ExtraExtensions = append(template.ExtraExtensions, pkix.Extension{Id: listOID, Value: list})
	return x509.CreateCertificate(rand.Reader, template, i.authority, key, i.authorityKey)
}

// promise is the certificate log's, as the value of an extension.
func (i *Instance) promise(certificate []byte) ([]byte, error) {
	parsed, err := x509.ParseCertificate(certificate)
	if err != nil {
		return nil, err
	}
	now := uint64(time.Now().UnixMilli())
	sct := ct.SignedCertificateTimestamp{SCTVersion: ct.V1, LogID: ct.LogID{KeyID: i.certificates.id}, Timestamp: now}
	input, err := ct.SerializeSCTSignatureInput(sct, ct.LogEntry{Leaf: ct.MerkleTreeLeaf{
		Version: ct.V1, LeafType: ct.TimestampedEntryLeafType,
		TimestampedEntry: &ct.TimestampedEntry{
			Timestamp: now, EntryType: ct.PrecertLogEntryType,
			PrecertEntry: &ct.PreCert{IssuerKeyHash: sha256.Sum256(i.authority.RawSubjectPublicKeyInfo), TBSCertificate: parsed.RawTBSCertificate},
		},
	}})
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(input)
	sct.Signature.Algorithm = tls.SignatureAndHashAlgorithm{Hash: tls.SHA256, Signature: tls.ECDSA}
	if sct.Signature.Signature, err = i.certificates.key.Sign(rand.Reader, sum[:], crypto.SHA256); err != nil {
		return nil, err
	}
	list, err := x509util.MarshalSCTsIntoSCTList([]*ct.SignedCertificateTimestamp{&sct})
	if err != nil {
		return nil, err
	}
	text, err := tls.Marshal(*list)
	if err != nil {
		return nil, err
	}
	return asn1.Marshal(text)
}
