"""Ordinary workloads stay readable: hardly a value of eight usual pod templates is hidden."""

# ruff: noqa: E501 - manifests and places read best one to a line

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from ledger.redaction import Redactor

REDACTOR = Redactor("secrets", "k1", b"k" * 32)

POSTGRES = r"""
metadata:
  labels: {app.kubernetes.io/name: postgres, app.kubernetes.io/version: "16.4", cluster: orders}
  annotations:
    prometheus.io/scrape: "true"
    checksum/config: 5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef
    checksum/secret: 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
spec:
  serviceAccountName: postgres
  automountServiceAccountToken: false
  imagePullSecrets: [{name: registry-credentials}]
  initContainers:
  - name: permissions
    image: busybox:1.36@sha256:34b191d63fbc93e25e275bfccf1b5365664e5ac28f06d974e8d50090fbb49f41
    command: [sh, -c, "chown -R 999:999 /var/lib/postgresql/data && chmod 700 /var/lib/postgresql/data"]
  containers:
  - name: postgres
    image: registry.example.com:5000/db/postgres:16.4-bookworm
    args: [-c, shared_buffers=2GB, -c, max_connections=200, -c, password_encryption=scram-sha-256,
           -c, ssl_key_file=/tls/tls.key, -c, "log_line_prefix=%m [%p] %u@%d "]
    env:
    - {name: POSTGRES_USER, value: orders}
    - {name: POSTGRES_DB, value: orders}
    - {name: PGDATA, value: /var/lib/postgresql/data/pgdata}
    - {name: POSTGRES_PASSWORD, valueFrom: {secretKeyRef: {name: orders-db, key: password}}}
    - {name: POSTGRES_PASSWORD_FILE, value: /run/secrets/postgres/password}
    - {name: POSTGRES_HOST_AUTH_METHOD, value: scram-sha-256}
    - {name: POSTGRES_INITDB_ARGS, value: "--data-checksums --auth-host=scram-sha-256"}
    - {name: DATABASE_URL, value: "postgres://orders:$(POSTGRES_PASSWORD)@localhost:5432/orders?sslmode=require"}
    - {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
    envFrom: [{secretRef: {name: orders-extra}}, {configMapRef: {name: orders-settings}}]
    ports: [{name: postgres, containerPort: 5432}]
    readinessProbe:
      exec: {command: [sh, -c, "exec pg_isready -U orders -d dbname=orders -h 127.0.0.1 -p 5432"]}
    volumeMounts:
    - {name: data, mountPath: /var/lib/postgresql/data}
    - {name: password, mountPath: /run/secrets/postgres, readOnly: true}
  volumes:
  - {name: password, secret: {secretName: orders-db, defaultMode: 256, items: [{key: password, path: password}]}}
  - {name: tls, projected: {sources: [{secret: {name: orders-tls}}, {serviceAccountToken: {audience: vault, expirationSeconds: 3600, path: token}}]}}
"""

