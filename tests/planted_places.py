"""Places of an object in which a secret can stand, for all six kinds of objects."""

# ruff: noqa: E501 - kinds and places read best one to a line

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ledger.model import CLAIMS, CONTROLLER_REVISIONS, EVENTS, PODS, STATEFUL_SETS, VOLUMES, Kind


@dataclass(frozen=True)
class Place:
    """Where a text can stand in an object of a kind. `takes`: `any` text; a secret that a `name`
    beside it gives away as well; only a `form` (an id of Kubernetes' own); a `label`'s letters; one
    `line`."""

    name: str
    kind: Kind
    put: Callable[[str], dict[str, Any]]
    takes: str = "any"


def pod(container: dict[str, Any] | None = None, /, **spec: Any) -> dict[str, Any]:
    """A pod's spec with one container."""
    return {"containers": [{"name": "app", "image": "app:1", **(container or {})}], **spec}


def _set(container: dict[str, Any] | None = None, /, **spec: Any) -> dict[str, Any]:
    return {"spec": {"template": {"spec": pod(container, **spec)}}}


def _revision(template: dict[str, Any]) -> dict[str, Any]:
    return {"data": {"spec": {"template": {"$patch": "replace", **template}}}}


def _note(name: str, text: str) -> dict[str, Any]:
    return {"metadata": {"annotations": {"team": "shop", name: text}}}


def _env(name: str, text: str) -> list[dict[str, Any]]:
    return [{"name": "LOG_LEVEL", "value": "info"}, {"name": name, "value": text}]


def _header(name: str, text: str) -> dict[str, Any]:
    return {"httpGet": {"path": "/", "port": 80, "httpHeaders": [{"name": name, "value": text}]}}


def _shell(text: str) -> list[str]:
    return ["sh", "-c", text]


def _exec(*command: str) -> dict[str, Any]:
    return {"exec": {"command": list(command)}}


def _manifest(text: str) -> str:
    return json.dumps({"kind": "StatefulSet", **_set({"env": _env("X", text)})})


def _csi(text: str) -> dict[str, Any]:
    reference = {"name": "csi-credentials", "namespace": "storage", "note": text}
    return {"spec": {"csi": {"driver": "x", "volumeHandle": "v1", "nodeStageSecretRef": reference}}}


def _managed(key: str) -> dict[str, Any]:
    fields: dict[str, Any] = {"f:spec": {"f:template": {"f:spec": {key: {".": {}}}}}}
    return {"metadata": {"managedFields": [{"manager": "kubectl", "fieldsV1": fields}]}}


def _ended(state: str, text: str) -> dict[str, Any]:
    return {"status": {"containerStatuses": [{"name": "app", "state": {state: {"message": text}}}]}}


def _conditions(text: str) -> dict[str, Any]:
    return {"status": {"conditions": [{"type": "Ready", "status": "False", "message": text}]}}


LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
CAUSE = "kubernetes.io/change-cause"

