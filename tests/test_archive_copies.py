"""The archive copies a topic byte for byte, and says so when the topic is not what it was."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from consumers.archive import Archive
from ledger.errors import LogTruncated, LogUnreachable, LogUnusable
from ledger.log.sqlite import LogFile, Origin
from ledger.model import NOWHERE, Position, Record
from tests.faults import row
from tests.invariants import examine

HINT = (
    "copy the log.db of another consumer, or go on without them: `rollout-ledger consume "
    "--accept-loss` records a gap, and the roots of two consumers then differ"
)


@dataclass
class Topic:
    """A topic that behaves as Kafka's do, and can be treated as badly."""

    topic_id: str = "T1"
    begin: int = 0
    values: dict[int, bytes] = field(default_factory=dict)
    end: int = 0
    unreachable: bool = False

    def add(self, *values: bytes) -> None:
        """Append records at the next offsets."""
        for value in values:
            self.values[self.end] = value
            self.end += 1

    def forget(self, before: int) -> None:
        """Let retention take what is below an offset."""
        self.begin = before
        self.values = {offset: v for offset, v in self.values.items() if offset >= before}

    def cut(self, end: int) -> None:
        """Lose the newest records, as an unclean election does."""
        self.end = end
        self.values = {offset: v for offset, v in self.values.items() if offset < end}

    async def beginning(self) -> Position:
        """As Source.beginning."""
        self._answer()
        return Position(self.begin)

    async def read(self, after: Position, limit: int) -> list[Record]:
        """As Source.read."""
        self._answer()
        if not self.begin <= after + 1 <= self.end:
            raise LogTruncated("offset out of range")
        found = [Record(Position(o), v) for o, v in sorted(self.values.items()) if o > after]
        return found[:limit]

    def _answer(self) -> None:
        if self.unreachable:
            raise LogUnreachable("no answer")


@pytest.fixture
def topic() -> Topic:
    """A topic with three records."""
    made = Topic()
    made.add(b"a", b"b", b"c")
    return made


@pytest.fixture
def file(tmp_path: Path) -> Iterator[LogFile]:
    """An empty archive."""
    with LogFile.create(tmp_path / "log.db") as made:
        yield made


def gap(cause: str, details: Mapping[str, Any]) -> bytes:
    """A gap's record, in the simplest words."""
    return json.dumps([cause, details]).encode()


def archive(topic: Topic, file: LogFile, *, accept_loss: bool = False) -> Archive:
    """A consumer that has just started."""
    return Archive(topic, file, gap=gap, accept_loss=accept_loss)


def values(file: LogFile) -> list[bytes]:
    """What the archive holds."""
    return [record.value for record in file.read(NOWHERE, 1_000)]


def accepted(reason: str, *, first_lost: int, resumes_at: int, topic: str = "T1") -> bytes:
    """The gap that an accepted loss leaves in the archive."""
    details = {
        "reason": reason,
        "topic": topic,
        "first_lost": first_lost,
        "resumes_at": resumes_at,
    }
    return gap("log-truncated", details)


async def refusal(topic: Topic, file: LogFile) -> str:
    """The sentence with which a consumer that has just started stops; nothing was written."""
    before = values(file)
    with pytest.raises(LogTruncated) as wrong:
        await archive(topic, file).catch_up()
    assert (wrong.value.hint, values(file)) == (HINT, before)
    examine(before)
    return wrong.value.message


async def test_records_are_copied_in_order_with_their_origin(topic: Topic, file: LogFile) -> None:
    running = archive(topic, file)
    assert await running.catch_up(limit=2) == 2
    assert await running.catch_up() == 1
    assert await running.catch_up() == 0
    newest = file.newest()
    assert newest
    assert (values(file), newest.origin) == ([b"a", b"b", b"c"], Origin("T1", 2))


async def test_a_restart_goes_on_behind_the_last_record(topic: Topic, file: LogFile) -> None:
    await archive(topic, file).catch_up(limit=2)
    topic.add(b"d")
    assert await archive(topic, file).catch_up() == 2
    assert await archive(topic, file).catch_up() == 0
    assert values(file) == [b"a", b"b", b"c", b"d"]


async def test_an_outage_is_passed_on_and_costs_nothing(topic: Topic, file: LogFile) -> None:
    running = archive(topic, file)
    await running.catch_up(limit=2)
    topic.unreachable = True
    with pytest.raises(LogUnreachable):
        await running.catch_up()
    topic.unreachable = False
    assert await running.catch_up() == 1
    assert values(file) == [b"a", b"b", b"c"]


