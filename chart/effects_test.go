package chart

import (
	"fmt"
	"slices"
	"strings"
)

const (
	frontend = "StatefulSet/opennebula"
	database = "StatefulSet/opennebula-mariadb"
	pod      = ".spec.template.spec."
)

// effects of all values of the chart, in the order of values.yaml.
func effects() []effect {
	return slices.Concat(
		namesAndImages(), logins(), waysIn(), services(), cloud(), ldap(), configuration(),
		volumes(), databases(), upgrades(), backups(), restores(), pods(), resources(), aroundPods(), monitoring(),
		mariadbImages(), mariadbServer(), mariadbVolume(), mariadbPods(), mariadbMonitoring(),
	)
}

// The places of what many cases ask for.

func container(name, what string) string {
	return fmt.Sprintf(`{%scontainers[?(@.name==%q)].%s}`, pod, name, what)
}

func initContainer(name, what string) string {
	return fmt.Sprintf(`{%sinitContainers[?(@.name==%q)].%s}`, pod, name, what)
}

func setting(name string) string {
	return initContainer("bootstrap", fmt.Sprintf(`env[?(@.name==%q)].value`, name))
}

func volume(name, what string) string {
	return fmt.Sprintf(`{%svolumes[?(@.name==%q)].%s}`, pod, name, what)
}

func in(pod string, what string) string { return "{" + pod + what + "}" }

func namesAndImages() []effect {
	image := container("oned", "image")
	digest := "sha256:" + strings.Repeat("ab", 32)
	return []effect{
		{value: "global.imageRegistry", set: "mirror.org", object: frontend, at: image, part: "mirror.org/pablodelarco/opennebula-frontend:"},
		{value: "global.imageRegistry", set: "mirror.org", object: database, at: container("mariadb", "image"), part: "mirror.org/library/mariadb:"},
		{value: "global.imagePullSecrets", set: "[{name: mine}]", object: frontend, at: in(pod, "imagePullSecrets"), want: `[{"name":"mine"}]`},
		{value: "global.imagePullSecrets", set: "[{name: mine}]", object: database, at: in(pod, "imagePullSecrets"), want: `[{"name":"mine"}]`},
		{value: "global.storageClass", set: "fast", object: "PersistentVolumeClaim/opennebula-data", at: "{.spec.storageClassName}", want: "fast"},
		{value: "global.storageClass", set: "fast", object: "PersistentVolumeClaim/opennebula-mariadb-data", at: "{.spec.storageClassName}", want: "fast"},
		{value: "image.registry", set: "quay.io", object: frontend, at: image, part: "quay.io/pablodelarco/opennebula-frontend:"},
		{value: "image.repository", set: "me/one", object: frontend, at: image, part: "docker.io/me/one:"},
		{value: "image.tag", set: "7.2.0-3", object: frontend, at: image, part: "/opennebula-frontend:7.2.0-3"},
		{value: "image.digest", set: digest, with: "{image: {tag: x}}", object: frontend, at: image, part: "/opennebula-frontend@" + digest},
		{value: "image.pullPolicy", set: "Always", object: frontend, at: container("oned", "imagePullPolicy"), want: "Always"},
		{value: "image.pullSecrets", set: "[{name: mine}]", object: frontend, at: in(pod, "imagePullSecrets"), want: `[{"name":"mine"}]`},
		{value: "nameOverride", set: "cloud", object: "StatefulSet/opennebula-cloud", want: "there"},
		{value: "fullnameOverride", set: "cloud", object: "StatefulSet/cloud", want: "there"},
		{value: "commonLabels", set: "{team: blue}", object: frontend, at: "{.metadata.labels.team}", want: "blue"},
		{value: "commonLabels", set: "{team: blue}", object: frontend, at: "{.spec.template.metadata.labels.team}", want: "blue"},
		{value: "replicas", set: "0", object: frontend, at: "{.spec.replicas}", want: "0"},
		{value: "replicas", set: "2", fails: "/replicas"},
	}
}

func logins() []effect {
	node := "ConfigMap/opennebula-node"
	key := "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA"
	return []effect{
		{value: "oneadmin.existingSecret", set: "mine", object: frontend, at: volume("oneadmin", "secret.secretName"), want: "mine"},
		{value: "oneadmin.existingSecret", set: "mine", object: "Secret/opennebula-oneadmin", want: ""},
		{value: "oneadmin.passwordKey", set: "pw", object: frontend, at: volume("oneadmin", "secret.items"), want: `[{"key":"pw","path":"password"}]`},
		{value: "oneadmin.passwordKey", set: "pw", object: "Secret/opennebula-oneadmin", at: "{.data}", part: `"pw":`},
		{value: "ssh.hostname", set: "one.example.org", object: frontend, at: setting("ONE_HOSTNAME"), want: "one.example.org"},
		{value: "ssh.port", set: "2022", object: frontend, at: setting("ONE_SSH_PORT"), want: "2022"},
		{value: "ssh.containerPort", set: "2223", object: frontend, at: container("sshd", "ports[0].containerPort"), want: "2223"},
		{value: "ssh.containerPort", set: "2223", object: frontend, at: container("sshd", `env[?(@.name=="ONE_SSHD_PORT")].value`), want: "2223"},
		{value: "ssh.containerPort", set: "2223", with: "{hostNetwork: true, ssh: {hostname: a}}", object: frontend, at: setting("ONE_SSH_PORT"), want: "2223"},
		{value: "ssh.existingSecret", set: "mine", object: frontend, at: volume("ssh", "secret.secretName"), want: "mine"},
		{value: "ssh.existingSecret", set: "mine", object: "Secret/opennebula-ssh", want: ""},
		{value: "ssh.privateKeyKey", set: "id", with: "{ssh: {existingSecret: mine}}", object: frontend, at: volume("ssh", "secret.items"), part: `{"key":"id","path":"ssh-privatekey"}`},
		{value: "ssh.privateKeyKey", set: "id", object: "Secret/opennebula-ssh", at: "{.data.id}", part: "LS0tLS1CRUdJTiBFQyBQUklWQVRF"},
		{value: "ssh.hostKeyKey", set: "id", object: "Secret/opennebula-ssh", at: "{.data.id}", part: "LS0tLS1CRUdJTiBFQyBQUklWQVRF"},
		{value: "ssh.hostKeyKey", set: "id", with: "{ssh: {existingSecret: mine}}", object: frontend, at: volume("ssh", "secret.items"), part: `{"key":"id","path":"ssh-host-key"}`},
		{value: "ssh.publicKey", set: key, with: "{ssh: {existingSecret: mine}}", object: node, at: "{.data.ssh-publickey}", want: key},
		{value: "ssh.hostPublicKey", set: key, with: "{ssh: {existingSecret: mine}}", object: node, at: "{.data.known_hosts}", want: "opennebula-ssh.opennebula.svc " + key},
	}
}

