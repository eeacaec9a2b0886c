package upstream

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/textproto"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// maxSkew is how far this machine's clock may be behind a repository's.
const maxSkew = 10 * time.Minute

// inRelease is what a repository's InRelease says:
// https://wiki.debian.org/DebianRepository/Format#A.22Release.22_files
type inRelease struct {
	date, validUntil time.Time // none where it says none
	files            map[string]listed
}

// listed is what is said of a file.
type listed struct {
	sha256 string
	size   int64
}

// verifyInRelease reads a signed InRelease of the repository named, which must be
// signed by one of the keys and hold at a time.
func verifyInRelease(signed []byte, keys openpgp.EntityList, repository string, now time.Time) (*inRelease, error) {
	block, _ := clearsign.Decode(signed)
	if block == nil && bytes.HasPrefix(bytes.TrimSpace(signed), []byte("-----BEGIN PGP SIGNED MESSAGE-----")) {
		return nil, fmt.Errorf("the InRelease of %s is truncated: its signature does not end; try again later", repository)
	}
	if block == nil {
		return nil, fmt.Errorf("the repository %s is not signed: its InRelease holds no signature; only a signed one is used", repository)
	}
	parsed, malformed := parseInRelease(block.Plaintext)
	if malformed == nil && parsed.date.After(now.Add(maxSkew)) {
		return nil, fmt.Errorf("the InRelease of %s is from %s, and this machine's clock says %s: set the clock",
			repository, stamp(parsed.date), stamp(now))
	}
	// Within the skew a signature may be from a moment that has not come here yet.
	at := packet.Config{Time: func() time.Time { return now.Add(maxSkew) }}
	if _, err := block.VerifySignature(keys, &at); err != nil {
		return nil, unsigned(err, keys, repository, now)
	}
	if malformed != nil {
		return nil, fmt.Errorf("the InRelease of %s cannot be read: %w", repository, malformed)
	}
	if !parsed.validUntil.IsZero() && now.After(parsed.validUntil) {
		return nil, fmt.Errorf("the InRelease of %s expired on %s (now: %s): use a mirror that is up to date, or set this machine's clock",
			repository, stamp(parsed.validUntil), stamp(now))
	}
	return parsed, nil
}

func unsigned(err error, keys openpgp.EntityList, repository string, now time.Time) error {
	unborn := func(key *openpgp.Entity) bool { return key.PrimaryKey.CreationTime.After(now.Add(maxSkew)) }
	switch {
	case errors.Is(err, pgperrors.ErrKeyExpired) && slices.ContainsFunc(keys, unborn):
		return fmt.Errorf("the key that signs %s was made later than this machine's clock says, %s: set the clock", repository, stamp(now))
	case errors.Is(err, pgperrors.ErrKeyExpired):
		return fmt.Errorf("the key that signs %s has expired (now: %s): give its current one, or set this machine's clock", repository, stamp(now))
	case errors.Is(err, pgperrors.ErrSignatureExpired):
		return fmt.Errorf("the signature of %s does not hold at %s: use a mirror that is up to date, or set this machine's clock", repository, stamp(now))
	}
	return fmt.Errorf("the repository %s is not signed by the key given (%w): give the key that signs it", repository, err)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func parseInRelease(text []byte) (*inRelease, error) {
	fields, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(text))).ReadMIMEHeader()
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	parsed := &inRelease{}
	if parsed.date, err = parseDate(fields.Get("Date")); err != nil {
		return nil, err
	}
	if parsed.validUntil, err = parseDate(fields.Get("Valid-Until")); err != nil {
		return nil, err
	}
	parsed.files, err = parseFiles(strings.Fields(fields.Get("SHA256")))
	return parsed, err
}

// parseFiles reads checksum, size and name of each file.
func parseFiles(words []string) (map[string]listed, error) {
	if len(words)%3 != 0 {
		return nil, fmt.Errorf("its SHA256 has %d words, not a checksum, a size and a name for each file", len(words))
	}
	files := map[string]listed{}
	for file := range slices.Chunk(words, 3) {
		size, err := strconv.ParseInt(file[1], 10, 64)
		if err != nil || size < 0 {
			return nil, fmt.Errorf("the size of %s, %q, is no number of bytes", file[2], file[1])
		}
		files[file[2]] = listed{sha256: strings.ToLower(file[0]), size: size}
	}
	return files, nil
}

// parseDate reads the dates of apt's indexes: "Sat, 03 Oct 2026 10:00:00 UTC". None is none.
func parseDate(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{"Mon, _2 Jan 2006 15:04:05 MST", "Mon, _2 Jan 2006 15:04:05 -0700"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a date", text)
}

var indexName = regexp.MustCompile(`^(.+)/binary-([a-z0-9]+)/Packages(\.xz|\.gz)?$`)

// architectures are those of which a component has an index, in order.
func (r *inRelease) architectures(component string) []string {
	var found []string
	for file := range r.files {
		if match := indexName.FindStringSubmatch(file); match != nil && match[1] == component {
			found = append(found, match[2])
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}
