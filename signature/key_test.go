package signature

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/secure-systems-lab/go-securesystemslib/encrypted"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var aDigest = v1.Hash{Algorithm: "sha256", Hex: hex64}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// keys are files of all sorts that are taken, without a password or with the one of
// these tests.
func keys(t *testing.T) map[string][]byte {
	pkcs8 := func(key any) []byte {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		require.NoError(t, err)
		return der
	}
	curve := func() *ecdsa.PrivateKey {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		return key
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	sec1, err := x509.MarshalECPrivateKey(curve())
	require.NoError(t, err)
	sealed, err := encrypted.Encrypt(pkcs8(curve()), []byte(password))
	require.NoError(t, err)
	return map[string][]byte{
		"ECDSA on P-256":          pemOf("PRIVATE KEY", pkcs8(curve())),
		"ECDSA in SEC 1":          pemOf("EC PRIVATE KEY", sec1),
		"RSA":                     pemOf("PRIVATE KEY", pkcs8(rsaKey)),
		"RSA in PKCS #1":          pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey)),
		"Ed25519":                 pemOf("PRIVATE KEY", pkcs8(edwards)),
		"encrypted":               pemOf("ENCRYPTED SIGSTORE PRIVATE KEY", sealed),
		"encrypted by old cosign": pemOf("ENCRYPTED COSIGN PRIVATE KEY", sealed),
	}
}

func TestKeysSign(t *testing.T) {
	for name, content := range keys(t) {
		t.Run(name, func(t *testing.T) {
			key, err := ParseKey(content, []byte(password))
			require.NoError(t, err)
			signer, err := WithKey(key)
			require.NoError(t, err)
			statement, err := newStatement(Signature, "", aDigest, nil)
			require.NoError(t, err)
			bundle, err := signer.bundle(t.Context(), statement, aDigest)
			require.NoError(t, err)
			again, err := signer.bundle(t.Context(), statement, aDigest)
			require.NoError(t, err)
			assert.Equal(t, string(bundle), string(again), "the same statement becomes the same bundle")

			text, err := key.Public().PEM()
			require.NoError(t, err)
			public, err := ParsePublicKey(text)
			require.NoError(t, err)
			policy, err := TrustKey(public)
			require.NoError(t, err)
			said, err := policy.verify(bundle, aDigest)
			require.NoError(t, err)
			assert.Equal(t, Signature, said.Kind)
			for _, form := range []string{"%v", "%+v", "%#v", "%s"} {
				assert.Equal(t, "private key of "+public.Fingerprint(), fmt.Sprintf(form, key))
			}
		})
	}
}

func TestKeysAreRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cosign.key")
	_, err := ReadKey(file, nil)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "read the key to sign with")
	_, err = ReadPublicKey(file)
	require.ErrorIs(t, err, os.ErrNotExist)

	all := keys(t)
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	public, err := x509.MarshalPKIXPublicKey(short.Public())
	require.NoError(t, err)
	long, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	sec1, err := x509.MarshalECPrivateKey(long)
	require.NoError(t, err)
	for name, test := range map[string]struct {
		content  []byte
		password string
		want     string
	}{
		"a wrong password":   {all["encrypted"], "wrong", "the password does not open it: give the right one, as COSIGN_PASSWORD"},
		"no password":        {all["encrypted"], "", "the password does not open it"},
		"no PEM":             {[]byte("hello"), "", "it is no PEM file"},
		"the public key":     {pemOf("PUBLIC KEY", public), "", "it holds a PUBLIC KEY: give a private key"},
		"damaged":            {pemOf("PRIVATE KEY", []byte("s3cret")), "", "its PRIVATE KEY is damaged"},
		"encrypted, damaged": {pemOf("ENCRYPTED SIGSTORE PRIVATE KEY", []byte("{}")), "x", "the password does not open it"},
		"another curve":      {pemOf("EC PRIVATE KEY", sec1), "", "it is on P-384, and cosign would not verify what it signs: use ECDSA on P-256"},
		"too short":          {pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(short)), "", "of a kind or length that sigstore does not know"},
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, os.WriteFile(file, test.content, 0o600))
			_, err := ReadKey(file, []byte(test.password))
			require.ErrorContains(t, err, test.want)
			require.ErrorContains(t, err, "the key "+file)
			assert.NotContains(t, err.Error(), "s3cret")
		})
	}
	_, err = ParsePublicKey(all["RSA"])
	require.ErrorContains(t, err, "give the cosign.pub of the key that signed")
	_, err = ParsePublicKey(pemOf("PUBLIC KEY", public))
	require.ErrorContains(t, err, "of a kind or length that sigstore does not know")
}

func TestKeyMustBeThatOfTheSigner(t *testing.T) {
	statement, err := newStatement(Signature, "", aDigest, nil)
	require.NoError(t, err)
	bundle, err := newSigner(t).bundle(t.Context(), statement, aDigest)
	require.NoError(t, err)
	other := newSigner(t)
	_, err = other.policy.verify(bundle, aDigest)
	require.ErrorContains(t, err, "it is not by the key "+other.policy.whose[len("the key "):])
	_, err = Policy{}.verify(bundle, aDigest)
	require.ErrorContains(t, err, "no policy was given")
}
