package bucket

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Key is an access key: its id is sent with each request, the secret signs it.
type Key struct{ ID, Secret string }

// guard lets through what the key has signed, as S3 does: version 4 of AWS'
// signatures, in the header Authorization. That the body is the one that was
// signed is not looked at.
func (k Key) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent, ok := parseAuthorization(r.Header.Get("Authorization"))
		switch {
		case !ok:
			refuse(w, "AccessDenied", "the request is not signed")
		case sent.id != k.ID:
			refuse(w, "InvalidAccessKeyId", "there is no access key with this id")
		case subtle.ConstantTimeCompare([]byte(sent.signature), []byte(k.sign(r, sent))) == 0:
			refuse(w, "SignatureDoesNotMatch", "the signature is not that of the access key")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func refuse(w http.ResponseWriter, code, message string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(http.StatusForbidden)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s</Message></Error>", code, message)
}

const algorithm = "AWS4-HMAC-SHA256"

// authorization is the header of that name, in its parts.
type authorization struct {
	id        string
	scope     []string // day, region, service and aws4_request
	headers   []string // that are signed
	signature string
}

func parseAuthorization(header string) (authorization, bool) {
	fields, ok := strings.CutPrefix(header, algorithm+" ")
	if !ok {
		return authorization{}, false
	}
	parts := map[string]string{}
	for _, field := range strings.Split(fields, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		parts[name] = value
	}
	credential := strings.Split(parts["Credential"], "/")
	if len(credential) != 5 {
		return authorization{}, false
	}
	return authorization{
		id: credential[0], scope: credential[1:],
		headers: strings.Split(parts["SignedHeaders"], ";"), signature: parts["Signature"],
	}, true
}

// sign is the signature of a request with this key.
func (k Key) sign(r *http.Request, a authorization) string {
	request := sha256.Sum256([]byte(canonical(r, a.headers)))
	text := strings.Join([]string{
		algorithm, r.Header.Get("X-Amz-Date"), strings.Join(a.scope, "/"), hex.EncodeToString(request[:]),
	}, "\n")
	key := []byte("AWS4" + k.Secret)
	for _, part := range append(a.scope, text) {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	return hex.EncodeToString(key)
}

// canonical is a request as it is signed.
func canonical(r *http.Request, headers []string) string {
	lines := []string{r.Method, r.URL.EscapedPath(), query(r.URL)}
	for _, name := range headers {
		lines = append(lines, name+":"+strings.Join(strings.Fields(header(r, name)), " "))
	}
	return strings.Join(append(lines, "", strings.Join(headers, ";"), r.Header.Get("X-Amz-Content-Sha256")), "\n")
}

// query in order, with a space as %20.
func query(u *url.URL) string { return strings.ReplaceAll(u.Query().Encode(), "+", "%20") }

// header by its name, of which Go keeps two elsewhere.
func header(r *http.Request, name string) string {
	switch name {
	case "host":
		return r.Host
	case "content-length":
		return strconv.FormatInt(r.ContentLength, 10)
	}
	return strings.Join(r.Header.Values(name), ",")
}