func waysIn() []effect {
	const (
		issuer  = "{publicUrl: 'https://a.org', tls: {certManager: {issuer: a}}}"
		issued  = "{publicUrl: 'https://a.org', tls: {certManager: {enabled: true, issuer: a}}}"
		ingress = "{publicUrl: 'https://a.org', ingress: {enabled: true}}"
		route   = "{publicUrl: 'https://a.org', httpRoute: {enabled: true, parentRefs: [{name: a}]}}"
	)
	return []effect{
		{value: "publicUrl", set: "https://b.org", object: frontend, at: setting("ONE_ONEGATE_ENDPOINT"), want: "https://b.org"},
		{value: "publicUrl", set: "https://b.org", with: ingress, object: "Ingress/opennebula", at: "{.spec.rules[0].host}", want: "b.org"},
		{value: "publicUrl", set: "https://b.org", with: route, object: "HTTPRoute/opennebula", at: "{.spec.hostnames}", want: `["b.org"]`},
		{value: "publicUrl", set: "https://10.0.0.1", with: issued, object: "Certificate/opennebula-tls", at: "{.spec.ipAddresses}", want: `["10.0.0.1"]`},
		{value: "publicUrl", set: "https://10.0.0.1", with: ingress, fails: "ingress.enabled needs a name in publicUrl, and 10.0.0.1 is an address"},
		{value: "publicUrl", set: "https://B.org", with: route, object: "HTTPRoute/opennebula", at: "{.spec.hostnames}", want: `["b.org"]`},
		{value: "publicUrl", set: "https://b.org", with: issued, object: "Certificate/opennebula-tls", at: "{.spec.dnsNames}", want: `["b.org"]`},
		{value: "tls.existingSecret", set: "mine", object: frontend, at: volume("tls", "secret.secretName"), want: "mine"},
		{value: "tls.existingSecret", set: "mine", object: frontend, at: container("proxy", `volumeMounts[?(@.name=="tls")].mountPath`), want: "/run/secrets/tls"},
		{value: "tls.existingSecret", set: "mine", object: "Service/opennebula-sunstone", at: `{.spec.ports[?(@.name=="https")].targetPort}`, want: "https"},
		{value: "tls.existingSecret", set: "mine", with: ingress, object: "Ingress/opennebula", at: "{.spec.tls}", want: `[{"hosts":["a.org"],"secretName":"mine"}]`},
		{value: "tls.certManager.enabled", set: "true", with: issuer, object: "Certificate/opennebula-tls", want: "there"},
		{value: "tls.certManager.enabled", set: "true", with: issuer, object: frontend, at: volume("tls", "secret.secretName"), want: "opennebula-tls"},
		{value: "tls.certManager.issuer", set: "mine", with: issued, object: "Certificate/opennebula-tls", at: "{.spec.issuerRef.name}", want: "mine"},
		{value: "tls.certManager.kind", set: "Issuer", with: issued, object: "Certificate/opennebula-tls", at: "{.spec.issuerRef.kind}", want: "Issuer"},
		{value: "ingress.enabled", set: "true", with: "{publicUrl: 'https://a.org'}", object: "Ingress/opennebula", want: "there"},
		{value: "ingress.enabled", set: "true", fails: "ingress.enabled needs publicUrl"},
		{value: "ingress.className", set: "nginx", with: ingress, object: "Ingress/opennebula", at: "{.spec.ingressClassName}", want: "nginx"},
		{value: "ingress.annotations", set: "{a: b}", with: ingress, object: "Ingress/opennebula", at: "{.metadata.annotations.a}", want: "b"},
		{value: "httpRoute.enabled", set: "true", with: "{publicUrl: 'https://a.org', httpRoute: {parentRefs: [{name: a}]}}", object: "HTTPRoute/opennebula", want: "there"},
		{value: "httpRoute.enabled", set: "true", with: "{publicUrl: 'https://a.org'}", fails: "httpRoute.enabled needs httpRoute.parentRefs"},
		{value: "httpRoute.parentRefs", set: "[{name: public, namespace: gateways}]", with: route, object: "HTTPRoute/opennebula", at: "{.spec.parentRefs}", want: `[{"name":"public","namespace":"gateways"}]`},
		{value: "httpRoute.annotations", set: "{a: b}", with: route, object: "HTTPRoute/opennebula", at: "{.metadata.annotations.a}", want: "b"},
		{value: "hostNetwork", set: "true", object: frontend, at: in(pod, "hostNetwork"), want: "true"},
		{value: "hostNetwork", set: "true", object: frontend, at: in(pod, "dnsPolicy"), want: "ClusterFirstWithHostNet"},
		{value: "monitor.address", set: "10.0.0.1", object: frontend, at: setting("ONE_MONITOR_ADDRESS"), want: "10.0.0.1"},
		{value: "gate.endpoint", set: "http://gate.org", with: "{publicUrl: 'https://a.org'}", object: frontend, at: setting("ONE_ONEGATE_ENDPOINT"), want: "http://gate.org"},
	}
}

