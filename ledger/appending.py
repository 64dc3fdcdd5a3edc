"""Adding records to a log that others write too: notes, and audit events from before."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from ledger.envelope import Envelope, parse
from ledger.errors import LogUnusable, PoisonRecord
from ledger.keys import KeyRing, check_key
from ledger.log import Log, open_log
from ledger.model import NOWHERE, Position, utc_now
from ledger.observe import Observer
from ledger.outbox import BATCH_BYTES, BATCH_RECORDS
from ledger.own_rules import OwnRules
from ledger.redaction import Policy, Redactor
from ledger.resume import read_resume
from ledger.settings import Settings

LAST_RECORDS = 100


@dataclass(slots=True)
class Appending:
    """An open log and an observer of its cluster."""

    log: Log
    observer: Observer
    position: Position = NOWHERE
    """That of the last record that was flushed."""

    _batch: list[Envelope] = field(default_factory=list)
    _size: int = 0

    async def add(self, envelope: Envelope) -> None:
        """Append it, with others; `flush` when it must be there."""
        self._batch.append(envelope)
        self._size += len(envelope.value)
        if len(self._batch) >= BATCH_RECORDS or self._size >= BATCH_BYTES:
            await self.flush()

    async def flush(self) -> None:
        """All that was added is in the log."""
        if self._batch:
            self.position = await self.log.append(self._batch)
        self._batch, self._size = [], 0


@asynccontextmanager
async def appending(
    settings: Settings, rules: OwnRules, *, cluster: str = ""
) -> AsyncIterator[Appending]:
    """The log of an installation, to add to; `cluster` is its id where the log is still empty. All
    that was added is in the log afterwards, also when the block failed.

    Secrets are hidden as the log's last watcher did. Raises LogUnusable for an empty log without an
    id, OtherCluster when the id is another's, KeyMismatch when the log's key is not held.
    """
    ring = KeyRing.open_or_create(settings.keys, now=utc_now())
    log = await open_log(settings.log_address)
    try:
        found = await _cluster_of(log)
        resume = await read_resume(log, [], cluster=cluster or found)
        if not (cluster or found):
            raise LogUnusable(
                "the log is empty, so nobody knows which cluster this is",
                hint="name it with --cluster-id: the uid of namespace kube-system",
            )
        check_key(ring, resume.redaction_key)
        key_id, key = ring.redaction_key()
        policy: Policy = "strict" if resume.redaction_policy == "strict" else "secrets"
        redactor = Redactor(policy, key_id, key, rules)
        observer = Observer(cluster or found, secrets.token_hex(4), redactor, resume.epoch)
        opened = Appending(log, observer)
        try:
            yield opened
        finally:
            await opened.flush()
    finally:
        await log.close()


async def _cluster_of(log: Log) -> str:
    """The id of the cluster that the log's last readable record is of; empty for an empty log."""
    # Not the first ones: a topic may have forgotten them.
    after = Position(max(NOWHERE, await log.head() - LAST_RECORDS))
    for record in reversed(await log.read(after, LAST_RECORDS)):
        try:
            return parse(record.value).source.removeprefix("/clusters/")
        except PoisonRecord:
            continue
    return ""
