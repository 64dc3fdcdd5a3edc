"""A broker's disk flips bits: whatever it sends, nothing wrong is copied, and nothing skipped."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from consumers.archive import Archive
from ledger.errors import LogUnusable
from ledger.log.kafka import KafkaLog
from ledger.log.sqlite import LogFile
from tests.breaking import QUICKLY, batch_starts, halted, segment
from tests.consuming import Consumer, envelopes, runs, states
from tests.faults import row
from tests.invariants import examine, values_of_log
from tests.lab.broker import Broker
from tests.lab.topics import Topics
from tests.test_log_contract import fitting_topic
from tests.test_log_kafka import opened, topic

pytestmark = pytest.mark.kafka

HEADER_BYTES = 61
UNCHECKED = range(12, 17)
"""Leader epoch and magic: outside the checksum, and without a meaning for a reader of this format.
"""


@pytest.fixture(scope="module")
def own_broker(broker: Topics) -> Iterator[Broker]:
    """A broker whose data a test may change, beside the run's own, where one can be had."""
    with Broker(properties=QUICKLY) as running:
        yield running


@pytest.fixture
async def consumer(own_broker: Broker, tmp_path: Path) -> Consumer:
    """A consumer of a topic of 30 records in 6 batches."""
    address = f"{await fitting_topic(own_broker)}?timeout=1"
    async with opened(address) as log:
        for values in runs(states(0, 30), 5):
            await log.append(envelopes(values))
    return Consumer(tmp_path / "data", address)


@row("K20", how="broker stopped, a bit of its segment flipped, broker started", part="real")
async def test_k20_a_flipped_bit_stops_the_consumer_before_it_and_is_never_skipped(
    own_broker: Broker, consumer: Consumer
) -> None:
    path = segment(own_broker, topic(consumer.address))
    middle = sum(batch_starts(path)[2:4]) // 2

    def damage() -> None:
        with halted(own_broker):
            flip(path, middle)

    await asyncio.to_thread(damage)
    for _ in range(2):
        with pytest.raises(LogUnusable) as wrong:
            await consumer.run()
        assert wrong.value.message == (
            f"topic {topic(consumer.address)} sends a record whose checksum does not fit it, twice"
        )
        assert consumer.values() == states(0, 10)
    flip(path, middle)
    await consumer.run()
    assert consumer.values() == states(0, 30)
    consumer.examine()


@row("K20", how="every byte of a batch's header, and some of its records, flipped", part="real")
@pytest.mark.timeout(180)
async def test_k20_whichever_bit_is_flipped_what_was_copied_is_right_and_nothing_is_left_out(
    own_broker: Broker, consumer: Consumer, tmp_path: Path
) -> None:
    path = segment(own_broker, topic(consumer.address))
    _, _, start, end, *_ = batch_starts(path)
    chance = random.Random(4711)
    places = [*range(HEADER_BYTES), *chance.sample(range(HEADER_BYTES, end - start), 8)]
    for number, place in enumerate(places):
        bit = chance.randrange(8)
        flip(path, start + place, bit)
        copy = tmp_path / f"{number}.db"
        refused = await copied(consumer.address, copy)
        flip(path, start + place, bit)
        found = values_of_log(copy)
        assert found == states(0, len(found)), place
        assert refused == (place not in UNCHECKED), place
        assert len(found) == (10 if refused else 30), place
        examine(found)


async def copied(address: str, path: Path) -> bool:
    """Whether copying the topic into a log.db was refused."""
    log = await KafkaLog.open(address)
    try:
        with LogFile.create(path) as file:
            archive = Archive(log, file, gap=lambda *_: b"")
            while await archive.catch_up(7):
                continue
    except LogUnusable:
        return True
    else:
        return False
    finally:
        await log.close()


def flip(path: Path, place: int, bit: int = 3) -> None:
    """Change one bit of a file."""
    with path.open("r+b") as file:
        file.seek(place)
        (byte,) = file.read(1)
        file.seek(place)
        file.write(bytes([byte ^ (1 << bit)]))
