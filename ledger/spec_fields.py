"""A StatefulSet's spec beside its pod template, field by field, and how a change of it is told.

Pure. Fields go by their path in the spec, so that one nobody knows yet is told as well. Claim
templates are matched by name; what the server fills into them is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ledger.canonical import from_bytes, to_bytes

CLAIMS = "volumeClaimTemplates"
NAMES = {
    "updateStrategy.type": "strategy",
    "updateStrategy.rollingUpdate.partition": "partition",
    "updateStrategy.rollingUpdate.maxUnavailable": "max unavailable",
    "revisionHistoryLimit": "history limit",
    "minReadySeconds": "min ready seconds",
    "podManagementPolicy": "pod management",
    "ordinals.start": "first ordinal",
    "persistentVolumeClaimRetentionPolicy.whenDeleted": "claims when deleted",
    "persistentVolumeClaimRetentionPolicy.whenScaled": "claims when scaled",
    "serviceName": "service",
}
"""What people call a field."""

_SERVER_FILLED = ("status", "metadata.creationTimestamp", "kind", "apiVersion")


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field with its value before and since, JSON; None where there is none."""

    field: str
    old: str | None
    new: str | None

    @property
    def kind(self) -> Literal["added", "removed", "changed"]:
        """How the field differs, in the words of ledger/diff.py."""
        if self.old is None:
            return "added"
        return "removed" if self.new is None else "changed"

    def summary(self) -> str:
        """`replicas 3 → 5`."""
        return f"{name_of(self.field)} {_told(self.old)} → {_told(self.new)}"

    def kept(self) -> str:
        """`replicas stays 5, was 3 then`, for a change that nobody takes back."""
        return f"{name_of(self.field)} stays {_told(self.new)}, was {_told(self.old)} then"


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[FieldChange]:
    """The fields in which two specs differ, by path."""
    before, after = dict(_flat(old)), dict(_flat(new))
    return [
        FieldChange(field, before.get(field), after.get(field))
        for field in sorted({*before, *after})
        if before.get(field) != after.get(field)
    ]


def name_of(field: str) -> str:
    """What people call a field of a spec."""
    claim, found, rest = field.removeprefix(f"{CLAIMS}[").partition("].")
    if found and field.startswith(CLAIMS):
        return f"claim {claim} {_last(rest)}"
    return NAMES.get(field, field)


def _last(path: str) -> str:
    parts = path.split(".")
    return {"storage": "size", "storageClassName": "class", "accessModes": "access"}.get(
        parts[-1], parts[-1]
    )


def _flat(spec: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in spec.items():
        if name == CLAIMS and isinstance(value, list):
            for index, claim in enumerate(value):
                yield from _claim(index, claim)
        else:
            yield from _leaves(name, value)


def _claim(index: int, claim: Any) -> Iterator[tuple[str, str]]:
    metadata = claim.get("metadata") if isinstance(claim, dict) else None
    named = metadata.get("name") if isinstance(metadata, dict) else None
    prefix = f"{CLAIMS}[{named if isinstance(named, str) else index}]"
    for path, value in _leaves(prefix, claim):
        inner = path.removeprefix(f"{prefix}.")
        if not inner.startswith(_SERVER_FILLED):
            yield path, value


def _leaves(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _leaves(f"{path}.{name}", inner)
    else:
        yield path, to_bytes(value).decode()


def _told(value: str | None) -> str:
    if value is None:
        return "none"
    plain = from_bytes(value.encode())
    if isinstance(plain, list) and all(isinstance(each, str) for each in plain):
        return ",".join(plain)
    return plain if isinstance(plain, str) else value