KAFKA = r"""
metadata:
  labels: {app: kafka, strimzi.io/cluster: events}
  annotations: {strimzi.io/broker-configuration-hash: c1d2e3f4, LOG_LEVEL: info}
spec:
  containers:
  - name: kafka
    image: quay.io/kafka/kafka:3.8.0
    command: [/bin/bash, -c]
    args:
    - |
      set -euo pipefail
      export KAFKA_NODE_ID=${HOSTNAME##*-}
      export KAFKA_SASL_PASSWORD="$(cat /mnt/secrets/kafka/password)"
      if [[ -z "${KAFKA_SASL_PASSWORD}" ]]; then echo "no password given"; exit 1; fi
      exec /opt/kafka/bin/kafka-server-start.sh /opt/kafka/config/kraft/server.properties \
        --override log.dirs=/data/kafka --override broker.rack=${ZONE}
    env:
    - {name: LOG_LEVEL, value: info}
    - {name: KAFKA_HEAP_OPTS, value: "-Xms4g -Xmx4g"}
    - {name: KAFKA_CFG_LISTENERS, value: "SASL_SSL://:9092,CONTROLLER://:9093"}
    - {name: KAFKA_CFG_ADVERTISED_LISTENERS, value: "SASL_SSL://$(POD_NAME).kafka-headless.default.svc.cluster.local:9092"}
    - {name: KAFKA_CFG_LISTENER_SECURITY_PROTOCOL_MAP, value: "CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL"}
    - {name: KAFKA_CFG_SASL_ENABLED_MECHANISMS, value: SCRAM-SHA-512}
    - {name: KAFKA_CFG_CONTROLLER_QUORUM_VOTERS, value: "0@kafka-0.kafka-headless:9093,1@kafka-1.kafka-headless:9093,2@kafka-2.kafka-headless:9093"}
    - {name: KAFKA_KRAFT_CLUSTER_ID, value: MkU3OEVBNTcwNTJENDM2Qk}
    - {name: KAFKA_CFG_SSL_KEYSTORE_LOCATION, value: /certs/kafka.keystore.jks}
    - {name: KAFKA_CFG_SSL_KEYSTORE_TYPE, value: PKCS12}
    - {name: KAFKA_CFG_KEY_SERIALIZER, value: org.apache.kafka.common.serialization.ByteArraySerializer}
    - {name: KAFKA_CFG_DELEGATION_TOKEN_MAX_LIFETIME_MS, value: "604800000"}
    - {name: KAFKA_JVM_PERFORMANCE_OPTS, value: "-server -XX:+UseG1GC -XX:MaxGCPauseMillis=20 -XX:InitiatingHeapOccupancyPercent=35 -XX:+ExplicitGCInvokesConcurrent"}
    livenessProbe: {tcpSocket: {port: 9092}, periodSeconds: 10}
  tolerations: [{key: dedicated, operator: Equal, value: kafka, effect: NoSchedule}, {key: token-nodes, operator: Exists}]
  topologySpreadConstraints:
  - {maxSkew: 1, topologyKey: topology.kubernetes.io/zone, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {app: kafka}}}
"""

ELASTICSEARCH = r"""
metadata:
  labels: {elasticsearch.k8s.elastic.co/cluster-name: logs, elasticsearch.k8s.elastic.co/node-master: "true"}
  annotations:
    co.elastic.logs/module: elasticsearch
    elasticsearch.k8s.elastic.co/config-hash: "2863245346"
spec:
  initContainers:
  - {name: sysctl, image: "busybox:1.36", command: [sysctl, -w, vm.max_map_count=262144], securityContext: {privileged: true}}
  - name: keystore
    image: docker.elastic.co/elasticsearch/elasticsearch:8.15.1
    command: [sh, -c, "elasticsearch-keystore create && for f in /secrets/*; do elasticsearch-keystore add-file $(basename $f) $f; done"]
  containers:
  - name: elasticsearch
    image: docker.elastic.co/elasticsearch/elasticsearch:8.15.1
    env:
    - {name: cluster.name, value: logs}
    - {name: node.name, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
    - {name: discovery.seed_hosts, value: logs-es-0.logs-es-hl,logs-es-1.logs-es-hl}
    - {name: ES_JAVA_OPTS, value: "-Xms8g -Xmx8g -Des.networkaddress.cache.ttl=60"}
    - {name: xpack.security.enabled, value: "true"}
    - {name: xpack.security.http.ssl.key, value: /usr/share/elasticsearch/config/certs/tls.key}
    - {name: xpack.security.authc.token.enabled, value: "true"}
    - {name: xpack.security.authc.api_key.enabled, value: "true"}
    - {name: ELASTIC_PASSWORD, valueFrom: {secretKeyRef: {name: logs-es-elastic-user, key: elastic}}}
    - {name: PROBE_PASSWORD_PATH, value: /mnt/elastic-internal/probe-user/elastic-internal-probe}
    - {name: ELASTICSEARCH_LOGS_INDEX_TEMPLATE_LIFECYCLE_POLICY_NAME, value: logs-default-hot-warm-cold-delete-after-ninety-days}
    readinessProbe:
      exec:
        command:
        - bash
        - -c
        - |
          curl -s -o /dev/null -w "%{http_code}" --max-time 3 -u "${PROBE_USER}:${PROBE_PASSWORD}" https://127.0.0.1:9200/_cluster/health?timeout=0s
  volumes: [{name: certs, secret: {secretName: logs-es-http-certs-internal, optional: false}}]
"""

