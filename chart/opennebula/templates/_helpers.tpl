{{- /* At most 40 characters, so that the longest name made from it is a label. */ -}}
{{- define "opennebula.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "opennebula.selectorLabels" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "opennebula.frontendLabels" -}}
{{ include "opennebula.selectorLabels" . }}
app.kubernetes.io/component: frontend
{{- end -}}

{{- define "opennebula.labels" -}}
{{- $labels := dict
      "app.kubernetes.io/version" .Chart.AppVersion
      "app.kubernetes.io/part-of" "opennebula"
      "app.kubernetes.io/managed-by" .Release.Service
      "helm.sh/chart" (printf "%s-%s" .Chart.Name (replace "+" "_" .Chart.Version)) -}}
{{- toYaml (merge (include "opennebula.selectorLabels" . | fromYaml) $labels .Values.commonLabels) -}}
{{- end -}}

{{- /* A list: the root context, and the component that the object belongs to. */ -}}
{{- define "opennebula.metadata" -}}
labels: {{- include "opennebula.labels" (index . 0) | nindent 2 }}
  app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- /* A list: the root context, and an image of the values. */ -}}
{{- define "opennebula.image" -}}
{{- $root := index . 0 -}}
{{- with index . 1 -}}
{{- default .registry $root.Values.global.imageRegistry }}/{{ .repository -}}
{{- if .digest }}@{{ .digest }}{{ else }}:{{ default $root.Chart.AppVersion .tag }}{{ end -}}
{{- end -}}
{{- end -}}

