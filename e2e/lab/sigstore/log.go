package sigstore

import (
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/go-openapi/runtime"
	"github.com/sigstore/rekor/pkg/generated/models"
	"github.com/sigstore/rekor/pkg/types"
	"github.com/sigstore/rekor/pkg/util"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore/pkg/signature"

	// The kind of entry that envelopes become.
	_ "github.com/sigstore/rekor/pkg/types/dsse/v0.0.1"
)

func (l *log) trusted(since time.Time) map[string]*root.TransparencyLog {
	return map[string]*root.TransparencyLog{hex.EncodeToString(l.id[:]): {
		BaseURL: "https://log.example.org", ID: l.id[:], ValidityPeriodStart: since,
		HashFunc: crypto.SHA256, PublicKey: l.key.Public(), SignatureHashFunc: crypto.SHA256,
	}}
}

// log answers as Rekor does, whose entry is always the only one of a new log.
func (i *Instance) log(w http.ResponseWriter, r *http.Request) (any, error) {
	proposed, err := models.UnmarshalProposedEntry(r.Body, runtime.JSONConsumer())
	if err != nil {
		return nil, err
	}
	entry, err := types.CreateVersionedEntry(proposed) // verifies its signature
	if err != nil {
		return nil, err
	}
	body, err := types.CanonicalizeEntry(r.Context(), entry)
	if err != nil {
		return nil, err
	}
	logged, err := i.signatures.entry(r.Context(), body)
	if err != nil {
		return nil, err
	}
	hash := leafHash(body)
	w.Header().Set("ETag", hash)
	w.Header().Set("Location", rekorPath+"/"+hash)
	return models.LogEntry{hash: logged}, nil
}

// leafHash is RFC 6962's, in hexadecimal.
func leafHash(body []byte) string {
	sum := sha256.Sum256(append([]byte{0}, body...))
	return hex.EncodeToString(sum[:])
}

func (l *log) entry(ctx context.Context, body []byte) (models.LogEntryAnon, error) {
	signer, err := signature.LoadECDSASigner(l.key, crypto.SHA256)
	if err != nil {
		return models.LogEntryAnon{}, err
	}
	at, id, text := time.Now().Unix(), hex.EncodeToString(l.id[:]), base64.StdEncoding.EncodeToString(body)
	promise, err := l.sign(map[string]any{"body": text, "integratedTime": at, "logID": id, "logIndex": 0})
	if err != nil {
		return models.LogEntryAnon{}, err
	}
	hash := leafHash(body)
	sum, err := hex.DecodeString(hash)
	if err != nil {
		return models.LogEntryAnon{}, err
	}
	note, err := util.CreateAndSignCheckpoint(ctx, "log.example.org", 1, 1, sum, signer)
	if err != nil {
		return models.LogEntryAnon{}, err
	}
	checkpoint, zero, one := string(note), int64(0), int64(1)
	return models.LogEntryAnon{
		Body: text, IntegratedTime: &at, LogID: &id, LogIndex: &zero,
		Verification: &models.LogEntryAnonVerification{
			SignedEntryTimestamp: promise,
			InclusionProof: &models.InclusionProof{
				Checkpoint: &checkpoint, Hashes: []string{}, LogIndex: &zero, RootHash: &hash, TreeSize: &one,
			},
		},
	}, nil
}

// sign signs fields as JSON. With keys in order and no spaces, it is canonical.
func (l *log) sign(fields map[string]any) ([]byte, error) {
	text, err := json.Marshal(fields)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	return l.key.Sign(nil, sum[:], crypto.SHA256)
}

// answer writes what a service says as JSON, and its refusals as 400.
func answer(status int, service func(http.ResponseWriter, *http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		content, err := service(w, r)
		status := status
		w.Header().Set("Content-Type", "application/json")
		if err != nil {
			status, content = http.StatusBadRequest, map[string]any{"code": http.StatusBadRequest, "message": fmt.Sprint(err)}
		}
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(content) // the client may be gone
	}
}
