package scan

import "github.com/pablodelarco/opennebula-helm/release"

// Updates are the Debian packages for which the reports name a fix: what a rebuild
// brings in. Excuses do not count, for a rebuild needs none.
func Updates(reports []Report) []release.Update {
	var all []release.Update
	for _, report := range reports {
		for _, f := range report.Findings {
			if f.Package.Type == "deb" && len(f.FixedIn) > 0 {
				all = append(all, release.Update{Package: f.Package.Name, Installed: f.Package.Version, Fixed: f.FixedIn[0]})
			}
		}
	}
	return release.Distinct(all)
}