PLACES: tuple[Place, ...] = (
    Place("env", STATEFUL_SETS, lambda t: _set({"env": _env("APP_OPTIONS", t)})),
    Place("env by name", STATEFUL_SETS, lambda t: _set({"env": _env("DB_PASSWORD", t)}), "name"),
    Place("init container's env", STATEFUL_SETS, lambda t: _set(initContainers=[{"name": "i", "env": _env("X", t)}])),
    Place("init container's script", STATEFUL_SETS, lambda t: _set(initContainers=[{"name": "i", "command": _shell(t)}])),
    Place("ephemeral container's env", PODS, lambda t: {"spec": pod(ephemeralContainers=[{"name": "e", "env": _env("X", t)}])}),
    Place("ephemeral container's env by name", PODS, lambda t: {"spec": pod(ephemeralContainers=[{"name": "e", "env": _env("API_TOKEN", t)}])}, "name"),
    Place("pod's env", PODS, lambda t: {"spec": pod({"env": _env("APP_OPTIONS", t)})}),
    Place("args", STATEFUL_SETS, lambda t: _set({"args": ["run", t, "--verbose"]})),
    Place("args after a flag", STATEFUL_SETS, lambda t: _set({"args": ["--db-password", t, "--verbose"]}), "name"),
    Place("args in a flag", STATEFUL_SETS, lambda t: _set({"args": [f"--db-password={t}", "-v"]}), "name"),
    Place("args in another flag", STATEFUL_SETS, lambda t: _set({"args": [f"--options={t}"]})),
    Place("command", STATEFUL_SETS, lambda t: _set({"command": ["/app", t]})),
    Place("sh -c", STATEFUL_SETS, lambda t: _set({"command": _shell(t)})),
    Place("sh -c among commands", STATEFUL_SETS, lambda t: _set({"command": _shell(f"set -eu\n{t}\n")})),
    Place("sh -c in args", PODS, lambda t: {"spec": pod({"command": ["sh", "-c"], "args": [t]})}),
    Place("exec probe", STATEFUL_SETS, lambda t: _set({"livenessProbe": _exec(*_shell(t))})),
    Place("probe header", STATEFUL_SETS, lambda t: _set({"readinessProbe": _header("X-Probe", t)}), "line"),
    Place("probe header by name", STATEFUL_SETS, lambda t: _set({"startupProbe": _header("Authorization", t)}), "name"),
    Place("probe path", STATEFUL_SETS, lambda t: _set({"livenessProbe": {"httpGet": {"path": f"/h?q={t}"}}}), "line"),
    Place("postStart hook", STATEFUL_SETS, lambda t: _set({"lifecycle": {"postStart": _exec(*_shell(t))}})),
    Place("preStop hook's header", STATEFUL_SETS, lambda t: _set({"lifecycle": {"preStop": _header("Cookie", t)}}), "name"),
    Place("annotation", STATEFUL_SETS, lambda t: _note("example.com/note", t)),
    Place("annotation by name", STATEFUL_SETS, lambda t: _note("example.com/api-token", t), "name"),
    Place("template's annotation", STATEFUL_SETS, lambda t: {"spec": {"template": {**_note("example.com/options", t), "spec": pod()}}}),
    Place("last-applied", STATEFUL_SETS, lambda t: _note(LAST_APPLIED, _manifest(t)), "name"),
    Place("change-cause", STATEFUL_SETS, lambda t: _note(CAUSE, t)),
    Place("change-cause in words", STATEFUL_SETS, lambda t: _note(CAUSE, f"CHG-7: started with {t}"), "line"),
    Place("label", STATEFUL_SETS, lambda t: {"metadata": {"labels": {"example.com/build": t}}}, "label"),
    Place("pod's label", PODS, lambda t: {"metadata": {"labels": {"example.com/build": t}}}, "label"),
    Place("label by name", STATEFUL_SETS, lambda t: {"metadata": {"labels": {"token": t}}}, "named label"),
    Place("claim template's annotation", STATEFUL_SETS, lambda t: {"spec": {"volumeClaimTemplates": [_note("a/options", t)]}}),
    Place("inline CSI attributes", STATEFUL_SETS, lambda t: _set(volumes=[{"name": "v", "csi": {"driver": "x", "volumeAttributes": {"endpoint": t}}}])),
    Place("inline CSI attributes by name", STATEFUL_SETS, lambda t: _set(volumes=[{"name": "v", "csi": {"driver": "x", "volumeAttributes": {"secretKey": t}}}]), "name"),
    Place("flexVolume's options", STATEFUL_SETS, lambda t: _set(volumes=[{"name": "v", "flexVolume": {"driver": "x", "options": {"o": t}}}])),
    Place("sysctl", STATEFUL_SETS, lambda t: _set(securityContext={"sysctls": [{"name": "kernel.x", "value": t}]})),
    Place("DNS option", STATEFUL_SETS, lambda t: _set(dnsConfig={"options": [{"name": "x", "value": t}]})),
    Place("working directory", STATEFUL_SETS, lambda t: _set({"workingDir": t}), "line"),
    Place("host path", STATEFUL_SETS, lambda t: _set(volumes=[{"name": "v", "hostPath": {"path": t}}]), "line"),
    Place("image", STATEFUL_SETS, lambda t: _set({"image": t}), "form"),
    Place("set's condition", STATEFUL_SETS, _conditions),
    Place("managed value", STATEFUL_SETS, lambda t: _managed(f"v:{json.dumps(t)}")),
    Place("managed key", STATEFUL_SETS, lambda t: _managed("k:" + json.dumps({"name": "X", "value": t}))),
    Place("managed key by name", STATEFUL_SETS, lambda t: _managed("k:" + json.dumps({"name": "DB_PASSWORD", "value": t})), "name"),
    Place("key of a map", STATEFUL_SETS, lambda t: {"spec": {"extra": {t: "x"}}}),
    Place("unknown field", STATEFUL_SETS, lambda t: {"spec": {"extra": {"deep": [{"er": [t]}]}}}),
    Place("unknown field by name", STATEFUL_SETS, lambda t: {"spec": {"extra": {"credentials": [{"er": [t]}]}}}, "name"),
    Place("pod's message", PODS, lambda t: {"status": {"phase": "Failed", "message": t}}),
    Place("pod's condition", PODS, _conditions),
    Place("last words", PODS, lambda t: _ended("terminated", t)),
    Place("why it waits", PODS, lambda t: _ended("waiting", f'failed to start: "{t}": refused'), "line"),
    Place("pod's annotation", PODS, lambda t: _note("example.com/status", t)),
    Place("revision's env", CONTROLLER_REVISIONS, lambda t: _revision({"spec": pod({"env": _env("APP_OPTIONS", t)})})),
    Place("revision's env by name", CONTROLLER_REVISIONS, lambda t: _revision({"spec": pod({"env": _env("PGPASSWORD", t)})}), "name"),
    Place("revision's script", CONTROLLER_REVISIONS, lambda t: _revision({"spec": pod({"command": _shell(t)})})),
    Place("revision's template annotation", CONTROLLER_REVISIONS, lambda t: _revision(_note("example.com/x", t))),
    Place("revision's change-cause", CONTROLLER_REVISIONS, lambda t: _note(CAUSE, t)),
    Place("claim's annotation", CLAIMS, lambda t: _note("example.com/x", t)),
    Place("claim's condition", CLAIMS, _conditions),
    Place("claim's label", CLAIMS, lambda t: {"metadata": {"labels": {"x": t}}}, "label"),
    Place("volume's CSI attributes", VOLUMES, lambda t: {"spec": {"csi": {"driver": "x", "volumeAttributes": {"opts": t}}}}),
    Place("volume's CSI attributes by name", VOLUMES, lambda t: {"spec": {"csi": {"volumeAttributes": {"accessKey": t}}}}, "name"),
    Place("CSI secret reference", VOLUMES, _csi, "name"),
    Place("volume handle", VOLUMES, lambda t: {"spec": {"csi": {"driver": "x", "volumeHandle": t}}}, "form"),
    Place("mount options", VOLUMES, lambda t: {"spec": {"mountOptions": ["vers=3.0", t]}}, "line"),
    Place("mount option's password", VOLUMES, lambda t: {"spec": {"mountOptions": [f"username=app,password={t}"]}}, "word"),
    Place("NFS source", VOLUMES, lambda t: {"spec": {"nfs": {"server": "nfs", "path": t}}}, "line"),
    Place("volume's options", VOLUMES, lambda t: {"spec": {"flexVolume": {"driver": "x", "options": {"password": t}}}}, "name"),
    Place("volume's status", VOLUMES, lambda t: {"status": {"phase": "Failed", "message": t}}),
    Place("Event's message", EVENTS, lambda t: {"message": f"create Pod web-0 failed: {t}"}, "line"),
    Place("Event's note", EVENTS, lambda t: {"note": t}),
    Place("Event's reason", EVENTS, lambda t: {"reason": t}),
    Place("Event's annotation", EVENTS, lambda t: _note("example.com/x", t)),
)  # fmt: skip