{{- define "opennebula.serviceAccount" -}}
{{- default (ternary (include "opennebula.fullname" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name -}}
{{- end -}}

{{- /* A list: the root context, and a volume of the values. */ -}}
{{- define "opennebula.claimSpec" -}}
{{- $root := index . 0 -}}
{{- $volume := index . 1 -}}
{{- with default $root.Values.global.storageClass $volume.storageClass -}}
storageClassName: {{ ternary "" . (eq . "-") | quote }}
{{ end -}}
accessModes: {{ toJson $volume.accessModes }}
resources: {requests: {storage: {{ $volume.size | quote }}}}
{{- end -}}

{{- /* A list: the root context, a volume of the values, and the end of its name. */ -}}
{{- define "opennebula.claimName" -}}
{{- default (printf "%s-%s" (include "opennebula.fullname" (index . 0)) (index . 2)) (index . 1).existingClaim -}}
{{- end -}}

{{- define "opennebula.oneadminSecret" -}}
{{- default (printf "%s-oneadmin" (include "opennebula.fullname" .)) .Values.oneadmin.existingSecret -}}
{{- end -}}

{{- define "opennebula.sshSecret" -}}
{{- default (printf "%s-ssh" (include "opennebula.fullname" .)) .Values.ssh.existingSecret -}}
{{- end -}}

{{- define "opennebula.tlsSecret" -}}
{{- if .Values.tls.existingSecret -}}
{{- .Values.tls.existingSecret -}}
{{- else if .Values.tls.certManager.enabled -}}
{{- include "opennebula.fullname" . }}-tls
{{- end -}}
{{- end -}}

{{- /* The Secret with which the front-end itself serves TLS, where nobody in front of
       it does. */ -}}
{{- define "opennebula.ownTLSSecret" -}}
{{- if not (or .Values.ingress.enabled .Values.httpRoute.enabled) -}}
{{- include "opennebula.tlsSecret" . -}}
{{- end -}}
{{- end -}}

{{- /* The host of publicUrl, without a port; takes the name of what needs it. */ -}}
{{- define "opennebula.publicHost" -}}
{{- $url := required (printf "%s needs publicUrl: give the URL under which a browser finds Sunstone, such as https://cloud.example.org" (index . 1)) (index . 0).Values.publicUrl -}}
{{- (urlParse $url).hostname | lower -}}
{{- end -}}

{{- /* Not empty where a host is an IPv4 address; publicUrl can have no other. */ -}}
{{- define "opennebula.isAddress" -}}
{{- if regexMatch "^[0-9.]+$" . -}}yes{{- end -}}
{{- end -}}

{{- /* publicHost, where it must be a name. */ -}}
{{- define "opennebula.publicName" -}}
{{- $host := include "opennebula.publicHost" . -}}
{{- if include "opennebula.isAddress" $host -}}
{{- fail (printf "%s needs a name in publicUrl, and %s is an address: Kubernetes takes none there" (index . 1) $host) -}}
{{- end -}}
{{- $host -}}
{{- end -}}

{{- /* The name by which drivers and hypervisors log in to the front-end. */ -}}
{{- define "opennebula.hostname" -}}
{{- default (printf "%s-ssh.%s.svc" (include "opennebula.fullname" .) .Release.Namespace) .Values.ssh.hostname -}}
{{- end -}}

{{- /* The port at which that name answers. */ -}}
{{- define "opennebula.sshPort" -}}
{{- $service := .Values.services.ssh -}}
{{- if .Values.ssh.port -}}
{{- .Values.ssh.port -}}
{{- else if and .Values.ssh.hostname .Values.hostNetwork -}}
{{- .Values.ssh.containerPort -}}
{{- else if and .Values.ssh.hostname (eq $service.type "NodePort") $service.nodePort -}}
{{- $service.nodePort -}}
{{- else -}}
{{- $service.port -}}
{{- end -}}
{{- end -}}

{{- /* The port to which hypervisors send monitoring. monitord tells them the one that it
       listens on, so a node port is its own as well. */ -}}
{{- define "opennebula.monitorPort" -}}
{{- $service := .Values.services.monitor -}}
{{- if and (eq $service.type "NodePort") $service.nodePort -}}
{{- $service.nodePort -}}
{{- else -}}
{{- $service.port -}}
{{- end -}}
{{- end -}}

{{- /* The Service of that port. With another port it is another Service: Kubernetes takes
       ports of one number, UDP's and TCP's, for one when an upgrade changes them. */ -}}
{{- define "opennebula.monitorService" -}}
{{- $port := include "opennebula.monitorPort" . -}}
{{ include "opennebula.fullname" . }}-monitor{{ if ne $port "4124" }}-{{ $port }}{{ end }}
{{- end -}}

{{- define "opennebula.gateEndpoint" -}}
{{- default .Values.publicUrl .Values.gate.endpoint -}}
{{- end -}}

{{- /* The database server as YAML: host, port, database, username, secret, key, tls;
       empty for SQLite. */ -}}
{{- define "opennebula.database" -}}
{{- if .Values.mariadb.enabled -}}
{{- $auth := .Values.mariadb.auth -}}
{{- $fullname := include "mariadb.fullname" .Subcharts.mariadb -}}
host: {{ $fullname }}
port: 3306
database: {{ $auth.database }}
username: {{ $auth.username }}
secret: {{ default $fullname $auth.existingSecret }}
key: {{ $auth.passwordKey }}
{{- else if .Values.externalDatabase.host -}}
{{- with .Values.externalDatabase -}}
host: {{ .host }}
port: {{ .port }}
database: {{ .database }}
username: {{ .username }}
secret: {{ required "externalDatabase.existingSecret is empty: give the name of a Secret with the password" .existingSecret }}
key: {{ .passwordKey }}
{{- if .tls.enabled }}
tls: {verify: {{ .tls.verify }}, caSecret: {{ .tls.caSecret | quote }}, caKey: {{ .tls.caKey | quote }}}
{{- end }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* A value of a Secret that the release has already, else the default. Takes
       a list: the root context, the Secret's name, the key, the default. */ -}}
{{- define "opennebula.keep" -}}
{{- $secret := lookup "v1" "Secret" (index . 0).Release.Namespace (index . 1) -}}
{{- $kept := dig "data" (index . 2) "" (default dict $secret) -}}
{{- default (index . 3 | b64enc) $kept -}}
{{- end -}}

{{- /* Refuses a Secret that is there and lacks a key; one that is not there yet may come.
       Takes a list: the root context, the value that names it, the Secret, the keys. */ -}}
{{- define "opennebula.requireKeys" -}}
{{- $secret := lookup "v1" "Secret" (index . 0).Release.Namespace (index . 2) -}}
{{- if $secret -}}
{{- $found := keys (default dict $secret.data) | sortAlpha -}}
{{- range index . 3 -}}
{{- if not (has . $found) -}}
{{- fail (printf "the Secret %s, named by %s, has no key %s; it has: %s" (index $ 2) (index $ 1) . (join ", " $found)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* The generated SSH keys, base64, in the values themselves: each template of one
       rendering must see the same. Takes the root context; makes .Values.generated. */ -}}
{{- define "opennebula.generateKeys" -}}
{{- if not .Values.generated -}}
{{- $name := include "opennebula.sshSecret" . -}}
{{- $_ := set .Values "generated" (dict
      "private" (include "opennebula.keep" (list . $name .Values.ssh.privateKeyKey (genPrivateKey "ecdsa")))
      "host"    (include "opennebula.keep" (list . $name .Values.ssh.hostKeyKey (genPrivateKey "ecdsa")))) -}}
{{- end -}}
{{- end -}}

{{- /* The public half of such a key, as OpenSSH writes it. The private one, SEC 1 in PEM,
       ends with the point of the curve, 65 bytes; OpenSSH puts its own header before. */ -}}
{{- define "opennebula.publicKey" -}}
{{- $pem := . | b64dec -}}
{{- $der := $pem | regexFind "(?s)-\n.*\n-" | trimAll "-" | replace "\n" "" | b64dec -}}
{{- if not (and (contains "BEGIN EC PRIVATE KEY" $pem) (eq (len $der) 121)) -}}
{{- fail "the Secret that the chart has generated for SSH holds another key than the chart makes: give keys of your own by ssh.existingSecret, or delete that Secret, and the next upgrade makes new ones" -}}
{{- end -}}
ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABB{{ substr (int (sub (len $der) 65)) (len $der) $der | b64enc }}
{{- end -}}

{{- /* The public keys as YAML: user and host, each perhaps empty. */ -}}
{{- define "opennebula.publicKeys" -}}
{{- if .Values.ssh.existingSecret -}}
{{- $secret := default dict (lookup "v1" "Secret" .Release.Namespace .Values.ssh.existingSecret) -}}
user: {{ default (dig "data" "ssh-publickey" "" $secret | b64dec | trim) .Values.ssh.publicKey | quote }}
host: {{ default (dig "data" "ssh-host-publickey" "" $secret | b64dec | trim) .Values.ssh.hostPublicKey | quote }}
{{- else -}}
{{- include "opennebula.generateKeys" . -}}
user: {{ include "opennebula.publicKey" .Values.generated.private | quote }}
host: {{ include "opennebula.publicKey" .Values.generated.host | quote }}
{{- end -}}
{{- end -}}

{{- /* What is declared of the cloud, as the role cloud reads it; empty if nothing is. */ -}}
{{- define "opennebula.cloud" -}}
{{- $cloud := dict -}}
{{- range $name := list "hosts" "clusters" "datastores" "virtualNetworks" "marketplaces" "groups" -}}
{{- with index $.Values $name }}{{ $_ := set $cloud $name . }}{{ end -}}
{{- end -}}
{{- if $cloud }}{{ toYaml $cloud }}{{ end -}}
{{- end -}}

{{- /* The same as a file for that role, which also takes away what is declared no more: where
       something was once, nothing is a declaration. Empty if there never was any. */ -}}
{{- define "opennebula.cloudFile" -}}
{{- $declared := include "opennebula.cloud" . -}}
{{- if $declared -}}
{{- $declared -}}
{{- else if lookup "v1" "ConfigMap" .Release.Namespace (printf "%s-cloud" (include "opennebula.fullname" .)) -}}
{}
{{- end -}}
{{- end -}}
