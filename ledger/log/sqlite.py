"""The log as one SQLite file, log.db: the embedded log, and the archive of a Kafka topic.

LogFile is synchronous and is what the consumers read and the archive writes; SqliteLog lends it to async callers
as a Log. The file's tables and how it is recognised are schema.py, its compression is compression.py.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ledger.envelope import Envelope
from ledger.errors import LogTruncated, LogUnusable, PoisonRecord
from ledger.log.compression import Frames, digest, train
from ledger.log.schema import create, open_existing, told
from ledger.model import NOWHERE, Position, Record

TRAINING_RECORDS = 2_000
"""How many records a dictionary is trained on: about the first list of a cluster of some size."""

READ_BYTES = 16 * 1024 * 1024
"""A read ends early once its values are this large, so that 500 huge records do not meet in memory."""

READ = """
select position, value, dictionary
from records
where position > ?
order by position
limit ?
"""

NEWEST = """
select position, topic, kafka_offset, resumes_at
from records
order by position desc
limit 1
"""

NEWEST_ARCHIVED = """
select position, value, dictionary, topic, kafka_offset, resumes_at
from records
order by position desc
limit 1
"""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where in Kafka an archived record came from.

    `offset` is None for a gap that the archive wrote itself; `resumes_at` is then the offset it goes on from.
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
        self._frames = Frames()
        self._train_at = TRAINING_RECORDS
        with told(path):
            self._learn()

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

        They survive power loss when the call returns. Several processes may append to one file: each call's
        values stand together. Raises LogUnreachable when the disk is full or fails (try again: nothing was
        kept), LogUnusable when the file is a topic's archive.
        """
        with self._lock, told(self.path):
            if values:
                self._insert(values, [None] * len(values), head=None)
            return self._head()

    def archive(
        self, values: Sequence[bytes], origins: Sequence[Origin], *, head: Position
    ) -> Position:
        """As `append`, for records of a topic, each with its origin in the same transaction.

        `head` is where the caller believes the log to end. Raises LogUnusable when it does not, for then another
        process archives into this file, and when the file is an embedded log.
        """
        with self._lock, told(self.path):
            self._insert(values, origins, head=head)
            return self._head()

    def read(self, after: Position, limit: int) -> list[Record]:
        """Up to `limit` records above a position, in order, verbatim; fewer when they are large, none at the head.

        A record whose stored bytes are damaged comes as they are stored, with the reason in `damage`. Raises
        LogTruncated when the next record is missing, or the log ends before `after`.
        """
        with self._lock, told(self.path):
            with closing(self._connection.execute(READ, (after, limit))) as rows:
                records = list(self._verbatim(after, rows))
            if not records:
                self._refuse_missing(after)
            return records

    def get(self, position: Position) -> bytes:
        """The value at a position.

        Raises LogTruncated when there is no such record, PoisonRecord when its stored bytes are damaged.
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
            row = self._connection.execute(NEWEST_ARCHIVED).fetchone()
        if row is None:
            return None
        position, frame, dictionary, topic_id, offset, resumes_at = row
        if topic_id is None:
            raise _embedded(self.path)
        record = self._record(position, frame, dictionary)
        return Archived(record, Origin(topic_id, offset, resumes_at))

    def _insert(
        self, values: Sequence[bytes], origins: Sequence[Origin | None], *, head: Position | None
    ) -> None:
        dictionary = self._frames.dictionary
        frames = [self._frames.pack(value) for value in values]
        with self._transaction():
            end = self._end(archive=head is not None)
            if head is not None and head != end:
                raise LogUnusable(
                    f"another process archives into {self.path}",
                    hint="an archive has one writer: stop the other `consume` first",
                )
            packed = zip(count(end + 1), frames, origins, strict=False)
            self._connection.executemany(
                INSERT,
                [
                    (position, frame, dictionary, *_columns(origin))
                    for position, frame, origin in packed
                ],
            )
        self._train(end + len(values))

    def _end(self, *, archive: bool) -> Position:
        row = self._connection.execute(NEWEST).fetchone()
        if row is None:
            return NOWHERE
        position, topic_id = row[0], row[3]
        if archive and topic_id is None:
            raise _embedded(self.path)
        if topic_id is not None and not archive:
            raise LogUnusable(
                f"{self.path} is the archive of a Kafka topic",
                hint="let the watcher append to the topic, or to a file of its own",
            )
        return Position(position)

    def _head(self) -> Position:
        (head,) = self._connection.execute(HEAD).fetchone()
        return Position(head)

    def _verbatim(self, after: Position, rows: Iterable[tuple[int, bytes, int | None]]) -> Iterator[Record]:
        expected, room = after + 1, READ_BYTES
        for position, frame, dictionary in rows:
            if position != expected or room <= 0:
                return
            record = self._record(position, frame, dictionary)
            expected, room = position + 1, room - len(record.value)
            yield record

    def _record(self, position: int, frame: bytes, dictionary: int | None) -> Record:
        try:
            self._learn_about(dictionary)
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

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("begin immediate")
        try:
            yield
            self._connection.execute("commit")
        finally:
            if self._connection.in_transaction:
                self._connection.execute("rollback")

    def _train(self, end: int) -> None:
        if self._frames.dictionary is not None or end + 1 < self._train_at:
            return
        self._train_at *= 2
        ...
