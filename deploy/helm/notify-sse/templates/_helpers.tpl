{{- define "notify-sse.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "notify-sse.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "notify-sse.labels" -}}
{{ include "notify-sse.selector" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "notify-sse.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* The settings of every process. Which key of tokens: exactly one. */}}
{{- define "notify-sse.env" -}}
{{- $keys := list }}
{{- with .Values.secrets.jwtSecret }}{{ if .name }}{{ $keys = append $keys "secrets.jwtSecret" }}{{ end }}{{ end }}
{{- with .Values.secrets.jwtPublicKey }}{{ if .name }}{{ $keys = append $keys "secrets.jwtPublicKey" }}{{ end }}{{ end }}
{{- if .Values.jwksUrl }}{{ $keys = append $keys "jwksUrl" }}{{ end }}
{{- if ne (len $keys) 1 }}
{{- fail (printf "exactly one of secrets.jwtSecret, secrets.jwtPublicKey and jwksUrl has to be set; set: %s" (join ", " $keys)) }}
{{- end }}
- {name: NOTIFY_SSE_HOST, value: 0.0.0.0}
- {name: NOTIFY_SSE_PORT, value: "8000"}
- {name: NOTIFY_SSE_STATE_DIR, value: /var/lib/notify-sse}
- {name: NOTIFY_SSE_DRAIN_S, value: {{ .Values.drainSeconds | quote }}}
- {name: NOTIFY_SSE_DATABASE_URL, valueFrom: {secretKeyRef: {{ toJson .Values.secrets.database }}}}
- {name: NOTIFY_SSE_BROKER_URL, valueFrom: {secretKeyRef: {{ toJson .Values.secrets.broker }}}}
{{- with .Values.secrets.jwtSecret }}{{ if .name }}
- {name: NOTIFY_SSE_JWT_SECRET, valueFrom: {secretKeyRef: {{ toJson . }}}}
{{- end }}{{ end }}
{{- with .Values.secrets.jwtPublicKey }}{{ if .name }}
- {name: NOTIFY_SSE_JWT_PUBLIC_KEY, valueFrom: {secretKeyRef: {{ toJson . }}}}
{{- end }}{{ end }}
{{- with .Values.jwksUrl }}
- {name: NOTIFY_SSE_JWKS_URL, value: {{ . | quote }}}
{{- end }}
{{- range $name, $value := .Values.settings }}
- {name: NOTIFY_SSE_{{ $name }}, value: {{ $value | toString | quote }}}
{{- end }}
{{- end }}

{{- define "notify-sse.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "notify-sse.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* A Deployment: called with a dict of root, component, role, values, workers. */}}
{{- define "notify-sse.deployment" -}}
{{- $root := .root -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "notify-sse.name" $root }}-{{ .component }}
  labels:
    {{- include "notify-sse.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
spec:
  {{- if .replicas }}
  replicas: {{ .replicas }}
  {{- end }}
  # A new pod is there, and has been for a while, before an old one goes.
  strategy: {type: RollingUpdate, rollingUpdate: {maxUnavailable: 0, maxSurge: 1}}
  minReadySeconds: 10
  selector:
    matchLabels:
      {{- include "notify-sse.selector" $root | nindent 6 }}
      app.kubernetes.io/component: {{ .component }}
  template:
    metadata:
      labels:
        {{- include "notify-sse.labels" $root | nindent 8 }}
        app.kubernetes.io/component: {{ .component }}
    spec:
      # Kubernetes would set NOTIFY_SSE_PORT for a Service of that name.
      enableServiceLinks: false
      automountServiceAccountToken: false
      # Over preStop plus drain: what is left then is killed.
      terminationGracePeriodSeconds: {{ add $root.Values.preStopSeconds $root.Values.drainSeconds 15 }}
      securityContext:
        {{- include "notify-sse.podSecurity" $root | nindent 8 }}
      {{- with $root.Values.imagePullSecrets }}
      imagePullSecrets: {{ toYaml . | nindent 8 }}
      {{- end }}
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels:
              {{- include "notify-sse.selector" $root | nindent 14 }}
              app.kubernetes.io/component: {{ .component }}
      containers:
        - name: notify-sse
          image: {{ include "notify-sse.image" $root }}
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          args: [notify-sse, serve]
          env:
            {{- include "notify-sse.env" $root | nindent 12 }}
            - {name: NOTIFY_SSE_ROLE, value: {{ .role }}}
            - {name: NOTIFY_SSE_WORKERS, value: {{ .workers | quote }}}
          ports:
            - {name: http, containerPort: 8000}
          startupProbe:
            httpGet: {path: /healthz, port: http}
            periodSeconds: 2
            failureThreshold: 30
          livenessProbe:
            httpGet: {path: /healthz, port: http}
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 6
          readinessProbe:
            httpGet: {path: /readyz, port: http}
            periodSeconds: 2
            timeoutSeconds: 2
            failureThreshold: 2
          lifecycle:
            preStop:
              exec: {command: [sleep, {{ $root.Values.preStopSeconds | quote }}]}
          resources:
            {{- toYaml .values.resources | nindent 12 }}
          securityContext:
            {{- include "notify-sse.containerSecurity" $root | nindent 12 }}
          volumeMounts:
            - {name: state, mountPath: /var/lib/notify-sse}
            - {name: tmp, mountPath: /tmp}
      volumes:
        - {name: state, emptyDir: {sizeLimit: 64Mi}}
        - {name: tmp, emptyDir: {sizeLimit: 64Mi}}
      {{- with .values.nodeSelector }}
      nodeSelector: {{ toYaml . | nindent 8 }}
      {{- end }}
      {{- with .values.tolerations }}
      tolerations: {{ toYaml . | nindent 8 }}
      {{- end }}
{{- end }}
