package upstream

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
	"sync"

	"github.com/Masterminds/semver/v3"
	"github.com/ProtonMail/go-crypto/openpgp"
)

const (
	official = "https://downloads.opennebula.io/repo/"
	// OfficialRepository has one apt repository for each release; %s is X.Y.Z. It is the
	// one for Debian 12.
	OfficialRepository = official + "%s/" + string(Debian12)
	// OfficialRepositories is the template of all of them, for NewRepositories.
	OfficialRepositories = official + "{version}/{distribution}"
	// OfficialKey signs them all, since 6.4.2.
	OfficialKey = official + "repo2.key"
	// OfficialFingerprint is that key's, "OpenNebula Repository <contact@opennebula.io>".
	OfficialFingerprint = "0B2D385C7C9304B11A0367B905A05927906DC27C"
)

// Distribution is what packages are for, as a path has it: Debian/12.
type Distribution string

// The distributions of the deb kind that OpenNebula 7.2 has packages for.
const (
	Debian12   Distribution = "Debian/12" // which the image is built on
	Debian13   Distribution = "Debian/13"
	Ubuntu2204 Distribution = "Ubuntu/22.04"
	Ubuntu2404 Distribution = "Ubuntu/24.04"
)

// Distributions are all of them.
func Distributions() []Distribution {
	return []Distribution{Debian12, Debian13, Ubuntu2204, Ubuntu2404}
}

// Repositories are the apt repositories of all releases and distributions, on one host
// and with one key.
type Repositories struct {
	template string
	key      []byte
	options  []Option

	opening sync.Mutex
	opened  map[string]*Repository // by URL
}

// NewRepositories takes the URL of all repositories, in which {version} (X.Y.Z), {line}
// (X.Y) and {distribution} (Debian/12) stand for a release's: OfficialRepositories, or a
// mirror's. A URL with none of them is one repository that has several releases.
func NewRepositories(template string, key []byte, options ...Option) (*Repositories, error) {
	u, err := url.Parse(template)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("%s is not the URL of repositories: write it as %s", shown(template), OfficialRepositories)
	}
	rest := strings.NewReplacer("{version}", "", "{line}", "", "{distribution}", "").Replace(template)
	if strings.ContainsAny(rest, "{}") {
		return nil, fmt.Errorf("%s has other {words} than {version}, {line} and {distribution}: write it as %s", shown(template), OfficialRepositories)
	}
	return &Repositories{template: template, key: key, options: options, opened: map[string]*Repository{}}, nil
}

// Of a release and a distribution: the same value each time, so that it is read once.
func (r *Repositories) Of(version *semver.Version, distribution Distribution) *Repository {
	location := strings.NewReplacer(
		"{version}", version.String(), "{line}", LineOf(version).String(), "{distribution}", string(distribution),
	).Replace(r.template)
	r.opening.Lock()
	defer r.opening.Unlock()
	if r.opened[location] == nil {
		r.opened[location] = NewRepository(location, r.key, r.options...)
	}
	return r.opened[location]
}

// CheckKey fails unless an armored key is the one with a fingerprint, in hexadecimal,
// and no other is there with it.
func CheckKey(armored []byte, fingerprint string) error {
	keys, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(armored))
	if err != nil || len(keys) == 0 {
		return fmt.Errorf("what should be the key %s is not an armored OpenPGP key: %w", fingerprint, err)
	}
	for _, key := range keys {
		if found := hex.EncodeToString(key.PrimaryKey.Fingerprint); !strings.EqualFold(found, fingerprint) {
			return fmt.Errorf("the key is %s, not %s: it was changed or is another's; do not use it before you know why",
				strings.ToUpper(found), fingerprint)
		}
	}
	return nil
}
