"""The nouns that every part shares: kinds, object references, positions, records.

Standard library only. Unparsed Kubernetes JSON stays a dict named `raw_*`; what is ours is a frozen
dataclass.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NewType

EPOCH_SPAN = 10**15
"""Versions of one cluster epoch lie below this; the next epoch's begin above it."""

EPOCH_LIMIT = 9_000

Position = NewType("Position", int)
"""A record's place in the log, counted from 0 without holes; it is also its leaf index."""

NOWHERE = Position(-1)
"""The position before the first record: `log.read(after=NOWHERE)` reads from the start."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A resource that is watched, in the API's own words."""

    name: str
    plural: str
    group: str
    namespaced: bool = True
    field_selector: str = ""

    @property
    def api_version(self) -> str:
        """`apps/v1` for group apps, `v1` for the core group."""
        return f"{self.group}/v1" if self.group else "v1"

    @property
    def subject_prefix(self) -> str:
        """The first two parts of a record's subject: `apps/statefulsets`, `core/pods`."""
        return f"{self.group or 'core'}/{self.plural}"

    def path(self, namespace: str | None) -> str:
        """The list and watch path, in one namespace or (None) in all."""
        root = f"/apis/{self.group}/v1" if self.group else "/api/v1"
        scope = f"/namespaces/{namespace}" if namespace and self.namespaced else ""
        return f"{root}{scope}/{self.plural}"


STATEFUL_SETS = Kind("StatefulSet", "statefulsets", "apps")
CONTROLLER_REVISIONS = Kind("ControllerRevision", "controllerrevisions", "apps")
PODS = Kind("Pod", "pods", "")
CLAIMS = Kind("PersistentVolumeClaim", "persistentvolumeclaims", "")
VOLUMES = Kind("PersistentVolume", "persistentvolumes", "", namespaced=False)
EVENTS = Kind("Event", "events", "", field_selector="involvedObject.kind=StatefulSet")

KINDS = (STATEFUL_SETS, CONTROLLER_REVISIONS, PODS, CLAIMS, VOLUMES, EVENTS)
KIND_BY_PLURAL = {kind.plural: kind for kind in KINDS}


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """Which object: kind (plural), namespace ("" for cluster scope), name, uid."""

    plural: str
    namespace: str
    name: str
    uid: str

    @property
    def subject(self) -> str:
        """`apps/statefulsets/default/web`; without a namespace for cluster-scoped kinds."""
        prefix = KIND_BY_PLURAL[self.plural].subject_prefix
        return "/".join(part for part in (prefix, self.namespace, self.name) if part)


@dataclass(frozen=True, slots=True)
class Record:
    """Bytes at a position of a log; `damage` says why they cannot be told, `value` being then what
    is stored.
    """

    position: Position
    value: bytes
    damage: str = ""


def version_number(resource_version: str | int, *, epoch: int) -> int:
    """A resourceVersion as a number that orders states of one kind (KEP-5504), whatever their
    epoch: a restored cluster counts on from where its backup was, so its first state comes after
    the last of the epoch before. Raises ValueError for what is not a number.
    """
    return (epoch - 1) * EPOCH_SPAN + int(resource_version)


def epoch_of(version: int) -> int:
    """The epoch that a `version_number` lies in."""
    return version // EPOCH_SPAN + 1


YEARS = range(1970, 9000)
"""Those that a time may be of."""


def timestamp(at: datetime) -> str:
    """RFC 3339 in UTC with microseconds and Z: sorts as text."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def respelt(text: str) -> str:
    """A time in RFC 3339 as `timestamp` writes it. Raises ValueError as `parse_timestamp` does."""
    return timestamp(parse_timestamp(text))


def utc_now() -> datetime:
    """The wall clock, for the edges; pure code is given its time."""
    return datetime.now(UTC)


def parse_timestamp(text: str) -> datetime:
    """Read RFC 3339. Raises ValueError for anything else, and for a year that no cluster has seen:
    Go's zero time is of the year 1, and near either end of the calendar no time can be moved.
    """
    parsed = datetime.fromisoformat(text)
    if parsed.tzinfo is None:
        raise ValueError(f"no time zone in {text!r}")
    moment = parsed.astimezone(UTC) if parsed.year in YEARS else parsed
    if moment.year not in YEARS:
        raise ValueError(f"no time of a cluster: {text!r}")
    return moment
