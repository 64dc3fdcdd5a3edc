"""What each policy hides, what a tag is, and what happens to what cannot be examined."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest

from ledger.errors import RedactionFailed
from ledger.redaction import Redactor

KEY = b"k" * 32


def tag(value: str, *, key: bytes = KEY, key_id: str = "k1") -> str:
    return f"redacted:{key_id}:{hmac.new(key, value.encode(), hashlib.sha256).hexdigest()[:32]}"


def container(**fields: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "app", "image": "app:1", **fields}]}}


def redact(document: dict[str, Any], policy: Any = "secrets") -> dict[str, Any]:
    return Redactor(policy, "k1", KEY).redact(document).document


def test_a_tag_names_the_key_and_holds_a_keyed_digest() -> None:
    document = container(env=[{"name": "DB_PASSWORD", "value": "hunter2 ü"}])
    expected = container(env=[{"name": "DB_PASSWORD", "value": tag("hunter2 ü")}])
    assert redact(document) == expected
    other = Redactor("secrets", "k2", b"x" * 32).redact(document).document
    assert other == container(
        env=[{"name": "DB_PASSWORD", "value": tag("hunter2 ü", key=b"x" * 32, key_id="k2")}]
    )


def test_one_value_has_one_tag_wherever_it_stands() -> None:
    values = {
        "env": redact({"env": [{"name": "TOKEN", "value": "hunter2"}]})["env"][0]["value"],
        "flag": redact({"args": ["--token=hunter2"]})["args"][0].removeprefix("--token="),
        "next": redact({"args": ["--token", "hunter2"]})["args"][1],
        "quoted": redact({"x": "run TOKEN='hunter2' now"})["x"][11:-5],
        "url": redact({"x": "s3://u:hunter2@h"})["x"][7:-2],
        "json": json.loads(redact({"x": '{"token":"hunter2"}'})["x"])["token"],
    }
    assert values == dict.fromkeys(values, tag("hunter2"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CHG-7 --password=hunter2 --port=1", "CHG-7 --password={} --port=1"),
        ("a --token hunter2 b", "a --token {} b"),
        ("X=1 PGPASSWORD='hunter2' psql -h db", "X=1 PGPASSWORD='{}' psql -h db"),
        ("postgres://app:hunter2@db:5432/shop?a=b", "postgres://app:{}@db:5432/shop?a=b"),
        ("https://hunter2@host/path", "https://{}@host/path"),
        ('{"a":1,"token":"hunter2","b":[true,null]}', '{{"a":1,"token":"{}","b":[true,null]}}'),
        ("curl -H 'X-Api-Key: hunter2' http://x", "curl -H 'X-Api-Key: {}' http://x"),
        ("Server=db;Password=hunter2;Timeout=3", "Server=db;Password={};Timeout=3"),
        ("password: {} rotated".format(tag("hunter2")), "password: {0} rotated"),
    ],
)
def test_the_rest_of_a_text_stays_readable(text: str, expected: str) -> None:
    assert redact({"metadata": {"annotations": {"note": f"x {text}"}}}) == {
        "metadata": {"annotations": {"note": f"x {expected.format(tag('hunter2'))}"}}
    } or redact({"x": text}) == {"x": expected.format(tag("hunter2"))}


def test_references_and_structure_are_never_hidden() -> None:
    document = container(
        env=[
            {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}},
            {"name": "TOKEN", "value": "$(OTHER)"},
            {"name": "TOKEN_TTL", "value": "3600"},
            {"name": "TOKEN_FILE", "value": "/run/secrets/token"},
            {"name": "USE_PASSWORD", "value": "true"},
        ],
        envFrom=[{"secretRef": {"name": "credentials"}}],
    )
    document["spec"] |= {
        "automountServiceAccountToken": False,
        "imagePullSecrets": [{"name": "registry"}],
        "tolerations": [{"key": "secret-nodes", "operator": "Equal", "value": "dedicated"}],
        "affinity": {"matchExpressions": [{"key": "token", "operator": "In", "values": ["a"]}]},
        "volumes": [
            {"secret": {"secretName": "db", "items": [{"key": "password", "path": "password"}]}},
            {"csi": {"driver": "x", "nodePublishSecretRef": {"name": "db", "namespace": "ns"}}},
            {"projected": {"sources": [{"serviceAccountToken": {"path": "t", "audience": "a"}}]}},
        ],
    }
    document["metadata"] = {
        "uid": "7061d5ac-2c09-4222-a170-6061b23fb726",
        "resourceVersion": "1263",
        "labels": {"controller-revision-hash": "web-84cfccb554"},
        "ownerReferences": [{"kind": "StatefulSet", "name": "token", "controller": True}],
    }
    assert redact(document) is document


def test_secrets_leaves_an_ordinary_value_and_strict_does_not() -> None:
    document = container(
        env=[{"name": "LOG_LEVEL", "value": "info"}, {"name": "EMPTY", "value": ""}],
        command=["sh", "-c", "exec app"],
        args=["--verbose"],
    )
    assert redact(document) is document
    assert redact(document, "strict") == container(
        env=[{"name": "LOG_LEVEL", "value": tag("info")}, {"name": "EMPTY", "value": ""}],
        command=["sh", tag("-c"), tag("exec app")],
        args=[tag("--verbose")],
    )


def test_strict_looks_at_the_first_word_of_a_command_too() -> None:
    document = container(command=["API_TOKEN=hunter2 run", "redis-cli", "-a", "hunter2"])
    assert redact(document, "strict") == container(
        command=[f"API_TOKEN={tag('hunter2')} run", tag("redis-cli"), tag("-a"), tag("hunter2")]
    )


def test_off_touches_nothing() -> None:
    redacted = Redactor("off", "k1", KEY).redact({"password": "hunter2"})
    assert (redacted.document, redacted.touched) == ({"password": "hunter2"}, False)


def test_untouched_parts_are_shared_with_the_document() -> None:
    document = {"spec": {"a": {"x": ["y"]}}, "status": {"message": "token=hunter2"}}
    redacted = Redactor("secrets", "k1", KEY).redact(document)
    assert redacted.touched
    assert redacted.document["spec"] is document["spec"]
    assert redacted.document["status"] == {"message": f"token={tag('hunter2')}"}


def test_numbers_under_a_secret_name_are_hidden_too() -> None:
    document = {"x": '{"password":12345,"port":5432,"name":"ping","value":7}', "pair": [{"y": 1}]}
    assert redact(document) == document | {
        "x": f'{{"password":"{tag("12345")}","port":5432,"name":"ping","value":7}}'
    }
    assert redact({"name": "DB_PASSWORD", "value": 12}) == {
        "name": "DB_PASSWORD",
        "value": tag("12"),
    }


def nested(depth: int) -> dict[str, Any]:
    document: dict[str, Any] = {"password": "hunter2"}
    for _ in range(depth):
        document = {"a": document}
    return document


@pytest.mark.parametrize(
    "document",
    [
        {"a": {"password": "hunter2"}, "b": b"hunter2"},
        {"a": ("hunter2",)},
        {"hunter2": {1: "hunter2"}},
        {"a": {'v:"token=hunter2"': 1, f'v:"token={tag("hunter2")}"': 2}},
        nested(5_000),
    ],
    ids=["bytes", "tuple", "number as key", "two keys become one", "too deep"],
)
def test_what_cannot_be_examined_fails_and_names_no_value(document: dict[str, Any]) -> None:
    with pytest.raises(RedactionFailed) as failed:
        redact(document)
    told = [failed.value.message, failed.value.hint, repr(failed.value.args)]
    assert not any("hunter2" in text for text in told)
    assert failed.value.__cause__ is None
    assert failed.value.__context__ is None


def test_json_that_is_too_deep_is_hidden_whole() -> None:
    text = "[" * 5_000 + '{"password":"hunter2"}' + "]" * 5_000
    assert redact({"x": text}) == {"x": tag(text)}


def test_a_redactor_that_has_seen_more_than_it_keeps_still_redacts() -> None:
    redactor = Redactor("secrets", "k1", KEY)
    document = {"f:x": {'v:"token=hunter2"': {}}, "args": ["--token", "hunter2"]}
    first = redactor.redact(document).document
    assert first == {
        "f:x": {f'v:"token={tag("hunter2")}"': {}},
        "args": ["--token", tag("hunter2")],
    }
    for number in range(7):
        redactor.redact({"x": [f"{number}-{index}" for index in range(10_000)]})
    assert redactor.redact(document).document == first


def test_programs_that_log_in_keep_their_other_arguments() -> None:
    for command in (
        ["docker", "run", "-p", "8080:80", "nginx"],
        ["vault", "status", "-address", "x"],
        ["vault", "login", "-method=userpass", "username=app"],
        ["docker", "login", "-u", "app", "--password-stdin", "registry"],
    ):
        document = container(command=command)
        assert redact(document) is document
