package signature

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/sigstore/sigstore/pkg/signature"
)

// Identity is who a keyless signature must be by, as Fulcio's certificate names it.
type Identity struct {
	Issuer  string // of the token, such as https://token.actions.githubusercontent.com
	Subject string // whole: of a workflow, its URL with @refs/…; of a person, the address
	Pattern string // regular expression for the subject, instead of the whole; it is anchored
}

func (i Identity) String() string {
	if i.Subject != "" {
		return fmt.Sprintf("%s by %s", i.Subject, i.Issuer)
	}
	return fmt.Sprintf("/%s/ by %s", i.Pattern, i.Issuer)
}

// Policy decides whose signatures count.
type Policy struct {
	whose    string // in words
	trust    root.TrustedMaterial
	verifier []verify.VerifierOption
	by       verify.PolicyOption
}

// TrustKey lets what one key has signed count, whether it stands in a log or not.
func TrustKey(key *PublicKey) (Policy, error) {
	verifier, err := signature.LoadDefaultVerifier(key.key)
	if err != nil {
		return Policy{}, fmt.Errorf("verify with the key %s: %w", key.Fingerprint(), err)
	}
	always := root.NewExpiringKey(verifier, time.Time{}, time.Time{})
	return Policy{
		whose: "the key " + key.Fingerprint(),
		trust: root.NewTrustedPublicKeyMaterial(func(string) (root.TimeConstrainedVerifier, error) { return always, nil }),
		by:    verify.WithKey(), verifier: []verify.VerifierOption{verify.WithNoObserverTimestamps()},
	}, nil
}

// TrustIdentity lets what an identity has signed count, with a certificate of an
// instance of sigstore that was valid at the time of signing. What the trusted root
// of the instance names is required: an entry in one of its logs, a certificate that
// is in its certificate log, a time by one of its authorities or logs.
func TrustIdentity(identity Identity, trust root.TrustedMaterial) (Policy, error) {
	whose, err := identity.matcher()
	if err != nil {
		return Policy{}, err
	}
	if len(trust.FulcioCertificateAuthorities()) == 0 {
		return Policy{}, errors.New("the trusted root names no certificate authority: give the trusted_root.json of your sigstore")
	}
	if len(trust.RekorLogs())+len(trust.TimestampingAuthorities()) == 0 {
		return Policy{}, errors.New("the trusted root names neither a log nor a timestamp authority, so nothing tells when something was signed: add one")
	}
	options := []verify.VerifierOption{verify.WithObserverTimestamps(1)}
	if len(trust.RekorLogs()) > 0 {
		options = append(options, verify.WithTransparencyLog(1))
	}
	if len(trust.CTLogs()) > 0 {
		options = append(options, verify.WithSignedCertificateTimestamps(1))
	}
	return Policy{whose: identity.String(), trust: trust, verifier: options, by: verify.WithCertificateIdentity(whose)}, nil
}

// matcher is the identity for sigstore's library.
func (i Identity) matcher() (verify.CertificateIdentity, error) {
	switch {
	case i.Issuer == "":
		return verify.CertificateIdentity{}, errors.New("an identity without an issuer is anyone's: give the issuer of the token, such as " + GitHubIssuer)
	case (i.Subject == "") == (i.Pattern == ""):
		return verify.CertificateIdentity{}, errors.New("give either the subject of the identity or a pattern for it")
	}
	pattern := ""
	if i.Pattern != "" {
		pattern = "^(?:" + i.Pattern + ")$"
		if _, err := regexp.Compile(pattern); err != nil {
			return verify.CertificateIdentity{}, fmt.Errorf("the pattern of the identity: %w", err)
		}
	}
	subjects, err := verify.NewSANMatcher(i.Subject, pattern)
	if err != nil {
		return verify.CertificateIdentity{}, fmt.Errorf("the subject of the identity: %w", err)
	}
	return verify.NewCertificateIdentity(subjects, verify.IssuerMatcher{Issuer: i.Issuer}, certificate.Extensions{})
}

// Statement is what a verified bundle says of its subject.
type Statement struct {
	Kind      Kind
	Signer    string          // subject of the certificate, or the key's fingerprint
	Time      time.Time       // by a log or an authority; zero with a key
	Predicate json.RawMessage // as it was signed; nil of a signature
}

// verify reads a bundle, and fails unless it is about a digest and counts.
func (p Policy) verify(content []byte, digest v1.Hash) (Statement, error) {
	if p.trust == nil {
		return Statement{}, errors.New("no policy was given that says whose signatures count")
	}
	var b bundle.Bundle
	if err := b.UnmarshalJSON(content); err != nil {
		return Statement{}, fmt.Errorf("it is no sigstore bundle: %w", err)
	}
	sum, err := hex.DecodeString(digest.Hex)
	if err != nil {
		return Statement{}, fmt.Errorf("%s is no digest: %w", digest, err)
	}
	verifier, err := verify.NewVerifier(p.trust, p.verifier...)
	if err != nil {
		return Statement{}, fmt.Errorf("set up the verification for %s: %w", p.whose, err)
	}
	result, err := verifier.Verify(&b, verify.NewPolicy(verify.WithArtifactDigest(digest.Algorithm, sum), p.by))
	if err != nil {
		return Statement{}, fmt.Errorf("it is not by %s for this digest: %w", p.whose, err)
	}
	return p.read(b, result)
}

// read takes from a verified bundle what it says.
func (p Policy) read(b bundle.Bundle, result *verify.VerificationResult) (Statement, error) {
	if result.Statement == nil {
		return Statement{}, errors.New("it holds no in-toto statement")
	}
	var signed statement
	if err := json.Unmarshal(b.GetDsseEnvelope().GetPayload(), &signed); err != nil {
		return Statement{}, fmt.Errorf("read its statement: %w", err)
	}
	s := Statement{Kind: Kind(result.Statement.GetPredicateType()), Signer: p.whose, Predicate: signed.Predicate}
	if result.Signature != nil && result.Signature.Certificate != nil {
		s.Signer = result.Signature.Certificate.SubjectAlternativeName
	}
	if len(result.VerifiedTimestamps) > 0 {
		s.Time = result.VerifiedTimestamps[0].Timestamp.UTC()
	}
	return s, nil
}
