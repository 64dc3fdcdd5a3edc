"""Where a watcher goes on: read backwards from the end of the log, the only memory it has.

A stream's cursor is the resourceVersion up to which everything of it is in the log. The latest
snapshot-end, heartbeat, stream-stop or resumed stream-start gives one; what the same process
watched after it moves it on. Listed states never do, so a crash inside a snapshot starts it
again, and a gap that is still open stays the same gap.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from ledger.audit.file import Place
from ledger.errors import LogTruncated, OtherCluster
from ledger.keep import FILTER_VERSION
from ledger.log import Log
from ledger.model import Position, Record
from ledger.observe import Stream
from ledger.standing import OpenGap, Standing

FIRST_CHUNK_RECORDS = 500
LARGEST_CHUNK_RECORDS = 8_000


@dataclass(frozen=True, slots=True)
class Resume:
    """What the log says to a watcher that starts."""

    cursors: Mapping[str, Standing]
    """Where each stream stands, by its key; streams that the log does not speak of are missing."""

    redaction_key: str = ""
    """Id of the key last used; empty when nothing was written yet."""

    redaction_policy: str = ""
    epoch: int = 1
    audit: Mapping[str, Place] = field(default_factory=dict)
    """How far each audit log file was read, by its path."""

    sealed: frozenset[str] = frozenset()
    """Ids of the sealed originals in the stretch of the log that was read."""


async def read_resume(log: Log, streams: Sequence[Stream], *, cluster: str) -> Resume:
    """Read as much of the log's end as it takes to know where every stream stands.

    Raises OtherCluster when the log is another cluster's. Records that cannot be read are passed
    over here; the consumer names them.
    """
    tail = _Tail(cluster, {stream.key for stream in streams})
    await _read(log, tail)
    return tail.resume()


async def read_redaction_key(log: Log) -> str:
    """Id of the redaction key that the last watcher of this log used; empty when there was none."""
    tail = _Tail("", set())
    await _read(log, tail)
    return tail.resume().redaction_key


async def _read(log: Log, tail: _Tail) -> None:
    end, size = await log.head() + 1, FIRST_CHUNK_RECORDS
    while end > 0 and not tail.is_known:
        begin = max(0, end - size)
        records, begin = await _records(log, begin, end)
        for record in reversed(records):
            tail.take(record)
        end, size = begin, min(size * 2, LARGEST_CHUNK_RECORDS)


async def _records(log: Log, begin: int, end: int) -> tuple[list[Record], int]:
    """The records from `begin` to before `end`, and 0 for `begin` when retention has removed some:
    nothing older is there."""
    records: list[Record] = []
    position, oldest = begin, begin
    while position < end:
        try:
            read = await log.read(Position(position - 1), end - position)
        except LogTruncated:
            position, oldest = (position + end + 1) // 2, 0
            records.clear()
            continue
        if not read:
            break
        records += [record for record in read if record.position < end]
        position = read[-1].position + 1
    return records, oldest


class _Attributes(msgspec.Struct, gc=False):
    id: str
    type: str
    source: str
    time: str
    epoch: int
    instance: str
    subject: str = ""
    resourceversion: str = ""
    snapshot: str = ""
    data: msgspec.Raw = msgspec.Raw(b"null")


class _Redaction(msgspec.Struct):
    key: str
    policy: str


class _Sealing(msgspec.Struct):
    key: str


class _Mark(msgspec.Struct):
    kind: str = ""
    scope: str = ""
    cursor: str | None = None
    resource_version: str | None = None
    seen_at: str | None = None
    after: str | None = None
    unreadable: int = 0
    wants_list: bool = False

    @property
    def key(self) -> str:
        return f"{self.kind}/{self.scope}"

    @property
    def version(self) -> str:
        if self.unreadable:
            # A list with items that nobody could read is no ground to go on from.
            return ""
        # A list that only checks the watch leaves it where it was.
        version = self.cursor or self.after or self.resource_version or ""
        return version if version.isascii() and version.isdigit() else ""


class _Audit(msgspec.Struct):
    file: str = ""
    inode: int = 0
    offset: int = 0
    digest: str = ""
    head: str = ""


class _Coverage(_Mark):
    mark: str = ""
    filter: int = 0
    redaction: _Redaction | None = None
    sealing: _Sealing | None = None
    streams: list[_Mark] | None = None
    audit: list[_Audit] | None = None


class _Gap(msgspec.Struct):
    cause: str
    state: str
    kind: str = ""
    scope: str = ""
    gap: str = ""
    last_resource_version: str | None = None
    last_epoch: int = 0


_attributes_decoder = msgspec.json.Decoder(_Attributes)
_coverage_decoder = msgspec.json.Decoder(_Coverage)
_gap_decoder = msgspec.json.Decoder(_Gap)


@dataclass(slots=True)
class _Watched:
    """What one process watched of one stream after the coverage record yet to be found."""

    version: int
    at: str


@dataclass(frozen=True, slots=True)
class _Gapped:
    """An open gap and the resourceVersion it began after; epoch 0 when nobody knows."""

    gap: OpenGap
    epoch: int
    after: int


@dataclass(slots=True)
class _Tail:
    """What the end of the log tells, the newest record first."""

    cluster: str
    wanted: set[str]
    epoch: int = 1
    newest: _Coverage | None = None
    has_beaten: bool = False
    foreign: str = ""
    standings: dict[str, Standing] = field(default_factory=dict)
    audit: dict[str, Place] = field(default_factory=dict)
    sealed: set[str] = field(default_factory=set)
    _watched: dict[tuple[str, str, int], _Watched] = field(default_factory=dict)
    _open: defaultdict[str, list[_Gapped]] = field(default_factory=lambda: defaultdict(list))
    _closed: set[str] = field(default_factory=set)

    @property
    def is_known(self) -> bool:
        """Nothing older can add to what is known."""
        # How far the audit logs were read is in heartbeats alone.
        return self.has_beaten and self.wanted <= self.standings.keys()

    def take(self, record: Record) -> None:
        """Go one record back. Raises OtherCluster when a watcher of another cluster wrote it."""
        try:
            document = _attributes_decoder.decode(record.value)
            if self.cluster and document.source != f"/clusters/{self.cluster}":
                self._take_foreign(document)
                return
            self.epoch = max(self.epoch, document.epoch)
            if document.type == "rollout-ledger.coverage.v1":
                self._take_coverage(document, _coverage_decoder.decode(document.data))
            elif document.type == "rollout-ledger.gap.v1":
                self._take_gap(document, _gap_decoder.decode(document.data))
            elif document.type == "rollout-ledger.sealed.v1":
                self.sealed.add(document.id)
            elif document.resourceversion and not document.snapshot:
                self._take_watched(document)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return

    def resume(self) -> Resume:
        """All of it. Raises OtherCluster when no record is of this cluster."""
        if self.newest is None and self.foreign:
            raise _other(self.foreign, self.cluster)
        gapped = {
            key: Standing(gaps=tuple(gapped.gap for gapped in gaps))
            for key, gaps in self._open.items()
            if gaps and key not in self.standings
        }
        redaction = (self.newest and self.newest.redaction) or _Redaction("", "")
        return Resume(
            self.standings | gapped,
            redaction.key,
            redaction.policy,
            self.epoch,
            self.audit,
            frozenset(self.sealed),
        )

    def _take_foreign(self, document: _Attributes) -> None:
        # Only watchers write coverage: the newest says whose log this is. Other records may have
        # been put into a topic by anybody, and the fold rejects them.
        self.foreign = self.foreign or document.source.removeprefix("/clusters/")
        if self.newest is None and document.type == "rollout-ledger.coverage.v1":
            raise _other(self.foreign, self.cluster)

    def _take_coverage(self, document: _Attributes, coverage: _Coverage) -> None:
        if self.newest is None:
            self.newest = coverage
        self.has_beaten = self.has_beaten or coverage.mark == "heartbeat"
        for each in coverage.audit or ():
            if each.digest:
                place = Place(each.inode, each.offset, each.digest, each.head)
                self.audit.setdefault(each.file, place)
        if coverage.mark == "snapshot-begin":
            # Only its end shows that what the list was for is done.
            return
        for mark in coverage.streams or (coverage,):
            if mark.version and mark.key in self.wanted - self.standings.keys():
                stale = coverage.filter != FILTER_VERSION
                standing = self._standing(mark, document, refiltered=stale)
                sealing = None if mark.wants_list else coverage.sealing
                self.standings[mark.key] = (
                    replace(standing, sealing_key=sealing.key) if sealing else standing
                )

    def _standing(self, mark: _Mark, document: _Attributes, *, refiltered: bool) -> Standing:
        watched = self._watched.get((mark.key, document.instance, document.epoch))
        version = max(int(mark.version), watched.version if watched else 0)
        seen_at = watched.at if watched else mark.seen_at or document.time
        # A record may come twice, and late: a gap from before a cursor that was told without one
        # had been closed.
        gaps = tuple(
            gapped.gap
            for gapped in self._open[mark.key]
            if gapped.epoch != document.epoch or gapped.after >= int(mark.version)
        )
        epoch = document.epoch if document.epoch < self.epoch else 0
        return Standing(str(version), seen_at, gaps, refiltered, epoch)

    def _take_gap(self, document: _Attributes, gap: _Gap) -> None:
        key = f"{gap.kind}/{gap.scope}"
        if gap.state == "closed":
            self._closed.add(gap.gap)
        elif key in self.wanted - self.standings.keys() and document.id not in self._closed:
            told = gap.last_resource_version or ""
            is_known = told.isascii() and told.isdigit() and not gap.last_epoch
            epoch, after = (document.epoch, int(told)) if is_known else (0, 0)
            self._open[key].append(_Gapped(OpenGap(document.id, gap.cause), epoch, after))

    def _take_watched(self, document: _Attributes) -> None:
        if not document.resourceversion.isdigit():
            return
        version = int(document.resourceversion)
        for key in self._keys_of(document.subject):
            watched = self._watched.setdefault(
                (key, document.instance, document.epoch), _Watched(version, document.time)
            )
            watched.version = max(watched.version, version)

    def _keys_of(self, subject: str) -> Iterable[str]:
        _, plural, *path = subject.split("/")
        keys = [f"{plural}/*", f"{plural}/{path[0]}" if len(path) == 2 else ""]
        return (key for key in keys if key in self.wanted and key not in self.standings)


def _other(found: str, cluster: str) -> OtherCluster:
    return OtherCluster(
        f"the log is of cluster {found}, the API server of cluster {cluster}",
        hint="give each cluster its own --data folder or topic",
    )