REDIS = r"""
metadata: {labels: {app: redis, role: cache}, annotations: {team: shop, LOG_LEVEL: info}}
spec:
  containers:
  - name: redis
    image: redis:7.4-alpine
    command: [redis-server, /etc/redis/redis.conf]
    args: [--requirepass, $(REDIS_PASSWORD), --maxmemory, 2gb, --maxmemory-policy, allkeys-lru, --appendonly, "yes",
           --tls-auth-clients, "no", --tls-key-file, /tls/tls.key]
    env:
    - {name: REDIS_PASSWORD, valueFrom: {secretKeyRef: {name: redis, key: redis-password}}}
    - {name: ALLOW_EMPTY_PASSWORD, value: "no"}
    - {name: REDIS_PRIMARY_KEY_PREFIX, value: "shop:"}
    livenessProbe: {exec: {command: [sh, -c, 'redis-cli -a "$REDIS_PASSWORD" --no-auth-warning ping | grep PONG']}}
    readinessProbe: {exec: {command: [redis-cli, -a, $(REDIS_PASSWORD), ping]}}
    resources: {limits: {cpu: "1", memory: 3Gi}, requests: {cpu: 100m, memory: 2Gi}}
  - name: metrics
    image: oliver006/redis_exporter:v1.62.0
    args: [--redis.addr=redis://localhost:6379, --redis.password-file=/secrets/passwords.json, --log-format=json]
    ports: [{name: metrics, containerPort: 9121}]
"""

NGINX = r"""
metadata:
  labels: {app: web, pod-template-hash: 7c5ddbdf54}
  annotations:
    kubernetes.io/change-cause: "kubectl set image sts/web nginx=nginx:1.29 --record=true"
    nginx.ingress.kubernetes.io/session-cookie-name: route
    cni.projectcalico.org/containerID: 4032ae6eb39adf73d06998db9e7b40a0482952f36e10a42b1e2cab2ec9f64241
    kubectl.kubernetes.io/restartedAt: "2026-11-23T12:37:41Z"
    secret.reloader.stakater.com/reload: web-tls,web-htpasswd
spec:
  containers:
  - name: nginx
    image: nginx:1.29@sha256:b9bad555feb190731c50c86f787a54cb0fba82b55887b2d2f02f0ea72866cfc4
    command: [nginx, -g, "daemon off; error_log /dev/stderr info;"]
    env:
    - {name: NGINX_ENVSUBST_TEMPLATE_DIR, value: /etc/nginx/templates}
    - {name: LOG_LEVEL, value: info}
    - {name: GIT_COMMIT, value: 1f3870be274f6c49b3e31a0c6728957f01a2b3c4}
    - {name: TRACE_ID, value: 4bf92f3577b34da6a3ce929d0e0e4736}
    - {name: TOKEN_TTL, value: "3600"}
    - {name: AUTH_TOKEN_HEADER, value: X-Auth-Token}
    - {name: PUBLIC_KEY_URL, value: "https://login.example.com/.well-known/jwks.json"}
    - {name: FEATURES, value: '{"search":true,"levels":["a","b"],"token_ttl":60}'}
    livenessProbe:
      httpGet: {path: "/healthz?verbose=1", port: 80, httpHeaders: [{name: Accept, value: application/json}, {name: X-Probe, value: kubelet}]}
    lifecycle: {preStop: {exec: {command: [sh, -c, "sleep 5; nginx -s quit"]}}}
  affinity:
    podAntiAffinity:
      requiredDuringSchedulingIgnoredDuringExecution:
      - {topologyKey: kubernetes.io/hostname, labelSelector: {matchExpressions: [{key: app, operator: In, values: [web]}]}}
"""

