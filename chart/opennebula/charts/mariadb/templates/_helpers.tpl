{{- define "mariadb.fullname" -}}
{{- printf "%s-mariadb" .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "mariadb.selectorLabels" -}}
app.kubernetes.io/name: mariadb
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "mariadb.labels" -}}
{{- $labels := dict
      "app.kubernetes.io/component" "database"
      "app.kubernetes.io/part-of" "opennebula"
      "app.kubernetes.io/managed-by" .Release.Service
      "helm.sh/chart" (printf "%s-%s" .Chart.Name (replace "+" "_" .Chart.Version)) -}}
{{- toYaml (merge (include "mariadb.selectorLabels" . | fromYaml) $labels .Values.commonLabels) -}}
{{- end -}}

{{- define "mariadb.secret" -}}
{{- default (include "mariadb.fullname" .) .Values.auth.existingSecret -}}
{{- end -}}

{{- /* A list: the root context, an image of the values, and its default tag. */ -}}
{{- define "mariadb.image" -}}
{{- $registry := (index . 0).Values.global.imageRegistry -}}
{{- $tag := index . 2 -}}
{{- with index . 1 -}}
{{- default .registry $registry }}/{{ .repository -}}
{{- if .digest }}@{{ .digest }}{{ else }}:{{ default $tag .tag }}{{ end -}}
{{- end -}}
{{- end -}}

{{- define "mariadb.claim" -}}
{{- default (printf "%s-data" (include "mariadb.fullname" .)) .Values.persistence.existingClaim -}}
{{- end -}}
