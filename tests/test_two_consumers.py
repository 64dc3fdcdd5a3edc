"""Two consumers of one topic come to the same ledger and the same tree."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from ledger.digest import ledger_digest
from ledger.envelope import Envelope
from ledger.log.kafka import KafkaLog
from ledger.store import Ledger
from tests.faults import row
from tests.invariants import examine
from tests.lab.topics import Topics
from tests.line import environment
from tests.recorded import values_of


@row("C6", how="two consume processes with a ledger each, one in two parts", part="real")
def test_c06_digest_and_root_are_equal_however_the_topic_was_read(
    broker: Topics, topic: str, tutorial: Path, tmp_path: Path
) -> None:
    address = f"kafka://{broker.address}/{topic}"
    values = values_of(tutorial)
    one, other = tmp_path / "one", tmp_path / "other"
    asyncio.run(append(address, values[:900]))
    consume(one, address)
    asyncio.run(append(address, values[900:]))
    consume(one, address)
    consume(other, address)
    ledgers = [data / "ledger" / "ledger.db" for data in (one, other)]
    assert ledger_digest(ledgers[0]) == ledger_digest(ledgers[1])
    assert root(ledgers[0]) == root(ledgers[1])
    assert root(ledgers[0])[0] == len(values)
    for ledger in ledgers:
        examine(values, ledger)


async def append(address: str, values: list[bytes]) -> None:
    log = await KafkaLog.open(address)
    await log.append([Envelope("", value) for value in values])
    await log.close()


def consume(data: Path, address: str) -> None:
    command = [sys.executable, "-m", "ledger", "consume", "--once", "--data", str(data)]
    subprocess.run(
        [*command, "--log", address], check=True, timeout=60, env=environment(), capture_output=True
    )


def root(path: Path) -> tuple[int, str]:
    """The tree's size and root."""
    with Ledger.open(path) as ledger:
        tree = ledger.progress().tree
    return tree.size, tree.root().hex()
