"""A change in one line: short, in people's words, and safe to print."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given

from ledger.diff import TAG, Change, diff
from ledger.summary import LINE_LIMIT, plain, summarize
from tests.test_diff_laws import LAW, malformed, templates

ONE, OTHER = "redacted:0a1b2c3d:" + "1" * 32, "redacted:0a1b2c3d:" + "2" * 32
ROTATED = "redacted:feedbeef:" + "3" * 32
RESTARTED = "kubectl.kubernetes.io/restartedAt"
REGISTRY = "registry.platform.example.com:5000/team/shop"
DIGESTS = "sha256:" + "a1" * 32, "sha256:" + "b2" * 32


def web(**fields: Any) -> dict[str, Any]:
    """A container."""
    return {"name": "web"} | fields


def proxy(**fields: Any) -> dict[str, Any]:
    """Another container."""
    return {"name": "proxy"} | fields


def pod(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """A pod template."""
    return {"spec": {"containers": list(containers)} | spec}


def annotated(**annotations: str) -> dict[str, Any]:
    """A pod template with annotations."""
    return {"metadata": {"annotations": annotations}}


def env(**values: str) -> dict[str, Any]:
    """A container with an environment."""
    return web(env=[{"name": name, "value": value} for name, value in values.items()])


def image(old: str, new: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two templates with two images."""
    return pod(web(image=old)), pod(web(image=new))


FROM_SECRET = {"name": "A", "valueFrom": {"secretKeyRef": {"name": "db", "key": "a"}}}
OTHER_SECRET = {"name": "A", "valueFrom": {"secretKeyRef": {"name": "db2", "key": "a"}}}

