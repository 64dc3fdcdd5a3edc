"""What every log promises, held against each: memory, a SQLite file, a real Kafka topic."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ledger.envelope import Envelope
from ledger.errors import LogTruncated
from ledger.log import Log, open_log
from ledger.log.memory import MemoryLog
from ledger.model import NOWHERE, Position, Record
from tests.lab.topics import Topics

DURABLE = ["sqlite", pytest.param("kafka", marks=pytest.mark.kafka)]


class Place:
    """Where a log lives, opened as often as a test wants."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._memory = MemoryLog()
        self._opened: list[Log] = []

    async def open(self) -> Log:
        """The log, through a connection of its own where it has such a thing."""
        log = self._memory if self.address == "memory:" else await open_log(self.address)
        self._opened.append(log)
        return log

    async def close(self) -> None:
        """Close every log that was opened here."""
        for log in self._opened:
            await log.close()


@pytest.fixture(params=["memory", *DURABLE])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    """An empty log of each kind."""
    match request.param:
        case "memory":
            made = Place("memory:")
        case "sqlite":
            made = Place(f"sqlite://{tmp_path / 'log' / 'log.db'}")
        case _:
            made = Place(await fitting_topic(request.getfixturevalue("broker")))
    yield made
    await made.close()


@pytest.fixture
async def log(place: Place) -> Log:
    """The empty log, open."""
    return await place.open()


async def fitting_topic(broker: Topics) -> str:
    """The address of a new topic that is set as a log's should be."""
    from ledger.log.kafka import KafkaLog

    address = f"kafka://{broker.address}/log-{uuid.uuid4().hex[:8]}"
    await KafkaLog.create(address)
    return address


def sealed(*values: bytes) -> list[Envelope]:
    """Envelopes around any bytes: to a log they are all the same."""
    return [Envelope(f"id/{number}", value) for number, value in enumerate(values)]


async def all_records(log: Log, *, limit: int = 1_000) -> list[Record]:
    """Everything in the log, read until its head."""
    found: list[Record] = []
    while more := await log.read(found[-1].position if found else NOWHERE, limit):
        found += more
    return found


def numbered(values: list[bytes]) -> list[Record]:
    """The records that the values are when they are a log's first."""
    return [Record(Position(number), value) for number, value in enumerate(values)]


async def test_an_empty_log_has_no_head_and_no_records(log: Log) -> None:
    assert await log.head() == NOWHERE
    assert await log.read(NOWHERE, 10) == []


async def test_records_are_read_verbatim_in_the_order_they_were_appended(log: Log) -> None:
    values = [b"{}", b"", bytes(range(256)), "größe".encode(), b'{"a": 1 }\n', b"\0" * 5_000]
    assert await log.append(sealed(*values[:4])) == 3
    assert await log.append(sealed(*values[4:])) == 5
    assert await log.head() == 5
    assert await all_records(log) == numbered(values)


@pytest.mark.parametrize("megabytes", [1.5, 5.0, 7.9])
async def test_a_large_record_comes_back_verbatim(log: Log, megabytes: float) -> None:
    values = [b"before", os.urandom(int(megabytes * 1024 * 1024)), b"after"]
    assert await log.append(sealed(*values)) == 2
    assert await all_records(log) == numbered(values)


async def test_a_read_gives_no_more_than_its_limit_and_goes_on_after_any_position(log: Log) -> None:
    records = numbered([str(number).encode() for number in range(20)])
    await log.append(sealed(*(record.value for record in records)))
    assert await log.read(NOWHERE, 3) == records[:3]
    assert await log.read(Position(2), 3) == records[3:6]
    assert await log.read(Position(16), 100) == records[17:]
    assert await log.read(Position(4), 1) == records[5:6]
    assert await log.read(Position(19), 100) == []
    assert await all_records(log, limit=7) == records


async def test_appending_nothing_changes_nothing(log: Log) -> None:
    assert await log.append([]) == NOWHERE
    await log.append(sealed(b"one"))
    assert await log.append([]) == 0
    assert await all_records(log) == numbered([b"one"])


async def test_what_was_appended_is_read_at_once_through_any_connection(place: Place) -> None:
    writer, reader = await place.open(), await place.open()
    for number in range(30):
        value = str(number).encode()
        assert await writer.append(sealed(value)) == number
        assert await reader.read(Position(number - 1), 10) == [Record(Position(number), value)]


async def test_a_reader_follows_while_others_append(place: Place) -> None:
    writer, reader = await place.open(), await place.open()
    values = [f"{number}:{'x' * (number % 700)}".encode() for number in range(1_500)]

    async def write() -> None:
        for start in range(0, len(values), 37):
            await writer.append(sealed(*values[start : start + 37]))

    async def follow() -> list[Record]:
        found: list[Record] = []
        while len(found) < len(values):
            found += await reader.read(found[-1].position if found else NOWHERE, 50)
        return found

    found, _ = await asyncio.gather(follow(), write())
    assert found == numbered(values)


async def test_two_appenders_lose_nothing_and_each_keeps_its_order(place: Place) -> None:
    async def write(name: str) -> list[bytes]:
        log = await place.open()
        values = [f"{name}{number}".encode() for number in range(200)]
        for start in range(0, len(values), 8):
            await log.append(sealed(*values[start : start + 8]))
        return values

    written = await asyncio.gather(write("a"), write("b"))
    found = await all_records(await place.open())
    assert [record.position for record in found] == list(range(400))
    for values in written:
        assert [each.value for each in found if each.value[:1] == values[0][:1]] == values


async def test_reading_behind_the_end_tells_that_the_log_was_cut_short(log: Log) -> None:
    await log.append(sealed(b"one", b"two"))
    with pytest.raises(LogTruncated):
        await log.read(Position(2), 10)


async def test_closing_twice_is_allowed(log: Log) -> None:
    await log.append(sealed(b"one"))
    await log.close()
    await log.close()


@pytest.mark.parametrize("place", DURABLE, indirect=True)
async def test_what_was_appended_is_there_when_the_log_is_opened_again(place: Place) -> None:
    values = [str(number).encode() for number in range(100)]
    first = await place.open()
    await first.append(sealed(*values))
    await first.close()
    second = await place.open()
    assert await second.append(sealed(b"later")) == 100
    assert await all_records(second) == numbered([*values, b"later"])
