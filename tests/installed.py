"""A data folder as an installation leaves it: a recording in its log, under a key of its own, and
folded.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from consumers.consume import consume
from ledger.keys import KeyRing
from ledger.log.sqlite import SqliteLog
from ledger.model import utc_now
from ledger.observe import Observer
from ledger.redaction import Redactor
from ledger.replay import replay
from ledger.settings import Settings


def installed(recording: Path, data: Path) -> Settings:
    """The settings of a folder `data` that holds the recording."""
    settings = Settings(data)
    key_id, key = KeyRing.open_or_create(settings.keys, now=utc_now()).redaction_key()

    async def fill() -> None:
        settings.log_file.parent.mkdir(parents=True, exist_ok=True)
        log = SqliteLog.open(str(settings.log_file))
        try:
            await replay(
                recording,
                log,
                lambda cluster: Observer(cluster, "feed0001", Redactor("secrets", key_id, key)),
            )
        finally:
            await log.close()
        await consume(settings, once=True, accept_loss=False, stop=asyncio.Event())

    asyncio.run(fill())
    return settings
