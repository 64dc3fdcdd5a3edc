"""Pod templates as one meets them in clusters: nothing in them is a secret, much looks like one."""

# ruff: noqa: E501 - manifests read best one to a line

from __future__ import annotations

TYPICAL = {
    "mysql": r"""
metadata: {labels: {app: mysql}, annotations: {checksum/configuration: 8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4}}
spec:
  initContainers:
  - name: init-mysql
    image: mysql:8.4
    command:
    - bash
    - -c
    - |
      set -ex
      [[ $HOSTNAME =~ -([0-9]+)$ ]] || exit 1
      ordinal=${BASH_REMATCH[1]}
      echo [mysqld] > /mnt/conf.d/server-id.cnf
      echo server-id=$((100 + $ordinal)) >> /mnt/conf.d/server-id.cnf
      if [[ $ordinal -eq 0 ]]; then cp /mnt/config-map/primary.cnf /mnt/conf.d/; else cp /mnt/config-map/replica.cnf /mnt/conf.d/; fi
  containers:
  - name: mysql
    image: mysql:8.4
    args: [--default-authentication-plugin=caching_sha2_password, --character-set-server=utf8mb4, --max-connections=500, --validate-password.policy=MEDIUM]
    env:
    - {name: MYSQL_ROOT_PASSWORD, valueFrom: {secretKeyRef: {name: mysql, key: root-password}}}
    - {name: MYSQL_DATABASE, value: shop}
    - {name: MYSQL_USER, value: shop}
    - {name: MYSQL_ALLOW_EMPTY_PASSWORD, value: "false"}
    - {name: MYSQL_RANDOM_ROOT_PASSWORD, value: "yes"}
    livenessProbe: {exec: {command: [bash, -ec, 'password_aux="${MYSQL_ROOT_PASSWORD:-}"; mysqladmin status -uroot -p"${password_aux}"']}}
    readinessProbe: {exec: {command: [sh, -c, 'mysql -h 127.0.0.1 -uroot -p$MYSQL_ROOT_PASSWORD -e "SELECT 1"']}}
    ports: [{name: mysql, containerPort: 3306}]
""",
    "zookeeper": r"""
metadata: {labels: {app: zk}}
spec:
  containers:
  - name: zookeeper
    image: registry.k8s.io/kubernetes-zookeeper:1.0-3.4.10
    command: [sh, -c, "start-zookeeper --servers=3 --data_dir=/var/lib/zookeeper/data --client_port=2181 --election_port=3888 --tick_time=2000 --init_limit=10 --heap=512M --snap_retain_count=3 --log_level=INFO"]
    env:
    - {name: ZOO_SERVERS, value: "zk-0.zk-headless.default.svc.cluster.local:2888:3888::1 zk-1.zk-headless.default.svc.cluster.local:2888:3888::2"}
    - {name: ZOO_ENABLE_AUTH, value: "no"}
    - {name: ZOO_4LW_COMMANDS_WHITELIST, value: "srvr, mntr, ruok"}
    - {name: JVMFLAGS, value: "-Xmx512m -Dzookeeper.authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider -Djava.security.auth.login.config=/etc/zk/jaas.conf"}
    - {name: ALLOW_ANONYMOUS_LOGIN, value: "yes"}
    readinessProbe: {exec: {command: [sh, -c, "zookeeper-ready 2181"]}}
""",
    "cassandra": r"""
metadata: {labels: {app: cassandra, cassandra.datastax.com/rack: r1}}
spec:
  containers:
  - name: cassandra
    image: cassandra:4.1.5
    env:
    - {name: MAX_HEAP_SIZE, value: 512M}
    - {name: CASSANDRA_SEEDS, value: cassandra-0.cassandra.default.svc.cluster.local}
    - {name: CASSANDRA_AUTHENTICATOR, value: PasswordAuthenticator}
    - {name: CASSANDRA_AUTHORIZER, value: CassandraAuthorizer}
    - {name: CASSANDRA_PASSWORD_SEEDER, value: "yes"}
    - {name: CASSANDRA_NUM_TOKENS, value: "256"}
    - {name: CASSANDRA_KEYSTORE_LOCATION, value: /bitnami/cassandra/certs/keystore}
    - {name: JVM_EXTRA_OPTS, value: "-Dcassandra.skip_default_role_setup=true -Dcassandra.initial_token= -Dcom.sun.management.jmxremote.authenticate=true"}
    lifecycle: {preStop: {exec: {command: [sh, -c, nodetool drain]}}}
    livenessProbe: {exec: {command: [bash, -ec, "nodetool info | grep 'Native Transport active: true'"]}}
    readinessProbe: {exec: {command: [bash, -ec, 'nodetool status | grep -E "^UN\s+${POD_IP}"']}}
""",
    "vault": r"""
metadata: {labels: {app.kubernetes.io/name: vault, component: server, vault-sealed: "false", vault-initialized: "true"}}
spec:
  serviceAccountName: vault
  containers:
  - name: vault
    image: hashicorp/vault:1.17.2
    command: [/bin/sh, -ec]
    args:
    - |
      cp /vault/config/extraconfig-from-values.hcl /tmp/storageconfig.hcl;
      [ -n "${HOST_IP}" ] && sed -Ei "s|HOST_IP|${HOST_IP?}|g" /tmp/storageconfig.hcl;
      [ -n "${API_ADDR}" ] && sed -Ei "s|API_ADDR|${API_ADDR?}|g" /tmp/storageconfig.hcl;
      /usr/local/bin/docker-entrypoint.sh vault server -config=/tmp/storageconfig.hcl
    env:
    - {name: VAULT_ADDR, value: "https://127.0.0.1:8200"}
    - {name: VAULT_SEAL_TYPE, value: awskms}
    - {name: VAULT_AWSKMS_SEAL_KEY_ID, value: alias/vault-unseal}
    - {name: VAULT_CACERT, value: /vault/userconfig/vault-tls/vault.ca}
    - {name: VAULT_CLUSTER_ADDR, value: "https://$(HOSTNAME).vault-internal:8201"}
    - {name: SKIP_SETCAP, value: "true"}
    - {name: HOME, value: /home/vault}
    readinessProbe: {exec: {command: [/bin/sh, -ec, vault status -tls-skip-verify]}}
    livenessProbe: {httpGet: {path: "/v1/sys/health?standbyok=true&sealedcode=204&uninitcode=204", port: 8200, scheme: HTTPS}}
    lifecycle: {preStop: {exec: {command: [/bin/sh, -c, "sleep 5 && kill -SIGTERM $(pidof vault)"]}}}
  volumes: [{name: userconfig-vault-tls, secret: {secretName: vault-tls, defaultMode: 420}}]
""",
    "rabbitmq": r"""
metadata: {labels: {app.kubernetes.io/name: orders, app.kubernetes.io/component: rabbitmq}, annotations: {prometheus.io/port: "15692"}}
spec:
  initContainers:
  - name: setup-container
    image: rabbitmq:3.13-management
    command: [sh, -c, "cp /tmp/erlang-cookie-secret/.erlang.cookie /var/lib/rabbitmq/.erlang.cookie && chmod 600 /var/lib/rabbitmq/.erlang.cookie ; cp /tmp/rabbitmq-plugins/enabled_plugins /operator/enabled_plugins ; echo '[default]' > /var/lib/rabbitmq/.rabbitmqadmin.conf && sed -e 's/default_user/username/' -e 's/default_pass/password/' /tmp/default_user.conf >> /var/lib/rabbitmq/.rabbitmqadmin.conf"]
  containers:
  - name: rabbitmq
    image: rabbitmq:3.13-management
    env:
    - {name: RABBITMQ_ENABLED_PLUGINS_FILE, value: /operator/enabled_plugins}
    - {name: RABBITMQ_USE_LONGNAME, value: "true"}
    - {name: RABBITMQ_NODENAME, value: rabbit@$(MY_POD_NAME).$(K8S_SERVICE_NAME).$(MY_POD_NAMESPACE)}
    - {name: K8S_HOSTNAME_SUFFIX, value: .$(K8S_SERVICE_NAME).$(MY_POD_NAMESPACE)}
    - {name: RABBITMQ_DEFAULT_PASS_FILE, value: /run/secrets/rabbitmq/password}
    - {name: RABBITMQ_ERLANG_COOKIE, valueFrom: {secretKeyRef: {name: orders-erlang-cookie, key: .erlang.cookie}}}
    lifecycle: {preStop: {exec: {command: [/bin/bash, -c, "if [ ! -z \"$(cat /etc/pod-info/skipPreStopChecks)\" ]; then exit 0; fi; rabbitmq-upgrade await_online_quorum_plus_one -t 604800 && rabbitmq-upgrade drain -t 604800"]}}}
    readinessProbe: {exec: {command: [rabbitmq-diagnostics, check_port_connectivity]}}
""",
    "mongodb": r"""
metadata: {labels: {app: mongodb, app.kubernetes.io/version: 7.0.14}}
spec:
  containers:
  - name: mongodb
    image: mongo:7.0.14
    command: [mongod, --replSet, rs0, --bind_ip_all, --keyFile, /etc/mongo/keyfile, --auth, --tlsMode, preferTLS, --tlsCertificateKeyFile, /certs/tls.pem, --wiredTigerCacheSizeGB, "1.5"]
    env:
    - {name: MONGO_INITDB_ROOT_USERNAME, value: root}
    - {name: MONGO_INITDB_ROOT_PASSWORD, valueFrom: {secretKeyRef: {name: mongodb, key: mongodb-root-password}}}
    - {name: MONGO_INITDB_ROOT_PASSWORD_FILE, value: /run/secrets/mongo/root}
    - {name: MONGODB_REPLICA_SET_MODE, value: primary}
    - {name: MONGODB_URI, value: "mongodb://mongodb-0.mongodb:27017,mongodb-1.mongodb:27017/?replicaSet=rs0&authSource=admin&authMechanism=SCRAM-SHA-256"}
    - {name: ALLOW_EMPTY_PASSWORD, value: "no"}
    livenessProbe: {exec: {command: [mongosh, --eval, "db.adminCommand('ping')"]}}
    readinessProbe: {exec: {command: [bash, -ec, "mongosh $TLS_OPTIONS --eval 'db.hello().isWritablePrimary || db.hello().secondary' | grep -q true"]}}
""",
    "etcd": r"""
metadata: {labels: {app: etcd}}
spec:
  containers:
  - name: etcd
    image: gcr.io/etcd-development/etcd:v3.5.16
    command: [/usr/local/bin/etcd]
    args: [--name=$(HOSTNAME), "--listen-client-urls=https://0.0.0.0:2379", "--initial-advertise-peer-urls=https://$(HOSTNAME).etcd:2380", "--initial-cluster=etcd-0=https://etcd-0.etcd:2380,etcd-1=https://etcd-1.etcd:2380,etcd-2=https://etcd-2.etcd:2380", --initial-cluster-token=etcd-cluster-1, --auth-token=simple, --client-cert-auth=true, --key-file=/certs/server-key.pem, --peer-key-file=/certs/peer-key.pem, --trusted-ca-file=/certs/ca.pem, --auto-compaction-retention=1, --quota-backend-bytes=8589934592]
    env:
    - {name: ETCDCTL_API, value: "3"}
    - {name: ETCD_INITIAL_CLUSTER_STATE, value: new}
    - {name: ETCD_AUTO_TLS, value: "false"}
    - {name: ETCD_LOG_LEVEL, value: info}
    livenessProbe: {exec: {command: [sh, -c, "etcdctl --endpoints=https://127.0.0.1:2379 --cacert=/certs/ca.pem --cert=/certs/client.pem --key=/certs/client-key.pem endpoint health"]}}
""",
    "minio": r"""
metadata: {labels: {app: minio}, annotations: {checksum/secrets: 6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b}}
spec:
  containers:
  - name: minio
    image: quay.io/minio/minio:RELEASE.2024-09-13T20-26-02Z
    command: [/bin/sh, -ce, "/usr/bin/docker-entrypoint.sh minio server http://minio-{0...3}.minio-svc.default.svc.cluster.local/export -S /etc/minio/certs/ --address :9000 --console-address :9001"]
    env:
    - {name: MINIO_ROOT_USER, valueFrom: {secretKeyRef: {name: minio, key: rootUser}}}
    - {name: MINIO_ROOT_PASSWORD, valueFrom: {secretKeyRef: {name: minio, key: rootPassword}}}
    - {name: MINIO_PROMETHEUS_AUTH_TYPE, value: public}
    - {name: MINIO_IDENTITY_OPENID_CONFIG_URL, value: "https://login.example.com/.well-known/openid-configuration"}
    - {name: MINIO_IDENTITY_OPENID_SCOPES, value: "openid,profile,email"}
    - {name: MINIO_KMS_SECRET_KEY_FILE, value: /etc/minio/kms/key}
    - {name: MINIO_BROWSER_LOGIN_ANIMATION, value: "off"}
    resources: {requests: {memory: 16Gi}}
""",
    "keycloak": r"""
metadata: {labels: {app: keycloak}}
spec:
  containers:
  - name: keycloak
    image: quay.io/keycloak/keycloak:25.0.6
    args: [start, --hostname-strict=false, --https-certificate-key-file=/tls/tls.key, --spi-events-listener-jboss-logging-success-level=info, "--features=token-exchange,admin-fine-grained-authz", --spi-password-policy-provider=default, --spi-password-hashing-pbkdf2-sha512-max-padding-length=14]
    env:
    - {name: KC_DB, value: postgres}
    - {name: KC_DB_URL, value: "jdbc:postgresql://postgres:5432/keycloak?sslmode=verify-full&sslrootcert=/tls/ca.crt"}
    - {name: KC_DB_USERNAME, value: keycloak}
    - {name: KC_DB_PASSWORD, valueFrom: {secretKeyRef: {name: keycloak-db, key: password}}}
    - {name: KEYCLOAK_ADMIN, value: admin}
    - {name: KC_PROXY_HEADERS, value: xforwarded}
    - {name: KC_CACHE_STACK, value: kubernetes}
    - {name: jgroups.dns.query, value: keycloak-discovery.default}
    - {name: JAVA_OPTS_APPEND, value: "-Djgroups.dns.query=keycloak-headless -XX:MaxRAMPercentage=70.0 -Dkeycloak.profile.feature.token_exchange=enabled"}
    - {name: KC_SPI_TRUSTSTORE_FILE_HOSTNAME_VERIFICATION_POLICY, value: WILDCARD}
""",
    "grafana": r"""
metadata: {labels: {app.kubernetes.io/name: grafana}, annotations: {checksum/secret: 4e07408562bedb8b60ce05c1decfe3ad16b72230967de01f640b7e4729b49fce, checksum/sc-dashboard-provider-config: e7d42f9d7f9f1a6f2d3ae0a5e1bca3f8b0c3a1b2}}
spec:
  containers:
  - name: grafana-sc-dashboard
    image: quay.io/kiwigrid/k8s-sidecar:1.27.6
    env:
    - {name: METHOD, value: WATCH}
    - {name: LABEL, value: grafana_dashboard}
    - {name: REQ_USERNAME, valueFrom: {secretKeyRef: {name: grafana, key: admin-user}}}
    - {name: REQ_URL, value: "http://localhost:3000/api/admin/provisioning/dashboards/reload"}
    - {name: RESOURCE, value: both}
  - name: grafana
    image: docker.io/grafana/grafana:11.2.0
    env:
    - {name: GF_SECURITY_ADMIN_PASSWORD, valueFrom: {secretKeyRef: {name: grafana, key: admin-password}}}
    - {name: GF_SECURITY_ADMIN_PASSWORD__FILE, value: /etc/secrets/admin}
    - {name: GF_PATHS_DATA, value: /var/lib/grafana/}
    - {name: GF_AUTH_ANONYMOUS_ENABLED, value: "false"}
    - {name: GF_AUTH_GENERIC_OAUTH_TOKEN_URL, value: "https://login.example.com/oauth/token"}
    - {name: GF_AUTH_GENERIC_OAUTH_SCOPES, value: "openid profile email"}
    - {name: GF_AUTH_GENERIC_OAUTH_ROLE_ATTRIBUTE_PATH, value: "contains(groups[*], 'admin') && 'Admin' || 'Viewer'"}
    - {name: GF_AUTH_SIGV4_AUTH_ENABLED, value: "true"}
    - {name: GF_USERS_PASSWORD_HINT, value: "at least 12 characters"}
    - {name: GF_SECURITY_COOKIE_SAMESITE, value: lax}
    - {name: GF_INSTALL_PLUGINS, value: "grafana-clock-panel 2.1.7,grafana-piechart-panel"}
""",
    "loki": r"""
metadata: {labels: {app.kubernetes.io/component: backend, app.kubernetes.io/part-of: memberlist}}
spec:
  containers:
  - name: loki
    image: docker.io/grafana/loki:3.1.1
    args: [-config.file=/etc/loki/config/config.yaml, -target=backend, -legacy-read-mode=false, -log.level=info, -config.expand-env=true, -server.grpc-max-recv-msg-size-bytes=104857600, "-memberlist.join=loki-memberlist", -auth.multitenancy-enabled=true, -common.storage.s3.region=eu-central-1]
    env: [{name: AWS_ROLE_ARN, value: "arn:aws:iam::123456789012:role/loki-storage"}, {name: AWS_WEB_IDENTITY_TOKEN_FILE, value: /var/run/secrets/eks.amazonaws.com/serviceaccount/token}, {name: AWS_STS_REGIONAL_ENDPOINTS, value: regional}]
    readinessProbe: {httpGet: {path: /ready, port: http-metrics}}
  - name: sc-rules
    image: kiwigrid/k8s-sidecar:1.27.6
    env: [{name: SKIP_TLS_VERIFY, value: "false"}, {name: WATCH_SERVER_TIMEOUT, value: "60"}]
  volumes:
  - {name: aws-iam-token, projected: {sources: [{serviceAccountToken: {audience: sts.amazonaws.com, expirationSeconds: 86400, path: token}}]}}
""",
    "clickhouse": r"""
metadata: {labels: {clickhouse.altinity.com/chi: events, clickhouse.altinity.com/settings-version: 2bc3f3c9b7b8e0a1d4a0c1f3b5a7c9e1d3f5b7a9}, annotations: {clickhouse.altinity.com/email: "ops@example.com, dev@example.com"}}
spec:
  containers:
  - name: clickhouse
    image: clickhouse/clickhouse-server:24.8.4.13
    command: [/bin/bash, -c, /usr/bin/clickhouse-server --config-file=/etc/clickhouse-server/config.xml]
    env:
    - {name: CLICKHOUSE_DB, value: events}
    - {name: CLICKHOUSE_DEFAULT_ACCESS_MANAGEMENT, value: "1"}
    - {name: CLICKHOUSE_PASSWORD, valueFrom: {secretKeyRef: {name: clickhouse, key: password}}}
    - {name: CLICKHOUSE_ADMIN_PASSWORD_HASH_TYPE, value: sha256}
    - {name: CONFIG, value: "<clickhouse><logger><level>information</level><console>1</console></logger><keep_alive_timeout>3</keep_alive_timeout><max_table_size_to_drop>0</max_table_size_to_drop></clickhouse>"}
    livenessProbe: {httpGet: {path: /ping, port: http}}
    readinessProbe: {exec: {command: [bash, -c, "clickhouse-client --query 'select count() from system.replicas where is_readonly' | grep -q '^0$'"]}}
""",
    "nats": r"""
metadata: {labels: {app.kubernetes.io/name: nats}, annotations: {prometheus.io/path: /metrics, checksum/config: d4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35}}
spec:
  containers:
  - name: nats
    image: nats:2.10.20-alpine
    command: [nats-server, --config, /etc/nats-config/nats.conf]
    env: [{name: SERVER_NAME, value: $(POD_NAME)}, {name: CLUSTER_ADVERTISE, value: $(POD_NAME).nats.$(POD_NAMESPACE).svc.cluster.local.}]
    lifecycle: {preStop: {exec: {command: [nats-server, -sl=ldm=/var/run/nats/nats.pid]}}}
  - name: reloader
    image: natsio/nats-server-config-reloader:0.15.1
    args: [-pid, /var/run/nats/nats.pid, -config, /etc/nats-config/nats.conf]
  - name: exporter
    image: natsio/prometheus-nats-exporter:0.15.0
    args: [-connz, -routez, -subz, -varz, -prefix=nats, -use_internal_server_id, -jsz=all, "http://localhost:8222/"]
""",
    "consul": r"""
metadata: {labels: {app: consul, component: server, hasDNS: "true"}, annotations: {consul.hashicorp.com/connect-inject: "false", consul.hashicorp.com/config-checksum: ef2d127de37b942baad06145e54b0c619a1f22327b2ebbcfbec78f5564afe39d}}
spec:
  terminationGracePeriodSeconds: 10
  containers:
  - name: consul
    image: hashicorp/consul:1.19.2
    command:
    - /bin/sh
    - -ec
    - |
      CONSUL_FULLNAME="consul"
      cat > /tmp/agent.json <<JSON
      {"acl":{"enabled":true,"default_policy":"deny","enable_token_persistence":true,"tokens":{"agent":"${ACL_AGENT_TOKEN}"}},"encrypt_verify_incoming":true,"auto_encrypt":{"allow_tls":true},"key_file":"/consul/tls/server/tls.key"}
      JSON
      exec /usr/local/bin/docker-entrypoint.sh consul agent -advertise="${ADVERTISE_IP}" -config-dir=/consul/config -encrypt="${GOSSIP_KEY}" -retry-join=${CONSUL_FULLNAME}-server-0.${CONSUL_FULLNAME}-server.${NAMESPACE}.svc
    env:
    - {name: GOSSIP_KEY, valueFrom: {secretKeyRef: {name: consul-gossip, key: key}}}
    - {name: CONSUL_DISABLE_PERM_MGMT, value: "true"}
    - {name: CONSUL_HTTP_ADDR, value: "https://localhost:8501"}
    - {name: CONSUL_HTTP_TOKEN_FILE, value: /consul/login/acl-token}
    readinessProbe: {exec: {command: [/bin/sh, -ec, "curl --cacert /consul/tls/ca/tls.crt https://127.0.0.1:8501/v1/status/leader 2>/dev/null | grep -E '\".+\"'"]}}
""",
}
"""More than the eight of test_redaction_templates.py, by what runs in them."""
