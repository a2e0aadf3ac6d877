{{- define "touriga.name" -}}
{{- printf "%s-pinot-%s" .root.Release.Name .role | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "touriga.labels" -}}
app: pinot
release: {{ .root.Release.Name }}
component: {{ .role }}
{{- with .root.Values.additionalMatchLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "touriga.controller" -}}
http://{{ include "touriga.name" (dict "root" .root "role" "controller") }}-0.{{ include "touriga.name" (dict "root" .root "role" "controller") }}:{{ .root.Values.controller.service.port }}
{{- end -}}