func services() []effect {
	var all []effect
	for _, name := range []string{"sunstone", "api", "flow", "gate", "monitor", "ssh"} {
		value, object := "services."+name+".", "Service/opennebula-"+name
		moved := func(port string) string {
			if name == "monitor" {
				return object + "-" + port // see opennebula.monitorService
			}
			return object
		}
		nodePort := fmt.Sprintf("{services: {%s: {type: NodePort}}}", name)
		balanced := fmt.Sprintf("{services: {%s: {type: LoadBalancer}}}", name)
		all = append(all,
			effect{value: value + "type", set: "NodePort", object: object, at: "{.spec.type}", want: "NodePort"},
			effect{value: value + "port", set: "1234", object: moved("1234"), at: "{.spec.ports[0].port}", want: "1234"},
			effect{value: value + "nodePort", set: "31234", with: nodePort, object: moved("31234"), at: "{.spec.ports[0].nodePort}", want: "31234"},
			effect{value: value + "loadBalancerClass", set: "metallb", with: balanced, object: object, at: "{.spec.loadBalancerClass}", want: "metallb"},
			effect{value: value + "loadBalancerIP", set: "10.0.0.1", with: balanced, object: object, at: "{.spec.loadBalancerIP}", want: "10.0.0.1"},
			effect{value: value + "loadBalancerSourceRanges", set: "[10.0.0.0/8]", with: balanced, object: object, at: "{.spec.loadBalancerSourceRanges}", want: `["10.0.0.0/8"]`},
			effect{value: value + "externalTrafficPolicy", set: "Local", with: nodePort, object: object, at: "{.spec.externalTrafficPolicy}", want: "Local"},
			effect{value: value + "annotations", set: "{a: b}", object: object, at: "{.metadata.annotations.a}", want: "b"},
		)
	}
	const tls = "{tls: {existingSecret: a}, services: {sunstone: {type: NodePort}}}"
	https := `{.spec.ports[?(@.name=="https")].`
	return append(all,
		effect{value: "services.sunstone.httpsPort", set: "8443", with: tls, object: "Service/opennebula-sunstone", at: https + "port}", want: "8443"},
		effect{value: "services.sunstone.httpsNodePort", set: "30443", with: tls, object: "Service/opennebula-sunstone", at: https + "nodePort}", want: "30443"},
		effect{value: "services.api.port", set: "1234", with: "{hosts: [{name: a}]}", object: "CronJob/opennebula-cloud", at: `{.spec.jobTemplate.spec.template.spec.containers[0].env[?(@.name=="ONE_XMLRPC")].value}`, want: "http://opennebula-api:1234/RPC2"},
		effect{value: "services.ssh.port", set: "2022", object: frontend, at: setting("ONE_SSH_PORT"), want: "2022"},
		effect{value: "services.ssh.nodePort", set: "30022", with: "{ssh: {hostname: a}, services: {ssh: {type: NodePort, nodePort: 30001}}}", object: frontend, at: setting("ONE_SSH_PORT"), want: "30022"},
		effect{value: "services.ssh.type", set: "NodePort", with: "{ssh: {hostname: a}}", fails: "fix it by services.ssh.nodePort"},
		effect{value: "services.monitor.type", set: "NodePort", with: "{monitor: {address: a}}", fails: "fix it by services.monitor.nodePort"},
		effect{value: "services.monitor.nodePort", set: "30124", with: "{services: {monitor: {type: NodePort}}}", object: "Service/opennebula-monitor-30124", at: "{.spec.ports[*].targetPort}", want: "30124 30124"},
		effect{value: "services.monitor.nodePort", set: "30124", with: "{services: {monitor: {type: NodePort}}}", object: frontend, at: container("oned", `ports[?(@.name=="monitor")].containerPort`), want: "30124"},
		effect{value: "services.monitor.nodePort", set: "30124", with: "{services: {monitor: {type: NodePort}}}", object: frontend, at: setting("ONE_MONITOR_PORT"), want: "30124"},
	)
}

func cloud() []effect {
	file := `{.data.cloud\.yaml}`
	var all []effect
	for value, set := range map[string]string{
		"hosts":           "[{name: kvm7}]",
		"clusters":        "[{name: rack7}]",
		"datastores":      "[{name: ssd7}]",
		"virtualNetworks": "[{name: lan7}]",
		"groups":          "[{name: dev7}]",
	} {
		name := strings.TrimSuffix(strings.TrimPrefix(set, "[{"), "}]")
		all = append(all, effect{value: value, set: set, object: "ConfigMap/opennebula-cloud", at: file, want: value + ":\n- " + name})
	}
	const hosts = "{hosts: [{name: a}]}"
	script := `{.data.install-node\.sh}`
	return append(all,
		effect{value: "marketplaces", set: "{Linux Containers: false}", object: "ConfigMap/opennebula-cloud", at: file, want: "marketplaces:\n  Linux Containers: false"},
		effect{value: "cloud.schedule", set: `"0 * * * *"`, with: hosts, object: "CronJob/opennebula-cloud", at: "{.spec.schedule}", want: "0 * * * *"},
		effect{value: "cloud.schedule", set: `""`, with: hosts, object: "CronJob/opennebula-cloud", want: ""},
		effect{value: "node.repository", set: "https://m.org/repo/", object: "ConfigMap/opennebula-node", at: script, part: "repository='https://m.org/repo'\n"},
		effect{value: "node.key", set: "https://m.org/key", object: "ConfigMap/opennebula-node", at: script, part: "key_url='https://m.org/key'\n"},
	)
}

func ldap() []effect {
	const on = "{ldap: {enabled: true, servers: {a: {host: a.org}}}}"
	config := volume("config", "projected.sources")
	return []effect{
		{value: "ldap.enabled", set: "true", with: "{ldap: {servers: {a: {host: a.org}}}}", object: frontend, at: config, part: `"secret":{"items":[{"key":"ldap_auth.conf","path":"files/auth/ldap_auth.conf"}],"name":"opennebula-ldap"}`},
		{value: "ldap.enabled", set: "true", fails: "ldap.enabled needs ldap.servers"},
		{value: "ldap.default", set: "false", with: on, object: "ConfigMap/opennebula", at: `{.data.oned\.conf}`, want: ""},
		{value: "ldap.servers", set: "{main: {host: ldap.org, port: 636}}", with: on, object: "Secret/opennebula-ldap", at: `{.stringData.ldap_auth\.conf}`, part: "main:\n  :host: ldap.org\n  :port: 636"},
		{value: "ldap.existingSecret", set: "mine", with: on, object: frontend, at: config, part: `"name":"mine"`},
		{value: "ldap.existingSecret", set: "mine", with: on, object: "Secret/opennebula-ldap", want: ""},
	}
}