async def test_after_an_outage_the_topic_must_still_be_the_one_it_was(
    topic: Topic, file: LogFile
) -> None:
    running = archive(topic, file)
    await running.catch_up()
    topic.unreachable = True
    with pytest.raises(LogUnreachable):
        await running.catch_up()
    topic.unreachable = False
    topic.values[2] = b"another"
    topic.add(b"d")
    with pytest.raises(LogTruncated):
        await running.catch_up()
    assert values(file) == [b"a", b"b", b"c"]


async def test_retention_may_take_what_is_archived(topic: Topic, file: LogFile) -> None:
    await archive(topic, file).catch_up()
    topic.forget(3)
    topic.add(b"d")
    assert await archive(topic, file).catch_up() == 1
    assert values(file) == [b"a", b"b", b"c", b"d"]


@row("K10", how="retention above the reader", part="fake")
async def test_k10_retention_that_took_unread_records_stops_the_archive(
    topic: Topic, file: LogFile
) -> None:
    await archive(topic, file).catch_up(limit=1)
    topic.forget(2)
    assert await refusal(topic, file) == "records 1 to 1 are gone: the topic begins at 2"


async def test_retention_that_overtakes_a_running_archive_stops_it(
    topic: Topic, file: LogFile
) -> None:
    running = archive(topic, file)
    await running.catch_up(limit=1)
    topic.forget(3)
    with pytest.raises(LogTruncated) as wrong:
        await running.catch_up()
    assert wrong.value.message == "records 1 to 2 are gone: the topic begins at 3"


async def test_an_empty_archive_begins_at_offset_0_or_not_at_all(
    topic: Topic, file: LogFile
) -> None:
    topic.forget(1)
    assert await refusal(topic, file) == "records 0 to 0 are gone: the topic begins at 1"


async def test_a_copied_backup_goes_on_where_it_ends(topic: Topic, file: LogFile) -> None:
    file.archive([(b"a", Origin("T1", 0)), (b"b", Origin("T1", 1))], head=NOWHERE)
    topic.forget(1)
    assert await archive(topic, file).catch_up() == 1
    assert values(file) == [b"a", b"b", b"c"]


@row("K8", how="end moved below the reader", part="fake")
@pytest.mark.parametrize("end", [0, 1, 2])
async def test_k08_a_lost_tail_stops_the_archive(topic: Topic, file: LogFile, end: int) -> None:
    await archive(topic, file).catch_up()
    topic.cut(end)
    expected = "record 2 of the topic is gone, or not the one that was archived"
    assert await refusal(topic, file) == expected


@row("K9", how="other records under copied offsets", part="fake")
async def test_k09_a_tail_that_was_lost_and_filled_again_stops_the_archive(
    topic: Topic, file: LogFile
) -> None:
    await archive(topic, file).catch_up()
    topic.cut(1)
    topic.add(b"x", b"y", b"z")
    expected = "record 2 of the topic is gone, or not the one that was archived"
    assert await refusal(topic, file) == expected


@row("K7", how="another topic id, the same records", part="fake")
async def test_k07_a_topic_made_again_stops_the_archive_even_with_the_same_records(
    topic: Topic, file: LogFile
) -> None:
    await archive(topic, file).catch_up()
    topic.topic_id = "T2"
    topic.add(b"d")
    expected = "the topic was deleted and made again since the archive read it"
    assert await refusal(topic, file) == expected


@row("K11", how="offsets missing in the middle", part="fake")
async def test_k11_a_hole_stops_the_archive_behind_the_records_before_it(
    topic: Topic, file: LogFile
) -> None:
    topic.add(b"d", b"e")
    del topic.values[2], topic.values[3]
    running = archive(topic, file)
    assert await running.catch_up() == 2
    with pytest.raises(LogTruncated) as wrong:
        await running.catch_up()
    assert wrong.value.message == "records 2 to 3 are missing from the middle of the topic"
    assert values(file) == [b"a", b"b"]
    examine(values(file))


async def test_an_accepted_loss_leaves_a_gap_and_goes_on(topic: Topic, file: LogFile) -> None:
    await archive(topic, file).catch_up(limit=1)
    topic.forget(2)
    assert await archive(topic, file, accept_loss=True).catch_up() == 1
    lost = accepted("retention", first_lost=1, resumes_at=2)
    assert values(file) == [b"a", lost, b"c"]
    topic.add(b"d")
    assert await archive(topic, file).catch_up() == 1
    assert values(file) == [b"a", lost, b"c", b"d"]


