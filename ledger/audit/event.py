"""What is kept of a Kubernetes audit event: who asked for what, and the names of the fields; pure.

Bodies and messages end here: of a request only the paths of the fields it touched or removed are
kept, of a response the object's identity, so that a secret in either goes no further
(https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from ledger.audit.paths import touched_and_removed
from ledger.evidence import BODIES, METADATA
from ledger.keep import is_kept
from ledger.model import (
    CLAIMS,
    CONTROLLER_REVISIONS,
    KIND_BY_PLURAL,
    PODS,
    STATEFUL_SETS,
    VOLUMES,
    Kind,
    respelt,
)

GROUP = "audit.k8s.io"
DELETIONS = ("delete", "deletecollection")
WRITES = ("create", "update", "patch", *DELETIONS)
STAGES = ("ResponseComplete", "Panic")
SUBRESOURCES = {
    STATEFUL_SETS.plural: ("", "scale"),
    CONTROLLER_REVISIONS.plural: ("",),
    PODS.plural: ("", "eviction"),
    CLAIMS.plural: ("",),
    VOLUMES.plural: ("",),
}
"""Whose writes are kept, by kind: what the status says is the controllers' own business."""

OURS = "rollout-ledger/"
"""The prefix of our own annotations: the only ones whose values are kept."""

MOST = 2**62
"""No number of an API server is larger, and a database holds none that is much."""

EMPTY: tuple[Any, ...] = ("", None, [])
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

_SPOILT = re.compile(r";|%(?![0-9A-Fa-f]{2})")

TRUNCATED = "audit.k8s.io/truncated"
"""The annotation of an event whose bodies the API server has cut off for their size; its level
stays as it was (apiserver, plugin/pkg/audit/truncate)."""

PARTIAL = "PartialObjectMetadata"
"""What a client that wants no more gets as the answer."""

Raw = Mapping[str, Any]


def action_of(raw_event: Any) -> dict[str, Any] | None:
    """What an audit event says, without a value of any body; None when it is no finished write to
    a kind we keep.

    Raises ValueError for what is not an audit event.
    """
    try:
        # The items of a webhook's list carry neither kind nor apiVersion.
        told = (raw_event.get("kind", "Event"), raw_event.get("apiVersion", GROUP))
        is_event = told[0] == "Event" and str(told[1]).partition("/")[0] == GROUP
        if not (is_event and raw_event["auditID"]):
            raise ValueError("not an audit event")
        ref = raw_event.get("objectRef") or {}
        kind = _kind(ref)
        is_write = raw_event["verb"] in WRITES and raw_event["stage"] in STAGES
        if kind is None or not is_write:
            return None
        response = _mapping(raw_event.get("responseObject"))
        if not _is_ours(kind, raw_event, response):
            return None
        return _action(raw_event, kind, ref, response)
    except (KeyError, TypeError, AttributeError, OverflowError) as wrong:
        # Not what it says: that may quote a body.
        raise ValueError(f"not an audit event: {type(wrong).__name__}") from None


def record_id(raw_event: Raw, key: bytes) -> str:
    """The id of an event's record: the request's own and the stage, `<auditID>/<stage>`.

    A client may choose the first (header Audit-ID; filters/audit_init.go keeps it as it is). What
    is no UUID may be anything, a secret too, and goes in as its HMAC.
    """
    told, stage = str(raw_event["auditID"]), raw_event["stage"]
    if not _UUID.fullmatch(told):
        told = hmac.new(key, told.encode(), hashlib.sha256).hexdigest()[:32]
    return f"{told}/{stage}"


def _kind(ref: Raw) -> Kind | None:
    kind = KIND_BY_PLURAL.get(ref.get("resource", ""))
    if kind is None or ref.get("apiGroup", "") != kind.group:
        return None
    return kind if ref.get("subresource", "") in SUBRESOURCES.get(kind.plural, ()) else None


def _is_ours(kind: Kind, raw_event: Raw, response: Raw) -> bool:
    """Pods and ControllerRevisions of other kinds of workload are dropped, as in the watch.

    Where the answer does not show the object, a delete may be one of ours.
    """
    if kind.plural not in (PODS.plural, CONTROLLER_REVISIONS.plural):
        return True
    if response.get("kind") in (kind.name, PARTIAL):
        return is_kept(kind, response)
    if response.get("items"):
        return any(is_kept(kind, item) for item in response["items"])
    return raw_event["verb"] in DELETIONS or bool(raw_event["objectRef"].get("subresource"))


