package signature

import (
	"bytes"
	"encoding/json"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// What cosign gives a bundle in a registry, and looks for.
const (
	bundleType        = "application/vnd.dev.sigstore.bundle.v0.3+json"
	bundleTypes       = "application/vnd.dev.sigstore.bundle" // begins those of all versions
	emptyType         = "application/vnd.oci.empty.v1+json"
	contentAnnotation = "dev.sigstore.bundle.content"
	kindAnnotation    = "dev.sigstore.bundle.predicateType"
)

// emptyConfig is the configuration of an artifact that has none, as OCI has it.
const emptyConfig = "{}"

// artifact is a bundle as a manifest that refers to its subject. It has no time of its
// own, so that the same bundle is the same manifest.
type artifact struct {
	manifest []byte
	bundle   v1.Layer
}

func newArtifact(bundle []byte, kind Kind, subject v1.Descriptor) (v1.Image, error) {
	layer := static.NewLayer(bundle, bundleType)
	digest, err := layer.Digest()
	if err != nil {
		return nil, fmt.Errorf("hash a bundle: %w", err)
	}
	config, size, err := v1.SHA256(bytes.NewReader([]byte(emptyConfig)))
	if err != nil {
		return nil, fmt.Errorf("hash an empty configuration: %w", err)
	}
	manifest, err := json.Marshal(v1.Manifest{
		SchemaVersion: 2,
		MediaType:     types.OCIManifestSchema1,
		ArtifactType:  bundleType,
		Config:        v1.Descriptor{MediaType: emptyType, Digest: config, Size: size},
		Layers:        []v1.Descriptor{{MediaType: bundleType, Digest: digest, Size: int64(len(bundle))}},
		Subject:       &v1.Descriptor{MediaType: subject.MediaType, Digest: subject.Digest, Size: subject.Size},
		Annotations:   map[string]string{contentAnnotation: "dsse-envelope", kindAnnotation: string(kind)},
	})
	if err != nil {
		return nil, fmt.Errorf("write a manifest: %w", err)
	}
	return partial.CompressedToImage(artifact{manifest: manifest, bundle: layer})
}

func (a artifact) RawConfigFile() ([]byte, error)      { return []byte(emptyConfig), nil }
func (a artifact) RawManifest() ([]byte, error)        { return a.manifest, nil }
func (a artifact) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }

func (a artifact) LayerByDigest(v1.Hash) (partial.CompressedLayer, error) { return a.bundle, nil }
