package release

import (
	"cmp"
	"slices"
)

// Distinct has each of some updates once, in the order of their packages.
func Distinct(updates []Update) []Update {
	slices.SortFunc(updates, func(a, b Update) int {
		return cmp.Or(cmp.Compare(a.Package, b.Package), cmp.Compare(a.Installed, b.Installed), cmp.Compare(a.Fixed, b.Fixed))
	})
	return slices.Compact(updates)
}