func configuration() []effect {
	var all []effect
	for _, file := range []string{
		"oned.conf", "monitord.conf", "rank.conf", "one_drs.conf", "fireedge-server.conf", "sunstone-server.conf",
		"oneflow-server.conf", "onegate-server.conf", "onehem-server.conf", "guacd",
	} {
		path := strings.ReplaceAll(file, ".", `\.`)
		all = append(all, effect{value: "config." + path, set: "KEY = 1", object: "ConfigMap/opennebula", at: "{.data." + path + "}", want: "KEY = 1"})
	}
	return append(all,
		effect{value: `configFiles.schedulers/x\.conf`, set: "text", object: "ConfigMap/opennebula-files", at: `{.data.schedulers__x\.conf}`, want: "text"},
		effect{value: `configFiles.schedulers/x\.conf`, set: "text", object: frontend, at: volume("config", "projected.sources"),
			part: `"configMap":{"items":[{"key":"schedulers__x.conf","path":"files/schedulers/x.conf"}],"name":"opennebula-files"}`},
	)
}

func volumes() []effect {
	all := claim("persistence.data.", "", "data")
	all = append(all, claim("persistence.datastores.", "{persistence: {datastores: {enabled: true}}}", "datastores")...)
	all = append(all, claim("backup.persistence.", "{backup: {persistence: {enabled: true}}}", "backups")...)
	return append(all,
		effect{value: "persistence.datastores.enabled", set: "true", object: "PersistentVolumeClaim/opennebula-datastores", want: "there"},
		effect{value: "persistence.datastores.enabled", set: "true", object: frontend, at: container("oned", `volumeMounts[?(@.name=="datastores")].mountPath`), want: "/var/lib/one/datastores"},
		effect{value: "backup.persistence.enabled", set: "true", object: "PersistentVolumeClaim/opennebula-backups", want: "there"},
		effect{value: "backup.persistence.enabled", set: "true", object: frontend, at: initContainer("migrate", `volumeMounts[?(@.name=="backups")].mountPath`), want: "/var/lib/one/backups"},
		effect{value: "persistence.data.enabled", set: "false", fails: "persistence.data has no enabled"},
		effect{value: "persistence.data.accessModes", set: "[ReadWriteOncePod]", with: "{backup: {enabled: true}}", fails: "the volume data is ReadWriteOncePod"},
	)
}

// claim are the effects of the values of one volume.
func claim(value, with, name string) []effect {
	object := "PersistentVolumeClaim/opennebula-" + name
	keep := `{.metadata.annotations.helm\.sh/resource-policy}`
	return []effect{
		{value: value + "existingClaim", set: "mine", with: with, object: frontend, at: volume(name, "persistentVolumeClaim.claimName"), want: "mine"},
		{value: value + "existingClaim", set: "mine", with: with, object: object, want: ""},
		{value: value + "storageClass", set: "fast", with: with, object: object, at: "{.spec.storageClassName}", want: "fast"},
		{value: value + "accessModes", set: "[ReadWriteMany]", with: with, object: object, at: "{.spec.accessModes}", want: `["ReadWriteMany"]`},
		{value: value + "size", set: "7Gi", with: with, object: object, at: "{.spec.resources.requests.storage}", want: "7Gi"},
		{value: value + "annotations", set: "{a: b}", with: with, object: object, at: "{.metadata.annotations.a}", want: "b"},
		{value: value + "retain", set: "false", with: with, object: object, at: keep, want: ""},
	}
}

func databases() []effect {
	const (
		none     = "{mariadb: {enabled: false}, externalDatabase: {existingSecret: a}}"
		external = "{mariadb: {enabled: false}, externalDatabase: {host: a, existingSecret: a}}"
		tls      = "{mariadb: {enabled: false}, externalDatabase: {host: a, existingSecret: a, tls: {enabled: true, caSecret: a}}}"
	)
	return []effect{
		{value: "mariadb.enabled", set: "false", object: database, want: ""},
		{value: "mariadb.enabled", set: "false", object: frontend, at: setting("ONE_DB_BACKEND"), want: "sqlite"},
		{value: "externalDatabase.host", set: "db.org", with: none, object: frontend, at: setting("ONE_DB_HOST"), want: "db.org"},
		{value: "externalDatabase.host", set: "db.org", with: "{mariadb: {enabled: false}}", fails: "externalDatabase.existingSecret is empty"},
		{value: "externalDatabase.port", set: "3307", with: external, object: frontend, at: setting("ONE_DB_PORT"), want: "3307"},
		{value: "externalDatabase.database", set: "one", with: external, object: frontend, at: setting("ONE_DB_NAME"), want: "one"},
		{value: "externalDatabase.username", set: "one", with: external, object: frontend, at: setting("ONE_DB_USER"), want: "one"},
		{value: "externalDatabase.existingSecret", set: "mine", with: external, object: frontend, at: volume("database", "secret.secretName"), want: "mine"},
		{value: "externalDatabase.passwordKey", set: "pw", with: external, object: frontend, at: volume("database", "secret.items"), want: `[{"key":"pw","path":"password"}]`},
		{value: "externalDatabase.tls.enabled", set: "true", with: external, object: frontend, at: setting("ONE_DB_TLS"), want: "verified"},
		{value: "externalDatabase.tls.verify", set: "false", with: tls, object: frontend, at: setting("ONE_DB_TLS"), want: "unverified"},
		{value: "externalDatabase.tls.verify", set: "false", with: tls, object: frontend, at: setting("ONE_DB_TLS_CA_FILE"), want: ""},
		{value: "externalDatabase.tls.caSecret", set: "mine", with: tls, object: frontend, at: volume("database-ca", "secret.secretName"), want: "mine"},
		{value: "externalDatabase.tls.caSecret", set: "mine", with: strings.Replace(tls, ", caSecret: a", "", 1), object: frontend, at: setting("ONE_DB_TLS_CA_FILE"), want: "/run/secrets/database-ca/ca.crt"},
		{value: "externalDatabase.tls.caKey", set: "root.pem", with: tls, object: frontend, at: volume("database-ca", "secret.items"), want: `[{"key":"root.pem","path":"ca.crt"}]`},
	}
}