VAULT_AGENT = r"""
metadata:
  labels: {app: orders}
  annotations:
    vault.hashicorp.com/agent-inject: "true"
    vault.hashicorp.com/agent-inject-status: injected
    vault.hashicorp.com/role: orders
    vault.hashicorp.com/agent-inject-token: "true"
    vault.hashicorp.com/agent-inject-secret-db-creds: database/creds/orders
    vault.hashicorp.com/agent-inject-template-db-creds: |
      {{- with secret "database/creds/orders" -}}
      postgres://{{ .Data.username }}:{{ .Data.password }}@postgres:5432/orders
      {{- end }}
    vault.hashicorp.com/agent-cache-use-auto-auth-token: force
    vault.hashicorp.com/tls-secret: vault-tls
spec:
  serviceAccountName: orders
  initContainers:
  - name: vault-agent-init
    image: hashicorp/vault:1.17.2
    command: [/bin/sh, -ec]
    args: ["echo ${VAULT_CONFIG?} | base64 -d > /home/vault/config.json && vault agent -config=/home/vault/config.json"]
    env:
    - {name: VAULT_LOG_LEVEL, value: info}
    - {name: VAULT_LOG_FORMAT, value: standard}
    - {name: VAULT_ADDR, value: "https://vault.vault.svc:8200"}
    - {name: VAULT_CACERT, value: /vault/tls/ca.crt}
    - {name: VAULT_TOKEN_FILE, value: /vault/secrets/token}
    - {name: VAULT_SKIP_VERIFY, value: "false"}
    volumeMounts:
    - {name: home-init, mountPath: /home/vault}
    - {name: vault-secrets, mountPath: /vault/secrets}
    - {name: kube-api-access, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
  containers:
  - name: orders
    image: registry.example.com/orders:2.14.0
    command: [sh, -c, ". /vault/secrets/db-creds && exec /app/orders --config /etc/orders/config.yaml"]
    env:
    - {name: GOOGLE_APPLICATION_CREDENTIALS, value: /vault/secrets/gcp.json}
    - {name: SPRING_CLOUD_VAULT_AUTHENTICATION, value: KUBERNETES}
    - {name: SECRETS_BACKEND, value: vault}
"""

ISTIO = r"""
metadata:
  labels: {app: reviews, security.istio.io/tlsMode: istio, service.istio.io/canonical-name: reviews}
  annotations:
    sidecar.istio.io/status: '{"initContainers":["istio-init"],"containers":["istio-proxy"],"volumes":["workload-socket","credential-socket","istio-envoy","istio-token"],"imagePullSecrets":["registry"],"revision":"default"}'
    traffic.sidecar.istio.io/includeInboundPorts: "*"
    proxy.istio.io/config: |
      holdApplicationUntilProxyStarts: true
      discoveryAddress: istiod.istio-system.svc:15012
      proxyMetadata:
        LOG_LEVEL: info
spec:
  initContainers:
  - name: istio-init
    image: docker.io/istio/proxyv2:1.23.2
    args: [istio-iptables, -p, "15001", -z, "15006", -u, "1337", -m, REDIRECT, -i, "*", -x, "", -b, "*", -d, "15090,15021,15020", --log_output_level=default:info]
  containers:
  - name: istio-proxy
    image: docker.io/istio/proxyv2:1.23.2
    args: [proxy, sidecar, --domain, $(POD_NAMESPACE).svc.cluster.local, --proxyLogLevel=warning, --proxyComponentLogLevel=misc:error, --log_output_level=default:info]
    env:
    - {name: JWT_POLICY, value: third-party-jwt}
    - {name: PILOT_CERT_PROVIDER, value: istiod}
    - {name: CA_ADDR, value: "istiod.istio-system.svc:15012"}
    - {name: PROXY_CONFIG, value: '{"discoveryAddress":"istiod.istio-system.svc:15012","concurrency":2}'}
    - {name: ISTIO_META_POD_PORTS, value: '[{"name":"http","containerPort":9080,"protocol":"TCP"}]'}
    - {name: ISTIO_META_CLUSTER_ID, value: Kubernetes}
    - {name: ISTIO_META_WORKLOAD_NAME, value: reviews-v1}
    - {name: ISTIO_META_OWNER, value: "kubernetes://apis/apps/v1/namespaces/default/statefulsets/reviews-v1"}
    - {name: TRUST_DOMAIN, value: cluster.local}
    - {name: SECRET_TTL, value: 24h}
    - {name: CREDENTIAL_FETCHER_TYPE, value: ""}
    readinessProbe: {httpGet: {path: /healthz/ready, port: 15021}}
  volumes:
  - {name: credential-socket, emptyDir: {}}
  - {name: istio-token, projected: {sources: [{serviceAccountToken: {audience: istio-ca, expirationSeconds: 43200, path: istio-token}}]}}
  - {name: istiod-ca-cert, configMap: {name: istio-ca-root-cert}}
"""

