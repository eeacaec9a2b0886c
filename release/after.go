package release

import "maps"

// After is the state once a step has been carried out. The digest is the built one's
// after a Build, and that of what the step is about where the plan could not know it.
func (s State) After(step Step, digest string) State {
	s = s.clone()
	s.apply(step, digest)
	return s
}

func (s State) clone() State {
	s.Tags, s.ChartTags = cloned(s.Tags), cloned(s.ChartTags)
	s.Images, s.Charts = cloned(s.Images), cloned(s.Charts)
	s.Proposals = cloned(s.Proposals)
	return s
}

// cloned is a copy that can be written to, also of none.
func cloned[V any](m map[string]V) map[string]V {
	if m == nil {
		return map[string]V{}
	}
	return maps.Clone(m)
}

func (s *State) apply(step Step, digest string) {
	if step.Digest == "" {
		step.Digest = digest
	}
	switch {
	case step.Kind == Propose:
		s.Proposals[step.Version] = Proposal{Revision: s.Checkout.Revision}
	case step.Kind == Close:
		delete(s.Proposals, step.Version)
	case step.Kind == Describe:
		s.Description = s.Checkout.Description
	case step.Artifact == TheChart:
		s.applyChart(step)
	default:
		s.applyImage(step)
	}
}

func (s *State) applyImage(step Step) {
	img, known := s.Images[step.Digest]
	switch step.Kind {
	case Build:
		if !known {
			img = Image{
				Version: step.Version, Revision: s.Checkout.ImageRevision, Base: s.Base, Platforms: step.Platforms,
				Progress: Progress{Local: true},
			}
		}
		img.Built = true
	case AttestProvenance:
		img.Provenance = true
	case AttestSBOM:
		img.SBOM = true
	case Sign:
		img.Signature = true
	case Tag, Float:
		s.Tags[step.Tag] = step.Digest
	default:
		img.advance(step.Kind)
	}
	s.Images[step.Digest] = img
}

func (s *State) applyChart(step Step) {
	c, known := s.Charts[step.Digest]
	switch step.Kind {
	case Build:
		if !known {
			c = Chart{
				Version: step.Version, AppVersion: s.Checkout.Version, Image: step.Image, Source: s.Checkout.ChartSource,
				Progress: Progress{Local: true},
			}
		}
		c.Built = true
	case AttestProvenance:
		c.Provenance = true
	case Sign:
		c.Signed = true
	case Tag:
		s.ChartTags[step.Tag] = step.Digest
	default:
		c.advance(step.Kind)
	}
	s.Charts[step.Digest] = c
}

func (p *Progress) advance(kind Kind) {
	switch kind {
	case Test:
		p.Tested = true
	case Push:
		p.Local = false
	case ReadBack:
		p.ReadBack = true
	}
}