func upgrades() []effect {
	return []effect{
		{value: "upgrade.fsck", set: "report", object: frontend, at: initContainer("migrate", `env[?(@.name=="ONE_FSCK")].value`), want: "report"},
		{value: "upgrade.checkSchema", set: "false", object: "Job/opennebula-check-schema", want: ""},
	}
}

func backups() []effect {
	const (
		object = "CronJob/opennebula-backup"
		job    = ".spec.jobTemplate.spec.template.spec."
		on     = "{backup: {enabled: true}}"
		bucket = "{backup: {enabled: true, s3: {enabled: true, endpoint: 'https://a.org', bucket: a, existingSecret: a}}}"
	)
	env := func(name, what string) string {
		return in(job, fmt.Sprintf(`containers[0].env[?(@.name==%q)].%s`, name, what))
	}
	image := in(job, "containers[0].image")
	script := in(job, "containers[0].args[0]")
	digest := "sha256:" + strings.Repeat("ab", 32)
	bucketOff := strings.Replace(bucket, "s3: {enabled: true", "s3: {enabled: false", 1)
	return []effect{
		{value: "backup.enabled", set: "true", object: object, want: "there"},
		{value: "backup.schedule", set: "0 0 * * *", with: on, object: object, at: "{.spec.schedule}", want: "0 0 * * *"},
		{value: "backup.keep", set: "3", with: on, object: object, at: env("ONE_BACKUP_KEEP", "value"), want: "3"},
		{value: "backup.keep", set: "3", object: frontend, at: initContainer("migrate", `env[?(@.name=="ONE_BACKUP_KEEP")].value`), want: "3"},
		{value: "backup.persistence.existingClaim", set: "mine", with: "{backup: {enabled: true, persistence: {enabled: true}}}", object: object, at: in(job, `volumes[?(@.name=="backups")].persistentVolumeClaim.claimName`), want: "mine"},
		{value: "backup.s3.enabled", set: "true", with: bucketOff, object: object, at: in(job, "containers[0].name"), want: "copy"},
		{value: "backup.s3.enabled", set: "true", with: bucketOff, object: object, at: "{.spec.jobTemplate.spec.podFailurePolicy.rules[0].onExitCodes.containerName}", want: "copy"},
		{value: "backup.s3.enabled", set: "true", with: on, fails: "backup.s3.bucket is empty"},
		{value: "backup.s3.endpoint", set: "https://s3.org", with: bucket, object: object, at: env("RCLONE_CONFIG_S3_ENDPOINT", "value"), want: "https://s3.org"},
		{value: "backup.s3.region", set: "eu-7", with: bucket, object: object, at: env("RCLONE_CONFIG_S3_REGION", "value"), want: "eu-7"},
		{value: "backup.s3.bucket", set: "mine", with: bucket, object: object, at: script, part: `"s3:mine/opennebula"`},
		{value: "backup.s3.prefix", set: "one/a", with: bucket, object: object, at: script, part: `"s3:a/one/a"`},
		{value: "backup.s3.existingSecret", set: "mine", with: bucket, object: object, at: env("RCLONE_CONFIG_S3_ACCESS_KEY_ID", "valueFrom.secretKeyRef.name"), want: "mine"},
		{value: "backup.s3.existingSecret", set: "mine", with: bucket, object: object, at: env("RCLONE_CONFIG_S3_SECRET_ACCESS_KEY", "valueFrom.secretKeyRef.name"), want: "mine"},
		{value: "backup.s3.accessKeyIdKey", set: "id", with: bucket, object: object, at: env("RCLONE_CONFIG_S3_ACCESS_KEY_ID", "valueFrom.secretKeyRef.key"), want: "id"},
		{value: "backup.s3.secretAccessKeyKey", set: "key", with: bucket, object: object, at: env("RCLONE_CONFIG_S3_SECRET_ACCESS_KEY", "valueFrom.secretKeyRef.key"), want: "key"},
		{value: "backup.s3.keepDays", set: "7", with: bucket, object: object, at: script, part: "--min-age 7d "},
		{value: "backup.s3.image.registry", set: "quay.io", with: bucket, object: object, at: image, part: "quay.io/rclone/rclone:"},
		{value: "backup.s3.image.repository", set: "me/rclone", with: bucket, object: object, at: image, part: "docker.io/me/rclone:"},
		{value: "backup.s3.image.tag", set: "'1.0'", with: bucket, object: object, at: image, want: "docker.io/rclone/rclone:1.0"},
		{value: "backup.s3.image.digest", set: digest, with: bucket, object: object, at: image, want: "docker.io/rclone/rclone@" + digest},
		{value: "backup.s3.image.pullPolicy", set: "Always", with: bucket, object: object, at: in(job, "containers[0].imagePullPolicy"), want: "Always"},
		{value: "global.imageRegistry", set: "mirror.org", with: bucket, object: object, at: image, part: "mirror.org/rclone/rclone:"},
	}
}

func restores() []effect {
	const (
		on     = "{restore: {backup: a}}"
		bucket = "{restore: {backup: a}, backup: {s3: {endpoint: 'https://a.org', bucket: a, existingSecret: a}}}"
	)
	return []effect{
		{value: "restore.backup", set: "mine", object: frontend, at: initContainer("restore", `env[?(@.name=="ONE_RESTORE")].value`), want: "mine"},
		{value: "restore.force", set: "true", with: on, object: frontend, at: initContainer("restore", `env[?(@.name=="ONE_RESTORE_FORCE")].value`), want: "yes"},
		{value: "restore.fromS3", set: "true", with: bucket, object: frontend, at: initContainer("fetch-backup", `env[?(@.name=="BACKUP")].value`), want: "a"},
		{value: "restore.fromS3", set: "true", with: on, fails: "backup.s3.bucket is empty"},
	}
}

