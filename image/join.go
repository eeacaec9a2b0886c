package image

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
)

// annotated begins the labels that OCI has given a meaning. They are the same for
// all platforms of an image, and the index repeats them as annotations.
const annotated = "org.opencontainers.image."

// Join makes one index of images for one platform each, in the platforms' order. It
// fails unless each is a front-end with all labels, for a platform of its own, and
// all were made of the same. The same images make the same index, to the byte,
// wherever they were read from and in whatever order.
func Join(images ...v1.Image) (v1.ImageIndex, error) {
	if len(images) == 0 {
		return nil, errors.New("there is no image to publish: give one for each platform")
	}
	parts := make([]part, len(images))
	for i, img := range images {
		var err error
		if parts[i], err = readPart(img); err != nil {
			return nil, fmt.Errorf("image %d of %d, %s: %w", i+1, len(images), cmp.Or(parts[i].platform, "unreadable"), err)
		}
	}
	slices.SortFunc(parts, func(a, b part) int { return cmp.Compare(a.platform, b.platform) })
	for i, p := range parts[1:] {
		if err := agree(parts[i], p); err != nil {
			return nil, err
		}
	}
	return index(parts), nil
}

// part is an image of an index.
type part struct {
	image    v1.Image
	platform string // OS/architecture
	config   *v1.ConfigFile
}

func readPart(img v1.Image) (part, error) {
	config, err := img.ConfigFile()
	if err != nil {
		return part{}, fmt.Errorf("read its configuration: %w", err)
	}
	p := part{image: img, config: config, platform: platformOf(config)}
	if err := verifyConfig(config, p.platform); err != nil {
		return p, err
	}
	_, err = readLabels(config.Config.Labels)
	return p, err
}

// agree compares two parts of which one comes after the other in order.
func agree(a, b part) error {
	if a.platform == b.platform {
		return fmt.Errorf("there are two images for %s: give one", a.platform)
	}
	mine, others := annotations(a), annotations(b)
	all := maps.Clone(mine)
	maps.Copy(all, others)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if mine[name] != others[name] {
			return fmt.Errorf("the label %s is %q for %s and %q for %s: build all platforms from one commit, with the same arguments",
				name, mine[name], a.platform, others[name], b.platform)
		}
	}
	return nil
}

func annotations(p part) map[string]string {
	found := map[string]string{}
	for name, value := range p.config.Config.Labels {
		if strings.HasPrefix(name, annotated) {
			found[name] = value
		}
	}
	return found
}

func index(parts []part) v1.ImageIndex {
	var joined v1.ImageIndex = empty.Index // of OCI's media type
	for _, p := range parts {
		joined = mutate.AppendManifests(joined, mutate.IndexAddendum{
			Add: plainImage{p.image},
			Descriptor: v1.Descriptor{Platform: &v1.Platform{
				OS: p.config.OS, Architecture: p.config.Architecture, Variant: p.config.Variant,
			}},
		})
	}
	return mutate.Annotations(joined, annotations(parts[0])).(v1.ImageIndex)
}

// plainImage leaves out what the place that an image was read from says of it, such
// as the annotations of a layout's index.
type plainImage struct{ v1.Image }

// ConfigLayer is the configuration as a blob, which may be mounted as layers are.
func (p plainImage) ConfigLayer() (v1.Layer, error) { return partial.ConfigLayer(p.Image) }
