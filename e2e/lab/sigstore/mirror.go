package sigstore

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"time"

	trustroot "github.com/sigstore/protobuf-specs/gen/pb-go/trustroot/v1"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// SigningConfig names the services below an instance's URL, as the content of
// signing_config.json.
func (i *Instance) SigningConfig(url string) ([]byte, error) {
	service := func(path string) []root.Service {
		return []root.Service{{URL: url + path, MajorAPIVersion: 1, ValidityPeriodStart: i.anchor.NotBefore, Operator: "example.org"}}
	}
	any := root.ServiceConfiguration{Selector: trustroot.ServiceSelector_ANY}
	config, err := root.NewSigningConfig(root.SigningConfigMediaType02, service(""), nil, service(""), any, service(TimestampPath), any)
	if err != nil {
		return nil, fmt.Errorf("write the signing configuration: %w", err)
	}
	return config.MarshalJSON()
}

// Mirror serves by TUF what is trusted of the instance, and its signing configuration.
// It returns the root.json that clients begin with.
func (i *Instance) Mirror(signingConfig []byte) (http.Handler, []byte, error) {
	trusted, err := i.TrustedRoot()
	if err != nil {
		return nil, nil, err
	}
	files, err := publish(map[string][]byte{"trusted_root.json": trusted, "signing_config.v0.2.json": signingConfig})
	if err != nil {
		return nil, nil, fmt.Errorf("make a mirror: %w", err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		content, ok := files[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(content) // the client may be gone
	}), files["/1.root.json"], nil
}

// publish makes a TUF repository of files: its own by path. One key has all roles.
func publish(targets map[string][]byte) (map[string][]byte, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	signer, err := signature.LoadSigner(private, crypto.Hash(0))
	if err != nil {
		return nil, err
	}
	key, err := metadata.KeyFromPublicKey(public)
	if err != nil {
		return nil, err
	}
	expires, files := time.Now().Add(24*time.Hour), map[string][]byte{}
	listed, anchor := metadata.Targets(expires), metadata.Root(expires)
	for name, content := range targets {
		if listed.Signed.Targets[name], err = metadata.TargetFile().FromBytes(name, content, "sha256"); err != nil {
			return nil, err
		}
		sum := sha256.Sum256(content)
		files["/targets/"+hex.EncodeToString(sum[:])+"."+name] = content
	}
	for _, role := range []string{metadata.ROOT, metadata.TARGETS, metadata.SNAPSHOT, metadata.TIMESTAMP} {
		if err := anchor.Signed.AddKey(key, role); err != nil {
			return nil, err
		}
	}
	for path, sign := range map[string]func(signature.Signer) ([]byte, error){
		"/1.root.json":     signed(anchor),
		"/1.targets.json":  signed(listed),
		"/1.snapshot.json": signed(metadata.Snapshot(expires)),
		"/timestamp.json":  signed(metadata.Timestamp(expires)),
	} {
		if files[path], err = sign(signer); err != nil {
			return nil, err
		}
	}
	return files, nil
}

func signed[T metadata.Roles](role *metadata.Metadata[T]) func(signature.Signer) ([]byte, error) {
	return func(signer signature.Signer) ([]byte, error) {
		if _, err := role.Sign(signer); err != nil {
			return nil, err
		}
		return role.ToBytes(false)
	}
}
