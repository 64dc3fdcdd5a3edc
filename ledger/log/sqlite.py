"""The log as one SQLite file, log.db: the embedded log, and the archive of a Kafka topic.

LogFile is synchronous and is what the consumers read and the archive writes; SqliteLog lends it to
async callers as a Log. The file's tables and how it is recognised are schema.py, its compression is
compression.py.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ledger.envelope import Envelope
from ledger.errors import LogTruncated, LogUnusable, PoisonRecord
from ledger.log.compression import Frames
from ledger.log.schema import BUSY_SECONDS, create, open_existing, told, transaction
from ledger.model import NOWHERE, Position, Record
from ledger.wal import WriteAhead

READ_BYTES = 16 * 1024 * 1024
"""A read ends early once its values are this large, so that 500 huge records do not meet in memory.
"""

READ = """
select position, value, dictionary
from records
where position > ?
order by position
limit ?
"""

NEWEST = """
select position, value, dictionary, topic, kafka_offset, resumes_at
from records
order by position desc
limit 1
"""

END = """
select position, topic
from records
order by position desc
limit 1
"""

INSERT = """
insert into records (position, value, dictionary, topic, kafka_offset, resumes_at)
values (?, ?, ?, ?, ?, ?)
"""

Row = tuple[int, bytes, int | None]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where in Kafka an archived record came from.

    `offset` is None for a gap that the archive wrote itself; `resumes_at` is then the offset it
    goes on from.
    """

    topic_id: str
    offset: int | None
    resumes_at: int | None = None


@dataclass(frozen=True, slots=True)
class Archived:
    """A record of an archive with its origin."""

    record: Record
    origin: Origin