func pods() []effect {
	all := securityContexts("", frontend, "oned")
	for _, name := range []string{"bootstrap", "migrate"} {
		all = append(all,
			effect{value: "extraEnv", set: "[{name: TZ, value: UTC}]", object: frontend, at: initContainer(name, `env[?(@.name=="TZ")].value`), want: "UTC"},
			effect{value: "extraVolumeMounts", set: "[{name: a, mountPath: /a}]", with: "{extraVolumes: [{name: a, emptyDir: {}}]}", object: frontend, at: initContainer(name, `volumeMounts[?(@.name=="a")].mountPath`), want: "/a"},
		)
	}
	for _, role := range []string{"oned", "fireedge", "oneflow", "onegate", "onehem", "guacd", "proxy", "ssh-agent", "sshd", "timers"} {
		all = append(all,
			effect{value: "extraEnv", set: "[{name: TZ, value: UTC}]", object: frontend, at: container(role, `env[?(@.name=="TZ")].value`), want: "UTC"},
			effect{value: "extraVolumeMounts", set: "[{name: a, mountPath: /a}]", with: "{extraVolumes: [{name: a, emptyDir: {}}]}", object: frontend, at: container(role, `volumeMounts[?(@.name=="a")].mountPath`), want: "/a"},
		)
	}
	return append(all,
		effect{value: "serviceAccount.create", set: "false", object: "ServiceAccount/opennebula", want: ""},
		effect{value: "serviceAccount.create", set: "false", object: frontend, at: in(pod, "serviceAccountName"), want: "default"},
		effect{value: "serviceAccount.name", set: "mine", object: "ServiceAccount/mine", want: "there"},
		effect{value: "serviceAccount.name", set: "mine", object: frontend, at: in(pod, "serviceAccountName"), want: "mine"},
		effect{value: "serviceAccount.name", set: "mine", with: "{hosts: [{name: a}]}", object: "CronJob/opennebula-cloud", at: "{.spec.jobTemplate.spec.template.spec.serviceAccountName}", want: "mine"},
		effect{value: "serviceAccount.name", set: "mine", object: "Pod/opennebula-test", at: "{.spec.serviceAccountName}", want: "mine"},
		effect{value: "serviceAccount.name", set: "mine", with: "{serviceAccount: {create: false}}", object: "Job/opennebula-check-schema", at: in(pod, "serviceAccountName"), want: "mine"},
		effect{value: "serviceAccount.annotations", set: "{a: b}", object: "ServiceAccount/opennebula", at: "{.metadata.annotations.a}", want: "b"},
		effect{value: "serviceAccount.automount", set: "true", object: "ServiceAccount/opennebula", at: "{.automountServiceAccountToken}", want: "true"},
		effect{value: "serviceAccount.automount", set: "true", object: frontend, at: in(pod, "automountServiceAccountToken"), want: "true"},
		effect{value: "nodeSelector", set: "{disk: ssd}", object: frontend, at: in(pod, "nodeSelector"), want: `{"disk":"ssd"}`},
		effect{value: "nodeSelector", set: "{disk: ssd}", object: "Job/opennebula-check-schema", at: in(pod, "nodeSelector"), want: `{"disk":"ssd"}`},
		effect{value: "tolerations", set: "[{key: a, operator: Exists}]", object: frontend, at: in(pod, "tolerations"), want: `[{"key":"a","operator":"Exists"}]`},
		effect{value: "tolerations", set: "[{key: a, operator: Exists}]", object: "Job/opennebula-check-schema", at: in(pod, "tolerations"), want: `[{"key":"a","operator":"Exists"}]`},
		effect{value: "affinity", set: "{podAntiAffinity: {}}", object: frontend, at: in(pod, "affinity"), want: `{"podAntiAffinity":{}}`},
		effect{value: "topologySpreadConstraints", set: "[{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: DoNotSchedule}]", object: frontend, at: in(pod, "topologySpreadConstraints[0].topologyKey"), want: "zone"},
		effect{value: "priorityClassName", set: "high", object: frontend, at: in(pod, "priorityClassName"), want: "high"},
		effect{value: "terminationGracePeriodSeconds", set: "99", object: frontend, at: in(pod, "terminationGracePeriodSeconds"), want: "99"},
		effect{value: "podAnnotations", set: "{a: b}", object: frontend, at: "{.spec.template.metadata.annotations.a}", want: "b"},
		effect{value: "podLabels", set: "{a: b}", object: frontend, at: "{.spec.template.metadata.labels.a}", want: "b"},
		effect{value: "extraVolumes", set: "[{name: a, emptyDir: {medium: Memory}}]", object: frontend, at: volume("a", "emptyDir"), want: `{"medium":"Memory"}`},
		effect{value: "extraContainers", set: "[{name: a, image: b}]", object: frontend, at: container("a", "image"), want: "b"},
		effect{value: "initContainers", set: "[{name: a, image: b}]", object: frontend, at: in(pod, "initContainers[0].image"), want: "b"},
	)
}

// securityContexts are the effects of both security contexts on a pod, below a
// prefix of the values.
func securityContexts(prefix, object, name string) []effect {
	var all []effect
	for value, set := range map[string]string{
		"runAsNonRoot": "false", "runAsUser": "7", "runAsGroup": "7", "fsGroup": "7", "fsGroupChangePolicy": "Always", "seccompProfile.type": "Unconfined",
	} {
		all = append(all, effect{value: prefix + "podSecurityContext." + value, set: set, object: object, at: in(pod, "securityContext."+value), want: set})
	}
	for value, set := range map[string]string{"allowPrivilegeEscalation": "true", "readOnlyRootFilesystem": "false", "capabilities.drop": `["CHOWN"]`} {
		all = append(all, effect{value: prefix + "containerSecurityContext." + value, set: set, object: object, at: container(name, "securityContext."+value), want: set})
	}
	return all
}

func resources() []effect {
	var all []effect
	for _, what := range []string{"cpu", "memory"} {
		what = ".requests." + what
		for _, role := range []string{"bootstrap", "migrate"} {
			all = append(all, effect{value: "resources." + role + what, set: "77", object: frontend, at: initContainer(role, "resources"+what), want: "77"})
		}
		for _, role := range []string{"oned", "fireedge", "oneflow", "onegate", "onehem", "guacd", "proxy", "ssh-agent", "sshd", "timers", "exporter"} {
			all = append(all, effect{value: "resources." + role + what, set: "77", with: "{metrics: {enabled: true}}", object: frontend, at: container(role, "resources"+what), want: "77"})
		}
		all = append(all, effect{value: "resources.jobs" + what, set: "77", object: "Job/opennebula-check-schema", at: container("check-schema", "resources"+what), want: "77"})
	}
	return append(all, effect{value: "resources.oned.limits", set: "{memory: 4Gi}", object: frontend, at: container("oned", "resources.limits"), want: `{"memory":"4Gi"}`})
}

