{{- define "opennebula.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "opennebula.selectorLabels" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "opennebula.labels" -}}
{{ include "opennebula.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: opennebula
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "opennebula.image" -}}
{{- with .Values.image -}}
{{- .registry }}/{{ .repository -}}
{{- if .digest }}@{{ .digest }}{{ else }}:{{ default $.Chart.AppVersion .tag }}{{ end -}}
{{- end -}}
{{- end -}}

{{- define "opennebula.oneadminSecret" -}}
{{- default (printf "%s-oneadmin" (include "opennebula.fullname" .)) .Values.oneadmin.existingSecret -}}
{{- end -}}

{{- define "opennebula.sshSecret" -}}
{{- default (printf "%s-ssh" (include "opennebula.fullname" .)) .Values.ssh.existingSecret -}}
{{- end -}}

{{- /* The name by which drivers and hypervisors log in to the front-end. */ -}}
{{- define "opennebula.hostname" -}}
{{- default (printf "%s-ssh.%s.svc" (include "opennebula.fullname" .) .Release.Namespace) .Values.ssh.hostname -}}
{{- end -}}

{{- /* The database server as YAML: host, port, database, username, secret; empty
       for SQLite. */ -}}
{{- define "opennebula.database" -}}
{{- if .Values.mariadb.enabled -}}
{{- $auth := .Values.mariadb.auth -}}
{{- $fullname := include "mariadb.fullname" .Subcharts.mariadb -}}
host: {{ $fullname }}
port: 3306
database: {{ $auth.database }}
username: {{ $auth.username }}
secret: {{ default $fullname $auth.existingSecret }}
{{- else if .Values.externalDatabase.host -}}
{{- with .Values.externalDatabase -}}
host: {{ .host }}
port: {{ .port }}
database: {{ .database }}
username: {{ .username }}
secret: {{ required "externalDatabase.existingSecret is empty: give the name of a Secret with a key password" .existingSecret }}
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

{{- /* What every container of the pod has in common; ends with its volumes, to
       which a caller may add. Takes a list: the root context and the role. */ -}}
{{- define "opennebula.container" -}}
{{- $root := index . 0 -}}
{{- $role := index . 1 -}}
image: {{ include "opennebula.image" $root }}
imagePullPolicy: {{ $root.Values.image.pullPolicy }}
args: [{{ $role }}]
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- with index $root.Values.resources $role }}
resources: {{- toYaml . | nindent 2 }}
{{- end }}
volumeMounts:
  - {name: data, mountPath: /var/lib/one}
  - {name: run, mountPath: /run/one}
  - {name: lock, mountPath: /run/lock/one}
  - {name: etc, mountPath: /etc/one}
  - {name: log, mountPath: /var/log/one}
  - {name: tmp, mountPath: /tmp}
  - {name: tmp, mountPath: /var/tmp} # the drivers' own, where a host is this very pod
{{- end -}}
