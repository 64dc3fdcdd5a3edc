"""The projection of claims and volumes: facts are noted here, and what a batch touched is found.

What is derived: claims.py (whose a claim is, who deleted it and why), bindings.py (which volume it
had), mounts.py (which pod used it). They are settled after pods and workloads are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from consumers.bindings import Bindings
from consumers.claims import Claims
from consumers.mounts import Mounts
from consumers.projection import Observed, Touched
from consumers.slack import earlier
from consumers.states import States
from ledger.canonical import to_bytes
from ledger.errors import PoisonRecord
from ledger.keep import controller_of
from ledger.model import CLAIMS, PODS, STATEFUL_SETS, VOLUMES
from ledger.rollout.claims import (
    ClaimState,
    ClaimTemplate,
    VolumeState,
    bytes_of,
    claim_state,
    claim_templates,
    volume_state,
)
from ledger.rollout.pods import pod_state
from ledger.rollout.raw import items, server_time
from ledger.store import Ledger, Row

CACHED = 20_000
Key = tuple[str, str]
"""Namespace and name of a claim, whichever claim has it."""


@dataclass(slots=True)
class Volumes:
    """Writes `claim_states`, `volume_states`, `claim_templates` and `pod_claims`; leaves `claims`,
    `volumes`, `bindings` and `mounts` derived from them.
    """

    ledger: Ledger
    touched: Touched
    _claim_states: States = field(init=False)
    _volume_states: States = field(init=False)
    _claims: Claims = field(init=False)
    _bindings: Bindings = field(init=False)
    _mounts: Mounts = field(init=False)
    _keys: set[Key] = field(default_factory=set)
    _lives: set[Key] = field(default_factory=set)
    """Names under which a claim came, went, or turned out not to have gone."""
    _pods: set[int] = field(default_factory=set)
    _volumes: set[int] = field(default_factory=set)
    _templates: set[tuple[str, str, str]] = field(default_factory=set)
    """(namespace, template, set) that are new, or belong to another incarnation now."""
    _gone: set[str] = field(default_factory=set)
    _pods_seen: dict[int, tuple[Any, ...]] = field(default_factory=dict)
    _sets_seen: dict[str, tuple[ClaimTemplate, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._claim_states = States(self.ledger, "claim", _differs(_CLAIM_FACTS))
        self._volume_states = States(self.ledger, "volume", _differs(_VOLUME_FACTS))
        self._claims = Claims(self.ledger)
        self._bindings = Bindings(self.ledger)
        self._mounts = Mounts(self.ledger)

    def apply(self, observed: Observed) -> None:
        """Note what a record says of claims, volumes and their users."""
        take = {
            CLAIMS.plural: self._take_claim,
            VOLUMES.plural: self._take_volume,
            PODS.plural: self._take_pod,
            STATEFUL_SETS.plural: self._take_set,
        }.get(observed.plural)
        if take is not None:
            if observed.fact == "deleted":
                self._gone.add(observed.document.objectuid)
            take(observed)

    def settle(self) -> None:
        """Derive the rows of what the batch touched."""
        self._claim_states.settle()
        self._volume_states.settle()
        self._spread_existence()
        self._spread_sets()
        for namespace, name in self._lives:
            key = {"namespace": namespace, "name": name}
            rows = self.ledger.rows("fold/mount_pods_of_claim", key)
            self._pods.update(row["object_id"] for row in rows)
        for object_id in self._pods:
            self._mounts.derive(object_id)
            self._touch("fold/claim_keys_of_pod", {"object_id": object_id})
        for object_id in self._volumes:
            self._derive_volume(object_id)
            self._touch("fold/claim_keys_of_volume", {"object_id": object_id})
        for namespace, name in sorted(self._keys | self._lives):
            for uid in self._claims.derive(namespace, name):
                self._bindings.derive(uid)
        self._clear_batch()
        for cache in (self._pods_seen, self._sets_seen):
            if len(cache) > CACHED:
                cache.clear()

    def forget(self) -> None:
        """Drop what is cached: the transaction was rolled back."""
        self._claim_states.forget()
        self._volume_states.forget()
        self._pods_seen.clear()
        self._sets_seen.clear()
        self._clear_batch()

    def _clear_batch(self) -> None:
        for part in (self._keys, self._lives, self._pods, self._volumes, self._gone):
            part.clear()
        self._templates.clear()

    def _take_claim(self, observed: Observed) -> None:
        ref = observed.document.ref
        key = (ref.namespace, ref.name)
        if observed.fact == "deleted":
            self._lives.add(key)
        if observed.disposition == "duplicate" and self._claim_states.see_again(observed):
            self._keys.add(key)
        if observed.is_news and observed.document.data is not None:
            row = _claim_row(claim_state(observed.document.data))
            noted = self._claim_states.note(observed, row)
            if noted.is_change:
                (self._keys if noted.before else self._lives).add(key)

    def _take_volume(self, observed: Observed) -> None:
        if observed.fact == "deleted":
            self._volumes.add(observed.object_id)
        if observed.disposition == "duplicate" and self._volume_states.see_again(observed):
            self._volumes.add(observed.object_id)
        if observed.is_news and observed.document.data is not None:
            row = _volume_row(volume_state(observed.document.data))
            if self._volume_states.note(observed, row).is_change:
                self._volumes.add(observed.object_id)

    def _take_pod(self, observed: Observed) -> None:
        object_id, raw_pod = observed.object_id, observed.document.data
        if observed.fact == "deleted":
            self._pods.add(object_id)
        if not observed.is_news or raw_pod is None:
            return
        seen, is_late = _what_a_mount_shows(raw_pod), observed.disposition == "late"
        if not is_late and self._pods_seen.get(object_id) == seen:
            return
        if object_id not in self._pods_seen:
            namespace = observed.document.ref.namespace
            for volume, claim in pod_state(raw_pod).claims:
                row = {"object_id": object_id, "volume": volume}
                named = {"namespace": namespace, "claim": claim}
                self.ledger.put("pod_claims", [row | named])
        self._pods_seen.pop(object_id, None)
        if not is_late:
            self._pods_seen[object_id] = seen
        self._pods.add(object_id)

    def _take_set(self, observed: Observed) -> None:
        document = observed.document
        if not observed.is_news or document.data is None:
            return
        templates = _templates_of(document.data)
        if observed.disposition != "late" and self._sets_seen.get(document.objectuid) == templates:
            return
        self._sets_seen.pop(document.objectuid, None)
        if observed.disposition != "late":
            self._sets_seen[document.objectuid] = templates
        for template in templates:
            self._note_template(observed, template)

    def _note_template(self, observed: Observed, template: ClaimTemplate) -> None:
        document, version = observed.document, observed.document.version_number
        key = {"workload_uid": document.objectuid, "template": template.name}
        known = self.ledger.row("fold/claim_template", key)
        if known is not None and known["resource_version"] >= version:
            return
        wishes = _template_row(template)
        if known is not None and all(known[name] == wishes[name] for name in wishes):
            return
        ref = document.ref
        row = key | wishes | {"namespace": ref.namespace, "workload": ref.name}
        created_at = server_time(document.data["metadata"].get("creationTimestamp"))
        row |= {"created_at": created_at, "resource_version": version}
        self.ledger.put("claim_templates", [row])
        if known is None:
            self._templates.add((ref.namespace, template.name, ref.name))

    def _spread_existence(self) -> None:
        for uid in self.touched.existence | self._gone:
            row = self.ledger.row("fold/object", {"uid": uid})
            if row is None:
                continue
            if row["kind"] == CLAIMS.plural:
                self._lives.add((row["namespace"], row["name"]))
            elif row["kind"] == VOLUMES.plural:
                self._volumes.add(row["id"])
            elif row["kind"] == PODS.plural:
                self._pods.add(row["id"])
            elif row["kind"] == STATEFUL_SETS.plural:
                named = {"namespace": row["namespace"], "workload": row["name"]}
                self._touch("fold/claim_keys_decided", named | {"since": ""})
                # Whose a claim is may not be known by its name.
                owned = {"namespace": row["namespace"], "uid": uid}
                self._touch("fold/claim_keys_owned", owned)

    def _spread_sets(self) -> None:
        for namespace, template, name in self._templates:
            prefix = f"{template}-{name}-"
            self._touch("fold/claim_keys_matching", {"namespace": namespace, "prefix": prefix})
        for uid, moment in self.touched.moments.items():
            row = self.ledger.row("fold/workload", {"uid": uid})
            if row is not None:
                since = earlier(moment)
                named = {"namespace": row["namespace"], "workload": row["name"]}
                self._touch("fold/claim_keys_decided", named | {"since": since})

    def _touch(self, query: str, parameters: Mapping[str, Any]) -> None:
        rows = self.ledger.rows(query, parameters)
        self._keys.update((row["namespace"], row["name"]) for row in rows)

    def _derive_volume(self, object_id: int) -> None:
        story = self.ledger.rows("fold/volume_story", {"object_id": object_id})
        if story:
            newest = dict(story[-1]) | {"observed_at": story[0]["observed_at"]}
            del newest["namespace"]
            self.ledger.put("volumes", [newest])


def _differs(names: tuple[str, ...]) -> Any:
    def is_change(before: Row, row: Mapping[str, Any]) -> bool:
        return any(before[name] != row[name] for name in names)

    return is_change


def _claim_row(state: ClaimState) -> dict[str, Any]:
    return {
        "phase": state.phase,
        "volume": state.volume,
        "asked": state.asked,
        "asked_bytes": bytes_of(state.asked),
        "capacity": state.capacity,
        "class": state.storage_class,
        "access_modes": state.access_modes,
        "owners": to_bytes([asdict(owner) for owner in state.owners]).decode(),
        "finalizers": " ".join(state.finalizers),
        "revision": state.revision,
        "terminating_at": state.terminating_at,
    }


def _volume_row(state: VolumeState) -> dict[str, Any]:
    row = asdict(state)
    row["class"] = row.pop("storage_class")
    return row


def _template_row(template: ClaimTemplate) -> dict[str, Any]:
    return {
        "asked": template.asked,
        "asked_bytes": bytes_of(template.asked),
        "class": template.storage_class,
        "access_modes": template.access_modes,
    }


def _templates_of(raw_set: Mapping[str, Any]) -> tuple[ClaimTemplate, ...]:
    try:
        return claim_templates(raw_set)
    except PoisonRecord:
        # The set itself could be read, and its revisions matter more than its claims.
        return ()


def _what_a_mount_shows(raw_pod: Mapping[str, Any]) -> tuple[Any, ...]:
    metadata, spec = raw_pod["metadata"], raw_pod.get("spec") or {}
    conditions = items((raw_pod.get("status") or {}).get("conditions"))
    scheduled = [each for each in conditions if each.get("type") == "PodScheduled"]
    return (
        metadata.get("labels"),
        (controller_of(raw_pod) or {}).get("uid"),
        spec.get("nodeName"),
        [(each.get("status"), each.get("lastTransitionTime")) for each in scheduled],
    )


_CLAIM_FACTS = tuple(
    _claim_row(ClaimState("", "", "", "", None, "", (), (), "", None)),
)
_VOLUME_FACTS = tuple(
    _volume_row(VolumeState("", "", "", "", "", "", None, "", "", "", "", None)),
)