func aroundPods() []effect {
	const (
		policy = "{networkPolicy: {enabled: true}}"
		budget = "{podDisruptionBudget: {enabled: true}}"
	)
	all := []effect{
		{value: "networkPolicy.enabled", set: "true", object: "NetworkPolicy/opennebula", want: "there"},
		{value: "networkPolicy.egress", set: "[{to: [{ipBlock: {cidr: 10.0.0.0/8}}]}]", with: policy, object: "NetworkPolicy/opennebula", at: "{.spec.egress}", want: `[{"to":[{"ipBlock":{"cidr":"10.0.0.0/8"}}]}]`},
		{value: "networkPolicy.egress", set: "[{}]", with: policy, object: "NetworkPolicy/opennebula", at: "{.spec.policyTypes}", want: `["Ingress","Egress"]`},
		{value: "podDisruptionBudget.enabled", set: "true", object: "PodDisruptionBudget/opennebula", want: "there"},
		{value: "podDisruptionBudget.maxUnavailable", set: "1", with: budget, object: "PodDisruptionBudget/opennebula", at: "{.spec.maxUnavailable}", want: "1"},
	}
	for i, way := range []struct{ name, port string }{ // as the names are sorted
		{"api", "xmlrpc"}, {"flow", "flow"}, {"gate", "gate"}, {"metrics", "metrics"}, {"monitor", "4124"}, {"ssh", "ssh"}, {"sunstone", "http"},
	} {
		all = append(all, effect{value: "networkPolicy.from." + way.name, set: "[{namespaceSelector: {}}]", with: policy, object: "NetworkPolicy/opennebula",
			at: fmt.Sprintf(`{.spec.ingress[%d].ports[0].port} {.spec.ingress[%d].from}`, i, i), want: way.port + ` [{"namespaceSelector":{}}]`})
	}
	return all
}

func monitoring() []effect {
	const (
		monitor   = "{metrics: {enabled: true, serviceMonitor: {enabled: true}}}"
		dashboard = "{metrics: {dashboard: {enabled: true}}}"
		rules     = "{metrics: {rules: {enabled: true}}}"
	)
	return []effect{
		{value: "metrics.enabled", set: "true", object: frontend, at: container("exporter", "args"), want: `["exporter"]`},
		{value: "metrics.enabled", set: "true", object: "Service/opennebula-metrics", want: "there"},
		{value: "metrics.port", set: "1234", with: "{metrics: {enabled: true}}", object: "Service/opennebula-metrics", at: "{.spec.ports[0].port}", want: "1234"},
		{value: "metrics.serviceMonitor.enabled", set: "true", with: "{metrics: {enabled: true}}", object: "ServiceMonitor/opennebula", want: "there"},
		{value: "metrics.serviceMonitor.enabled", set: "true", fails: "metrics.serviceMonitor needs metrics.enabled"},
		{value: "metrics.serviceMonitor.interval", set: "7s", with: monitor, object: "ServiceMonitor/opennebula", at: "{.spec.endpoints[0].interval}", want: "7s"},
		{value: "metrics.serviceMonitor.labels", set: "{a: b}", with: monitor, object: "ServiceMonitor/opennebula", at: "{.metadata.labels.a}", want: "b"},
		{value: "metrics.dashboard.enabled", set: "true", object: "ConfigMap/opennebula-dashboard", want: "there"},
		{value: `metrics.dashboard.labels.grafana_dashboard`, set: "'7'", with: dashboard, object: "ConfigMap/opennebula-dashboard", at: "{.metadata.labels.grafana_dashboard}", want: "7"},
		{value: "metrics.rules.enabled", set: "true", object: "ConfigMap/opennebula-rules", want: "there"},
		{value: "metrics.rules.kind", set: "PrometheusRule", with: rules, object: "PrometheusRule/opennebula-rules", want: "there"},
		{value: "metrics.rules.labels", set: "{a: b}", with: rules, object: "ConfigMap/opennebula-rules", at: "{.metadata.labels.a}", want: "b"},
	}
}

func mariadbImages() []effect {
	digest := "sha256:" + strings.Repeat("ab", 32)
	image, exporter := container("mariadb", "image"), container("metrics", "image")
	const on = "{mariadb: {metrics: {enabled: true}}}"
	return []effect{
		{value: "mariadb.image.registry", set: "quay.io", object: database, at: image, part: "quay.io/library/mariadb:"},
		{value: "mariadb.image.repository", set: "me/mariadb", object: database, at: image, part: "docker.io/me/mariadb:"},
		{value: "mariadb.image.tag", set: "'11.4'", object: database, at: image, want: "docker.io/library/mariadb:11.4"},
		{value: "mariadb.image.digest", set: digest, object: database, at: image, want: "docker.io/library/mariadb@" + digest},
		{value: "mariadb.image.pullPolicy", set: "Always", object: database, at: container("mariadb", "imagePullPolicy"), want: "Always"},
		{value: "mariadb.image.pullSecrets", set: "[{name: mine}]", object: database, at: in(pod, "imagePullSecrets"), want: `[{"name":"mine"}]`},
		{value: "mariadb.metrics.image.registry", set: "quay.io", with: on, object: database, at: exporter, part: "quay.io/prom/mysqld-exporter:"},
		{value: "mariadb.metrics.image.repository", set: "me/exporter", with: on, object: database, at: exporter, part: "docker.io/me/exporter:"},
		{value: "mariadb.metrics.image.tag", set: "v1", with: on, object: database, at: exporter, want: "docker.io/prom/mysqld-exporter:v1"},
		{value: "mariadb.metrics.image.digest", set: digest, with: on, object: database, at: exporter, want: "docker.io/prom/mysqld-exporter@" + digest},
		{value: "mariadb.metrics.image.pullPolicy", set: "Always", with: on, object: database, at: container("metrics", "imagePullPolicy"), want: "Always"},
	}
}

