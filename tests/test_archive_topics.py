"""The archive on a real topic: exactly once whatever is killed, and never past a loss unnoticed."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from consumers.archive import Archive
from ledger.errors import LogTruncated
from ledger.log.sqlite import LogFile, Origin
from ledger.model import Position
from tests.faults import row
from tests.invariants import examine
from tests.lab.topics import Topics
from tests.test_log_contract import fitting_topic, sealed
from tests.test_log_kafka import delete_records, opened, server, topic

pytestmark = pytest.mark.kafka

KILLS = 4


@pytest.fixture
async def address(broker: Topics) -> str:
    """A fitting topic of the test's own."""
    return await fitting_topic(broker)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[LogFile]:
    """An empty archive."""
    with LogFile.create(tmp_path / "log.db") as made:
        yield made


def gap(cause: str, details: Mapping[str, Any]) -> bytes:
    """A gap's record, in the simplest words."""
    return json.dumps([cause, details["reason"]]).encode()


async def catch_up(address: str, file: LogFile, *, accept_loss: bool = False) -> None:
    """What a consumer does that is started and stops at the topic's head."""
    async with opened(address) as log:
        archive = Archive(log, file, gap=gap, accept_loss=accept_loss)
        while await archive.catch_up():
            pass


def values(file: LogFile) -> list[bytes]:
    """What the archive holds."""
    found: list[bytes] = []
    while more := file.read(Position(len(found) - 1), 1_000):
        found += [record.value for record in more]
    return found


def numbers(start: int, end: int) -> list[bytes]:
    """Values that say where they belong."""
    return [str(number).encode() for number in range(start, end)]


async def test_a_topic_is_copied_and_gone_on_with(address: str, file: LogFile) -> None:
    async with opened(address) as log:
        await log.append(sealed(*numbers(0, 1_200)))
        await catch_up(address, file)
        await log.append(sealed(*numbers(1_200, 1_300)))
        await catch_up(address, file)
        newest = file.newest()
        assert newest
        assert newest.origin == Origin(log.topic_id, 1_299)
    assert values(file) == numbers(0, 1_300)


@row("K10", how="delete_records below and above what is copied", part="real")
async def test_k10_retention_may_take_what_is_copied_and_nothing_else(
    address: str, file: LogFile
) -> None:
    async with opened(address) as log:
        await log.append(sealed(*numbers(0, 10)))
        await catch_up(address, file)
        await delete_records(address, before=10)
        await catch_up(address, file)
        await log.append(sealed(*numbers(10, 20)))
        await delete_records(address, before=12)
    with pytest.raises(LogTruncated, match="records 10 to 11 are gone: the topic begins at 12"):
        await catch_up(address, file)
    await catch_up(address, file, accept_loss=True)
    assert values(file) == [
        *numbers(0, 10),
        gap("log-truncated", {"reason": "retention"}),
        *numbers(12, 20),
    ]
    examine(values(file))


@row("K7", how="topic deleted, made and filled again", part="real")
async def test_k07_a_topic_made_again_is_noticed_though_it_holds_the_same_records(
    broker: Topics, address: str, file: LogFile
) -> None:
    async with opened(address) as log:
        await log.append(sealed(*numbers(0, 10)))
    await catch_up(address, file)
    broker.delete_topic(topic(address))
    broker.create_topic(topic(address))
    async with opened(address) as log:
        await log.append(sealed(*numbers(0, 10)))
    with pytest.raises(LogTruncated, match="the topic was deleted and made again"):
        await catch_up(address, file)
    await catch_up(address, file, accept_loss=True)
    lost = gap("log-truncated", {"reason": "topic-replaced"})
    assert values(file) == [*numbers(0, 10), lost, *numbers(0, 10)]
    examine(values(file))


@row("K11", how="transaction of a foreign producer", part="real")
async def test_k11_a_hole_that_somebody_s_transaction_left_is_not_passed_in_silence(
    address: str, file: LogFile
) -> None:
    async with opened(address) as log:
        await log.append(sealed(b"0"))
        foreign = AIOKafkaProducer(
            bootstrap_servers=server(address), transactional_id=f"foreign-{topic(address)}"
        )
        async with foreign, foreign.transaction():
            await foreign.send_and_wait(topic(address), b"1")
        while await log.head() < 2:
            continue  # The brokers mark a transaction's end a little after they confirm it.
        await log.append(sealed(b"2"))
    with pytest.raises(LogTruncated, match="records 2 to 2 are missing from the middle"):
        await catch_up(address, file)
    assert values(file) == [b"0", b"1"]
    await catch_up(address, file, accept_loss=True)
    assert values(file) == [b"0", b"1", gap("log-truncated", {"reason": "hole"}), b"2"]
    examine(values(file))


CONSUMER = """
    import asyncio, sys
    from pathlib import Path
    from consumers.archive import Archive
    from ledger.log.kafka import KafkaLog
    from ledger.log.sqlite import LogFile

    async def run():
        log = await KafkaLog.open(sys.argv[1])
        archive = Archive(log, LogFile.create(Path(sys.argv[2])), gap=None)
        print("started", flush=True)
        while True:
            await archive.catch_up(20)

    asyncio.run(run())
"""


async def test_a_killed_archive_has_copied_every_record_once(address: str, file: LogFile) -> None:
    chance = random.Random(4711)
    async with opened(address) as log:
        await log.append(sealed(*numbers(0, 6_000)))
    for _ in range(KILLS):
        await asyncio.to_thread(consume_and_die, address, file.path, chance.uniform(0.0, 0.15))
        found = values(file)
        assert found == numbers(0, len(found))
    await catch_up(address, file)
    assert values(file) == numbers(0, 6_000)


def consume_and_die(address: str, path: Path, seconds: float) -> None:
    """Archive in a process of its own, which is killed after so many seconds of work."""
    command = [sys.executable, "-c", textwrap.dedent(CONSUMER), address, str(path)]
    running = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert running.stdout
    assert running.stdout.readline() == b"started\n"
    time.sleep(seconds)
    running.kill()
    running.communicate()
