package signature

import (
	"context"
	"fmt"
	"time"

	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/sign"
	"github.com/sigstore/sigstore-go/pkg/tuf"
	"github.com/theupdateframework/go-tuf/v2/metadata/fetcher"
)

// Sigstore is an instance of sigstore: its services, and what is trusted of it.
type Sigstore struct {
	Services
	Trust root.TrustedMaterial
}

// Mirror is a TUF repository that tells of an instance. The zero value is the public
// one, run by the sigstore project.
type Mirror struct {
	URL   string // https://tuf-repo-cdn.sigstore.dev by default
	Root  []byte // root.json that is trusted at first; of the public instance by default
	Cache string // folder; ~/.sigstore/root by default
}

// FetchSigstore learns from a mirror, by TUF, which services an instance has today
// and what is trusted of it.
func FetchSigstore(ctx context.Context, mirror Mirror, requests ...Option) (Sigstore, error) {
	options := tuf.DefaultOptions()
	once := fetcher.NewDefaultFetcher() // the client below it tries again
	once.SetHTTPClient(newAsking(requests).client(ctx))
	options.Fetcher = once
	if mirror.URL != "" {
		options.RepositoryBaseURL = mirror.URL
	}
	if mirror.Root != nil {
		options.Root = mirror.Root
	}
	if mirror.Cache != "" {
		options.CachePath = mirror.Cache
	}
	client, err := tuf.New(options)
	if err != nil {
		return Sigstore{}, fmt.Errorf("learn of sigstore from %s: %w: give the trusted root and the services as files and URLs, or a mirror that can be reached", options.RepositoryBaseURL, err)
	}
	trust, err := root.GetTrustedRoot(client)
	if err != nil {
		return Sigstore{}, fmt.Errorf("read what is trusted from %s: %w", options.RepositoryBaseURL, err)
	}
	config, err := root.GetSigningConfig(client)
	if err != nil {
		return Sigstore{}, fmt.Errorf("read the services from %s: %w", options.RepositoryBaseURL, err)
	}
	services, err := choose(config, time.Now())
	if err != nil {
		return Sigstore{}, fmt.Errorf("choose among the services of %s: %w", options.RepositoryBaseURL, err)
	}
	return Sigstore{Services: services, Trust: trust}, nil
}

// choose takes one service of each sort that is valid at a time.
func choose(config *root.SigningConfig, at time.Time) (Services, error) {
	fulcio, err := root.SelectService(config.FulcioCertificateAuthorityURLs(), sign.FulcioAPIVersions, at)
	if err != nil {
		return Services{}, fmt.Errorf("a Fulcio: %w", err)
	}
	chosen := Services{Fulcio: fulcio.URL}
	if logs := config.RekorLogURLs(); len(logs) > 0 {
		rekor, err := root.SelectService(logs, sign.RekorAPIVersions, at)
		if err != nil {
			return Services{}, fmt.Errorf("a Rekor: %w", err)
		}
		chosen.Rekor, chosen.RekorVersion = rekor.URL, rekor.MajorAPIVersion
	}
	if authorities := config.TimestampAuthorityURLs(); len(authorities) > 0 {
		timestamp, err := root.SelectService(authorities, sign.TimestampAuthorityAPIVersions, at)
		if err != nil {
			return Services{}, fmt.Errorf("a timestamp authority: %w", err)
		}
		chosen.Timestamp = timestamp.URL
	}
	return chosen, nil
}

// ReadTrust reads what is trusted of an instance from its trusted_root.json.
func ReadTrust(file string) (root.TrustedMaterial, error) {
	trust, err := root.NewTrustedRootFromPath(file)
	if err != nil {
		return nil, fmt.Errorf("read the trusted root %s: %w", file, err)
	}
	return trust, nil
}

// ReadServices reads the services of an instance from its signing_config.json.
func ReadServices(file string) (Services, error) {
	config, err := root.NewSigningConfigFromPath(file)
	if err != nil {
		return Services{}, fmt.Errorf("read the services of %s: %w", file, err)
	}
	services, err := choose(config, time.Now())
	if err != nil {
		return Services{}, fmt.Errorf("choose among the services of %s: %w", file, err)
	}
	return services, nil
}