async def test_an_accepted_loss_while_running_leaves_one_gap(topic: Topic, file: LogFile) -> None:
    running = archive(topic, file, accept_loss=True)
    await running.catch_up(limit=1)
    topic.forget(3)
    topic.add(b"d")
    assert await running.catch_up() == 1
    assert values(file) == [b"a", accepted("retention", first_lost=1, resumes_at=3), b"d"]


async def test_an_accepted_loss_need_not_be_accepted_twice(topic: Topic, file: LogFile) -> None:
    await archive(topic, file).catch_up()
    replaced = Topic(topic_id="T2")
    assert await archive(replaced, file, accept_loss=True).catch_up() == 0
    assert await archive(replaced, file).catch_up() == 0
    replaced.add(b"x")
    assert await archive(replaced, file).catch_up() == 1
    lost = accepted("topic-replaced", first_lost=3, resumes_at=0, topic="T2")
    assert values(file) == [b"a", b"b", b"c", lost, b"x"]


async def test_behind_an_accepted_loss_retention_is_still_watched(
    topic: Topic, file: LogFile
) -> None:
    await archive(topic, file).catch_up()
    replaced = Topic(topic_id="T2")
    await archive(replaced, file, accept_loss=True).catch_up()
    replaced.add(b"x", b"y")
    replaced.forget(1)
    assert await refusal(replaced, file) == "records 0 to 0 are gone: the topic begins at 1"


async def test_an_accepted_overwriting_reads_all_that_the_topic_holds(
    topic: Topic, file: LogFile
) -> None:
    await archive(topic, file).catch_up()
    topic.cut(1)
    topic.add(b"x", b"y")
    assert await archive(topic, file, accept_loss=True).catch_up() == 3
    lost = accepted("overwritten", first_lost=2, resumes_at=0)
    assert values(file) == [b"a", b"b", b"c", lost, b"a", b"x", b"y"]


async def test_an_accepted_hole_leaves_a_gap_in_its_place(topic: Topic, file: LogFile) -> None:
    topic.add(b"d")
    del topic.values[1]
    running = archive(topic, file, accept_loss=True)
    assert [await running.catch_up() for _ in range(3)] == [1, 2, 0]
    lost = accepted("hole", first_lost=1, resumes_at=2)
    assert values(file) == [b"a", lost, b"c", b"d"]
    assert await archive(topic, file).catch_up() == 0


async def test_an_accepted_hole_at_the_end_of_a_run_is_not_told_again(
    topic: Topic, file: LogFile
) -> None:
    del topic.values[1]
    await archive(topic, file).catch_up()
    lost = Origin("T1", None, resumes_at=2)
    file.archive([(b"gap", lost)], head=Position(0))
    assert await archive(topic, file).catch_up() == 1
    assert values(file) == [b"a", b"gap", b"c"]


async def test_of_two_archives_on_one_file_one_stops(topic: Topic, file: LogFile) -> None:
    first, second = archive(topic, file), archive(topic, file)
    await first.catch_up(limit=1)
    await second.catch_up(limit=1)
    with pytest.raises(LogUnusable, match="another process archives into"):
        await first.catch_up()
    assert await second.catch_up() == 1
    assert values(file) == [b"a", b"b", b"c"]


async def test_an_embedded_log_is_not_archived_into(topic: Topic, file: LogFile) -> None:
    file.append([b"mine"])
    with pytest.raises(LogUnusable, match="is an embedded log, not the archive of a Kafka topic"):
        await archive(topic, file).catch_up()
    assert values(file) == [b"mine"]


async def test_an_archive_whose_last_record_is_damaged_is_not_continued(
    topic: Topic, file: LogFile
) -> None:
    await archive(topic, file).catch_up()
    with sqlite3.connect(file.path) as disk:
        disk.execute("drop trigger records_are_not_updated")
        disk.execute("update records set value = x'00' where position = 2")
    disk.close()
    with pytest.raises(LogUnusable) as wrong:
        await archive(topic, file).catch_up()
    assert wrong.value.message == (
        f"the last record of {file.path} cannot be compared with the topic: "
        "its stored bytes are damaged: error when determining content size"
    )
