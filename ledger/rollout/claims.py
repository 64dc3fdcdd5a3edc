"""What counts in a claim, a volume and a claim template; pure.

A claim's name is `<template>-<set>-<ordinal>` (stateful_set_utils.go, getPersistentVolumeClaimName)
and each part may hold dashes, so a name alone says nothing: only the names of known templates do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ledger.errors import PoisonRecord
from ledger.rollout.pods import REVISION_LABEL
from ledger.rollout.raw import items, mapping, server_time, text

POWERS = {
    **{letter + "i": 1024**power for power, letter in enumerate("KMGTPE", start=1)},
    **{letter: 1000**power for power, letter in enumerate("kMGTPE", start=1)},
    "": 1,
    "m": Decimal("0.001"),
    "u": Decimal("0.000001"),
    "n": Decimal("0.000000001"),
}
MOST_BYTES = 2**62

_QUANTITY = re.compile(
    r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(?:[eE]([+-]?[0-9]{1,2})|([A-Za-z]{0,2}))"
)
_TAIL = re.compile(r"(0|[1-9][0-9]{0,8})")


@dataclass(frozen=True, slots=True)
class Owner:
    """An owner reference of a claim."""

    kind: str
    name: str
    uid: str
    is_controller: bool

    def is_stale(self, kind: str, name: str, uid: str) -> bool:
        """Whether it means an object of that kind and name with another uid: an earlier one
        (stateful_set_utils.go, hasStaleOwnerRef).
        """
        return (self.kind, self.name) == (kind, name) and self.uid != uid


@dataclass(frozen=True, slots=True)
class ClaimState:
    """One state of a PersistentVolumeClaim. `storage_class` is None where it names none, which is
    not the empty name: that one forbids provisioning. `revision` is the label of KEP-4650.
    """

    phase: str
    volume: str
    asked: str
    capacity: str
    storage_class: str | None
    access_modes: str
    owners: tuple[Owner, ...]
    finalizers: tuple[str, ...]
    revision: str
    terminating_at: str | None


@dataclass(frozen=True, slots=True)
class VolumeState:
    """One state of a PersistentVolume. `source` is the word of its kind (`csi`, `nfs`), `handle`
    what it names there; `claim_set_by` who wrote its claimRef, by managedFields, empty if unknown.
    """

    phase: str
    claim_namespace: str
    claim_name: str
    claim_uid: str
    claim_set_by: str
    capacity: str
    storage_class: str | None
    access_modes: str
    reclaim_policy: str
    source: str
    handle: str
    terminating_at: str | None


@dataclass(frozen=True, slots=True)
class ClaimTemplate:
    """One of a StatefulSet's volumeClaimTemplates."""

    name: str
    asked: str
    storage_class: str | None
    access_modes: str


def claim_state(raw_claim: Mapping[str, Any]) -> ClaimState:
    """The state of a claim. Raises PoisonRecord for what no API server serves."""
    try:
        return _claim_state(raw_claim)
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as wrong:
        raise PoisonRecord(f"not a claim: {type(wrong).__name__} {wrong}") from None


def volume_state(raw_volume: Mapping[str, Any]) -> VolumeState:
    """The state of a volume. Raises PoisonRecord for what no API server serves."""
    try:
        return _volume_state(raw_volume)
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as wrong:
        raise PoisonRecord(f"not a volume: {type(wrong).__name__} {wrong}") from None


def claim_templates(raw_set: Mapping[str, Any]) -> tuple[ClaimTemplate, ...]:
    """The claim templates of a StatefulSet. Raises PoisonRecord for what no API server serves."""
    try:
        raw_templates = items(mapping(raw_set.get("spec")).get("volumeClaimTemplates"))
        return tuple(_template(raw_template) for raw_template in raw_templates)
    except (KeyError, TypeError, AttributeError, ValueError) as wrong:
        raise PoisonRecord(f"not a claim template: {type(wrong).__name__} {wrong}") from None


def readings(name: str) -> Iterator[tuple[str, str, int]]:
    """Every (template, set, ordinal) that could have made a claim's name; which of them did is for
    those to say who know the templates.
    """
    *parts, tail = name.split("-")
    if not _TAIL.fullmatch(tail):
        return
    for cut in range(1, len(parts)):
        yield "-".join(parts[:cut]), "-".join(parts[cut:]), int(tail)


def bytes_of(quantity: str) -> int | None:
    """How many bytes a quantity such as `1Gi`, `500M` or `1e9` is, rounded up as the API does; None
    for what is none.
    """
    found = _QUANTITY.fullmatch(quantity)
    if not found or (found[3] or "") not in POWERS:
        return None
    power = Decimal(10) ** int(found[2]) if found[2] else Decimal(POWERS[found[3] or ""])
    exact = Decimal(found[1]) * power
    whole = int(exact.to_integral_value(rounding="ROUND_CEILING"))
    return whole if abs(whole) < MOST_BYTES else None


