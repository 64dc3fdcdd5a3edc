"""A secret planted anywhere in an object is nowhere in what leaves the redactor."""

# ruff: noqa: E501 - manifests and places read best one to a line

from __future__ import annotations

import json
from typing import Any

import pytest

from ledger.redaction import Redactor

CANARY = "cAn4ry"
JWT = f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx{CANARY}IifQ.c2lnbmF0dXJl"
REDACTOR = Redactor("secrets", "k1", b"k" * 32)


def container(**fields: Any) -> dict[str, Any]:
    return {"name": "app", "image": "app:1", **fields}


def pod(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {
        "kind": "Pod",
        "metadata": {"name": "web-0"},
        "spec": {"containers": list(containers), **spec},
    }


def annotated(name: str, value: str) -> dict[str, Any]:
    return {"kind": "Pod", "metadata": {"name": "web-0", "annotations": {name: value}}}


def env(name: str, value: str = CANARY) -> dict[str, Any]:
    return pod(
        container(env=[{"name": "LOG_LEVEL", "value": "info"}, {"name": name, "value": value}])
    )


def script(text: str) -> dict[str, Any]:
    return pod(container(command=["sh", "-c", text]))


def template(secret: Any) -> dict[str, Any]:
    return {"kind": "ControllerRevision", "data": {"spec": {"template": secret}}}


PLACES: dict[str, dict[str, Any]] = {
    "env by name": env("DB_PASSWORD"),
    "env by name without underscore": env("PGPASSWORD"),
    "env by camel-case name": env("dbPassword"),
    "env by name with a number": env("REDIS_PASSWORD_2"),
    "env by form": env("X", f"postgres://app:{CANARY}@db/shop"),
    "env with options": env("JAVA_OPTS", f"-Xmx1g -Djavax.net.ssl.keyStorePassword={CANARY} -ea"),
    "env with JAAS": env("JAAS", f'o.a.k.PlainLoginModule required username="a" password="{CANARY}";'),
    "env with a DSN": env("DSN", f"root:{CANARY}@tcp(db:3306)/x"),
    "env with a libpq string": env("PG", f"host=db user=a password='{CANARY} {CANARY}' sslmode=off"),
    "env with ADO string": env("CS", f"Server=db;User Id=a;Password={CANARY};Encrypt=True"),
    "env with an Azure string": env("AZ", f"DefaultEndpointsProtocol=https;AccountName=a;AccountKey={CANARY}==;EndpointSuffix=x"),
    "env with JSON": env("CONFIG", json.dumps({"db": {"user": "a", "password": CANARY}})),
    "env with JSON in JSON": env("CONFIG", json.dumps({"db": json.dumps({"password": CANARY})})),
    "env with a JSON number": env("CONFIG", '{"password": 990017723}'),
    "env with a JSON list": env("CONFIG", json.dumps({"passwords": [CANARY, {"x": CANARY}]})),
    "env with a doubly named JSON": env("CONFIG", f'{{"password":"{CANARY}","password":"b"}}'),
    "env with cut off JSON": env("CONFIG", f'{{"a":1,"password":"{CANARY}","user":"jo'),
    "env with escaped JSON in text": env("ARGS", rf"run --json {{\"api_key\":\"{CANARY}\"}}"),
    "env with JSON escapes": env("CONFIG", f'{{"pass\\u0077ord":"{CANARY}"}}'),
    "env with YAML": env("CONFIG", f"db:\n  user: a\n  password: {CANARY} {CANARY}\n"),
    "env with YAML block": env("CONFIG", f"db:\n  password: |-\n    {CANARY}\n  user: x\n"),
    "env with YAML list of env": env("CONFIG", f"- name: API_TOKEN\n  value: {CANARY}\n"),
    "env with TOML": env("CONFIG", f'[db]\npassword = "{CANARY}"\nuser = "a"\n'),
    "env with properties": env("CONFIG", f"spring.datasource[0].password={CANARY}\nx=1\n"),
    "env with XML": env("CONFIG", f"<db><password>{CANARY}</password></db>"),
    "env with a key": env("X", f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----\n"),
    "env with a cut off key": env("X", f"-----BEGIN PRIVATE KEY-----\n{CANARY}"),
    "env with a JWT": env("X", JWT),
    "env with random characters": env("X", f"{CANARY}Zk3vQ9xL2mT7bW5yR8pD1sF6gH4jK0nB"),
    "env with a Slack hook": env("X", f"https://hooks.slack.com/services/T0/B0/{CANARY}"),
    "env with shared access signature": env("X", f"https://a.example.com/b?sv=1&sig={CANARY}&se=2"),
    "arg after a flag": pod(container(args=["--db-password", CANARY, "--verbose"])),
    "arg in a flag": pod(container(args=[f"--db-password={CANARY} and {CANARY}"])),
    "arg in a short flag": pod(container(args=["-token", CANARY])),
    "arg in a flag's name": pod(container(args=[f"--ghp_{CANARY}0123456789abcdefghij-token=x"])),
    "arg that is a flag": pod(container(args=[f"--ghp_{CANARY}0123456789abcdefghij-token", "x"])),
    "arg that is a program": pod(container(args=[f"/ghp_{CANARY}0123456789abcdefghij/mysql"])),
    "arg as an assignment": pod(container(args=["run", f"db.password={CANARY}"])),
    "arg of set": pod(container(args=["--set", f"a.password={CANARY},b=1"])),
    "arg of a URL": pod(container(args=[f"--peer=https://{CANARY}@peer:2380"])),
    "redis-cli": pod(container(command=["redis-cli", "-h", "x", "-a", CANARY, "ping"])),
    "mysql": pod(container(command=["/usr/bin/mysql", "-uroot", f"-p{CANARY}", "-e", "select 1"])),
    "curl": pod(container(command=["timeout", "5", "curl", "-u", f"app:{CANARY}", "http://x"])),
    "vault login": pod(container(command=["/bin/vault", "login", "-no-print", CANARY])),
    "docker login": pod(container(command=["docker", "login", "-u", "a", "-p", CANARY, "registry"])),
    "PIN": env("PIN"),
    "bare auth": env("X", f'{{"auths":{{"r":{{"auth":"{CANARY}MTIz"}}}}}}'),
    "value on the next line": env("X", f"db:\n  password:\n    {CANARY}\n  user: a\n"),
    "user of a URL": env("X", f"https://{CANARY}:x-oauth-basic@git.example.com/a"),
    "beside a secret's name": {"spec": {"csi": {"nodeStageSecretRef": {"name": "a", "x": CANARY}}}},
    "curl header": pod(container(command=["curl", "-H", f"Authorization: Bearer {CANARY}", "http://x"])),
    "curl body": pod(container(command=["curl", "-d", json.dumps({"password": CANARY}), "http://x"])),
    "script assignment": script(f"API_TOKEN={CANARY} exec nginx"),
    "script export": script(f"set -e\nexport API_TOKEN='{CANARY} {CANARY}'\nexec nginx"),
    "script flag": script(f"exec tool --password {CANARY} --port 1"),
    "script flag on the next line": script(f"exec tool --password \\\n  {CANARY} --port 1"),
    "script with redis-cli": script(f"redis-cli -h x -a {CANARY} ping | grep PONG"),
    "script with mysql": script(f"mysql -uroot -p'{CANARY}' -e 'select 1'"),
    "script with curl": script(f"curl -s -u app:{CANARY} http://x"),
    "script with header": script(f'curl -H "X-Api-Key: {CANARY}" http://x'),
    "script with SQL": script(f"psql -c \"alter role app with password '{CANARY}'\""),
    "script with heredoc": script(f"cat > /etc/redis.conf <<EOF\nport 1\nrequirepass {CANARY}\nEOF"),
    "script with default": script(f"export DB_PASSWORD=${{DB_PASSWORD:-{CANARY}}}"),
    "script with echo": script(f"export PASSWORD=$(echo {CANARY})"),
    "script with pipe": script(f"PASSWORD={CANARY}|cat"),
    "script with quotes glued": script(f"PASSWORD=abc\"{CANARY}\"'{CANARY}' run"),
    "script with backslash": script(f"PASSWORD=a\\ b{CANARY} run"),
    "init container": pod(initContainers=[container(env=[{"name": "TOKEN", "value": CANARY}])]),
    "ephemeral container": pod(ephemeralContainers=[container(env=[{"name": "TOKEN", "value": CANARY}])]),
    "probe header by name": pod(container(livenessProbe={"httpGet": {"path": "/", "httpHeaders": [{"name": "Authorization", "value": CANARY}]}})),
    "probe header by form": pod(container(readinessProbe={"httpGet": {"httpHeaders": [{"name": "X-A", "value": f"Bearer {CANARY}99"}]}})),
    "probe header cookie": pod(container(startupProbe={"httpGet": {"httpHeaders": [{"value": f"s={CANARY}", "name": "Cookie"}]}})),
    "probe path": pod(container(livenessProbe={"httpGet": {"path": f"/health?token={CANARY}"}})),
    "probe command": pod(container(livenessProbe={"exec": {"command": ["sh", "-c", f"PGPASSWORD={CANARY} psql"]}})),
    "hook": pod(container(lifecycle={"postStart": {"exec": {"command": ["app", f"--token={CANARY}"]}}})),
    "annotation by name": annotated("example.com/api-token", CANARY),
    "annotation by form": annotated("example.com/x", JWT),
    "annotation with JSON": annotated("example.com/x", json.dumps([{"name": "A_TOKEN", "value": CANARY}])),
    "annotation in a list of JSON": annotated("example.com/x", json.dumps(["--token", CANARY])),
    "change cause": annotated("kubernetes.io/change-cause", f"start with --password={CANARY}"),
    "change cause in words": annotated("kubernetes.io/change-cause", f"set the password to {CANARY}99"),
    "change cause with a colon": annotated("kubernetes.io/change-cause", f"new password: {CANARY}, CHG-7"),
    "change cause with kubectl": annotated("kubernetes.io/change-cause", f"kubectl set env sts/web DB_PASSWORD={CANARY} --record=true"),
    "change cause with JSON": annotated("kubernetes.io/change-cause", f'kubectl patch -p {{"env":[{{"name":"DB_PASSWORD","value":"{CANARY}"}}]}}'),
    "last applied": annotated("kubectl.kubernetes.io/last-applied-configuration", f'{{"x":"{CANARY}"}}'),
    "label by name": {"metadata": {"labels": {"token": CANARY}}},
    "label by form": {"metadata": {"labels": {"x": f"ghp_{CANARY}0123456789abcdefghij"}}},
    "name by form": {"metadata": {"name": f"ghp_{CANARY}0123456789abcdefghij"}},
    "image with userinfo": pod({"name": "app", "image": f"https://app:{CANARY}@registry/app:1"}),
    "CSI attributes": {"spec": {"csi": {"driver": "x", "volumeAttributes": {"accessKey": CANARY, "secretkey": CANARY}}}},
    "CSI attributes by form": {"spec": {"csi": {"volumeAttributes": {"endpoint": f"s3://a:{CANARY}@x"}}}},
    "flex volume": {"spec": {"flexVolume": {"driver": "x", "options": {"password": CANARY}}}},
    "mount options": {"spec": {"mountOptions": ["vers=3.0", f"username=a,password={CANARY}"]}},
    "unknown map": {"spec": {"anything": {"deep": [{"er": {"token": CANARY}}]}}},
    "unknown list": {"spec": {"anything": {"tokens": [CANARY, [CANARY], {"a": CANARY}]}}},
    "unknown field with name and value": {"spec": {"x": {"name": "password", "value": CANARY}}},
    "unknown field with key and value": {"spec": {"x": [{"key": "password", "value": CANARY}]}},
    "status message": {"status": {"message": f"cannot log in with password={CANARY}"}},
    "container's last words": {"status": {"containerStatuses": [{"lastState": {"terminated": {"message": f"dial postgres://a:{CANARY}@db: refused"}}}]}},
    "condition message": {"status": {"conditions": [{"type": "Ready", "message": f'bad header "Authorization: Bearer {CANARY}"'}]}},
    "Event message": {"kind": "Event", "message": f"create Pod failed: env PASSWORD={CANARY}: refused", "reason": "FailedCreate"},
    "revision env": template({"spec": {"containers": [container(env=[{"name": "TOKEN", "value": CANARY}])]}}),
    "revision annotation": template({"metadata": {"annotations": {"a/password": CANARY}}}),
    "volume claim template": {"spec": {"volumeClaimTemplates": [{"metadata": {"annotations": {"a/token": CANARY}}}]}},
    "managed set element": {"metadata": {"managedFields": [{"fieldsV1": {"f:spec": {"f:x": {f'v:"PASSWORD={CANARY}"': {}}}}}]}},
    "managed list key": {"metadata": {"managedFields": [{"fieldsV1": {"f:spec": {f'k:{{"name":"TOKEN","value":"{CANARY}"}}': {".": {}}}}}]}},
    "key of a map": {"spec": {"x": {f"token={CANARY}": "y"}}},
    "key of a map by form": {"metadata": {"annotations": {JWT: "y"}}},
    "patch": {"spec": {"template": {"spec": {"containers": [{"name": "a", "$setElementOrder/env": [{"name": "A_PASSWORD"}], "env": [{"name": "A_PASSWORD", "value": CANARY}]}]}}}},
}  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_a_secret_planted_anywhere_is_gone(place: str) -> None:
    redacted = REDACTOR.redact(PLACES[place])
    text = json.dumps(redacted.document)
    assert redacted.touched
    assert CANARY not in text
    assert "990017723" not in text
    assert "redacted:k1:" in text
