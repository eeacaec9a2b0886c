package chart

// effects of all values of the chart, in the order of values.yaml.
func effects() []effect {
	return []effect{
		{value: "image.registry", set: "mirror.example.org", object: "StatefulSet/opennebula",
			at: `{.spec.template.spec.containers[?(@.name=="oned")].image}`, part: "mirror.example.org/"},
		{value: "services.api.type", set: "NodePort", object: "Service/opennebula-api", at: "{.spec.type}", want: "NodePort"},
		{value: "nodeSelector", set: "{disk: ssd}", object: "StatefulSet/opennebula",
			at: "{.spec.template.spec.nodeSelector}", want: `{"disk":"ssd"}`},
		{value: "mariadb.enabled", set: "false", object: "StatefulSet/opennebula-mariadb", want: ""},
		{value: `config.oned\.conf`, set: "PORT = 1", object: "ConfigMap/opennebula", at: `{.data.oned\.conf}`, want: "PORT = 1"},
		{value: "externalDatabase.host", set: "db", with: "{mariadb: {enabled: false}}", fails: "externalDatabase.existingSecret"},
	}
}
