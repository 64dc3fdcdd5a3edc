"""Two pod templates in, the fields that differ out: one row per thing people do to a template."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.diff import (
    Change,
    Field,
    Index,
    Key,
    count_unchanged,
    diff,
    differs,
    render_path,
    restart_only,
)

RESTARTED = "kubectl.kubernetes.io/restartedAt"

Row = tuple[str, str, Any, Any]
"""Path, kind, old, new."""


def template(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """A pod template as the API server serves it."""
    web = {"name": "web", "image": "nginx:1.24"}
    return {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": list(containers) or [web], **spec},
    }


def web(**fields: Any) -> dict[str, Any]:
    """The container `web`."""
    return {"name": "web", "image": "nginx:1.24"} | fields


def annotated(**annotations: str) -> dict[str, Any]:
    """A template with annotations."""
    plain = template()
    return {**plain, "metadata": {"labels": {"app": "web"}, "annotations": annotations}}


def told(changes: tuple[Change, ...]) -> list[Row]:
    """The changes as rows."""
    return [(change.path, change.kind, change.old, change.new) for change in changes]


def env(*entries: tuple[str, str]) -> list[dict[str, str]]:
    """Env entries with values."""
    return [{"name": name, "value": value} for name, value in entries]


SIDECAR = {"name": "istio-proxy", "image": "istio/proxyv2:1.29"}
FROM_SECRET = {"name": "LEVEL", "valueFrom": {"secretKeyRef": {"name": "db", "key": "level"}}}
PORT = {"name": "http", "containerPort": 80, "protocol": "TCP"}
METRICS = {"name": "metrics", "containerPort": 80, "protocol": "UDP"}
ZONE = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}

TABLE: dict[str, tuple[dict[str, Any], dict[str, Any], list[Row]]] = {
    "an image": (
        template(web()),
        template(web(image="nginx:1.25")),
        [("containers[web].image", "changed", "nginx:1.24", "nginx:1.25")],
    ),
    "an env value, shown at its entry": (
        template(web(env=env(("LEVEL", "info"), ("X", "1")))),
        template(web(env=env(("LEVEL", "debug"), ("X", "1")))),
        [("containers[web].env[LEVEL]", "changed", "info", "debug")],
    ),
    "an env entry that takes its value from a secret now": (
        template(web(env=env(("LEVEL", "info")))),
        template(web(env=[FROM_SECRET])),
        [
            ("containers[web].env[LEVEL].value", "removed", "info", None),
            (
                "containers[web].env[LEVEL].valueFrom",
                "added",
                None,
                {"secretKeyRef": {"name": "db", "key": "level"}},
            ),
        ],
    ),
    "the first env entry": (
        template(web()),
        template(web(env=env(("LEVEL", "info")))),
        [
            (
                "containers[web].env[LEVEL]",
                "added",
                None,
                {"name": "LEVEL", "value": "info"},
            )
        ],
    ),
    "an injected sidecar, in front": (
        template(web()),
        template(SIDECAR, web()),
        [("containers[istio-proxy]", "added", None, SIDECAR)],
    ),
    "a container that went": (
        template(web(), SIDECAR),
        template(web()),
        [("containers[istio-proxy]", "removed", SIDECAR, None)],
    ),
    "a renamed container is another one": (
        template(web()),
        template(web(name="app")),
        [
            ("containers[web]", "removed", web(), None),
            ("containers[app]", "added", None, web(name="app")),
        ],
    ),
    "a port by number and protocol": (
        template(web(ports=[PORT])),
        template(web(ports=[METRICS, PORT | {"name": "web"}])),
        [
            ("containers[web].ports[80/TCP].name", "changed", "http", "web"),
            ("containers[web].ports[80/UDP]", "added", None, METRICS),
        ],
    ),
    "a port without its default protocol is the same port": (
        template(web(ports=[PORT])),
        template(web(ports=[{"name": "http", "containerPort": 80}])),
        [],
    ),
    "volumes by name, mounts by path": (
        template(web(volumeMounts=[{"name": "data", "mountPath": "/data"}]), volumes=[]),
        template(
            web(volumeMounts=[{"name": "fast", "mountPath": "/data"}]),
            volumes=[{"name": "fast", "emptyDir": {}}],
        ),
        [
            ("containers[web].volumeMounts[/data].name", "changed", "data", "fast"),
            ("volumes[fast]", "added", None, {"name": "fast", "emptyDir": {}}),
        ],
    ),
    "the other keyed lists": (
        template(
            web(volumeDevices=[{"name": "raw", "devicePath": "/dev/xvda"}]),
            hostAliases=[{"ip": "10.0.0.1", "hostnames": ["a"]}],
            imagePullSecrets=[{"name": "old"}],
            resourceClaims=[{"name": "gpu", "resourceClaimName": "one"}],
            schedulingGates=[],
            topologySpreadConstraints=[ZONE],
        ),
        template(
            web(volumeDevices=[{"name": "raw2", "devicePath": "/dev/xvda"}]),
            hostAliases=[{"ip": "10.0.0.1", "hostnames": ["a", "b"]}],
            imagePullSecrets=[{"name": "new"}],
            resourceClaims=[{"name": "gpu", "resourceClaimName": "two"}],
            schedulingGates=[{"name": "wait"}],
            topologySpreadConstraints=[ZONE | {"maxSkew": 2}],
        ),
        [
            ("containers[web].volumeDevices[/dev/xvda].name", "changed", "raw", "raw2"),
            ("hostAliases[10.0.0.1].hostnames", "changed", ["a"], ["a", "b"]),
            ("imagePullSecrets[old]", "removed", {"name": "old"}, None),
            ("imagePullSecrets[new]", "added", None, {"name": "new"}),
            ("resourceClaims[gpu].resourceClaimName", "changed", "one", "two"),
            ("schedulingGates[wait]", "added", None, {"name": "wait"}),
            ("topologySpreadConstraints[zone/DoNotSchedule].maxSkew", "changed", 1, 2),
        ],
    ),
    "arguments and tolerations as whole lists": (
        template(web(args=["-v", "1"]), tolerations=[{"key": "a"}]),
        template(web(args=["-v", "2"]), tolerations=[{"key": "a"}, {"key": "b"}]),
        [
            ("containers[web].args", "changed", ["-v", "1"], ["-v", "2"]),
            ("tolerations", "changed", [{"key": "a"}], [{"key": "a"}, {"key": "b"}]),
        ],
    ),
    "projected sources as a whole list": (
        template(volumes=[{"name": "v", "projected": {"sources": [{"secret": {"name": "a"}}]}}]),
        template(volumes=[{"name": "v", "projected": {"sources": [{"secret": {"name": "b"}}]}}]),
        [
            (
                "volumes[v].projected.sources",
                "changed",
                [{"secret": {"name": "a"}}],
                [{"secret": {"name": "b"}}],
            )
        ],
    ),
    "resources down to each quantity, though there were none": (
        template(web(resources={})),
        template(web(resources={"requests": {"cpu": "1", "memory": "1Gi"}})),
        [
            ("containers[web].resources.requests.cpu", "added", None, "1"),
            ("containers[web].resources.requests.memory", "added", None, "1Gi"),
        ],
    ),
    "a probe as a whole where there was none": (
        template(web()),
        template(web(livenessProbe={"httpGet": {"path": "/", "port": 80}})),
        [
            (
                "containers[web].livenessProbe",
                "added",
                None,
                {"httpGet": {"path": "/", "port": 80}},
            )
        ],
    ),
    "each annotation, though there were none": (
        template(),
        annotated(**{RESTARTED: "2026-11-23T13:01:47Z", "team": "shop"}),
        [
            (f"metadata.annotations[{RESTARTED}]", "added", None, "2026-11-23T13:01:47Z"),
            ("metadata.annotations.team", "added", None, "shop"),
        ],
    ),
    "the order of init containers": (
        template(initContainers=[{"name": "a"}, {"name": "b"}]),
        template(initContainers=[{"name": "b"}, {"name": "a"}]),
        [("initContainers", "reordered", ["a", "b"], ["b", "a"])],
    ),
    "the order of env, where $(NAME) may refer to what stands above": (
        template(web(env=env(("A", "1"), ("B", "2")))),
        template(web(env=env(("B", "2"), ("A", "3")))),
        [
            ("containers[web].env[A]", "changed", "1", "3"),
            ("containers[web].env", "reordered", ["A", "B"], ["B", "A"]),
        ],
    ),
    "an entry that came or went reorders nothing": (
        template(web(env=env(("A", "1"), ("B", "2")))),
        template(web(env=env(("C", "3"), ("A", "1")))),
        [
            ("containers[web].env[B]", "removed", {"name": "B", "value": "2"}, None),
            ("containers[web].env[C]", "added", None, {"name": "C", "value": "3"}),
        ],
    ),
    "the order of other keyed lists has no meaning": (
        template(web(ports=[PORT, METRICS]), SIDECAR),
        template(SIDECAR, web(ports=[METRICS, PORT])),
        [],
    ),
    "what a ControllerRevision and an old server add has no meaning": (
        template(),
        template() | {"$patch": "replace", "metadata": {"labels": {"app": "web"}}},
        [],
    ),
    "an empty creation time has no meaning, here and in a volume's claim": (
        template(volumes=[{"name": "v", "ephemeral": {"volumeClaimTemplate": {"metadata": {}}}}]),
        template(
            volumes=[
                {
                    "name": "v",
                    "ephemeral": {"volumeClaimTemplate": {"metadata": {"creationTimestamp": None}}},
                }
            ]
        )
        | {"metadata": {"labels": {"app": "web"}, "creationTimestamp": None}},
        [],
    ),
    "the last of two equal env names counts": (
        template(web(env=env(("A", "1"), ("A", "2")))),
        template(web(env=env(("A", "0"), ("A", "3")))),
        [("containers[web].env[A]", "changed", "2", "3")],
    ),
    "an env name that is no longer given twice": (
        template(web(env=env(("A", "1"), ("A", "2")))),
        template(web(env=env(("A", "2")))),
        [
            (
                "containers[web].env",
                "changed",
                env(("A", "1"), ("A", "2")),
                env(("A", "2")),
            )
        ],
    ),
    "an env name given twice stands where it stands last": (
        template(web(env=env(("A", "1"), ("B", "1"), ("A", "2")))),
        template(web(env=env(("A", "2"), ("B", "1")))),
        [("containers[web].env", "reordered", ["B", "A"], ["A", "B"])],
    ),
    "two containers of one name, compared as one value": (
        template(web(), web()),
        template(web()),
        [("containers", "changed", [web(), web()], [web()])],
    ),
    "an item without its key, compared as one value": (
        template(web(ports=[PORT])),
        template(web(ports=[{"name": "http"}])),
        [("containers[web].ports", "changed", [PORT], [{"name": "http"}])],
    ),
    "text where a list should be": (
        template(web(env="broken", ports=None)),
        template(web(env=[], ports=[7])),
        [
            ("containers[web].env", "changed", "broken", []),
            ("containers[web].ports", "changed", None, [7]),
        ],
    ),
    "a map where a list should be": (
        {"spec": {"containers": {"name": "web"}}},
        {"spec": {"containers": [web()]}},
        [("containers", "changed", {"name": "web"}, [web()])],
    ),
    "a number is not a truth, nor another spelling of it": (
        template(web(args=[1]), a=1, b=1),
        template(web(args=[True]), a=True, b=1.0),
        [
            ("a", "changed", 1, True),
            ("b", "changed", 1, 1.0),
            ("containers[web].args", "changed", [1], [True]),
        ],
    ),
    "all of a template": (
        {},
        template(),
        [
            ("metadata.labels.app", "added", None, "web"),
            ("containers[web]", "added", None, web()),
        ],
    ),
}


@pytest.mark.parametrize("case", TABLE)
def test_a_difference_is_told_field_by_field(case: str) -> None:
    old, new, rows = TABLE[case]
    assert told(diff(old, new)) == rows


@pytest.mark.parametrize("case", TABLE)
def test_a_template_does_not_differ_from_itself(case: str) -> None:
    old, new, _ = TABLE[case]
    assert (diff(old, old), diff(new, new)) == ((), ())


def test_a_change_names_its_place_step_by_step() -> None:
    old = template(web(ports=[PORT], env=env(("LEVEL", "info"))))
    new = template(web(ports=[], env=env(("LEVEL", "debug"))))
    here = (Field("spec"), Field("containers"), Key((("name", "web"),)))
    assert diff(old, new) == (
        Change(
            (*here, Field("env"), Key((("name", "LEVEL"),)), Field("value")),
            "changed",
            "info",
            "debug",
        ),
        Change(
            (*here, Field("ports"), Key((("containerPort", 80), ("protocol", "TCP")))),
            "removed",
            PORT,
            None,
        ),
    )


def test_a_template_nested_to_the_record_limit_is_walked() -> None:
    old: dict[str, Any] = {"value": 1}
    new: dict[str, Any] = {"value": 2}
    for _ in range(100):
        old, new = {"a": old}, {"a": new}
    assert [change.path for change in diff(old, new)] == [".".join(["a"] * 100 + ["value"])]


@pytest.mark.parametrize(
    ("segments", "path"),
    [
        ((Field("spec"), Field("containers"), Key((("name", "web"),))), "containers[web]"),
        ((Field("metadata"), Field("annotations"), Field("a.b/c")), "metadata.annotations[a.b/c]"),
        ((Field("spec"), Field("dnsPolicy")), "dnsPolicy"),
        ((Field("args"), Index(2)), "args[2]"),
        ((), ""),
    ],
)
def test_a_path_reads_as_people_write_it(segments: tuple[Any, ...], path: str) -> None:
    assert render_path(segments) == path


@pytest.mark.parametrize(
    ("old", "new", "is_restart"),
    [
        (template(), annotated(**{RESTARTED: "t1"}), True),
        (annotated(**{RESTARTED: "t1"}), annotated(**{RESTARTED: "t2"}), True),
        (annotated(**{RESTARTED: "t1"}), template(), True),
        (annotated(**{RESTARTED: "t1", "a": "b"}), annotated(**{RESTARTED: "t2", "a": "b"}), True),
        (template(), annotated(**{RESTARTED: "t1", "a": "b"}), False),
        (annotated(a="b"), annotated(a="c"), False),
        (template(), template(web(image="nginx:1.25")), False),
        (
            annotated(**{RESTARTED: "t1"}),
            {**annotated(**{RESTARTED: "t2"}), "spec": template(web(image="x"))["spec"]},
            False,
        ),
        (template(), template(), False),
    ],
)
def test_a_restart_is_the_restart_annotation_alone(
    old: dict[str, Any], new: dict[str, Any], is_restart: bool
) -> None:
    assert restart_only(diff(old, new)) is is_restart


@pytest.mark.parametrize(
    ("old", "new", "count"),
    [
        ({}, {}, 0),
        (template(), template(), 3),
        (template(), template(web(image="nginx:1.25")), 2),
        (template(web(), SIDECAR), template(SIDECAR, web()), 5),
        (template(web(args=["a", "b"])), template(web(args=["a", "b"])), 4),
        (template(web(args=["a", "b"])), template(web(args=["a", "c"])), 3),
        (template(web(resources={})), template(web(resources={})), 4),
        (template(web(env=env(("A", "1")))), template(web(env=env(("A", "2")))), 4),
        (template(web(ports="x")), template(web(ports="x")), 4),
        (template(), {"metadata": {"labels": {"app": "web"}, "creationTimestamp": None}}, 1),
    ],
)
def test_equal_leaf_fields_are_counted(
    old: dict[str, Any], new: dict[str, Any], count: int
) -> None:
    assert (count_unchanged(old, new), count_unchanged(new, old)) == (count, count)


def test_nothing_differs_in_no_changes() -> None:
    assert differs(()) is False