def _action(raw_event: Raw, kind: Kind, ref: Raw, response: Raw) -> dict[str, Any]:
    request = raw_event.get("requestObject")
    asked = _asked(str(raw_event.get("requestURI", "")))
    impersonated = _mapping(raw_event.get("impersonatedUser"))
    status = _mapping(raw_event.get("responseStatus"))
    told = {
        "level": _level(raw_event),
        "stage": str(raw_event["stage"]),
        "verb": str(raw_event["verb"]),
        "user": _text(raw_event["user"]["username"]),
        "impersonated": _text(impersonated.get("username") or ""),
        "agent": _text(raw_event.get("userAgent") or ""),
        "addresses": [_text(each) for each in _list(raw_event.get("sourceIPs"))],
        "kind": kind.plural,
        "subresource": str(ref.get("subresource", "")),
        "namespace": str(ref.get("namespace", "")),
        "code": _number(status.get("code", 0)),
        "received": respelt(str(raw_event["requestReceivedTimestamp"])),
        "completed": respelt(str(raw_event["stageTimestamp"])),
        "dryRun": _is_dry_run(raw_event, ref, request, asked),
        "manager": _manager(asked, _text(raw_event.get("userAgent") or "")),
    }
    told |= _object(kind, ref, status, response) | _request(raw_event, ref, request, asked)
    return {name: each for name, each in told.items() if each is not False and each not in EMPTY}


def _level(raw_event: Raw) -> str:
    """How much of the request is told."""
    is_cut = TRUNCATED in _mapping(raw_event.get("annotations"))
    return METADATA if is_cut else str(raw_event.get("level", ""))


def _asked(uri: str) -> dict[str, list[str]]:
    """The query as the API server reads it: Go drops a pair with a semicolon or a spoilt escape
    (net/url, ParseQuery).
    """
    pairs = uri.partition("?")[2].split("&")
    return parse_qs("&".join(pair for pair in pairs if not _SPOILT.search(pair)))


def _object(kind: Kind, ref: Raw, status: Raw, response: Raw) -> dict[str, Any]:
    """The identity that the answer gives: what was written, or all that was deleted."""
    items = response.get("items")
    shown = response if response.get("kind") in (kind.name, "Scale", PARTIAL) else {}
    metadata = _mapping(shown.get("metadata"))
    details = _mapping(status.get("details")) or _mapping(response.get("details"))
    # A Scale leaves out how many replicas it has when it has none.
    scale = _mapping(response.get("spec")) if response.get("kind") == "Scale" else None
    return {
        "name": str(ref.get("name") or metadata.get("name", "")),
        "uid": str(metadata.get("uid") or details.get("uid") or ref.get("uid") or ""),
        "version": _number(metadata.get("resourceVersion")),
        "generation": _number(metadata.get("generation")),
        "replicas": None if scale is None else _number(scale.get("replicas", 0)),
        "deleted": [_identity(item) for item in items or () if is_kept(kind, item)],
    }


def _identity(item: Raw) -> dict[str, Any]:
    metadata = item["metadata"]
    return {"uid": str(metadata["uid"]), "version": _number(metadata.get("resourceVersion"))}


def _is_dry_run(raw_event: Raw, ref: Raw, request: Any, asked: Mapping[str, list[str]]) -> bool:
    """An eviction may say so in its body too. Of a deletion the query counts only where there is no
    body (apiserver, handlers/delete.go), which at the level of metadata nobody can tell.
    """
    if ref.get("subresource") == "eviction":
        options = _mapping(_mapping(request).get("deleteOptions"))
        return "dryRun" in asked or bool(options.get("dryRun"))
    if raw_event["verb"] not in DELETIONS:
        return "dryRun" in asked
    if request is not None:
        return bool(_mapping(request).get("dryRun"))
    return "dryRun" in asked and _level(raw_event) in BODIES


def _request(
    raw_event: Raw, ref: Raw, request: Any, asked: Mapping[str, list[str]]
) -> dict[str, Any]:
    """Which fields the request was about, and what it required."""
    if request is None or ref.get("subresource") == "eviction":
        return {}
    if raw_event["verb"] in DELETIONS:
        return {"propagation": str(_mapping(request).get("propagationPolicy", ""))}
    body = _mapping(request)
    annotations = _mapping(_mapping(body.get("metadata")).get("annotations"))
    told: dict[str, Any] = {
        "annotations": {k: v for k, v in annotations.items() if k.startswith(OURS)} or None,
        "requestVersion": _number(ref.get("resourceVersion")),
    }
    if raw_event["verb"] == "patch":
        # A server-side apply names its manager and the object's kind; no other patch needs to.
        is_named = bool(body.get("kind") and body.get("apiVersion"))
        told["apply"] = is_named and bool(asked.get("fieldManager"))
        told["touched"], told["removed"], told["cut"] = touched_and_removed(request)
    return told


def _manager(asked: Mapping[str, list[str]], agent: str) -> str:
    """The field manager as the API server decides it (handlers/create.go, managerOrUserAgent)."""
    if asked.get("fieldManager"):
        return asked["fieldManager"][0]
    prefix = agent.partition("/")[0]
    printable = next((i for i, each in enumerate(prefix) if not each.isprintable()), len(prefix))
    return prefix[:printable][:128]


def _number(value: Any) -> int | None:
    if value in (None, ""):
        return None
    number = int(value)
    if not 0 <= number < MOST:
        raise ValueError("not an audit event: a number out of range")
    return number


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _mapping(value: Any) -> Raw:
    return value if isinstance(value, Mapping) else {}
