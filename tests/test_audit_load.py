"""A real webhook takes batches as the API server sends them, and loses no event."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.auditing import audited
from tests.bench.webhook import BATCH_EVENTS, lost, send

EVENTS = 2_000


@pytest.mark.timeout(240)
async def test_every_event_of_every_batch_is_in_the_log_when_it_was_answered(
    tmp_path: Path,
) -> None:
    async with audited(tmp_path) as running:
        # All at once: more than may wait for the log, so some are told to come again.
        sent = await send(running, events=EVENTS, speed=1e9)
        assert lost(running, sent) == 0
        assert len(sent.ids) == EVENTS
        assert len(sent.waits) == EVENTS // BATCH_EVENTS
        assert sent.refused == []
        await running.counted("kept", EVENTS)
