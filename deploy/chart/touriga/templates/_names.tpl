{{- /* As Pinot's chart names things: a release whose name has `pinot` in it is the name itself. */ -}}
{{- define "touriga.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default "pinot" .Values.nameOverride -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- /* The scope of what follows: `root`, and `role`, a key of the values. */ -}}
{{- define "touriga.name" -}}
{{- printf "%s-%s" (include "touriga.fullname" .root) (index .root.Values .role).name -}}
{{- end -}}

{{- define "touriga.namespace" -}}
{{- .Values.namespaceOverride | default .Release.Namespace -}}
{{- end -}}

{{- define "touriga.selector" -}}
app: {{ default "pinot" .root.Values.nameOverride }}
release: {{ .root.Release.Name }}
component: {{ (index .root.Values .role).name }}
{{- with .root.Values.additionalMatchLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "touriga.labels" -}}
{{ include "touriga.selector" . }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
heritage: {{ .root.Release.Service }}
{{- end -}}

{{- define "touriga.controller" -}}
{{- $name := include "touriga.name" (dict "root" .root "role" "controller") -}}
{{- $port := .root.Values.controller.service.port -}}
{{- $all := list -}}
{{- range $n := until (ternary (int .root.Values.controller.replicaCount) 1 (ne .root.Values.etcd.members "")) -}}
{{- $all = append $all (printf "http://%s-%d.%s-headless:%v" $name $n $name $port) -}}
{{- end -}}
{{ join "," $all }}
{{- end -}}

{{- define "touriga.image" -}}
{{- if hasSuffix "apachepinot/pinot" .Values.image.repository -}}
{{ .Values.defaultImage }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag }}
{{- end -}}
{{- end -}}

{{- define "touriga.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "touriga.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{- /* Port of queries, of HTTP, and the name of the first. */ -}}
{{- define "touriga.port" -}}
{{- $service := (index .root.Values .role).service -}}
{{- ternary $service.nettyPort $service.port (eq .role "server") -}}
{{- end -}}

{{- define "touriga.httpPort" -}}
{{- $service := (index .root.Values .role).service -}}
{{- ternary $service.adminPort $service.port (eq .role "server") -}}
{{- end -}}

{{- define "touriga.portName" -}}
{{- $service := (index .root.Values .role).service -}}
{{- ternary $service.nettyPortName "http" (eq .role "server") -}}
{{- end -}}

{{- define "touriga.tokenSecret" -}}
{{- .Values.pinotAuth.tokenSecret | default (printf "%s-roles" (include "touriga.fullname" .)) -}}
{{- end -}}
