package bucket

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var key = Key{ID: "lab", Secret: "not a secret"}

func start(t *testing.T) *Bucket {
	b, err := Start(Config{Address: "127.0.0.1:0", Name: "backups", Key: key})
	require.NoError(t, err)
	t.Cleanup(b.Stop)
	return b
}

// send sends a request that is signed with a key, and returns status and body.
func send(t *testing.T, k Key, method, url, body string) (int, string) {
	request, err := http.NewRequest(method, url, strings.NewReader(body))
	require.NoError(t, err)
	now, sum := time.Now().UTC(), sha256.Sum256([]byte(body))
	request.Header.Set("X-Amz-Date", now.Format("20060102T150405Z"))
	request.Header.Set("X-Amz-Content-Sha256", hex.EncodeToString(sum[:]))
	a := authorization{
		scope:   []string{now.Format("20060102"), "us-east-1", "s3", "aws4_request"},
		headers: []string{"content-length", "host", "x-amz-content-sha256", "x-amz-date"},
	}
	request.Header.Set("Authorization", algorithm+" Credential="+k.ID+"/"+strings.Join(a.scope, "/")+
		", SignedHeaders="+strings.Join(a.headers, ";")+", Signature="+k.sign(request, a))
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(content)
}

func TestKeepsObjects(t *testing.T) {
	b := start(t)
	for name, content := range map[string]string{"opennebula/b/manifest": "two", "opennebula/a/manifest": "one", "other/x": "x"} {
		status, answer := send(t, key, http.MethodPut, b.URL()+"/backups/"+name, content)
		require.Equal(t, http.StatusOK, status, answer)
	}
	keys, err := b.Keys("opennebula/")
	require.NoError(t, err)
	assert.Equal(t, []string{"opennebula/a/manifest", "opennebula/b/manifest"}, keys)
	all, err := b.Keys("")
	require.NoError(t, err)
	assert.Len(t, all, 3)

	content, err := b.Read("opennebula/a/manifest")
	require.NoError(t, err)
	assert.Equal(t, "one", string(content))
	_, err = b.Read("opennebula/c/manifest")
	assert.ErrorContains(t, err, "read opennebula/c/manifest from the bucket backups")

	status, listed := send(t, key, http.MethodGet, b.URL()+"/backups?list-type=2&prefix=opennebula%2Fa&delimiter=", "")
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, listed, "<Key>opennebula/a/manifest</Key>")
}

func TestLetsNobodyElseIn(t *testing.T) {
	b := start(t)
	for code, k := range map[string]Key{
		"InvalidAccessKeyId":    {ID: "stranger", Secret: key.Secret},
		"SignatureDoesNotMatch": {ID: key.ID, Secret: "wrong"},
	} {
		status, answer := send(t, k, http.MethodPut, b.URL()+"/backups/x", "x")
		assert.Equal(t, http.StatusForbidden, status)
		assert.Contains(t, answer, "<Code>"+code+"</Code>")
	}
	response, err := http.Get(b.URL() + "/backups")
	require.NoError(t, err)
	defer response.Body.Close()
	assert.Equal(t, http.StatusForbidden, response.StatusCode)

	keys, err := b.Keys("")
	require.NoError(t, err)
	assert.Empty(t, keys)
}

// The example of AWS' own documentation of the signature.
func TestSignsAsAWS(t *testing.T) {
	documented := Key{ID: "AKIAIOSFODNN7EXAMPLE", Secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
	request := httptest.NewRequest(http.MethodGet, "http://examplebucket.s3.amazonaws.com/test.txt", nil)
	empty := sha256.Sum256(nil)
	request.Header.Set("Range", "bytes=0-9")
	request.Header.Set("X-Amz-Content-Sha256", hex.EncodeToString(empty[:]))
	request.Header.Set("X-Amz-Date", "20130524T000000Z")

	a, ok := parseAuthorization("AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request," +
		"SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")
	require.True(t, ok)
	assert.Equal(t, documented.ID, a.id)
	assert.Equal(t, a.signature, documented.sign(request, a))
}

func TestStartSaysWhatIsWrong(t *testing.T) {
	b := start(t)
	_, err := Start(Config{Address: strings.TrimPrefix(b.URL(), "http://"), Name: "backups", Key: key})
	assert.ErrorContains(t, err, "is in use")
}
