"""What the ledger needs to know of a StatefulSet's or a ControllerRevision's state; pure.

Objects are read open-endedly: unknown fields, strategies and conditions pass; only a shape that the
API server would never serve is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ledger.canonical import digest, normal_template, to_bytes
from ledger.envelope import DEPTH_LIMIT, nests_deeper
from ledger.errors import PoisonRecord
from ledger.keep import controller_of
from ledger.rollout.raw import mapping, number, text
from ledger.rollout.sets import SetStatus

CHANGE_CAUSE = "kubernetes.io/change-cause"
UNDO_ANNOTATION = "rollout-ledger/undo"
STAMP_ANNOTATION = "rollout-ledger/actor"
DEFAULT_HISTORY_LIMIT = 10


@dataclass(frozen=True, slots=True)
class SetFacts:
    """One state of a StatefulSet. Two states with equal facts differ in nothing the ledger derives
    from.
    """

    generation: int
    change_cause: str | None
    undo_annotation: str | None
    observed_generation: int
    current_revision: str
    update_revision: str
    settled: bool
    replicas: int
    strategy: str
    update_partition: int
    history_limit: int
    terminating: bool
    stamp: str | None
    said: str


@dataclass(frozen=True, slots=True)
class RevisionFacts:
    """One state of a ControllerRevision: its number and owner change, its template never does."""

    number: int
    owner_uid: str
    owner_name: str
    change_cause: str | None


def set_facts(
    raw_set: Mapping[str, Any], status: SetStatus, *, trusts_stamp: bool, annotation_keys: str
) -> SetFacts:
    """The facts of a StatefulSet whose status is known. The admission stamp is one only where the
    watcher was told that a policy sets it; `annotation_keys` are the annotations it was told to
    heed (`approver=example.com/approver ticket=…`). Raises PoisonRecord for what no API server
    serves.
    """
    try:
        stamp = _annotation(raw_set["metadata"], STAMP_ANNOTATION) if trusts_stamp else None
        return _set_facts(raw_set, status, stamp, _said(raw_set, annotation_keys))
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as wrong:
        raise PoisonRecord(f"not a StatefulSet: {type(wrong).__name__} {wrong}") from None


def spec_of(raw_set: Mapping[str, Any]) -> dict[str, Any]:
    """A StatefulSet's spec without its pod template."""
    return {name: value for name, value in raw_set["spec"].items() if name != "template"}


