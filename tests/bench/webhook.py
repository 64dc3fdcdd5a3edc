"""The audit webhook at the API server's full speed: how long a batch waits for its answer.

Batches of 400 events come at a steady pace over TLS to a real `watch` process, whether or not the
ones before were answered; a batch that is told to come again does. At the end every event must be
in the log.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.auditing import Audited, audited, spent
from tests.bench.throughput import report
from tests.test_audit_webhook import batch, event

EVENTS_PER_SECOND = 1_000
SECONDS = 60
BATCH_EVENTS = 400
AGAIN_SECONDS = 2.0
TRIES = 10
LATER = (0, 503)


@dataclass
class Sent:
    """What was sent, and how it was answered."""

    ids: set[str] = field(default_factory=set)
    waits: list[float] = field(default_factory=list)
    """Seconds from the first attempt at a batch to its 200."""

    again: int = 0
    refused: list[int] = field(default_factory=list)


def main() -> None:
    """Run it and print one line for each number; fails when an event is not in the log."""
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_measure(Path(folder), seconds))


async def _measure(folder: Path, seconds: int) -> None:
    async with audited(folder) as running:
        cpu_before, _ = spent(running.process.pid)
        began = time.perf_counter()
        sent = await send(running, events=seconds * EVENTS_PER_SECOND, speed=EVENTS_PER_SECOND)
        took = time.perf_counter() - began
        cpu, peak = spent(running.process.pid)
        missing = lost(running, sent)
    waits = statistics.quantiles(sent.waits, n=100, method="inclusive")
    report("events", len(sent.ids), "", f"in batches of {BATCH_EVENTS}, {seconds} s")
    report("taken", len(sent.ids) / took, "events/s", "(target 1,000)")
    report("answer, p50", waits[49] * 1e3, "ms")
    report("answer, p99", waits[98] * 1e3, "ms", f"at most {max(sent.waits) * 1e3:,.0f}")
    report("told to come again", sent.again, "batches")
    report("CPU of the watcher", (cpu - cpu_before) / took * 100, "% of one")
    report("memory of the watcher, peak", peak, "MiB")
    report("not in the log", missing, "events", "(target 0)")
    if missing or sent.refused:
        sys.exit(f"{missing} events are missing, refused: {sent.refused}")


async def send(running: Audited, *, events: int, speed: float) -> Sent:
    """Send so many events, `speed` of them a second; once every batch has its last answer."""
    sent = Sent()
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for first in range(0, events, BATCH_EVENTS):
            made = [_write(number) for number in range(first, min(first + BATCH_EVENTS, events))]
            sent.ids |= {each["auditID"] for each in made}
            body = batch(*made)
            await asyncio.sleep(max(0.0, began + first / speed - time.perf_counter()))
            group.create_task(_send_one(running, body, sent))
    return sent


def lost(running: Audited, sent: Sent) -> int:
    """How many events were sent and are not in the log."""
    return len(sent.ids - {each.id.partition("/")[0] for each in running.audit_records()})


async def _send_one(running: Audited, body: bytes, sent: Sent) -> None:
    began = time.perf_counter()
    for _ in range(TRIES):
        status = await running.send(body)
        if status == 200:
            sent.waits.append(time.perf_counter() - began)
            return
        if status not in LATER:
            break
        sent.again += 1
        await asyncio.sleep(AGAIN_SECONDS)
    sent.refused.append(status)


def _write(number: int) -> dict[str, Any]:
    """A patch with its answer, as large as an ordinary StatefulSet's."""
    uid = str(uuid.UUID(int=number))
    container = {"name": "app", "image": f"app:{number}", "env": ENVIRONMENT}
    spec = {"replicas": 3, "template": {"spec": {"containers": [container]}}}
    metadata = {"name": "web", "namespace": "shop", "uid": uid, "resourceVersion": str(number + 1)}
    return event(
        level="RequestResponse",
        verb="patch",
        requestObject={"spec": spec},
        responseObject={"kind": "StatefulSet", "metadata": metadata, "spec": spec},
    )


ENVIRONMENT = [{"name": f"SETTING_{number}", "value": json.dumps("x" * 40)} for number in range(20)]

if __name__ == "__main__":
    main()
