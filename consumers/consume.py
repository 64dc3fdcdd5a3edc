"""The consumer process: archive the topic when there is one, fold, wait for more.

With Kafka the records are first copied into log.db, then folded from there; with the embedded log
the watcher has already written them. Either way the ledger has one writer, this process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from consumers.archive import Archive
from consumers.follow import Follower
from ledger.envelope import parse
from ledger.errors import LogUnreachable, LogUnusable, PoisonRecord
from ledger.log import open_log, unknown_address
from ledger.log.sqlite import LogFile
from ledger.model import Position, utc_now
from ledger.observe import local_gap
from ledger.settings import Settings
from ledger.store import Ledger

if TYPE_CHECKING:
    from ledger.log.kafka import KafkaLog

IDLE_SECONDS = 0.02
"""How often the head of the embedded log is looked at: a cheap read, well inside the 25 ms that lag
may take.
"""

RETRY_SECONDS = 2.0
"""How long to wait for an unreachable broker before the next try."""


@dataclass(frozen=True, slots=True)
class Consumed:
    """What one run of the consumer did: records archived from the topic, and records folded."""

    archived: int
    folded: int


async def consume(
    settings: Settings, *, once: bool, accept_loss: bool, stop: asyncio.Event
) -> Consumed:
    """Fold until `stop` is set or, with `once`, until the log's head as found.

    Raises LedgerBusy, OtherCluster, LogTruncated and LogUnusable, having lost nothing: the next run
    goes on from the last committed batch.
    """
    topic = await _open_topic(settings)
    try:
        if topic is None and not settings.log_file.exists():
            await _wait_for_log(settings, once=once, stop=stop)
        file = settings.log_file
        opened = LogFile.create(file) if topic else LogFile.open(file, writable=False)
        with opened as log_file, Ledger.open(settings.ledger_path) as ledger:
            follower = Follower(log_file, ledger)
            follower.verify_continuity()
            archive = None
            if topic is not None:
                gap = partial(_gap, ledger.progress().cluster or await _cluster_of(topic))
                archive = Archive(topic, log_file, gap=gap, accept_loss=accept_loss)
            return await _run(archive, follower, once=once, stop=stop)
    finally:
        if topic is not None:
            await topic.close()


async def _open_topic(settings: Settings) -> KafkaLog | None:
    if not settings.log or settings.log.startswith("sqlite:"):
        return None
    if not settings.log.startswith("kafka:"):
        raise unknown_address(settings.log)
    return cast("KafkaLog", await open_log(settings.log))


async def _cluster_of(topic: KafkaLog) -> str:
    """The cluster that the topic's first surviving record is of; empty for an empty topic."""
    first = await topic.read(Position(await topic.beginning() - 1), 1)
    try:
        return parse(first[0].value).source.removeprefix("/clusters/") if first else ""
    except PoisonRecord:
        return ""


def _gap(cluster: str, cause: str, details: Mapping[str, Any]) -> bytes:
    return local_gap(cluster, at=utc_now(), cause=cause, details=details).value


async def _run(
    archive: Archive | None, follower: Follower, *, once: bool, stop: asyncio.Event
) -> Consumed:
    archived = folded = 0
    while not stop.is_set():
        copied = await _copy(archive, once=once) if archive else 0
        step = await asyncio.to_thread(follower.step)
        archived, folded = archived + copied, folded + step
        if copied or step:
            continue
        if once:
            break
        if archive is None:
            await _pause(stop, IDLE_SECONDS)
    if archive is None:
        # What a watcher wrote as it stopped belongs to the story.
        folded += await asyncio.to_thread(follower.catch_up)
    return Consumed(archived, folded)


async def _copy(archive: Archive, *, once: bool) -> int:
    try:
        return await archive.catch_up()
    except LogUnreachable:
        if once:
            raise
        await asyncio.sleep(RETRY_SECONDS)
        return 0


async def _wait_for_log(settings: Settings, *, once: bool, stop: asyncio.Event) -> None:
    if once:
        raise LogUnusable(
            f"there is no log at {settings.log_file}",
            hint="`rollout-ledger watch` writes one; name another with --log or --data",
        )
    while not (settings.log_file.exists() or stop.is_set()):
        await _pause(stop, IDLE_SECONDS)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
