// Modules whose files define kinds that the chart can make, for the suite to bring
// them into its cluster. Nothing of them is compiled.
module github.com/pablodelarco/opennebula-helm/e2e/kinds

go 1.26.0

require (
	github.com/cert-manager/cert-manager v1.14.7
	github.com/prometheus-operator/prometheus-operator v0.85.0
	sigs.k8s.io/gateway-api v1.2.1
)
