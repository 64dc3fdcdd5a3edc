"""The watchdog: a process that hangs ends itself; one that waits, sleeps or is stopped does not."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from ledger.envelope import Envelope
from ledger.errors import LogUnreachable
from ledger.log.memory import MemoryLog
from ledger.log.sqlite import LogFile
from ledger.model import Position
from ledger.outbox import Outbox
from ledger.settings import Settings
from ledger.store import Ledger
from ledger.watchdog import EXIT_CODE, Watchdog
from tests.consuming import states
from tests.line import environment
from tests.watching import fast

APPEND = """
import asyncio, sys, threading
from ledger.envelope import Envelope
from ledger.log.memory import MemoryLog
from ledger.outbox import Outbox
from ledger.watchdog import Watchdog

class Slow(MemoryLog):
    async def append(self, envelopes):
        print("appending", flush=True)
        await asyncio.to_thread(threading.Event().wait, float(sys.argv[2]))
        return await super().append(envelopes)

async def main():
    outbox = Outbox(Slow(), watchdog=watchdog)
    outbox.put(Envelope("a", b"{}"))
    outbox.close()
    async with watchdog.loop():
        await outbox.run()

with Watchdog(float(sys.argv[1])).running() as watchdog:
    asyncio.run(main())
"""

LOOP = """
import asyncio, os, threading
from ledger.watchdog import Watchdog

async def main():
    async with watchdog.loop():
        await asyncio.sleep(0.01)
        threading.Event().wait()

with Watchdog(0.3).running() as watchdog:
    asyncio.run(main())
"""

FOLD = """
import asyncio, sys
from pathlib import Path
from consumers.consume import consume
from ledger.settings import Settings
from ledger.watchdog import Watchdog

async def main():
    settings, stop = Settings(Path(sys.argv[1])), asyncio.Event()
    await consume(settings, once=False, accept_loss=False, stop=stop, watchdog=watchdog)

with Watchdog(0.5).running() as watchdog:
    asyncio.run(main())
"""

UNREAD = f"""
import os
os.set_blocking(2, False)
try:
    while True:
        os.write(2, b"." * 65536)
except BlockingIOError:
    os.set_blocking(2, True)
{LOOP}"""


def run(script: str, *arguments: str) -> tuple[int, list[str]]:
    """The exit code and the lines on stderr of a process that runs the script."""
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stderr.splitlines()


def test_a_process_whose_append_never_ends_is_ended_and_says_so() -> None:
    code, told = run(APPEND, "0.5", "1e6")
    assert code == EXIT_CODE
    [line] = told
    assert line.startswith("error: appending 1 records to the log hung for ")


def test_a_process_whose_event_loop_stands_still_is_ended_and_says_so() -> None:
    code, told = run(LOOP)
    assert code == EXIT_CODE
    [line] = told
    assert line.startswith("error: the event loop hung for ")


def test_a_consumer_whose_fold_never_ends_is_ended_and_says_so(tmp_path: Path) -> None:
    settings = Settings(tmp_path)
    with LogFile.create(settings.log_file) as log:
        log.append(states(0, 3))
        Ledger.open(settings.ledger_path).close()
        with (
            subprocess.Popen(
                [sys.executable, "-c", FOLD, str(tmp_path)],
                env=environment(),
                stderr=subprocess.PIPE,
                text=True,
            ) as process,
            closing(sqlite3.connect(settings.ledger_path, isolation_level=None)) as other,
        ):
            while not other.execute("select next_position = 3 from progress").fetchone()[0]:
                assert process.poll() is None
                time.sleep(0.02)
            other.execute("begin exclusive")
            log.append(states(3, 4))
            assert process.wait(30) == EXIT_CODE
            assert process.stderr
            *told, line = process.stderr.read().splitlines()
            assert [each for each in told if not each.startswith("warning: ")] == []
    assert line.startswith("error: folding a batch of records hung for ")


def test_nobody_reading_stderr_does_not_keep_a_hanging_process_alive() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", UNREAD], env=environment(), stderr=subprocess.PIPE
    ) as process:
        assert process.wait(30) == EXIT_CODE
        if process.stderr:
            assert set(process.stderr.read()) == {ord(".")}


def test_a_process_that_was_stopped_for_longer_than_the_limit_goes_on() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", APPEND, "0.6", "0.4"], env=environment(), stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == b"appending\n"
        process.send_signal(signal.SIGSTOP)
        time.sleep(1.0)
        process.send_signal(signal.SIGCONT)
        assert process.wait(30) == 0


class Unreachable(MemoryLog):
    """A log that cannot be reached for a number of tries."""

    def __init__(self, tries: int) -> None:
        super().__init__()
        self.tries = tries

    async def append(self, envelopes: Sequence[Envelope]) -> Position:
        self.tries -= 1
        if self.tries >= 0:
            raise LogUnreachable("Kafka at broker:9092 does not answer")
        return await super().append(envelopes)


async def test_a_log_that_cannot_be_reached_is_tried_again_for_longer_than_the_limit() -> None:
    ended: list[str] = []
    log = Unreachable(tries=20)
    with Watchdog(0.12, end=ended.append).running() as watchdog:
        outbox = Outbox(log, fast(), watchdog=watchdog)
        outbox.put(Envelope("a", b"{}"))
        outbox.close()
        async with watchdog.loop():
            running = asyncio.create_task(outbox.run())
            while not running.done():
                assert outbox.refusal in ("", "Kafka at broker:9092 does not answer")
                await asyncio.sleep(0.01)
    assert (ended, log.tries, outbox.appended, outbox.refusal) == ([], -1, 1, "")


async def test_what_is_late_is_named_while_it_lasts() -> None:
    ended: list[str] = []
    with Watchdog(60.0, end=ended.append).running() as watchdog:
        with watchdog.step("thinking"):
            assert watchdog.late(-1.0) == ["thinking"]
            assert watchdog.late() == []
        assert watchdog.late(-1.0) == []
    assert ended == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_watchdog_does_not_keep_its_process_from_being_ended(number: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", APPEND, "60", "1e6"], env=environment(), stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        process.stdout.readline()
        os.kill(process.pid, number)
        assert process.wait(30) == -number
