{{- /* What the front-end's pod and the Jobs beside it have in common. */ -}}

{{- define "opennebula.podSpec" -}}
automountServiceAccountToken: {{ .Values.serviceAccount.automount }}
# Variables of other Services would be taken for settings.
enableServiceLinks: false
{{- with concat .Values.global.imagePullSecrets .Values.image.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext: {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}

{{- /* A container. Takes a list: the root context, the role, and the name of its
       resources. */ -}}
{{- define "opennebula.container" -}}
{{- $root := index . 0 -}}
image: {{ include "opennebula.image" (list $root $root.Values.image) }}
imagePullPolicy: {{ $root.Values.image.pullPolicy }}
{{- with index . 1 }}
args: [{{ . }}]
{{- end }}
# kubectl describe says why it failed.
terminationMessagePolicy: FallbackToLogsOnError
securityContext: {{- toYaml $root.Values.containerSecurityContext | nindent 2 }}
{{- with index $root.Values.resources (index . 2) }}
resources: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- /* The settings that bootstrap and configure write into OpenNebula's files. */ -}}
{{- define "opennebula.settings" -}}
- {name: ONE_HOSTNAME, value: {{ include "opennebula.hostname" . | quote }}}
- {name: ONE_SSH_PORT, value: {{ include "opennebula.sshPort" . | quote }}}
- {name: ONE_MONITOR_ADDRESS, value: {{ .Values.monitor.address | quote }}}
- {name: ONE_MONITOR_PORT, value: {{ include "opennebula.monitorPort" . | quote }}}
- {name: ONE_ONEGATE_ENDPOINT, value: {{ include "opennebula.gateEndpoint" . | quote }}}
{{- with include "opennebula.database" . | fromYaml }}
- {name: ONE_DB_BACKEND, value: mysql}
- {name: ONE_DB_HOST, value: {{ .host | quote }}}
- {name: ONE_DB_PORT, value: {{ .port | quote }}}
- {name: ONE_DB_USER, value: {{ .username | quote }}}
- {name: ONE_DB_NAME, value: {{ .database | quote }}}
- {name: ONE_DB_PASSWORD_FILE, value: /run/secrets/database/password}
{{- with .tls }}
- {name: ONE_DB_TLS, value: {{ ternary "verified" "unverified" .verify }}}
{{- if and .verify .caSecret }}
- {name: ONE_DB_TLS_CA_FILE, value: /run/secrets/database-ca/ca.crt}
{{- end }}
{{- end }}
{{- else }}
- {name: ONE_DB_BACKEND, value: sqlite}
{{- end }}
{{- end -}}

{{- define "opennebula.databaseMounts" -}}
{{- with include "opennebula.database" . | fromYaml }}
- {name: database, mountPath: /run/secrets/database, readOnly: true}
{{- if dig "tls" "caSecret" "" . }}
- {name: database-ca, mountPath: /run/secrets/database-ca, readOnly: true}
{{- end }}
{{- end }}
{{- end -}}

{{- /* Fragments and whole files. */ -}}
{{- define "opennebula.configVolume" -}}
- name: config
  projected:
    defaultMode: 0440
    sources:
      - configMap:
          name: {{ include "opennebula.fullname" . }}
      {{- with .Values.configFiles }}
      - configMap:
          name: {{ include "opennebula.fullname" $ }}-files
          items:
            {{- range $path, $_ := . }}
            - {key: {{ include "opennebula.fileKey" $path }}, path: {{ printf "files/%s" $path | quote }}}
            {{- end }}
      {{- end }}
      {{- if .Values.ldap.enabled }}
      - secret:
          name: {{ default (printf "%s-ldap" (include "opennebula.fullname" .)) .Values.ldap.existingSecret }}
          items: [{key: ldap_auth.conf, path: files/auth/ldap_auth.conf}]
      {{- end }}
{{- end -}}

{{- /* Takes a list: the root context, and whether the pod can go without. */ -}}
{{- define "opennebula.databaseVolumes" -}}
{{- $optional := index . 1 -}}
{{- with include "opennebula.database" (index . 0) | fromYaml }}
- name: database
  secret: {secretName: {{ .secret }}, items: [{key: {{ .key }}, path: password}], defaultMode: 0440, optional: {{ $optional }}}
{{- with dig "tls" dict . }}
{{- if .caSecret }}
- name: database-ca
  secret: {secretName: {{ .caSecret }}, items: [{key: {{ .caKey }}, path: ca.crt}], defaultMode: 0440, optional: {{ $optional }}}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* A key of a ConfigMap can have no slash. */ -}}
{{- define "opennebula.fileKey" -}}
{{ . | replace "/" "__" }}
{{- end -}}