func mariadbServer() []effect {
	env := func(name string) string { return container("mariadb", fmt.Sprintf(`env[?(@.name==%q)].value`, name)) }
	secret := volume("secret", "secret.items")
	return []effect{
		{value: "mariadb.auth.database", set: "one", object: database, at: env("MARIADB_DATABASE"), want: "one"},
		{value: "mariadb.auth.database", set: "one", object: frontend, at: setting("ONE_DB_NAME"), want: "one"},
		{value: "mariadb.auth.username", set: "one", object: database, at: env("MARIADB_USER"), want: "one"},
		{value: "mariadb.auth.username", set: "one", object: frontend, at: setting("ONE_DB_USER"), want: "one"},
		{value: "mariadb.auth.existingSecret", set: "mine", object: database, at: volume("secret", "secret.secretName"), want: "mine"},
		{value: "mariadb.auth.existingSecret", set: "mine", object: frontend, at: volume("database", "secret.secretName"), want: "mine"},
		{value: "mariadb.auth.existingSecret", set: "mine", object: "Secret/opennebula-mariadb", want: ""},
		{value: "mariadb.auth.passwordKey", set: "pw", object: database, at: secret, part: `{"key":"pw","path":"password"}`},
		{value: "mariadb.auth.passwordKey", set: "pw", object: frontend, at: volume("database", "secret.items"), want: `[{"key":"pw","path":"password"}]`},
		{value: "mariadb.auth.passwordKey", set: "pw", object: "Secret/opennebula-mariadb", at: "{.data}", part: `"pw":`},
		{value: "mariadb.auth.rootPasswordKey", set: "pw", object: database, at: secret, part: `{"key":"pw","path":"root-password"}`},
		{value: "mariadb.auth.rootPasswordKey", set: "pw", object: "Secret/opennebula-mariadb", at: "{.data}", part: `"pw":`},
		{value: "mariadb.bufferPoolSize", set: "2G", object: database, at: container("mariadb", "args"), part: `"--innodb-buffer-pool-size=2G"`},
		{value: "mariadb.maxConnections", set: "77", object: database, at: container("mariadb", "args"), part: `"--max-connections=77"`},
		{value: "mariadb.config", set: "'[mariadbd]'", object: "ConfigMap/opennebula-mariadb", at: `{.data.opennebula\.cnf}`, want: "[mariadbd]"},
		{value: "mariadb.config", set: "'[mariadbd]'", object: database, at: container("mariadb", `volumeMounts[?(@.name=="config")].mountPath`), want: "/etc/mysql/conf.d/opennebula.cnf"},
	}
}

func mariadbVolume() []effect {
	const value, object = "mariadb.persistence.", "PersistentVolumeClaim/opennebula-mariadb-data"
	all := claim(value, "", "mariadb-data")
	all[0] = effect{value: value + "existingClaim", set: "mine", object: database, at: volume("data", "persistentVolumeClaim.claimName"), want: "mine"}
	return append(all, effect{value: value + "storageClass", set: `"-"`, with: "{global: {storageClass: a}}", object: object, at: "{.spec.storageClassName}", want: ""})
}

func mariadbPods() []effect {
	const (
		budget = "{mariadb: {podDisruptionBudget: {enabled: true}}}"
	)
	return append(securityContexts("mariadb.", database, "mariadb"),
		effect{value: "mariadb.commonLabels", set: "{team: blue}", object: database, at: "{.metadata.labels.team}", want: "blue"},
		effect{value: "mariadb.resources.requests.cpu", set: "77", object: database, at: container("mariadb", "resources.requests.cpu"), want: "77"},
		effect{value: "mariadb.resources.requests.memory", set: "77", object: database, at: container("mariadb", "resources.requests.memory"), want: "77"},
		effect{value: "mariadb.nodeSelector", set: "{disk: ssd}", object: database, at: in(pod, "nodeSelector"), want: `{"disk":"ssd"}`},
		effect{value: "mariadb.tolerations", set: "[{key: a, operator: Exists}]", object: database, at: in(pod, "tolerations"), want: `[{"key":"a","operator":"Exists"}]`},
		effect{value: "mariadb.affinity", set: "{podAntiAffinity: {}}", object: database, at: in(pod, "affinity"), want: `{"podAntiAffinity":{}}`},
		effect{value: "mariadb.priorityClassName", set: "high", object: database, at: in(pod, "priorityClassName"), want: "high"},
		effect{value: "mariadb.podAnnotations", set: "{a: b}", object: database, at: "{.spec.template.metadata.annotations.a}", want: "b"},
		effect{value: "mariadb.podLabels", set: "{a: b}", object: database, at: "{.spec.template.metadata.labels.a}", want: "b"},
		effect{value: "mariadb.podDisruptionBudget.enabled", set: "true", object: "PodDisruptionBudget/opennebula-mariadb", want: "there"},
		effect{value: "mariadb.podDisruptionBudget.maxUnavailable", set: "1", with: budget, object: "PodDisruptionBudget/opennebula-mariadb", at: "{.spec.maxUnavailable}", want: "1"},
		effect{value: "mariadb.networkPolicy.enabled", set: "true", object: "NetworkPolicy/opennebula-mariadb", want: "there"},
	)
}

func mariadbMonitoring() []effect {
	const (
		on      = "{mariadb: {metrics: {enabled: true}}}"
		monitor = "{mariadb: {metrics: {enabled: true, serviceMonitor: {enabled: true}}}}"
		object  = "ServiceMonitor/opennebula-mariadb"
	)
	return []effect{
		{value: "mariadb.metrics.enabled", set: "true", object: database, at: container("metrics", "ports[0].name"), want: "metrics"},
		{value: "mariadb.metrics.resources.requests.cpu", set: "77", with: on, object: database, at: container("metrics", "resources.requests.cpu"), want: "77"},
		{value: "mariadb.metrics.resources.requests.memory", set: "77", with: on, object: database, at: container("metrics", "resources.requests.memory"), want: "77"},
		{value: "mariadb.metrics.serviceMonitor.enabled", set: "true", with: on, object: object, want: "there"},
		{value: "mariadb.metrics.serviceMonitor.interval", set: "7s", with: monitor, object: object, at: "{.spec.endpoints[0].interval}", want: "7s"},
		{value: "mariadb.metrics.serviceMonitor.labels", set: "{a: b}", with: monitor, object: object, at: "{.metadata.labels.a}", want: "b"},
	}
}
