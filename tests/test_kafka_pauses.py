"""A consumer that was stopped for a while goes on: no group exists that could have expelled it."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.breaking import proxied
from tests.consuming import Consumer, envelopes, has, states, until
from tests.faults import row
from tests.lab.topics import Topics
from tests.line import environment
from tests.test_log_kafka import administrator, opened

pytestmark = pytest.mark.kafka

PAUSE_SECONDS = 4
"""Longer than every wait in the test's addresses: an hour would be the same."""


@asynccontextmanager
async def consuming(consumer: Consumer) -> AsyncIterator[subprocess.Popen[bytes]]:
    """`consume` as a process; it ends in order behind the block."""
    command = [sys.executable, "-m", "ledger", "consume", "--data", str(consumer.data)]
    running = subprocess.Popen(  # noqa: ASYNC220 - it starts in no time
        [*command, "--log", consumer.address],
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        yield running
        running.send_signal(signal.SIGTERM)
        _, said = await asyncio.to_thread(running.communicate, timeout=20)
        assert running.returncode == 0, said
        assert b"error" not in said
    finally:
        if running.poll() is None:
            running.kill()
            running.communicate()


@asynccontextmanager
async def stopped(running: subprocess.Popen[bytes]) -> AsyncIterator[None]:
    """The process stands still for a few seconds, with the block in them."""
    running.send_signal(signal.SIGSTOP)
    try:
        yield
        for _ in range(PAUSE_SECONDS):
            await asyncio.sleep(1.0)
    finally:
        running.send_signal(signal.SIGCONT)


@row("K18", how="process stopped for seconds longer than every timeout", part="real")
@pytest.mark.parametrize("connection", ["stays", "is cut"])
async def test_k18_a_consumer_that_was_stopped_goes_on_where_it_was(
    broker: Topics, tmp_path: Path, connection: str
) -> None:
    async with proxied() as (proxy, address, _):
        consumer = Consumer(tmp_path / "data", address)
        async with opened(address) as log:
            await log.append(envelopes(states(0, 10)))
            async with consuming(consumer) as running:
                await until(lambda: has(consumer, 10), seconds=20)
                async with stopped(running):
                    await log.append(envelopes(states(10, 20)))
                    if connection == "is cut":
                        proxy.cut()
                await until(lambda: has(consumer, 20), seconds=30)
        async with administrator(address) as admin:
            assert await admin.list_consumer_groups() == []
    assert consumer.values() == states(0, 20)
    await asyncio.to_thread(fold, consumer)
    consumer.examine()


def fold(consumer: Consumer) -> None:
    """Fold what was archived when the consumer was told to end."""
    from consumers.follow import Follower
    from ledger.log.sqlite import LogFile
    from ledger.store import Ledger

    settings = consumer.settings
    with (
        LogFile.open(settings.log_file, writable=False) as log,
        Ledger.open(settings.ledger_path) as ledger,
    ):
        Follower(log, ledger).catch_up()