{{- /* The volume with the database of SQLite, and where it is mounted. */ -}}
{{- define "opennebula.dataVolume" -}}
- {name: data, persistentVolumeClaim: {claimName: {{ include "opennebula.claimName" (list . .Values.persistence.data "data") }}}}
{{- end -}}

{{- define "opennebula.dataMount" -}}
- {name: data, mountPath: /var/lib/one}
{{- end -}}

{{- /* The volumes that are kept, that one among them, and where they are mounted. */ -}}
{{- define "opennebula.keptVolumes" -}}
{{- $persistence := .Values.persistence -}}
{{ include "opennebula.dataVolume" . }}
{{- if $persistence.datastores.enabled }}
- {name: datastores, persistentVolumeClaim: {claimName: {{ include "opennebula.claimName" (list . $persistence.datastores "datastores") }}}}
{{- end }}
{{- if .Values.backup.persistence.enabled }}
- {name: backups, persistentVolumeClaim: {claimName: {{ include "opennebula.claimName" (list . .Values.backup.persistence "backups") }}}}
{{- end }}
{{- end -}}

{{- define "opennebula.keptMounts" -}}
{{ include "opennebula.dataMount" . }}
{{- if .Values.persistence.datastores.enabled }}
- {name: datastores, mountPath: /var/lib/one/datastores}
{{- end }}
{{- if .Values.backup.persistence.enabled }}
- {name: backups, mountPath: /var/lib/one/backups}
{{- end }}
{{- end -}}

{{- define "opennebula.oneadminVolume" -}}
- name: oneadmin
  secret: {secretName: {{ include "opennebula.oneadminSecret" . }}, items: [{key: {{ .Values.oneadmin.passwordKey }}, path: password}], defaultMode: 0440}
{{- end -}}