def _claim_state(raw_claim: Mapping[str, Any]) -> ClaimState:
    metadata, spec = raw_claim["metadata"], mapping(raw_claim.get("spec"))
    status, labels = mapping(raw_claim.get("status")), mapping(metadata.get("labels"))
    return ClaimState(
        phase=text(status.get("phase", "")),
        volume=text(spec.get("volumeName", "")),
        asked=_storage(mapping(spec.get("resources")).get("requests")),
        capacity=_storage(status.get("capacity")),
        storage_class=_class(spec),
        access_modes=_modes(spec),
        owners=tuple(_owner(raw) for raw in items(metadata.get("ownerReferences"))),
        finalizers=tuple(sorted(text(each) for each in metadata.get("finalizers") or ())),
        revision=text(labels.get(REVISION_LABEL, "")),
        terminating_at=server_time(metadata.get("deletionTimestamp")),
    )


def _volume_state(raw_volume: Mapping[str, Any]) -> VolumeState:
    metadata, spec = raw_volume["metadata"], mapping(raw_volume.get("spec"))
    status, claim = mapping(raw_volume.get("status")), mapping(spec.get("claimRef"))
    source = next((name for name in sorted(spec) if name in _HANDLES), "")
    return VolumeState(
        phase=text(status.get("phase", "")),
        claim_namespace=text(claim.get("namespace", "")),
        claim_name=text(claim.get("name", "")),
        claim_uid=text(claim.get("uid", "")),
        claim_set_by=_writer_of_claim(metadata) if claim else "",
        capacity=_storage(spec.get("capacity")),
        storage_class=_class(spec),
        access_modes=_modes(spec),
        reclaim_policy=text(spec.get("persistentVolumeReclaimPolicy", "")),
        source=source,
        handle=_handle(mapping(spec.get(source)), _HANDLES.get(source, ())),
        terminating_at=server_time(metadata.get("deletionTimestamp")),
    )


def _template(raw_template: Mapping[str, Any]) -> ClaimTemplate:
    spec = mapping(raw_template.get("spec"))
    return ClaimTemplate(
        name=text(mapping(raw_template.get("metadata"))["name"]),
        asked=_storage(mapping(spec.get("resources")).get("requests")),
        storage_class=_class(spec),
        access_modes=_modes(spec),
    )


def _storage(raw_quantities: Any) -> str:
    return str(mapping(raw_quantities).get("storage", ""))


def _class(spec: Mapping[str, Any]) -> str | None:
    name = spec.get("storageClassName")
    return None if name is None else text(name)


def _modes(spec: Mapping[str, Any]) -> str:
    return " ".join(sorted(text(mode) for mode in spec.get("accessModes") or ()))


def _owner(raw_owner: Mapping[str, Any]) -> Owner:
    return Owner(
        kind=text(raw_owner["kind"]),
        name=text(raw_owner["name"]),
        uid=text(raw_owner["uid"]),
        is_controller=bool(raw_owner.get("controller")),
    )


def _handle(source: Mapping[str, Any], names: tuple[str, ...]) -> str:
    return ":".join(str(source[name]) for name in names if source.get(name))


def _writer_of_claim(metadata: Mapping[str, Any]) -> str:
    writers = [
        (str(raw_entry.get("time", "")), str(raw_entry.get("manager", "")))
        for raw_entry in items(metadata.get("managedFields"))
        if "f:claimRef" in mapping(mapping(raw_entry.get("fieldsV1")).get("f:spec"))
    ]
    return max(writers)[1] if writers else ""


_HANDLES: Mapping[str, tuple[str, ...]] = {
    "awsElasticBlockStore": ("volumeID",),
    "azureDisk": ("diskURI",),
    "azureFile": ("shareName",),
    "cephfs": ("path",),
    "cinder": ("volumeID",),
    "csi": ("driver", "volumeHandle"),
    "fc": ("lun",),
    "flexVolume": ("driver",),
    "flocker": ("datasetUUID",),
    "gcePersistentDisk": ("pdName",),
    "glusterfs": ("path",),
    "hostPath": ("path",),
    "iscsi": ("targetPortal", "iqn", "lun"),
    "local": ("path",),
    "nfs": ("server", "path"),
    "photonPersistentDisk": ("pdID",),
    "portworxVolume": ("volumeID",),
    "quobyte": ("volume",),
    "rbd": ("pool", "image"),
    "scaleIO": ("volumeName",),
    "storageos": ("volumeName",),
    "vsphereVolume": ("volumePath",),
}
