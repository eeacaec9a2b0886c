package signature

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"os"

	"github.com/secure-systems-lab/go-securesystemslib/encrypted"
	common "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature"
)

// PasswordVariable is where a password of a key is looked for, as cosign does.
const PasswordVariable = "COSIGN_PASSWORD"

// Key is a private key to sign with: ECDSA on P-256, RSA of 2048, 3072 or 4096 bits, or
// Ed25519. It never prints itself.
type Key struct {
	private crypto.Signer
	details signature.AlgorithmDetails
}

// GenerateKey makes a new key, as `cosign generate-key-pair` does: ECDSA on P-256.
func GenerateKey() (*Key, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate a key: %w", err)
	}
	return newKey(private)
}

// ReadKey reads a key from a PEM file: one that cosign has encrypted, for which the
// password is needed, or a plain one in PKCS #8, PKCS #1 or SEC 1.
func ReadKey(file string, password []byte) (*Key, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the key to sign with: %w", err)
	}
	key, err := ParseKey(content, password)
	if err != nil {
		return nil, fmt.Errorf("the key %s: %w", file, err)
	}
	return key, nil
}

// ParseKey reads a key as ReadKey does, from the file's content.
func ParseKey(content, password []byte) (*Key, error) {
	block, _ := pem.Decode(content)
	if block == nil {
		return nil, errors.New("it is no PEM file: give the private key that cosign generate-key-pair has made")
	}
	private, err := parsePrivate(block, password)
	if err != nil {
		return nil, err
	}
	signer, ok := private.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("nothing can be signed with a key of the kind %T: use ECDSA, RSA or Ed25519", private)
	}
	return newKey(signer)
}

// parsePrivate leaves out what the libraries say of a key's content.
func parsePrivate(block *pem.Block, password []byte) (crypto.PrivateKey, error) {
	der, parse := block.Bytes, x509.ParsePKCS8PrivateKey
	switch block.Type {
	case "PRIVATE KEY":
	case "RSA PRIVATE KEY":
		parse = func(der []byte) (any, error) { return x509.ParsePKCS1PrivateKey(der) }
	case "EC PRIVATE KEY":
		parse = func(der []byte) (any, error) { return x509.ParseECPrivateKey(der) }
	case "ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY":
		var err error
		if der, err = encrypted.Decrypt(block.Bytes, password); err != nil {
			return nil, fmt.Errorf("the password does not open it: give the right one, as %s", PasswordVariable)
		}
	default:
		return nil, fmt.Errorf("it holds a %s: give a private key, as cosign generate-key-pair or openssl genpkey writes it", block.Type)
	}
	private, err := parse(der)
	if err != nil {
		return nil, fmt.Errorf("its %s is damaged: make it again", block.Type)
	}
	return private, nil
}

func newKey(private crypto.Signer) (*Key, error) {
	details, err := algorithm(private.Public())
	if err != nil {
		return nil, err
	}
	if ec, ok := private.Public().(*ecdsa.PublicKey); ok && ec.Curve != elliptic.P256() {
		return nil, fmt.Errorf("it is on %s, and cosign would not verify what it signs: use ECDSA on P-256", ec.Params().Name)
	}
	return &Key{private: private, details: details}, nil
}

func algorithm(public crypto.PublicKey) (signature.AlgorithmDetails, error) {
	details, err := signature.GetDefaultAlgorithmDetails(public)
	if err != nil {
		return details, errors.New("it is of a kind or length that sigstore does not know: use ECDSA on P-256")
	}
	return details, nil
}

// String keeps the key out of anything that is printed.
func (k *Key) String() string { return "private key of " + k.Public().Fingerprint() }

// GoString does so for %#v.
func (k *Key) GoString() string { return k.String() }

// Public is the part that verifies.
func (k *Key) Public() *PublicKey { return &PublicKey{key: k.private.Public()} }

// Marshal is the key itself, which nothing protects: PKCS #8 in PEM, as ParseKey reads it.
func (k *Key) Marshal() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.private)
	if err != nil {
		return nil, fmt.Errorf("write a key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// PublicKey verifies what a key has signed.
type PublicKey struct{ key crypto.PublicKey }

// ReadPublicKey reads a public key from a PEM file, as cosign.pub is.
func ReadPublicKey(file string) (*PublicKey, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the key to verify with: %w", err)
	}
	key, err := ParsePublicKey(content)
	if err != nil {
		return nil, fmt.Errorf("the key %s: %w", file, err)
	}
	return key, nil
}

// ParsePublicKey reads a public key in PEM.
func ParsePublicKey(content []byte) (*PublicKey, error) {
	key, err := cryptoutils.UnmarshalPEMToPublicKey(content)
	if err != nil {
		return nil, errors.New("it is no public key in PEM: give the cosign.pub of the key that signed")
	}
	if _, err := algorithm(key); err != nil {
		return nil, err
	}
	return &PublicKey{key: key}, nil
}

// PEM is the key as a file that `cosign verify --key` takes.
func (p *PublicKey) PEM() ([]byte, error) { return cryptoutils.MarshalPublicKeyToPEM(p.key) }

// Fingerprint is SHA256:…, in base 64, of the key's DER.
func (p *PublicKey) Fingerprint() string { return "SHA256:" + hint(p.key) }

// hint names a key in a bundle, as sigstore's libraries do.
func hint(public crypto.PublicKey) string {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return "" // only of kinds that newKey and ParsePublicKey refuse
	}
	sum := sha256.Sum256(der)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// keypair lets sigstore's library sign with a key.
type keypair struct{ *Key }

func (k keypair) GetHashAlgorithm() common.HashAlgorithm { return k.details.GetProtoHashType() }
func (k keypair) GetSigningAlgorithm() common.PublicKeyDetails {
	return k.details.GetSignatureAlgorithm()
}
func (k keypair) GetHint() []byte                { return []byte(hint(k.private.Public())) }
func (k keypair) GetPublicKey() crypto.PublicKey { return k.private.Public() }

func (k keypair) GetKeyAlgorithm() string {
	switch k.private.Public().(type) {
	case *rsa.PublicKey:
		return "RSA"
	case ed25519.PublicKey:
		return "ED25519"
	default:
		return "ECDSA"
	}
}

func (k keypair) GetPublicKeyPem() (string, error) {
	text, err := k.Public().PEM()
	return string(text), err
}

// SignData signs without chance (RFC 6979 for ECDSA), so that a second run after a
// failure uploads what the first has uploaded, to the byte.
func (k keypair) SignData(_ context.Context, data []byte) (signed, digest []byte, err error) {
	hash := k.details.GetHashType()
	if hash != crypto.Hash(0) { // Ed25519 takes the data as it is
		h := hash.New()
		h.Write(data)
		data = h.Sum(nil)
	}
	signed, err = k.private.Sign(nil, data, hash)
	if err != nil {
		return nil, nil, fmt.Errorf("sign with the key %s: %w", k.Public().Fingerprint(), err)
	}
	return signed, data, nil
}
