"""The consumer process: archive the topic when there is one, fold, wait for more.

With Kafka the records are first copied into log.db, then folded from there; with the embedded log
the watcher has already written them. Either way the ledger has one writer, this process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from consumers.archive import Archive
from consumers.follow import Follower
from consumers.outage import Outage
from consumers.rebuild import rebuild
from ledger.envelope import parse
from ledger.errors import LedgerError, LogUnreachable, LogUnusable, PoisonRecord
from ledger.health import Shown, showing
from ledger.log import open_log, unknown_address
from ledger.log.sqlite import LogFile
from ledger.metrics import Consuming, Exposition, of_consumer
from ledger.model import Position, utc_now
from ledger.notices import note
from ledger.observe import local_gap
from ledger.settings import Settings
from ledger.store import Ledger
from ledger.watchdog import Watchdog

if TYPE_CHECKING:
    from ledger.log.kafka import KafkaLog

Made = TypeVar("Made")

IDLE_SECONDS = 0.02
"""How often the head of the embedded log is looked at: a cheap read, well inside the 25 ms that lag
may take.
"""

RETRY_SECONDS = 2.0
"""How long to wait for an unreachable broker, or for a full disk, before the next try."""


@dataclass(frozen=True, slots=True)
class Consumed:
    """What one run of the consumer did: records archived from the topic, and records folded."""

    archived: int
    folded: int


async def consume(
    settings: Settings,
    *,
    once: bool,
    accept_loss: bool,
    stop: asyncio.Event,
    health: str = "",
    watchdog: Watchdog | None = None,
) -> Consumed:
    """Fold until `stop` is set or, with `once`, until the log's head as found.

    Meanwhile `health` (HOST:PORT) answers for it, and `watchdog` hears of every step.

    A disk that is full or does not answer is told and tried again, with `once` it is raised.

    Raises LedgerBusy, OtherCluster, LogTruncated and LogUnusable, having lost nothing: the next run
    goes on from the last committed batch.
    """
    watchdog = watchdog or Watchdog()
    shown = Shown(watchdog.late)
    with showing(health, shown):
        return await _consume(settings, once, accept_loss, stop, shown, watchdog)


async def _consume(
    settings: Settings,
    once: bool,
    accept_loss: bool,
    stop: asyncio.Event,
    shown: Shown,
    watchdog: Watchdog,
) -> Consumed:
    topic = await _open_topic(settings, once=once, stop=stop)
    try:
        if topic is None and not settings.log_file.exists():
            await _wait_for_log(settings, once=once, stop=stop)
        opened = await _opened(settings, is_archive=topic is not None, once=once, stop=stop)
        if opened is None:
            return Consumed(0, 0)
        log_file, ledger = opened
        with log_file, ledger:
            follower = Follower(log_file, ledger)
            follower.verify_continuity()
            consuming = Consuming(settings.log_file, settings.ledger_path, follower.errors)
            shown.not_ready = consuming.not_ready
            shown.metrics = Exposition(partial(of_consumer, consuming))
            archive = None
            if topic is not None:
                gap = partial(_gap, ledger.progress().cluster or await _cluster_of(topic))
                archive = Archive(topic, log_file, gap=gap, accept_loss=accept_loss)
                consuming.unread = await topic.head() + 1
            return await _run(archive, follower, consuming, watchdog, once=once, stop=stop)
    finally:
        if topic is not None:
            await topic.close()


async def _opened(
    settings: Settings, *, is_archive: bool, once: bool, stop: asyncio.Event
) -> tuple[LogFile, Ledger] | None:
    """Both files, as soon as the disk lets them be opened; None when asked to stop before."""
    outage = Outage("the files can be opened now: consuming goes on")
    # A thread, since a migration may take its time.
    attempt = partial(asyncio.to_thread, _both_opened, settings, is_archive)
    return await _patiently(attempt, outage, once=once, stop=stop)


def _both_opened(settings: Settings, is_archive: bool) -> tuple[LogFile, Ledger]:
    file = settings.log_file
    log_file = LogFile.create(file) if is_archive else LogFile.open(file, writable=False)
    try:
        return log_file, _current(log_file, settings.ledger_path)
    except BaseException:
        log_file.close()
        raise


def _current(log_file: LogFile, path: Path) -> Ledger:
    """The ledger, folded again first when an earlier release has folded it."""
    ledger = Ledger.open(path)
    try:
        follower = Follower(log_file, ledger)
        if not follower.is_outdated():
            return ledger
        follower.verify_continuity()
    except BaseException:
        ledger.close()
        raise
    ledger.close()
    note("this release tells more than the one that made the ledger: folding the log again")
    rebuild(log_file, path)
    return Ledger.open(path)


async def _open_topic(settings: Settings, *, once: bool, stop: asyncio.Event) -> KafkaLog | None:
    """The topic, as soon as its brokers answer; None for an embedded log, or when asked to stop."""
    if not settings.log or settings.log.startswith("sqlite:"):
        return None
    if not settings.log.startswith("kafka:"):
        raise unknown_address(settings.log)
    outage = Outage("the brokers answer now: consuming goes on")
    topic = await _patiently(partial(open_log, settings.log), outage, once=once, stop=stop)
    return cast("KafkaLog | None", topic)


async def _patiently(
    attempt: Callable[[], Awaitable[Made]], outage: Outage, *, once: bool, stop: asyncio.Event
) -> Made | None:
    """What the attempt gives, tried again while what is wrong may pass; None when asked to stop.

    Raises what does not pass, and with `once` whatever it is.
    """
    while not stop.is_set():
        try:
            made = await attempt()
        except LedgerError as wrong:
            if once or not wrong.retriable:
                raise
            outage.met(wrong)
            await _pause(stop, RETRY_SECONDS)
        else:
            outage.over()
            return made
    return None


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
    archive: Archive | None,
    follower: Follower,
    consuming: Consuming,
    watchdog: Watchdog,
    *,
    once: bool,
    stop: asyncio.Event,
) -> Consumed:
    archived = folded = 0
    copying = Outage("the topic is copied again")
    folding = Outage("folding goes on")
    while not stop.is_set():
        copied = await _copy(archive, consuming, copying, watchdog, once=once) if archive else 0
        archived += copied
        try:
            step = await _step(follower, watchdog)
        except LedgerError as wrong:
            if once or not wrong.retriable:
                raise
            folding.met(wrong)
            consuming.refusal = wrong.message
            await _pause(stop, RETRY_SECONDS)
            continue
        if folding.message:
            folding.over()
            consuming.refusal = copying.message
        folded += step
        if copied or step:
            continue
        if once:
            break
        if archive is None:
            await _pause(stop, IDLE_SECONDS)
    if archive is None and not folding.message:
        # What a watcher wrote as it stopped belongs to the story.
        folded += await _last_steps(follower, folding, watchdog, once=once)
    return Consumed(archived, folded)


async def _last_steps(
    follower: Follower, folding: Outage, watchdog: Watchdog, *, once: bool
) -> int:
    folded = 0
    try:
        while step := await _step(follower, watchdog):
            folded += step
    except LedgerError as wrong:
        if once or not wrong.retriable:
            raise
        # Asked to stop, it stops: the next start folds the rest.
        folding.met(wrong)
    return folded


async def _step(follower: Follower, watchdog: Watchdog) -> int:
    with watchdog.step("folding a batch of records"):
        return await asyncio.to_thread(follower.step)


async def _copy(
    archive: Archive, consuming: Consuming, outage: Outage, watchdog: Watchdog, *, once: bool
) -> int:
    try:
        with watchdog.step("copying records of the topic"):
            copied = await archive.catch_up()
    except LogUnreachable as wrong:
        if once:
            raise
        outage.met(wrong)
        consuming.refusal = wrong.message
        await asyncio.sleep(RETRY_SECONDS)
        return 0
    if outage.message:
        outage.over()
        consuming.refusal = ""
    # A read that finds nothing has found the topic's head.
    consuming.unread = max(0, consuming.unread - copied) if copied else 0
    return copied


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