class LogFile:
    """A log.db, open. Any thread may use it; calls wait for one another."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        self._lock = threading.Lock()
        self._wal = WriteAhead(path, connection, int(BUSY_SECONDS * 1000))
        with told(path):
            self._frames = Frames(connection)

    @classmethod
    def create(cls, path: Path) -> LogFile:
        """The log at `path`, for writing; made, with its folders, when there is none.

        Raises LogUnusable for anything that is there and is not a log, and leaves that as it was.
        """
        return cls(path, create(path))

    @classmethod
    def open(cls, path: Path, *, writable: bool) -> LogFile:
        """The log at `path`. Raises LogUnusable when there is none, or something else."""
        return cls(path, open_existing(path, writable=writable))

    def close(self) -> None:
        """Free the file. Closing twice is allowed."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> LogFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def append(self, values: Sequence[bytes]) -> Position:
        """Keep the values, in order, all or none; the last one's position.

        They survive power loss when the call returns. Several processes may append to one file:
        each call's values stand together. Raises LogUnreachable when the disk is full or fails
        (nothing was kept: try again), LogUnusable when the file is a topic's archive.
        """
        with self._lock, told(self.path):
            return self._insert([(value, None) for value in values], archive=False)

    def archive(self, entries: Sequence[tuple[bytes, Origin]], *, head: Position) -> Position:
        """As `append`, for records of a topic, each with its origin in the same transaction.

        `head` is where the caller knows the log to end. Raises LogUnusable when it does not, for
        then another process archives into this file, and when the file is an embedded log.
        """
        with self._lock, told(self.path):
            return self._insert(entries, archive=True, head=head)

    def read(self, after: Position, limit: int) -> list[Record]:
        """Up to `limit` records above a position, in order, verbatim; fewer when they are large,
        none at the head.

        A record whose stored bytes are damaged comes as they are stored, with the reason in
        `damage`. Raises LogTruncated when the next record is missing, or the log ends before
        `after`.
        """
        with self._lock, told(self.path), self._one_moment():
            with closing(self._connection.execute(READ, (after, limit))) as rows:
                records = list(self._verbatim(after, rows))
            if not records:
                self._refuse_missing(after)
            return records

    def get(self, position: Position) -> bytes:
        """The value at a position.

        Raises LogTruncated when there is no such record, PoisonRecord when its stored bytes are
        damaged.
        """
        with self._lock, told(self.path):
            rows = self._connection.execute(READ, (position - 1, 1)).fetchall()
            records = list(self._verbatim(Position(position - 1), rows))
        if not records:
            raise LogTruncated(f"record {position} is not in {self.path}")
        if records[0].damage:
            raise PoisonRecord(f"record {position} cannot be read: {records[0].damage}")
        return records[0].value

    def head(self) -> Position:
        """The last record's position, NOWHERE for an empty log."""
        with self._lock, told(self.path):
            return self._head()

    def newest(self) -> Archived | None:
        """An archive's last record and where it came from; None when it is empty.

        Raises LogUnusable for an embedded log, whose records come from no topic.
        """
        with self._lock, told(self.path):
            row = self._connection.execute(NEWEST).fetchone()
        if row is None:
            return None
        position, frame, dictionary, topic_id, offset, resumes_at = row
        if topic_id is None:
            raise _embedded(self.path)
        record = self._record(position, frame, dictionary)
        return Archived(record, Origin(topic_id, offset, resumes_at))

    def _insert(
        self,
        entries: Sequence[tuple[bytes, Origin | None]],
        *,
        archive: bool,
        head: Position | None = None,
    ) -> Position:
        dictionary = self._frames.dictionary
        packed = [
            (self._frames.pack(value), dictionary, *_columns(origin)) for value, origin in entries
        ]
        with transaction(self._connection):
            end = self._end(archive=archive)
            if head is not None and head != end:
                raise LogUnusable(
                    f"another process archives into {self.path}",
                    hint="an archive has one writer: stop the other `consume` first",
                )
            rows = [(position, *columns) for position, columns in enumerate(packed, end + 1)]
            self._connection.executemany(INSERT, rows)
        self._frames.train_when_due(end + 1 + len(rows))
        self._wal.bound()
        return Position(end + len(rows))

    def _end(self, *, archive: bool) -> Position:
        row = self._connection.execute(END).fetchone()
        if row is None:
            return NOWHERE
        position, topic_id = row
        if archive and topic_id is None:
            raise _embedded(self.path)
        if topic_id is not None and not archive:
            raise LogUnusable(
                f"{self.path} is the archive of a Kafka topic",
                hint="let the watcher append to the topic, or to a file of its own",
            )
        return Position(position)

    @contextmanager
    def _one_moment(self) -> Iterator[None]:
        # Between two statements another process may append: what was the head is then a hole.
        self._connection.execute("begin")
        try:
            yield
        finally:
            self._connection.execute("commit")

    def _head(self) -> Position:
        (head,) = self._connection.execute("select max(position) from records").fetchone()
        return NOWHERE if head is None else Position(head)

    def _verbatim(self, after: Position, rows: Iterable[Row]) -> Iterator[Record]:
        expected, room = after + 1, READ_BYTES
        for position, frame, dictionary in rows:
            if position != expected or room <= 0:
                return
            record = self._record(position, frame, dictionary)
            expected, room = position + 1, room - len(record.value)
            yield record

    def _record(self, position: int, frame: bytes, dictionary: int | None) -> Record:
        try:
            return Record(Position(position), self._frames.unpack(frame, dictionary))
        except PoisonRecord as poison:
            return Record(Position(position), frame, damage=poison.message)

    def _refuse_missing(self, after: Position) -> None:
        head = self._head()
        if head < after:
            raise LogTruncated(
                f"{self.path} ends at record {head}, but record {after} was read from it",
                hint="an older copy was put in its place: restore the newest one",
            )
        if head > after:
            raise LogTruncated(f"record {after + 1} is missing from {self.path}")


class SqliteLog:
    """A log.db as a Log: what LogFile does, in a thread, so that the event loop never waits for the
    disk.
    """

    def __init__(self, file: LogFile) -> None:
        self._file = file

    @classmethod
    def open(cls, path: str) -> SqliteLog:
        """The log at `path`, made when there is none. Raises LogUnusable as LogFile.create does."""
        return cls(LogFile.create(Path(path)))

    async def append(self, envelopes: Sequence[Envelope]) -> Position:
        """As Log.append: the records survive power loss."""
        values = [envelope.value for envelope in envelopes]
        return await asyncio.to_thread(self._file.append, values)

    async def read(self, after: Position, limit: int) -> list[Record]:
        """As Log.read."""
        return await asyncio.to_thread(self._file.read, after, limit)

    async def head(self) -> Position:
        """As Log.head."""
        return await asyncio.to_thread(self._file.head)

    async def close(self) -> None:
        """As Log.close."""
        await asyncio.to_thread(self._file.close)


def _columns(origin: Origin | None) -> tuple[str | None, int | None, int | None]:
    if origin is None:
        return None, None, None
    return origin.topic_id, origin.offset, origin.resumes_at


def _embedded(path: Path) -> LogUnusable:
    return LogUnusable(
        f"{path} is an embedded log, not the archive of a Kafka topic",
        hint="give the archive another folder with --data",
    )