TABLE: list[tuple[tuple[dict[str, Any], dict[str, Any]], str]] = [
    (image("postgres:1.20.4", "postgres:1.20.5"), "image postgres:1.20.4 → 1.20.5"),
    (image("nginx", "nginx:1.25"), "image nginx → nginx:1.25"),
    (image("nginx:1.25", "mirror/nginx:1.25"), "image nginx:1.25 → mirror/nginx:1.25"),
    (
        image("localhost:5000/web", "localhost:5000/web:2"),
        "image localhost:5000/web → localhost:5000/web:2",
    ),
    (image("localhost:5000/web:1", "localhost:5000/web:2"), "image localhost:5000/web:1 → 2"),
    (image(f"{REGISTRY}/web:1.0", f"{REGISTRY}/web:1.1"), "image …/web:1.0 → 1.1"),
    (
        image(f"web@{DIGESTS[0]}", f"web@{DIGESTS[1]}"),
        "image web@sha256:a1a1a1a1a1a1 → sha256:b2b2b2b2b2b2",
    ),
    (
        image(f"web:1@{DIGESTS[0]}", f"web:2@{DIGESTS[1]}"),
        "image web:1@sha256:a1a1a1a1a1a1 → 2@sha256:b2b2b2b2b2b2",
    ),
    (image(ONE, OTHER), "image changed"),
    (image("a:" + "1" * 60 + "x" + "2" * 60, "a:" + "1" * 60 + "y" + "2" * 60), "image changed"),
    (
        (
            pod(web(image="nginx:1.24"), proxy(image="envoy:1")),
            pod(web(image="nginx:1.25"), proxy(image="envoy:2")),
        ),
        "web image nginx:1.24 → 1.25, proxy image envoy:1 → 2",
    ),
    (
        (
            pod(web(image="nginx:1.24"), proxy(image="envoy:1")),
            pod(web(image="nginx:1.25"), proxy(image="envoy:1")),
        ),
        "image nginx:1.24 → 1.25",
    ),
    (
        (
            pod(initContainers=[web(image="migrate:1")]),
            pod(initContainers=[web(image="migrate:2")]),
        ),
        "web image migrate:1 → 2",
    ),
    ((pod(env(LOG_LEVEL="info")), pod(env(LOG_LEVEL="debug"))), "env LOG_LEVEL info → debug"),
    ((pod(web()), pod(env(LOG_LEVEL="info"))), "env LOG_LEVEL added"),
    ((pod(env(A="1")), pod(web(env=[{"name": "A"}]))), 'env A 1 → ""'),
    ((pod(web(env=[{"name": "A"}])), pod(env(A="1"))), 'env A "" → 1'),
    ((pod(env(A="1")), pod(web(env=[FROM_SECRET]))), "env A changed"),
    ((pod(web(env=[FROM_SECRET])), pod(env(A="1"))), "env A changed"),
    (
        (pod(web(env=[FROM_SECRET])), pod(web(env=[OTHER_SECRET]))),
        "env A valueFrom.secretKeyRef.name db → db2",
    ),
    ((pod(env(PASSWORD=ONE)), pod(env(PASSWORD=OTHER))), "env PASSWORD changed"),
    ((pod(env(PASSWORD=ONE)), pod(env(PASSWORD="x"))), "env PASSWORD changed"),
    ((pod(env(URL=f"db://{ONE}@a")), pod(env(URL=f"db://{ONE}@b"))), "env URL changed"),
    ((pod(env(A="1", B="2")), pod(env(B="2", A="1"))), "env reordered"),
    (
        (
            pod(web(resources={"requests": {"cpu": "250m"}})),
            pod(web(resources={"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}})),
        ),
        "memory limit 1Gi added, cpu request 250m → 1",
    ),
    ((pod(web(resources={"claims": [{"name": "gpu"}]})), pod(web())), "claim gpu removed"),
    ((pod(web()), pod(proxy(), web())), "sidecar proxy added"),
    ((pod(web(), proxy()), pod(proxy())), "container web removed"),
    ((pod(web()), pod(proxy())), "container web removed, container proxy added"),
    (
        (pod(), pod(initContainers=[proxy(restartPolicy="Always"), web()])),
        "sidecar proxy added, init container web added",
    ),
    (
        (pod(initContainers=[web(), proxy()]), pod(initContainers=[proxy(), web()])),
        "initContainers reordered",
    ),
    (
        (pod(web()), pod(web(ports=[{"containerPort": 8080, "protocol": "TCP"}]))),
        "port 8080/TCP added",
    ),
    (
        (
            pod(web(), volumes=[{"name": "old", "emptyDir": {}}]),
            pod(web(volumeMounts=[{"mountPath": "/data"}]), volumes=[{"name": "data"}]),
        ),
        "mount /data added, volume old removed, volume data added",
    ),
    (
        (
            pod(volumes=[{"name": "conf", "configMap": {"name": "a"}}]),
            pod(volumes=[{"name": "conf", "configMap": {"name": "b"}}]),
        ),
        "volume conf configMap.name a → b",
    ),
    ((pod(web(args=["-v", "1"])), pod(web(args=["-v", "2"]))), "args 1 → 2"),
    ((pod(web(args=["-v"])), pod(web(args=["-q", "-v"]))), "args -q added"),
    ((pod(web(args=["-v", "-q"])), pod(web(args=["-v"]))), "args -q removed"),
    ((pod(web(args=["a", "b"])), pod(web(args=["b", "a"]))), "args changed"),
    ((pod(web(args=["-p", ONE])), pod(web(args=["-p", OTHER]))), "args changed"),
    ((pod(web(args=["-v"])), pod(web(args=["-v", ONE]))), "args changed"),
    ((pod(tolerations=[{"key": "a"}]), pod(tolerations=[{"key": "b"}])), "tolerations changed"),
    ((pod(web()), pod(web(livenessProbe={"httpGet": {}}))), "livenessProbe added"),
    (
        (pod(web()), pod(web(securityContext={"privileged": True}))),
        "securityContext.privileged true added",
    ),
    ((pod(hostNetwork=False), pod(hostNetwork=True)), "hostNetwork false → true"),
    ((pod(), pod(nodeSelector={"disk": "ssd"})), "nodeSelector.disk ssd added"),
    (
        (
            pod(topologySpreadConstraints=[{"topologyKey": "zone", "whenUnsatisfiable": "No"}]),
            pod(),
        ),
        "topology spread zone/No removed",
    ),
    ((annotated(), annotated(**{RESTARTED: "2026-11-23T13:01:47Z"})), "restarted"),
    ((annotated(**{RESTARTED: "a"}), annotated(**{RESTARTED: "b"})), "restarted"),
    ((annotated(**{RESTARTED: "a"}), annotated()), "restartedAt removed"),
    (
        (pod(web(image="a:1")), annotated(**{RESTARTED: "b"}) | pod(web(image="a:2"))),
        "image a:1 → 2, restarted",
    ),
    ((annotated(a="1"), annotated(a="2")), "annotation a changed"),
    ((annotated(), annotated(**{"x.io/a": "1"})), "annotation x.io/a added"),
    (
        ({"metadata": {"labels": {"tier": "a"}}}, {"metadata": {"labels": {"tier": "b"}}}),
        "label tier a → b",
    ),
    (
        (annotated(**{f"x/{ONE}": "1"}), annotated(**{f"x/{ONE}": "2"})),
        "annotation x/(hidden) changed",
    ),
    ((pod("broken"), pod(web())), "containers changed"),  # type: ignore[arg-type]
    ((pod(), pod()), "no change"),
]


@pytest.mark.parametrize(("templates", "line"), TABLE, ids=[line for _, line in TABLE])
def test_a_change_is_told_in_peoples_words(
    templates: tuple[dict[str, Any], dict[str, Any]], line: str
) -> None:
    assert summarize(diff(*templates)) == line


def test_images_and_containers_come_first_and_the_rest_is_counted() -> None:
    old = annotated(a="1") | pod(env(A="1", B="1") | {"image": "web:1"})
    new = annotated(a="2") | pod(env(A="2", B="2") | {"image": "web:2"}, proxy())
    changes = diff(old, new)
    assert summarize(changes) == "image web:1 → 2, sidecar proxy added, env A 1 → 2, +2 more"
    assert summarize(changes, limit=1) == "image web:1 → 2, +4 more"
    assert summarize(changes, limit=0) == "image web:1 → 2, +4 more"
    assert summarize(changes, limit=9) == summarize(changes)


def test_what_cannot_be_compared_is_counted_and_not_told() -> None:
    both = diff(pod(env(A=ONE, B="1")), pod(env(A=ROTATED, B="2")))
    assert summarize(both) == "env B 1 → 2, 1 not comparable"
    unknown = diff(pod(env(A=ONE)), pod(env(A=ROTATED)))
    assert summarize(unknown) == "not comparable: the redaction key changed"
    restarted = diff(pod(env(A=ONE)), annotated(**{RESTARTED: "t"}) | pod(env(A=ROTATED)))
    assert summarize(restarted) == "restarted, 1 not comparable"


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (
            "https://one.example.com/a/very/long/address/of/some/service",
            "x",
            "env A https://one.example…ress/of/some/service → x",
        ),
        (
            "https://one.example.com/a/very/long/address/of/some/service",
            "https://two.example.com/a/very/long/address/of/some/service",
            "env A https://one.e…f/some/service → https://two.e…f/some/service",
        ),
        (
            "https://one.example.com/a/very/long/address/of/some/service",
            "https://one.example.com/b/very/long/address/of/some/service",
            "env A changed",
        ),
    ],
)
def test_long_values_are_cut_in_the_middle(old: str, new: str, line: str) -> None:
    assert summarize(diff(pod(env(A=old)), pod(env(A=new)))) == line


def test_fewer_changes_are_told_where_their_names_are_long() -> None:
    old = pod(env(**{f"{letter * 30}": "1" for letter in "ABC"}))
    new = pod(env(**{f"{letter * 30}": "2" for letter in "ABC"}))
    assert summarize(diff(old, new)) == f"env {'A' * 30} 1 → 2, +2 more"


def test_a_name_longer_than_the_line_is_cut_too() -> None:
    line = summarize(diff(annotated(), annotated(**{"a" * 60 + "/" + "b" * 60: "1", "c": "2"})))
    assert len(line) == LINE_LIMIT
    assert line == "annotation aaaaaaaaaaaaaaaaaaa…bbbbbbbbbbbbbbbbbbbbbbbb added, +1 more"


def test_control_characters_are_escaped() -> None:
    changes = diff(pod(env(A="1\n2\t3")), pod(env(A="\x1b[2J\u202e\ud800")))
    assert summarize(changes) == r"env A 1\n2\t3 → \x1b[2J\u202e\ud800"


def test_plain_text_has_ascii_signs() -> None:
    assert plain("image …/web:1 → 2") == "image .../web:1 -> 2"


@LAW
@given(templates() | malformed(), templates() | malformed())
def test_a_line_is_short_and_printable_whatever_changed(
    old: dict[str, Any], new: dict[str, Any]
) -> None:
    changes = diff(old, new)
    line = summarize(changes)
    assert line
    assert line.isprintable()
    assert len(line) <= LINE_LIMIT


@LAW
@given(templates(), templates())
def test_a_tag_is_never_printed(old: dict[str, Any], new: dict[str, Any]) -> None:
    changes = diff(hidden(old, "1"), hidden(new, "2"))
    assert "redacted" not in summarize(changes, limit=9)
    assert all(not TAG.search(line) for line in one_by_one(changes))


def one_by_one(changes: Sequence[Change]) -> list[str]:
    """A line for each change alone."""
    return [summarize([change]) for change in changes]


def hidden(value: Any, digit: str) -> Any:
    """Every text value of a document as a tag."""
    if isinstance(value, dict):
        return {name: hidden(inner, digit) for name, inner in value.items()}
    if isinstance(value, list):
        return [hidden(inner, digit) for inner in value]
    return (
        f"redacted:0a1b2c3d:{value.encode().hex()[:31]:0>31}{digit}"
        if isinstance(value, str)
        else value
    )
