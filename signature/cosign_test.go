package signature

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pablodelarco/opennebula-helm/e2e/lab/registry/registrytest"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/sigstore"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/tools"
)

const password = "correct horse"

// cosign is the real one, built once.
type cosign struct{ program, folder string }

func findCosign(t *testing.T) cosign {
	if testing.Short() {
		t.Skip("cosign takes minutes to compile at the first time")
	}
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	builder := tools.Builder{Source: "../e2e/lab/tools", Cache: filepath.Join(cache, "opennebula-helm", "programs"), Log: t.Logf}
	folder, err := builder.Build(t.Context(), tools.Cosign())
	require.NoError(t, err)
	return cosign{filepath.Join(folder, "cosign"), t.TempDir()}
}

func (c cosign) run(t *testing.T, args ...string) string {
	out, err := c.try(t, args...)
	require.NoError(t, err, "cosign %s: %s", args, out)
	return out
}

func (c cosign) try(t *testing.T, args ...string) (string, error) {
	cmd := exec.CommandContext(t.Context(), c.program, args...)
	cmd.Dir = c.folder
	cmd.Env = append(os.Environ(), PasswordVariable+"="+password, "HOME="+c.folder)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// write puts a file where cosign runs.
func (c cosign) write(t *testing.T, name string, content []byte) string {
	path := filepath.Join(c.folder, name)
	require.NoError(t, os.WriteFile(path, content, 0o600))
	return path
}

// ofKey are the arguments to verify what a key has signed outside of sigstore's log.
var ofKey = []string{"--key", "cosign.pub", "--private-infrastructure", "--allow-http-registry"}

func TestCosignVerifiesWhatAKeySigned(t *testing.T) {
	c := findCosign(t)
	eachRegistry(t, func(t *testing.T, at *registrytest.Faults) {
		repository, signer := open(t, at), newSigner(t)
		digest, images := pushIndex(t, repository)
		require.NoError(t, attachAll(t, repository, images[0], signer))
		require.NoError(t, attachAll(t, repository, digest, signer))
		c.write(t, "cosign.pub", publicOf(t, signer))
		for _, reference := range []string{repository.Name() + "@" + digest.String(), repository.Name() + "@" + images[0].String()} {
			verified := c.run(t, append([]string{"verify", reference}, ofKey...)...)
			assert.Contains(t, verified, "The signatures were verified against the specified public key")
			assert.Contains(t, c.run(t, append([]string{"verify-attestation", "--type", "spdxjson", reference}, ofKey...)...), "payload")
			assert.Contains(t, c.run(t, append([]string{"verify-attestation", "--type", "slsaprovenance1", reference}, ofKey...)...), "payload")
		}
		c.write(t, "cosign.pub", publicOf(t, newSigner(t)))
		_, err := c.try(t, append([]string{"verify", repository.Name() + "@" + digest.String()}, ofKey...)...)
		require.Error(t, err, "another key has not signed it")
	})
}

func TestCosignVerifiesEachKindOfKey(t *testing.T) {
	c, repository := findCosign(t), open(t, registrytest.Start(t))
	for name, content := range keys(t) {
		key, err := ParseKey(content, []byte(password))
		require.NoError(t, err)
		signer, err := WithKey(key)
		require.NoError(t, err)
		digest := pushImage(t, repository)
		require.NoError(t, Sign(t.Context(), repository, digest, signer))
		c.write(t, "cosign.pub", publicOf(t, signer))
		out, err := c.try(t, append([]string{"verify", repository.Name() + "@" + digest.String()}, ofKey...)...)
		assert.NoError(t, err, "%s: %s", name, out)
	}
}

func publicOf(t *testing.T, signer *Signer) []byte {
	pair, _, _, err := signer.prepare(t.Context())
	require.NoError(t, err)
	text, err := pair.GetPublicKeyPem()
	require.NoError(t, err)
	return []byte(text)
}

func TestWhatCosignSignedIsVerified(t *testing.T) {
	c := findCosign(t)
	c.run(t, "generate-key-pair")
	key, err := ReadKey(filepath.Join(c.folder, "cosign.key"), []byte(password))
	require.NoError(t, err)
	public, err := ReadPublicKey(filepath.Join(c.folder, "cosign.pub"))
	require.NoError(t, err)
	assert.Equal(t, public.Fingerprint(), key.Public().Fingerprint())
	signer, err := WithKey(key)
	require.NoError(t, err)
	outside := []string{"--key", "cosign.key", "--tlog-upload=false", "--use-signing-config=false", "--allow-http-registry", "--yes"}
	eachRegistry(t, func(t *testing.T, at *registrytest.Faults) {
		repository := open(t, at)
		digest := pushImage(t, repository)
		reference := repository.Name() + "@" + digest.String()
		c.run(t, append([]string{"sign", reference}, outside...)...)
		c.run(t, append([]string{"attest", "--type", "spdxjson", "--predicate", c.write(t, "spdx.json", spdxOf(digest)), reference}, outside...)...)
		c.run(t, append([]string{"attest", "--type", "slsaprovenance1", "--predicate", c.write(t, "provenance.json", provenanceOf(t)), reference}, outside...)...)
		policy, err := TrustKey(public)
		require.NoError(t, err)
		report, err := Verify(t.Context(), repository, digest, policy, Signature, SBOM, Provenance)
		require.NoError(t, err)
		assert.Empty(t, report.Refused)

		at.Break(0, "")
		require.NoError(t, attachAll(t, repository, digest, signer))
		assert.Empty(t, at.Writes(), "what cosign has signed by the same key is not signed again")
	})
}

func TestCosignVerifiesWhatWasSignedKeyless(t *testing.T) {
	c, i := findCosign(t), newInstance(t)
	trusted, err := i.TrustedRoot()
	require.NoError(t, err)
	c.write(t, "trusted_root.json", trusted)
	eachRegistry(t, func(t *testing.T, at *registrytest.Faults) {
		repository := open(t, at)
		digest := pushImage(t, repository)
		require.NoError(t, attachAll(t, repository, digest, i.signer(t, releaser, sigstore.Token(GitHubIssuer, workflow))))
		reference := repository.Name() + "@" + digest.String()
		by := []string{
			"--trusted-root", "trusted_root.json", "--allow-http-registry",
			"--certificate-oidc-issuer", GitHubIssuer, "--certificate-identity", releaser.Subject,
		}
		c.run(t, append([]string{"verify", reference}, by...)...)
		c.run(t, append([]string{"verify", "--use-signed-timestamps", reference}, by...)...)
		c.run(t, append([]string{"verify-attestation", "--type", "spdxjson", reference}, by...)...)
		c.run(t, append([]string{"verify-attestation", "--type", "slsaprovenance1", reference}, by...)...)
		by[len(by)-1] = "https://github.com/mallory/fork/.github/workflows/release.yml@refs/heads/main"
		out, err := c.try(t, append([]string{"verify", reference}, by...)...)
		require.Error(t, err, "somebody else has not signed it")
		assert.Contains(t, out, "no matching CertificateIdentity found")
	})
}