def revision_facts(raw_revision: Mapping[str, Any]) -> RevisionFacts:
    """The facts of a ControllerRevision. Raises PoisonRecord for what no API server serves."""
    try:
        metadata = raw_revision["metadata"]
        owner = controller_of(raw_revision) or {}
        return RevisionFacts(
            number=number(raw_revision.get("revision", 0)),
            owner_uid=text(owner.get("uid", "")),
            owner_name=text(owner.get("name", "")),
            change_cause=_annotation(metadata, CHANGE_CAUSE),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as wrong:
        raise PoisonRecord(f"not a ControllerRevision: {type(wrong).__name__} {wrong}") from None


def template_of(raw_object: Mapping[str, Any]) -> dict[str, Any]:
    """The pod template in a StatefulSet or a ControllerRevision's data, in normal form.

    Raises PoisonRecord when there is none, or none that a diff could walk.
    """
    is_revision = raw_object.get("kind") == "ControllerRevision"
    try:
        holder = raw_object["data"] if is_revision else raw_object
        template = normal_template(holder["spec"]["template"])
    except (KeyError, TypeError, AttributeError, ValueError) as wrong:
        raise PoisonRecord(f"no pod template: {type(wrong).__name__} {wrong}") from None
    if nests_deeper(template, DEPTH_LIMIT):
        raise PoisonRecord(f"a pod template nested deeper than {DEPTH_LIMIT}")
    return template


@dataclass(frozen=True, slots=True)
class TemplateFacts:
    """A pod template by content: its digest, its JSON, the images it runs, and the key its secrets
    are tagged with.
    """

    digest: str
    json: str
    images: str
    redaction_key: str | None


def template_facts(template: Mapping[str, Any]) -> TemplateFacts:
    """The content identity of a template in normal form."""
    spec = template.get("spec")
    lists = (
        [spec.get(part) for part in ("initContainers", "containers")]
        if isinstance(spec, dict)
        else []
    )
    containers = [
        c for part in lists if isinstance(part, list) for c in part if isinstance(c, dict)
    ]
    images = [f"{c.get('name', '')}={c.get('image', '')}" for c in containers]
    content = to_bytes(template).decode()
    return TemplateFacts(digest(template), content, " ".join(images), _redaction_key(content))


def spec_managers(raw_set: Mapping[str, Any]) -> str:
    """The managedFields entries that own spec or annotation fields, as JSON: evidence of who wrote
    a template. What is malformed is left out, as in managed_fields.py.
    """
    entries = raw_set["metadata"].get("managedFields")
    kept = [entry for entry in entries if _owns_spec(entry)] if isinstance(entries, list) else []
    return to_bytes(kept).decode()


def _owns_spec(entry: Any) -> bool:
    fields = entry.get("fieldsV1") if isinstance(entry, dict) else None
    return isinstance(fields, dict) and "f:spec" in fields


def _set_facts(
    raw_set: Mapping[str, Any], status: SetStatus, stamp: str | None, said: str
) -> SetFacts:
    metadata, spec = raw_set["metadata"], raw_set["spec"]
    mapping(metadata.get("labels"))
    mapping(spec.get("selector"))
    return SetFacts(
        generation=status.generation,
        change_cause=_annotation(metadata, CHANGE_CAUSE),
        undo_annotation=_annotation(metadata, UNDO_ANNOTATION),
        observed_generation=status.observed_generation,
        current_revision=status.current_revision,
        update_revision=status.update_revision,
        settled=_is_settled(status),
        replicas=status.replicas,
        strategy=status.strategy,
        update_partition=status.update_partition,
        history_limit=number(spec.get("revisionHistoryLimit", DEFAULT_HISTORY_LIMIT)),
        terminating=status.terminating,
        stamp=stamp,
        said=said,
    )


def _said(raw_set: Mapping[str, Any], annotation_keys: str) -> str:
    """What the annotations of the set, or of its pod template, say in each role; JSON."""
    if not annotation_keys:
        return "{}"
    keys = dict(pair.split("=", 1) for pair in annotation_keys.split(" "))
    template = raw_set["spec"]["template"].get("metadata") or {}
    places = (raw_set["metadata"], template)
    told = {
        role: value
        for role, key in keys.items()
        for place in places
        if (value := _annotation(place, key)) is not None
    }
    return to_bytes(told).decode()


def _is_settled(status: SetStatus) -> bool:
    """Every pod is on the update revision and available, as the controller counts them
    (stateful_set_utils.go, completeRollingUpdate).

    currentRevision alone is no proof: after a revert it equals updateRevision while a pod is stuck
    on the bad one (kubernetes#67250), so the counters must agree too.
    """
    # Servers that do not count the available pods have no minReadySeconds either.
    counted = status.available_pods is not None or status.min_ready_seconds
    available = (status.available_pods or 0) if counted else status.ready_pods
    return bool(
        status.observed_generation == status.generation
        and status.update_revision
        and status.current_revision == status.update_revision
        and status.pods == status.replicas
        and status.ready_pods == status.replicas
        and available == status.replicas
        and status.updated_pods == status.replicas
    )


def _annotation(metadata: Mapping[str, Any], name: str) -> str | None:
    value = (metadata.get("annotations") or {}).get(name)
    return None if value is None else text(value)


def _redaction_key(raw_template: str) -> str | None:
    _, found, rest = raw_template.partition("redacted:")
    return rest.partition(":")[0] if found else None
