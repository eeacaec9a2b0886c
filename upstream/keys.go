package upstream

import (
	"bytes"

	"github.com/ProtonMail/go-crypto/openpgp"
)

// readKeys reads keys that are armored, or as apt's keyrings have them.
func readKeys(keys []byte) (openpgp.EntityList, error) {
	if bytes.Contains(keys, []byte("-----BEGIN PGP")) {
		return openpgp.ReadArmoredKeyRing(bytes.NewReader(keys))
	}
	return openpgp.ReadKeyRing(bytes.NewReader(keys))
}