PROMETHEUS = r"""
metadata:
  labels: {app.kubernetes.io/name: prometheus, operator.prometheus.io/shard: "0", controller-revision-hash: prometheus-k8s-6d5f8b7c9d}
  annotations: {kubectl.kubernetes.io/default-container: prometheus}
spec:
  containers:
  - name: prometheus
    image: quay.io/prometheus/prometheus:v2.54.1
    args:
    - --config.file=/etc/prometheus/config_out/prometheus.env.yaml
    - --storage.tsdb.retention.time=24h
    - --web.console.templates=/etc/prometheus/consoles
    - --web.config.file=/etc/prometheus/web_config/web-config.yaml
    - --web.external-url=https://prometheus.example.com/
    - --storage.remote.credentials-file=/etc/prometheus/secrets/remote-write/token
    readinessProbe: {httpGet: {path: /-/ready, port: web, scheme: HTTPS}}
    volumeMounts:
    - {name: secret-remote-write, mountPath: /etc/prometheus/secrets/remote-write, readOnly: true}
    - {name: tls-assets, mountPath: /etc/prometheus/certs}
  - name: config-reloader
    image: quay.io/prometheus-operator/prometheus-config-reloader:v0.76.0
    args: [--listen-address=:8080, "--reload-url=http://localhost:9090/-/reload", --config-file=/etc/prometheus/config/prometheus.yaml.gz, --watched-dir=/etc/prometheus/rules/prometheus-k8s-rulefiles-0]
    env: [{name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}, {name: SHARD, value: "0"}, {name: LOG_LEVEL, value: info}]
  volumes:
  - {name: tls-assets, projected: {sources: [{secret: {name: prometheus-k8s-tls-assets-0}}]}}
  - {name: secret-remote-write, secret: {secretName: remote-write}}
  - {name: nfs, csi: {driver: nfs.csi.k8s.io, volumeAttributes: {server: nfs.example.com, share: /exports/prometheus, mountOptions: "nolock,soft"}, nodePublishSecretRef: {name: nfs-credentials}}}
  - {name: ceph, rbd: {monitors: ["10.0.0.1:6789"], image: prometheus, keyring: /etc/ceph/keyring, secretRef: {name: ceph-secret}}}
"""

TEMPLATES = {
    "postgres": POSTGRES,
    "kafka": KAFKA,
    "elasticsearch": ELASTICSEARCH,
    "redis": REDIS,
    "nginx": NGINX,
    "vault agent": VAULT_AGENT,
    "istio sidecar": ISTIO,
    "prometheus": PROMETHEUS,
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_nothing_of_an_ordinary_template_is_hidden(name: str) -> None:
    template = yaml.safe_load(TEMPLATES[name])
    assert list(differences(template, REDACTOR.redact(template).document)) == []


def differences(old: Any, new: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Path and original of each value that is no longer what it was."""
    if isinstance(old, dict):
        for key in old:
            yield from differences(old[key], new[key], f"{path}.{key}")
    elif isinstance(old, list):
        for index, (a, b) in enumerate(zip(old, new, strict=True)):
            yield from differences(a, b, f"{path}[{index}]")
    elif old != new:
        yield path, old
