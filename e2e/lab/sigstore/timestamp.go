package sigstore

import (
	"crypto"
	"encoding/asn1"
	"io"
	"net/http"
	"time"

	"github.com/digitorus/timestamp"
)

// policyOID of timestamps, by sigstore.
var policyOID = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 2}

// timestamp answers as a timestamp authority does, by RFC 3161.
func (i *Instance) timestamp(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return // nobody is there
	}
	asked, err := timestamp.ParseRequest(text)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	stamp := timestamp.Timestamp{
		HashAlgorithm: asked.HashAlgorithm, HashedMessage: asked.HashedMessage, Nonce: asked.Nonce,
		Time: time.Now(), Policy: policyOID, AddTSACertificate: asked.Certificates,
	}
	signed, err := stamp.CreateResponseWithOpts(i.timestamper.leaf, i.timestamper.key, crypto.SHA256)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/timestamp-reply")
	w.WriteHeader(http.StatusCreated)
	_, _ = w.Write(signed) // the client may be gone
}
