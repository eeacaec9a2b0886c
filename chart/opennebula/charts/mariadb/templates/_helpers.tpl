{{- define "mariadb.fullname" -}}
{{- printf "%s-mariadb" .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "mariadb.selectorLabels" -}}
app.kubernetes.io/name: mariadb
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "mariadb.labels" -}}
{{ include "mariadb.selectorLabels" . }}
app.kubernetes.io/component: database
app.kubernetes.io/part-of: opennebula
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- end -}}
