"""Where a watcher goes on: read from the end of the log, which is the only memory it has.

A cursor is the resourceVersion up to which everything of a stream is in the log. The latest
snapshot-end or heartbeat gives one; the watch records that the same process wrote after it move it
on. Listed states never do, so a crash inside a snapshot starts the snapshot again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ledger.envelope import Document, parse
from ledger.errors import LogTruncated, OtherCluster, PoisonRecord
from ledger.keep import FILTER_VERSION
from ledger.log import Log
from ledger.model import NOWHERE, Position
from ledger.observe import Stream

FIRST_CHUNK_RECORDS = 500
FACTOR = 4


@dataclass(frozen=True, slots=True)
class Resume:
    """What the log says to a watcher that starts: a cursor for each stream that has one (by its
    key), the redaction key and policy last used, and the cluster epoch."""

    cursors: Mapping[str, str]
    redaction_key: str = ""
    epoch: int = 1


@dataclass(slots=True)
class _Tail:
    """What the end of the log tells, read forward."""

    cursors: dict[str, tuple[str, str]] = field(default_factory=dict)
    redaction_key: str = ""
    epoch: int = 1

    def take(self, document: Document, streams: Mapping[str, Stream]) -> None:
        self.epoch = max(self.epoch, document.epoch)
        if document.fact == "coverage" and isinstance(document.data, dict):
            self._take_coverage(document, document.data, streams)
        elif document.fact in ("state", "deleted") and not document.snapshot:
            self._take_watched(document, streams)

    def _take_coverage(
        self, document: Document, data: Mapping[str, Any], streams: Mapping[str, Stream]
    ) -> None:
        redaction = data.get("redaction")
        if isinstance(redaction, dict):
            self.redaction_key = str(redaction.get("key", ""))
        if data.get("filter") != FILTER_VERSION:
            return
        for key, cursor in _cursors(data):
            if key in streams and cursor:
                self.cursors[key] = (document.instance, cursor)

    def _take_watched(self, document: Document, streams: Mapping[str, Stream]) -> None:
        ref = document.ref
        for key in (f"{ref.plural}/*", f"{ref.plural}/{ref.namespace}"):
            instance, cursor = self.cursors.get(key, ("", ""))
            if instance == document.instance and document.version_number > int(cursor):
                self.cursors[key] = (instance, document.resourceversion)


async def read_resume(log: Log, streams: Sequence[Stream], *, cluster: str) -> Resume:
    """Read as much of the log's end as it takes to know every stream's cursor.

    Raises OtherCluster when the log is not this cluster's. Records that cannot be read are passed
    over here; the consumer names them.
    """
    wanted = {stream.key: stream for stream in streams}
    head = await log.head()
    await _refuse_other_cluster(log, cluster)
    size = FIRST_CHUNK_RECORDS
    while True:
        after = Position(max(NOWHERE, head - size))
        tail = _Tail()
        async for document in _documents(log, after, head):
            tail.take(document, wanted)
        if after == NOWHERE or (tail.redaction_key and set(wanted) <= set(tail.cursors)):
            cursors = {key: cursor for key, (_, cursor) in tail.cursors.items()}
            return Resume(cursors, tail.redaction_key, tail.epoch)
        size *= FACTOR


async def _documents(log: Log, after: Position, head: Position) -> AsyncIterator[Document]:
    while after < head:
        try:
            records = await log.read(after, FIRST_CHUNK_RECORDS)
        except LogTruncated:
            after = Position(after + 1)
            continue
        if not records:
            return
        for record in records:
            try:
                if not record.damage:
                    yield parse(record.value)
            except PoisonRecord:
                continue
        after = records[-1].position


async def _refuse_other_cluster(log: Log, cluster: str) -> None:
    head = await log.head()
    async for document in _documents(log, Position(max(NOWHERE, head - 20)), head):
        found = document.source.removeprefix("/clusters/")
        if found != cluster:
            raise OtherCluster(
                f"the log is of cluster {found}, the API server of cluster {cluster}",
                hint="give each cluster its own --data folder or topic",
            )


def _cursors(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if data.get("mark") == "snapshot-end":
        yield f"{data.get('kind')}/{data.get('scope')}", str(data.get("resource_version") or "")
    elif data.get("mark") in ("heartbeat", "stream-stop"):
        streams = data["streams"] if data["mark"] == "heartbeat" else [data]
        for stream in streams if isinstance(streams, list) else ():
            if isinstance(stream, dict):
                cursor = str(stream.get("cursor") or "")
                yield f"{stream.get('kind')}/{stream.get('scope')}", cursor