{{- /* The pod of a Job. Takes a dict: root, component and role; perhaps account (another
       service account than the front-end's), kept (it mounts what is kept) or data (of that
       the volume data alone), database (it is given the database), optional (and can go
       without), oneadmin (the password), env and mounts of the role, volumes, and next (a
       container that comes after it). */ -}}
{{- define "opennebula.jobPod" -}}
metadata:
  labels: {{- include "opennebula.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
spec:
  serviceAccountName: {{ default (include "opennebula.serviceAccount" .root) .account }}
  {{- include "opennebula.podSpec" .root | nindent 2 }}
  restartPolicy: Never
  {{- if or .kept .data }}
  # A volume that is mounted once only is mounted where the front-end is.
  affinity:
    podAffinity:
      preferredDuringSchedulingIgnoredDuringExecution:
        - weight: 100
          podAffinityTerm:
            topologyKey: kubernetes.io/hostname
            labelSelector:
              matchLabels: {{- include "opennebula.frontendLabels" .root | nindent 16 }}
  {{- end }}
  {{- if .next }}
  initContainers: {{- include "opennebula.jobContainer" . | nindent 4 }}
  containers: {{- .next | nindent 4 }}
  {{- else }}
  containers: {{- include "opennebula.jobContainer" . | nindent 4 }}
  {{- end }}
  volumes:
    - {name: etc, emptyDir: {}}
    - {name: tmp, emptyDir: {}}
    {{- if .kept }}
    {{- include "opennebula.keptVolumes" .root | nindent 4 }}
    {{- else if .data }}
    {{- include "opennebula.dataVolume" .root | nindent 4 }}
    {{- end }}
    {{- if .database }}
    {{- include "opennebula.databaseVolumes" (list .root (default false .optional)) | nindent 4 }}
    {{- end }}
    {{- if .oneadmin }}
    {{- include "opennebula.oneadminVolume" .root | nindent 4 }}
    {{- end }}
    {{- with .volumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}

{{- define "opennebula.jobContainer" -}}
- name: {{ .role }}
  {{- include "opennebula.container" (list .root .role "jobs") | nindent 2 }}
  env:
    {{- if .database }}
    {{- include "opennebula.settings" .root | nindent 4 }}
    {{- end }}
    {{- with .env }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumeMounts:
    {{- include "opennebula.jobMounts" . | nindent 4 }}
    {{- if .database }}
    {{- include "opennebula.databaseMounts" .root | nindent 4 }}
    {{- end }}
    {{- with .mounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}

{{- define "opennebula.jobMounts" -}}
- {name: etc, mountPath: /etc/one}
- {name: tmp, mountPath: /tmp}
- {name: tmp, mountPath: /var/tmp}
{{- if .kept }}
{{ include "opennebula.keptMounts" .root }}
{{- else if .data }}
{{ include "opennebula.dataMount" .root }}
{{- end }}
{{- if .oneadmin }}
- {name: oneadmin, mountPath: /run/secrets/oneadmin, readOnly: true}
{{- end }}
{{- end -}}

{{- /* What every role of the front-end has in common. */ -}}
{{- define "opennebula.mounts" -}}
{{ include "opennebula.keptMounts" . }}
- {name: run, mountPath: /run/one}
- {name: lock, mountPath: /run/lock/one}
- {name: etc, mountPath: /etc/one}
- {name: log, mountPath: /var/log/one}
- {name: tmp, mountPath: /tmp}
- {name: tmp, mountPath: /var/tmp} # the drivers' own, where a host is this very pod
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- /* rclone, between the volume of backups and the bucket: what it is, and its env.
       Takes a list: the root context, and copy (to the bucket) or fetch (what is to be
       restored). */ -}}
{{- define "opennebula.rclone" -}}
{{- $root := index . 0 -}}
{{- $s3 := $root.Values.backup.s3 -}}
{{- $local := "/var/lib/one/backups/database" -}}
{{- $bucket := printf "s3:%s/%s" (required "backup.s3.bucket is empty: give the name of the bucket" $s3.bucket) $s3.prefix | trimSuffix "/" -}}
image: {{ include "opennebula.image" (list $root $s3.image) }}
imagePullPolicy: {{ $s3.image.pullPolicy }}
command: [/bin/sh, -euc]
args:
  {{- if eq (index . 1) "fetch" }}
  - |
    umask 077
    # What was restored already is not needed again.
    [ "$(cat /var/lib/one/.opennebula-frontend/restored 2>/dev/null)" != "$BACKUP" ] || exit 0
    rclone copy --immutable -v "{{ $bucket }}/$BACKUP" "{{ $local }}/$BACKUP"
    [ -f "{{ $local }}/$BACKUP/SHA256SUMS" ] || { echo "there is no $BACKUP in {{ $bucket }}" >&2; exit 1; }
  {{- else }}
  - |
    {{- $only := "--include '/opennebula-*/**'" }}
    {{- if $s3.keepDays }}
    rclone copy --immutable -v {{ $only }} --max-age {{ $s3.keepDays }}d "{{ $local }}" "{{ $bucket }}"
    rclone delete -v {{ $only }} --min-age {{ $s3.keepDays }}d "{{ $bucket }}"
    {{- else }}
    rclone copy --immutable -v {{ $only }} "{{ $local }}" "{{ $bucket }}"
    {{- end }}
  {{- end }}
env:
  - {name: RCLONE_CONFIG, value: /notfound} # it has none
  {{- if eq (index . 1) "fetch" }}
  # What is wrong is said at once, and the pod tries again.
  - {name: RCLONE_RETRIES, value: "1"}
  {{- else }}
  - {name: RCLONE_RETRIES, value: "3"}
  - {name: RCLONE_RETRIES_SLEEP, value: 30s}
  {{- end }}
  - {name: RCLONE_LOW_LEVEL_RETRIES, value: "3"}
  - {name: RCLONE_CONTIMEOUT, value: 10s}
  - {name: RCLONE_CONFIG_S3_NO_CHECK_BUCKET, value: "true"} # never made, and so never a wrong one
  - {name: RCLONE_CONFIG_S3_TYPE, value: s3}
  - {name: RCLONE_CONFIG_S3_PROVIDER, value: Other}
  - {name: RCLONE_CONFIG_S3_ENDPOINT, value: {{ required "backup.s3.endpoint is empty: give the URL of the S3 service" $s3.endpoint | quote }}}
  - {name: RCLONE_CONFIG_S3_REGION, value: {{ $s3.region | quote }}}
  {{- $secret := required "backup.s3.existingSecret is empty: give the name of a Secret with the credentials" $s3.existingSecret }}
  - {name: RCLONE_CONFIG_S3_ACCESS_KEY_ID, valueFrom: {secretKeyRef: {name: {{ $secret }}, key: {{ $s3.accessKeyIdKey }}}}}
  - {name: RCLONE_CONFIG_S3_SECRET_ACCESS_KEY, valueFrom: {secretKeyRef: {name: {{ $secret }}, key: {{ $s3.secretAccessKeyKey }}}}}
  {{- with $root.Values.restore.backup }}
  - {name: BACKUP, value: {{ . | quote }}}
  {{- end }}
terminationMessagePolicy: FallbackToLogsOnError
securityContext: {{- toYaml $root.Values.containerSecurityContext | nindent 2 }}
{{- with $root.Values.resources.jobs }}
resources: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- /* The container that copies backups to the bucket. Takes the dict of jobPod. */ -}}
{{- define "opennebula.copyBackups" -}}
- name: copy
  {{- include "opennebula.rclone" (list .root "copy") | nindent 2 }}
  volumeMounts: {{- include "opennebula.jobMounts" . | nindent 4 }}
{{- end -}}
